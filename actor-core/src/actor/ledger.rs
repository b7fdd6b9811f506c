//! A context as the place where writes beside the state go.

use async_trait::async_trait;
use bytes::Bytes;

use super::{ActorType, ctx::Ctx};
use crate::{
    config::Durability,
    journal::{Ledger, TooMuchPending},
    storage::{Entry, Op, ScanRange, StorageError},
};

#[async_trait]
impl<A: ActorType> Ledger for Ctx<A> {
    fn is_stored(&self) -> bool {
        self.hub.options.durability != Durability::None
    }

    fn write(&self, ops: Vec<Op>) -> Result<(), TooMuchPending> {
        self.hub.write(self.origin, ops)
    }

    async fn fetch(&self, key: Vec<u8>) -> Result<Option<Bytes>, StorageError> {
        self.hub.fetch(key).await
    }

    async fn scan(&self, range: ScanRange) -> Result<Vec<Entry>, StorageError> {
        self.hub.scan(range).await
    }
}

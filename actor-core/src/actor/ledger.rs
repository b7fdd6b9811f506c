//! A context as the place where writes beside the state go, and how they are read back.

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    ActorType,
    ctx::Ctx,
    hub::{Hub, Origin},
};
use crate::{
    config::Durability,
    journal::{self, Journal, Ledger, TooMuchPending},
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
        self.hub.fetch(self.origin, key).await
    }

    async fn scan(&self, range: ScanRange) -> Result<Vec<Entry>, StorageError> {
        self.hub.scan(self.origin, range).await
    }
}

impl<A: ActorType> Hub<A> {
    /// The value of one of the actor's keys, as last written.
    async fn fetch(&self, origin: Origin, key: Vec<u8>) -> Result<Option<Bytes>, StorageError> {
        let sees_turn = !self.is_outside_atomic(origin);
        let look_up = |it: &mut Journal| it.look_up(&key, sees_turn);
        let written = self.journal().as_deref_mut().and_then(look_up);
        if let Some(value) = written {
            return Ok(value);
        }
        let mut end = key.clone();
        end.push(0);
        let range = ScanRange {
            start: key,
            end: Some(end),
            limit: 1,
            reverse: false,
        };
        let found = self.doorbell.driver().scan(self.about.id, range).await?;
        Ok(found.into_iter().next().map(|it| it.value))
    }

    /// A stretch of the actor's keys, as last written.
    async fn scan(&self, origin: Origin, mut range: ScanRange) -> Result<Vec<Entry>, StorageError> {
        let wanted = range.limit;
        let sees_turn = !self.is_outside_atomic(origin);
        let within = |it: &mut Journal| it.within(&range, sees_turn);
        let written = self.journal().as_deref_mut().map(within);
        let Some(mut written) = written.filter(|it| !it.is_empty()) else {
            return self.doorbell.driver().scan(self.about.id, range).await;
        };
        let mut found = Vec::new();
        loop {
            range.limit = wanted - found.len();
            let page = self
                .doorbell
                .driver()
                .scan(self.about.id, range.clone())
                .await?;
            let is_last = page.len() < range.limit;
            if let Some(last) = page.last() {
                if range.reverse {
                    range.end = Some(last.key.clone());
                } else {
                    range.start.clone_from(&last.key);
                    range.start.push(0);
                }
            }
            found.extend(journal::overlay(page, is_last, range.reverse, &mut written));
            found.truncate(wanted);
            if is_last || found.len() == wanted {
                return Ok(found);
            }
        }
    }
}

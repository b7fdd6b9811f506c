//! Bytes under keys, kept safe: the [`Driver`] trait and what it speaks. Not what the bytes mean.

mod batch;
mod databases;
mod memory;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "testing")]
pub mod conformance;
#[cfg(feature = "testing")]
pub mod faults;
pub(crate) mod keys;

use std::{error::Error, fmt, pin::Pin, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

#[cfg(feature = "sqlite")]
pub(crate) use self::databases::{Denied, Disk, Place, file as database_file};
#[cfg(feature = "sqlite")]
pub use self::sqlite::{OpenError, Sqlite, SqliteOptions};
pub use self::{
    batch::{Batch, Committed, Op},
    databases::Databases,
    memory::Memory,
};
use crate::{
    clock::Timestamp,
    id::{ActorId, Generation},
    key::Address,
};

/// Keeps actors' data. Implement it to store actors elsewhere, and pass `storage::conformance` (feature
/// `testing`) before trusting it.
///
/// The library promises a driver that at most one cell at a time commits for one actor, in order,
/// and never two batches of one actor at once. A driver promises the library:
///
/// - **Atomic.** Each call that writes happens whole or not at all, also across a crash.
/// - **Durable.** When [`commit`](Self::commit), [`create`](Self::create) or
///   [`destroy`](Self::destroy) has returned `Ok`, the write survives a crash of the process and, for
///   drivers that claim it, of the machine. After `Err` it may or may not have happened: the caller
///   reloads.
/// - **Ordered.** A read started after a write has returned sees it.
/// - **Fenced.** A batch of a generation older than one already committed is refused (K6).
///
/// No method is cancelled by dropping its future: a write under way may still happen.
#[async_trait]
pub trait Driver: fmt::Debug + Send + Sync + 'static {
    /// Reserves `actor.address` for `actor.id`, once: whoever comes second is told who was first (K4).
    async fn create(&self, actor: NewActor) -> Result<Creation, StorageError>;

    /// The actor at `address`, if there is one.
    async fn find(&self, address: &Address) -> Result<Option<ActorRecord>, StorageError>;

    /// The actor with this id, if there is one.
    async fn record(&self, id: ActorId) -> Result<Option<ActorRecord>, StorageError>;

    /// All that waking needs, in one read: the record, and every entry whose key starts with
    /// `prefix`, in key order.
    async fn load(&self, id: ActorId, prefix: &[u8]) -> Result<Option<Loaded>, StorageError>;

    /// As [`load`](Self::load), without the entries whose key starts with one of `without`: of those
    /// there may be many, and whoever asks knows them. Unless implemented, they are read and dropped.
    async fn load_without(
        &self,
        id: ActorId,
        prefix: &[u8],
        without: &[&[u8]],
    ) -> Result<Option<Loaded>, StorageError> {
        let mut loaded = self.load(id, prefix).await?;
        if let Some(loaded) = &mut loaded {
            let is_known = |it: &Entry| without.iter().any(|known| it.key.starts_with(known));
            loaded.entries.retain(|it| !is_known(it));
        }
        Ok(loaded)
    }

    /// Entries of an actor in key order, `range.start` included, `range.end` not. Of an actor that is
    /// not there: none.
    async fn scan(&self, id: ActorId, range: ScanRange) -> Result<Vec<Entry>, StorageError>;

    /// Applies a batch, all or nothing. Operations take effect in the order they stand.
    ///
    /// The first batch of an actor drops the input kept by [`create`](Self::create).
    async fn commit(&self, batch: Batch) -> Result<Committed, StorageError>;

    /// As [`commit`](Self::commit), for whoever keeps what it returns beside other things, as each actor
    /// does. A driver that can take a batch without waiting may do so before it returns. Unless
    /// implemented, nothing happens until the future is polled.
    ///
    /// # Errors
    ///
    /// The future's are those of [`commit`](Self::commit).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves it open whether the batch is applied.
    fn hand_in(
        self: Arc<Self>,
        batch: Batch,
    ) -> Pin<Box<dyn Future<Output = Result<Committed, StorageError>> + Send>> {
        Box::pin(async move { self.commit(batch).await })
    }

    /// Removes an actor and all its data, and frees its address. Removing what is not there is `Ok`.
    async fn destroy(&self, id: ActorId) -> Result<(), StorageError>;

    /// Actors whose alarm is at or before `until`, earliest first, at most `limit`.
    async fn alarms(&self, until: Timestamp, limit: usize) -> Result<Vec<Alarm>, StorageError>;

    /// The earliest alarm of all actors.
    async fn next_alarm(&self) -> Result<Option<Timestamp>, StorageError>;

    /// Where the own databases of actors live, those behind `ctx.sql()`: always the same. Nowhere
    /// unless told, and such calls fail then.
    ///
    /// [`destroy`](Self::destroy) removes an actor's database too, after everything else; one that a
    /// crash leaves behind goes when the driver is opened next. Only an actor that was
    /// [created](Self::create) has one.
    fn databases(&self) -> Databases {
        Databases::nowhere()
    }

    /// Finishes what was handed in and lets go of the storage. Later calls fail with
    /// [`StorageError::Closed`]. Closing twice is `Ok`.
    async fn close(&self) -> Result<(), StorageError>;
}

/// An actor about to be created.
#[derive(Clone, Debug)]
pub struct NewActor {
    /// Its id.
    pub id: ActorId,
    /// Where it will be found.
    pub address: Address,
    /// When it was asked for.
    pub created: Timestamp,
    /// Encoded input, kept until the first commit so that a crash before it creates again (S7).
    pub input: Option<Bytes>,
}

/// Who owns an address after [`Driver::create`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Creation {
    /// The new actor.
    Made(ActorRecord),
    /// Another that was there before.
    Taken(ActorRecord),
}

/// What storage knows of an actor without its data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ActorRecord {
    /// Its id.
    pub id: ActorId,
    /// Where it is found.
    pub address: Address,
    /// When it was created.
    pub created: Timestamp,
    /// The generation of its last commit, zero before the first.
    pub generation: Generation,
    /// Encoded input, until the first commit.
    pub input: Option<Bytes>,
}

/// One key and its value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Bytes,
}

/// What [`Driver::load`] found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Loaded {
    /// The actor's record.
    pub record: ActorRecord,
    /// The entries asked for.
    pub entries: Vec<Entry>,
}

/// A stretch of one actor's keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScanRange {
    /// First key that counts.
    pub start: Vec<u8>,
    /// First key after the range; `None` for the end of the actor's keys.
    pub end: Option<Vec<u8>>,
    /// Most entries to return.
    pub limit: usize,
    /// Last key first.
    pub reverse: bool,
}

/// An actor to wake, and when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Alarm {
    /// When.
    pub at: Timestamp,
    /// Whom.
    pub id: ActorId,
}

/// Why storage could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The driver was closed.
    #[error("the storage is closed")]
    Closed,
    /// There is no room left.
    #[error("the storage is full")]
    Full(#[source] Box<dyn Error + Send + Sync>),
    /// The storage cannot be written.
    #[error("the storage is read-only")]
    ReadOnly(#[source] Box<dyn Error + Send + Sync>),
    /// The batch is of a life that a later one has replaced (K6).
    #[error("generation {batch} is older than {stored}, which has already saved")]
    Fenced {
        /// Of the refused batch.
        batch: Generation,
        /// Of the newest commit.
        stored: Generation,
    },
    /// The actor is not there (any more).
    #[error("there is no actor {0}")]
    Missing(ActorId),
    /// Stored bytes that this version cannot read.
    #[error("stored data is unreadable: {0}")]
    Corrupt(String),
    /// Anything else.
    #[error("the storage failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

//! A storage driver that counts its commits.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use actor_core::{
    ActorId, Address,
    clock::Timestamp,
    storage::{
        ActorRecord, Alarm, Batch, Committed, Creation, Driver, Entry, Loaded, NewActor, ScanRange,
        Sqlite, StorageError,
    },
};
use async_trait::async_trait;

#[derive(Debug)]
pub(super) struct Counting {
    inner: Sqlite,
    commits: Arc<AtomicU64>,
}

impl Counting {
    pub(super) fn new(inner: Sqlite) -> Self {
        Self {
            inner,
            commits: Arc::default(),
        }
    }

    /// How many there were.
    pub(super) fn commits(&self) -> Arc<AtomicU64> {
        self.commits.clone()
    }
}

#[async_trait]
impl Driver for Counting {
    async fn create(&self, actor: NewActor) -> Result<Creation, StorageError> {
        self.inner.create(actor).await
    }

    async fn find(&self, address: &Address) -> Result<Option<ActorRecord>, StorageError> {
        self.inner.find(address).await
    }

    async fn record(&self, id: ActorId) -> Result<Option<ActorRecord>, StorageError> {
        self.inner.record(id).await
    }

    async fn load(&self, id: ActorId, prefix: &[u8]) -> Result<Option<Loaded>, StorageError> {
        self.inner.load(id, prefix).await
    }

    async fn scan(&self, id: ActorId, range: ScanRange) -> Result<Vec<Entry>, StorageError> {
        self.inner.scan(id, range).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, StorageError> {
        self.commits.fetch_add(1, Relaxed);
        self.inner.commit(batch).await
    }

    async fn destroy(&self, id: ActorId) -> Result<(), StorageError> {
        self.inner.destroy(id).await
    }

    async fn alarms(&self, until: Timestamp, limit: usize) -> Result<Vec<Alarm>, StorageError> {
        self.inner.alarms(until, limit).await
    }

    async fn next_alarm(&self) -> Result<Option<Timestamp>, StorageError> {
        self.inner.next_alarm().await
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.inner.close().await
    }
}

//! A driver that fails on purpose, for tests of what stands on storage. It keeps no data itself.

mod plan;
#[cfg(feature = "sqlite")]
mod sql;

use std::{future::pending, sync::Arc};

use async_trait::async_trait;
use tokio::sync::watch;

use self::plan::{Plan, Shared};
#[cfg(feature = "sqlite")]
pub use self::sql::SqlFaults;
use super::{
    ActorRecord, Alarm, Batch, Committed, Creation, Databases, Driver, Entry, Loaded, NewActor,
    ScanRange, StorageError,
};
use crate::{clock::Timestamp, id::ActorId, key::Address};

/// What goes wrong with one write, that is a [`create`](Driver::create), a
/// [`commit`](Driver::commit) or a [`destroy`](Driver::destroy).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// It does not happen, and fails.
    Refuse,
    /// It does not happen, for there is no room: it fails with [`StorageError::Full`].
    Full,
    /// It happens, and fails all the same.
    Tear,
    /// It does not happen, and nobody ever answers.
    Swallow,
    /// It happens, and nobody ever answers.
    Silence,
    /// The process dies before it: it and every later call fail with [`StorageError::Closed`].
    Crash,
    /// The process dies after it and before the answer.
    CrashTorn,
}

/// Passes calls on to another driver, except where told to fail.
///
/// Uses neither clock nor thread, so it does the same every time and a paused clock does not hurry
/// it. Faults fall on writes, in the order they are handed in: those put into the
/// [script](Self::script) first, then those the [seed](Self::seeded) draws. The databases of actors have
/// [faults of their own](Self::sql); a crash takes both.
///
/// ```
/// use std::sync::Arc;
///
/// use actor_core::storage::{
///     Driver, Memory,
///     faults::{Fault, Faults},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let faults = Faults::new(Memory::new());
/// faults.script([None, Some(Fault::Tear)]);
/// // ... an actor is created, and its first commit happens but is not acknowledged.
/// faults.crash();
/// assert!(faults.next_alarm().await.is_err());
/// // What a restart finds:
/// let after = faults.restart();
/// assert!(after.next_alarm().await.is_ok());
/// # }
/// ```
#[derive(Debug)]
pub struct Faults<D> {
    inner: Arc<D>,
    plan: Shared,
    #[cfg(feature = "sqlite")]
    sql: Arc<SqlFaults>,
    /// True while writes wait.
    held: watch::Sender<bool>,
}

impl<D: Driver> Faults<D> {
    /// Wraps `driver`; nothing fails until told.
    #[must_use]
    pub fn new(driver: D) -> Self {
        Self::over(Arc::new(driver))
    }

    fn over(inner: Arc<D>) -> Self {
        let plan = Shared::default();
        Self {
            inner,
            #[cfg(feature = "sqlite")]
            sql: Arc::new(SqlFaults::new(plan.clone())),
            plan,
            held: watch::Sender::new(false),
        }
    }

    /// A driver over the same data in which nothing fails: what the process finds that starts after
    /// a crash. Only the newer one may be used from then on.
    #[must_use]
    pub fn restart(&self) -> Self {
        self.crash();
        Self::over(self.inner.clone())
    }

    /// The driver inside, past all faults.
    #[must_use]
    pub fn inner(&self) -> &D {
        &self.inner
    }

    /// What goes wrong with the databases of actors.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn sql(&self) -> &SqlFaults {
        &self.sql
    }

    /// What happens to the next writes, one each; `None` lets a write pass. Added to what an earlier
    /// call left.
    pub fn script(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.plan.with(|it| it.writes.script(faults));
    }

    /// From now on about one write in `one_in` is refused or torn, always the same ones for a seed.
    ///
    /// # Panics
    ///
    /// When `one_in` is zero.
    pub fn seeded(&self, seed: u64, one_in: u64) {
        self.plan.with(|it| it.writes.seed(seed, one_in));
    }

    /// The next `count` reads fail.
    pub fn fail_reads(&self, count: usize) {
        self.plan.with(|it| it.failing_reads = count);
    }

    /// The process dies when `writes` more have been made: that many batches of a longer sequence
    /// are on disk, and no more. Every call after them fails with [`StorageError::Closed`]. Commits of
    /// actors' databases count.
    pub fn crash_after(&self, writes: usize) {
        self.plan.with(|it| it.crash_after(writes));
    }

    /// The process dies now. Writes that are held never happen, and no statement of an actor's database
    /// runs any more.
    pub fn crash(&self) {
        self.plan.with(Plan::crash);
        self.release_all();
    }

    /// Ends everything but a crash: scripts, seeds, failing reads, a coming crash.
    pub fn heal(&self) {
        self.plan.with(Plan::heal);
        self.release_all();
    }

    /// Makes writes wait, before they happen, until [`release`](Self::release).
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    /// Lets the writes go that [`hold`](Self::hold) stopped.
    pub fn release(&self) {
        self.held.send_replace(false);
    }

    /// How many writes have been handed in.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.plan.with(|it| it.writes.seen)
    }

    /// How many writes wait for [`release`](Self::release).
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.plan.with(|it| it.writes.waiting)
    }

    fn release_all(&self) {
        self.release();
        #[cfg(feature = "sqlite")]
        self.sql.release();
    }

    async fn write<T>(
        &self,
        write: impl Future<Output = Result<T, StorageError>> + Send,
    ) -> Result<T, StorageError> {
        self.plan.with(|it| it.writes.seen += 1);
        self.wait().await;
        let fault = self.plan.with(|it| it.next_write(|it| &mut it.writes));
        match fault {
            None => write.await,
            Some(Fault::Refuse) => Err(refused("before it happened")),
            Some(Fault::Full) => Err(full()),
            Some(Fault::Tear) => {
                // Whether it could be made at all is what the caller will never know.
                let _ = write.await;
                Err(refused("after it happened"))
            }
            Some(Fault::Swallow) => pending().await,
            Some(Fault::Silence) => {
                let _ = write.await;
                pending().await
            }
            Some(Fault::Crash) => Err(StorageError::Closed),
            Some(Fault::CrashTorn) => {
                let _ = write.await;
                Err(StorageError::Closed)
            }
        }
    }

    async fn wait(&self) {
        let mut held = self.held.subscribe();
        if !*held.borrow_and_update() {
            return;
        }
        let _waiting = self.plan.wait(|it| &mut it.writes);
        // The sender is ours, so it cannot be gone.
        let _ = held.wait_for(|it| !*it).await;
    }

    fn read(&self) -> Result<(), StorageError> {
        self.plan.with(|it| {
            if it.is_crashed() {
                return Err(StorageError::Closed);
            }
            if it.failing_reads == 0 {
                return Ok(());
            }
            it.failing_reads -= 1;
            Err(refused("while reading"))
        })
    }
}

#[async_trait]
impl<D: Driver> Driver for Faults<D> {
    async fn create(&self, actor: NewActor) -> Result<Creation, StorageError> {
        self.write(self.inner.create(actor)).await
    }

    async fn find(&self, address: &Address) -> Result<Option<ActorRecord>, StorageError> {
        self.read()?;
        self.inner.find(address).await
    }

    async fn record(&self, id: ActorId) -> Result<Option<ActorRecord>, StorageError> {
        self.read()?;
        self.inner.record(id).await
    }

    async fn load(&self, id: ActorId, prefix: &[u8]) -> Result<Option<Loaded>, StorageError> {
        self.read()?;
        self.inner.load(id, prefix).await
    }

    async fn load_without(
        &self,
        id: ActorId,
        prefix: &[u8],
        without: &[&[u8]],
    ) -> Result<Option<Loaded>, StorageError> {
        self.read()?;
        self.inner.load_without(id, prefix, without).await
    }

    async fn scan(&self, id: ActorId, range: ScanRange) -> Result<Vec<Entry>, StorageError> {
        self.read()?;
        self.inner.scan(id, range).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, StorageError> {
        self.write(self.inner.commit(batch)).await
    }

    async fn destroy(&self, id: ActorId) -> Result<(), StorageError> {
        self.write(self.inner.destroy(id)).await
    }

    async fn alarms(&self, until: Timestamp, limit: usize) -> Result<Vec<Alarm>, StorageError> {
        self.read()?;
        self.inner.alarms(until, limit).await
    }

    async fn next_alarm(&self) -> Result<Option<Timestamp>, StorageError> {
        self.read()?;
        self.inner.next_alarm().await
    }

    fn databases(&self) -> Databases {
        let databases = self.inner.databases();
        #[cfg(feature = "sqlite")]
        let databases = databases.on(Arc::clone(&self.sql) as _);
        databases
    }

    /// Closes the driver inside, except after a crash, whose [`restart`](Faults::restart) needs it.
    async fn close(&self) -> Result<(), StorageError> {
        if self.plan.with(|it| it.is_crashed()) {
            return Ok(());
        }
        self.inner.close().await
    }
}

fn refused(when: &str) -> StorageError {
    StorageError::Failed(format!("failed on purpose {when}").into())
}

fn full() -> StorageError {
    StorageError::Full("full on purpose".into())
}

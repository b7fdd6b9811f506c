//! A driver that fails on purpose, for tests of what stands on storage. It keeps no data itself.

use std::{
    collections::VecDeque,
    future::pending,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use tokio::sync::watch;

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
/// [script](Self::script) first, then those the [seed](Self::seeded) draws.
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
    plan: Mutex<Plan>,
    /// True while writes wait.
    held: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Plan {
    script: VecDeque<Option<Fault>>,
    seeded: Option<Seeded>,
    /// Writes that still go through before a crash.
    crash_after: Option<usize>,
    crashed: bool,
    failing_reads: usize,
    writes: usize,
    waiting: usize,
}

#[derive(Clone, Copy, Debug)]
struct Seeded {
    state: u64,
    one_in: u64,
}

impl<D: Driver> Faults<D> {
    /// Wraps `driver`; nothing fails until told.
    #[must_use]
    pub fn new(driver: D) -> Self {
        Self::over(Arc::new(driver))
    }

    fn over(inner: Arc<D>) -> Self {
        Self {
            inner,
            plan: Mutex::default(),
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
    pub fn inner(&self) -> &D {
        &self.inner
    }

    /// What happens to the next writes, one each; `None` lets a write pass. Added to what an earlier
    /// call left.
    pub fn script(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.plan(|it| it.script.extend(faults));
    }

    /// From now on about one write in `one_in` is refused or torn, always the same ones for a seed.
    ///
    /// # Panics
    ///
    /// When `one_in` is zero.
    pub fn seeded(&self, seed: u64, one_in: u64) {
        assert!(one_in != 0, "one fault in zero writes");
        self.plan(|it| {
            it.seeded = Some(Seeded {
                state: seed,
                one_in,
            })
        });
    }

    /// The next `count` reads fail.
    pub fn fail_reads(&self, count: usize) {
        self.plan(|it| it.failing_reads = count);
    }

    /// The process dies when `writes` more have been made: that many batches of a longer sequence
    /// are on disk, and no more. Every call after them fails with [`StorageError::Closed`].
    pub fn crash_after(&self, writes: usize) {
        self.plan(|it| it.crash_after = Some(writes));
    }

    /// The process dies now. Writes that are held never happen.
    pub fn crash(&self) {
        self.plan(|it| it.crashed = true);
        self.release();
    }

    /// Ends everything but a crash: the script, the seed, failing reads, a coming crash.
    pub fn heal(&self) {
        self.plan(|it| {
            let (crashed, writes, waiting) = (it.crashed, it.writes, it.waiting);
            *it = Plan {
                crashed,
                writes,
                waiting,
                ..Plan::default()
            };
        });
        self.release();
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
    pub fn writes(&self) -> usize {
        self.plan(|it| it.writes)
    }

    /// How many writes wait for [`release`](Self::release).
    pub fn waiting(&self) -> usize {
        self.plan(|it| it.waiting)
    }

    fn plan<T>(&self, with: impl FnOnce(&mut Plan) -> T) -> T {
        with(&mut self.plan.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn write<T>(
        &self,
        write: impl Future<Output = Result<T, StorageError>> + Send,
    ) -> Result<T, StorageError> {
        self.plan(|it| it.writes += 1);
        self.wait().await;
        let fault = self.plan(Plan::next);
        match fault {
            None => write.await,
            Some(Fault::Refuse) => Err(refused("before it happened")),
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
        let _waiting = Waiting::new(&self.plan);
        // The sender is ours, so it cannot be gone.
        let _ = held.wait_for(|it| !*it).await;
    }

    fn read(&self) -> Result<(), StorageError> {
        self.plan(|it| {
            if it.crashed {
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

impl Plan {
    fn next(&mut self) -> Option<Fault> {
        if self.crashed {
            return Some(Fault::Crash);
        }
        if let Some(left) = &mut self.crash_after {
            if *left == 0 {
                self.crashed = true;
                return Some(Fault::Crash);
            }
            *left -= 1;
        }
        let fault = match self.script.pop_front() {
            Some(fault) => fault,
            None => self.seeded.as_mut().and_then(Seeded::draw),
        };
        self.crashed = matches!(fault, Some(Fault::Crash | Fault::CrashTorn));
        fault
    }
}

impl Seeded {
    fn draw(&mut self) -> Option<Fault> {
        // SplitMix64: small, well spread, and the same on every machine.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.state;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        drawn ^= drawn >> 31;
        let fault = if drawn >> 63 == 0 {
            Fault::Refuse
        } else {
            Fault::Tear
        };
        drawn.is_multiple_of(self.one_in).then_some(fault)
    }
}

/// Counts one waiting write, also when it is dropped while it waits.
struct Waiting<'a>(&'a Mutex<Plan>);

impl<'a> Waiting<'a> {
    fn new(plan: &'a Mutex<Plan>) -> Self {
        plan.lock().unwrap_or_else(PoisonError::into_inner).waiting += 1;
        Self(plan)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .waiting -= 1;
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
        self.inner.databases()
    }

    /// Closes the driver inside, except after a crash, whose [`restart`](Faults::restart) needs it.
    async fn close(&self) -> Result<(), StorageError> {
        if self.plan(|it| it.crashed) {
            return Ok(());
        }
        self.inner.close().await
    }
}

fn refused(when: &str) -> StorageError {
    StorageError::Failed(format!("failed on purpose {when}").into())
}

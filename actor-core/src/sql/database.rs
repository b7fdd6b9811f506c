//! The database of one actor during one life: who may use it now, and its connection.

use std::{
    fmt,
    future::pending,
    panic::resume_unwind,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rusqlite::Connection;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::spawn_blocking,
    time::timeout,
};

use super::{
    SqlError,
    disk::{self, Answer},
    file::File,
    pool::{Pool, Seat},
};
use crate::{id::ActorId, storage::Disk};

/// One life's database. Opened by the first statement.
pub(super) struct Database {
    id: ActorId,
    pool: Arc<Pool>,
    /// Whether it is kept in memory and gone with this life.
    unstored: bool,
    /// Whether the actor is being created, and so begins with an empty one.
    is_new: AtomicBool,
    /// Whether a transaction over several calls is still worth a warning.
    warns: AtomicBool,
    /// One at a time, first come, first served.
    turn: Arc<Semaphore>,
    waiting: [AtomicUsize; 2],
    /// Tells those who wait that a transaction before them expired.
    expired: watch::Sender<Duration>,
    /// Whether what a transaction left behind is to be undone first.
    undo: AtomicBool,
    closed: AtomicBool,
    is_open: AtomicBool,
    last_use: AtomicU64,
    /// Whether the pool keeps it in mind; under the pool's lock.
    pub(super) is_known: AtomicBool,
    /// How to stop the statement that runs now.
    stop: Mutex<Option<Arc<AtomicBool>>>,
    held: Mutex<Option<(File, Option<Seat>)>>,
}

/// The right to use the database, for as long as any clone of it lives.
pub(super) type Turn = Arc<OwnedSemaphorePermit>;

/// What somebody waits with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Waiting {
    Statement,
    Transaction,
}

/// Most of each that wait.
const LIMITS: [usize; 2] = [1024, super::MAX_WAITING];

/// What a life knows of its actor's database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    /// Whose.
    pub(crate) id: ActorId,
    /// Whether this life creates the actor.
    pub(crate) is_new: bool,
    /// Whether the actor stores nothing.
    pub(crate) unstored: bool,
    /// Whether to warn of transactions over several calls.
    pub(crate) warns: bool,
}

impl Database {
    pub(super) fn new(pool: &Arc<Pool>, lease: Lease) -> Arc<Self> {
        Arc::new(Self {
            id: lease.id,
            pool: Arc::clone(pool),
            unstored: lease.unstored,
            is_new: AtomicBool::new(lease.is_new),
            warns: AtomicBool::new(lease.warns),
            turn: Arc::new(Semaphore::new(1)),
            waiting: Default::default(),
            expired: watch::Sender::default(),
            undo: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            is_open: AtomicBool::new(false),
            last_use: AtomicU64::new(0),
            is_known: AtomicBool::new(false),
            stop: Mutex::default(),
            held: Mutex::default(),
        })
    }

    /// Waits for its turn.
    pub(super) async fn turn(&self, what: Waiting) -> Result<Turn, SqlError> {
        let turn = Arc::clone(&self.turn);
        if let Ok(turn) = Arc::clone(&turn).try_acquire_owned() {
            return Ok(Arc::new(turn));
        }
        let _place = self.queue(what)?;
        let mut expired = self.expired.subscribe();
        tokio::select! {
            // First, because whoever waits for itself would only run into the next deadline.
            biased;
            _ = expired.changed() => Err(SqlError::Expired { after: *expired.borrow() }),
            turn = turn.acquire_owned() => turn.map(Arc::new).map_err(|_| SqlError::Closed),
        }
    }

    /// A place among those who wait (P6).
    fn queue(&self, what: Waiting) -> Result<Place<'_>, SqlError> {
        let (waiting, limit) = (&self.waiting[what as usize], LIMITS[what as usize]);
        let place = Place(waiting);
        if limit <= waiting.fetch_add(1, Ordering::AcqRel) {
            return Err(SqlError::Overloaded { limit });
        }
        Ok(place)
    }

    /// Runs `work` on a thread of its own. It is stopped when the future is dropped, and keeps its
    /// turn until it is over.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        turn: Turn,
        work: impl FnOnce(&Connection, &AtomicBool) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, SqlError> {
        if let Some(disk) = self.disk() {
            disk.wait().await;
        }
        let thread = self.pool.thread().await;
        let stop = Stop::default();
        let (flag, database) = (Arc::clone(&stop.0), Arc::clone(self));
        let running = spawn_blocking(move || {
            let done = database.run_here(&flag, work);
            drop(thread);
            // Who is never answered keeps it.
            let turn = matches!(done, Answer::Never).then_some(turn);
            (done, turn)
        });
        let done = running.await;
        // Dropped here at the latest, when there is nothing left to stop.
        drop(stop);
        match done.map_err(tokio::task::JoinError::try_into_panic) {
            Ok((Answer::Is(done), _)) => done,
            Ok((Answer::Never, _turn)) => pending().await,
            Err(Ok(panic)) => resume_unwind(panic),
            // The runtime stops.
            Err(Err(_)) => Err(SqlError::Closed),
        }
    }

    fn run_here<T>(
        self: &Arc<Self>,
        flag: &Arc<AtomicBool>,
        work: impl FnOnce(&Connection, &AtomicBool) -> Result<T, SqlError>,
    ) -> Answer<T> {
        let mut held = self.held();
        *self.stopper() = Some(Arc::clone(flag));
        let _running = Running(self);
        disk::call(self.disk(), || {
            // Looked at after the way to stop it was shown: whoever closes looks the other way round.
            if self.closed.load(Ordering::SeqCst) {
                return Answer::Is(Err(SqlError::Closed));
            }
            match self.ready(&mut held, flag) {
                Err(error) => Answer::Is(Err(error)),
                Ok(file) => self.work(file, flag, work),
            }
        })
    }

    fn work<T>(
        &self,
        file: &mut File,
        flag: &Arc<AtomicBool>,
        work: impl FnOnce(&Connection, &AtomicBool) -> Result<T, SqlError>,
    ) -> Answer<T> {
        match disk::work(self.disk(), &mut file.db, flag, work) {
            Answer::Is(Err(SqlError::Interrupted)) if self.closed.load(Ordering::SeqCst) => {
                Answer::Is(Err(SqlError::Closed))
            }
            done => done,
        }
    }

    /// The file, with nothing in it of what was given up.
    fn ready<'a>(
        self: &Arc<Self>,
        held: &'a mut Option<(File, Option<Seat>)>,
        flag: &Arc<AtomicBool>,
    ) -> Result<&'a mut File, SqlError> {
        if flag.load(Ordering::Relaxed) {
            return Err(SqlError::Interrupted);
        }
        self.last_use.store(self.pool.tick(), Ordering::Relaxed);
        let (file, _) = match held {
            Some(open) => open,
            closed => closed.insert(self.open()?),
        };
        let asked = Arc::clone(flag);
        file.db
            .progress_handler(STEPS, Some(move || asked.load(Ordering::Relaxed)))?;
        if self.undo.swap(false, Ordering::AcqRel) && !file.db.is_autocommit() {
            file.db.execute_batch("ROLLBACK")?;
        }
        Ok(file)
    }

    fn open(self: &Arc<Self>) -> Result<(File, Option<Seat>), SqlError> {
        // Before the pool looks.
        self.is_open.store(true, Ordering::Release);
        let opened = self.open_file();
        self.is_open.store(opened.is_ok(), Ordering::Release);
        opened
    }

    fn open_file(self: &Arc<Self>) -> Result<(File, Option<Seat>), SqlError> {
        let databases = &self.pool.databases;
        self.pool.know(self)?;
        if self.unstored {
            return Ok((File::unstored(databases)?, None));
        }
        let seat = self.pool.seat()?;
        let file = File::open(databases, self.id, self.is_new.load(Ordering::Acquire))?;
        self.is_new.store(false, Ordering::Release);
        Ok((file, seat))
    }

    /// A transaction left in the middle: what it did is undone before anything else runs.
    pub(super) fn undo_first(&self) {
        self.undo.store(true, Ordering::Release);
        self.stop_running();
    }

    /// A call has begun a transaction and not ended it.
    pub(super) fn left_in_transaction(&self) {
        if self.warns.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                actor = %self.id,
                "Manual cross-call SQLite transactions can interleave with statements of other \
                 handlers. Use `Sql::transaction`, or set `warn_on_manual_transactions = false`."
            );
        }
    }

    /// Tells those who wait that they waited for a transaction which took too long.
    pub(super) fn refuse_waiting(&self, after: Duration) {
        self.expired.send_replace(after);
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    pub(super) fn last_use(&self) -> u64 {
        self.last_use.load(Ordering::Relaxed)
    }

    /// Closes the file to make room for another's, if no statement runs and no transaction is open.
    /// It is opened again when it is needed. One that is only in memory stays.
    pub(super) fn close_if_idle(&self) -> bool {
        if self.unstored {
            return false;
        }
        let mut held = match self.held.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(held)) => held.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        let abandoned = self.undo.load(Ordering::Acquire);
        let idle = held
            .as_ref()
            .is_some_and(|(file, _)| abandoned || file.may_be_closed());
        if idle {
            self.is_open.store(false, Ordering::Release);
            *held = None;
        }
        idle
    }

    /// Ends it for this life (G5): what runs is interrupted, what waits is refused, a transaction is
    /// rolled back. Returns when the file is closed.
    pub(super) async fn close(self: &Arc<Self>) {
        self.refuse();
        let database = Arc::clone(self);
        let closing = spawn_blocking(move || {
            let file = database.held().take();
            database.is_open.store(false, Ordering::Release);
            drop(file);
        });
        if timeout(CLOSING, closing).await.is_err() {
            tracing::error!(actor = %self.id, "the actor's database is not closed yet");
        }
    }

    /// Ends it for whoever uses it: what runs is interrupted, what waits or comes is refused.
    pub(super) fn refuse(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.turn.close();
        self.stop_running();
    }

    /// The disk it is on, where that is one that fails on purpose.
    fn disk(&self) -> Option<&Arc<dyn Disk>> {
        self.pool.databases.disk.as_ref().filter(|_| !self.unstored)
    }

    fn stop_running(&self) {
        if let Some(stop) = &*self.stopper() {
            stop.store(true, Ordering::Relaxed);
        }
    }

    fn stopper(&self) -> MutexGuard<'_, Option<Arc<AtomicBool>>> {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Used by whoever's turn it is. Reading rows is user code, and may panic.
    fn held(&self) -> MutexGuard<'_, Option<(File, Option<Seat>)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("actor", &self.id)
            .field("is_open", &self.is_open())
            .finish_non_exhaustive()
    }
}

/// A place among those who wait.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Stops a statement when nobody waits for it any more.
#[derive(Default)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// There is something to stop for as long as it lives.
struct Running<'a>(&'a Database);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        *self.0.stopper() = None;
    }
}

/// Steps of SQLite's machine after which it looks whether to go on: some ten microseconds.
const STEPS: i32 = 1000;

/// How long closing may take (P5).
const CLOSING: Duration = Duration::from_secs(30);

//! Writes a group of commands in one transaction. Who does that when is not decided here.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, ErrorCode};
use tokio::{sync::oneshot, time::Instant};

use super::{
    super::{Batch, Committed, Creation, NewActor, Op, StorageError},
    error,
    query::{self, Checkpoint, Fence},
    write::Writing,
};
use crate::id::{ActorId, IdMap};

pub(super) type Reply<T> = oneshot::Sender<Result<T, StorageError>>;

/// What the writer can be asked.
#[derive(Debug)]
pub(super) enum Command {
    Create(Job<NewActor, Creation>),
    Commit(Job<Batch, Committed>),
    Destroy(Job<ActorId, ()>),
}

/// A write, and whom to tell how it went.
#[derive(Debug)]
pub(super) struct Job<W, A> {
    write: W,
    outcome: Option<Result<A, StorageError>>,
    reply: Reply<A>,
}

impl<W, A> Job<W, A> {
    pub(super) fn new(write: W, reply: Reply<A>) -> Self {
        Self {
            write,
            outcome: None,
            reply,
        }
    }

    /// A refusal is an outcome like another; only SQLite's own failures stop the transaction.
    pub(super) fn run(
        &mut self,
        write: impl FnOnce(&W) -> Result<A, Stop>,
    ) -> rusqlite::Result<()> {
        self.outcome = Some(match write(&self.write) {
            Ok(answer) => Ok(answer),
            Err(Stop::Refused(err)) => Err(err),
            Err(Stop::Failed(err)) => return Err(err),
        });
        Ok(())
    }

    fn fail(&mut self, err: &Arc<rusqlite::Error>) {
        self.outcome = Some(Err(error::storage(err)));
    }

    fn answer(self) {
        if let Some(outcome) = self.outcome {
            // Whoever asked may have stopped waiting.
            let _ = self.reply.send(outcome);
        }
    }
}

impl Command {
    fn fail(&mut self, err: &Arc<rusqlite::Error>) {
        match self {
            Self::Create(job) => job.fail(err),
            Self::Commit(job) => job.fail(err),
            Self::Destroy(job) => job.fail(err),
        }
    }

    pub(super) fn answer(self) {
        match self {
            Self::Create(job) => job.answer(),
            Self::Commit(job) => job.answer(),
            Self::Destroy(job) => job.answer(),
        }
    }

    /// About how many bytes it writes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Create(job) => job.write.input.as_ref().map_or(0, |it| it.len()),
            Self::Commit(job) => job.write.ops.iter().map(op_size).sum(),
            Self::Destroy(_) => 0,
        }
    }
}

fn op_size(op: &Op) -> usize {
    match op {
        Op::Put { key, value } => key.len() + value.len(),
        Op::Delete { key } => key.len(),
    }
}

/// Why a command could not be carried out.
pub(super) enum Stop {
    /// It must not be; nothing was written.
    Refused(StorageError),
    /// SQLite could not; the transaction is of no more use.
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(err: rusqlite::Error) -> Self {
        Self::Failed(err)
    }
}

/// What a transaction was rolled back by.
enum Undone {
    /// One command failed; the others may do better without it.
    Command(rusqlite::Error),
    /// It could not begin or commit, which no command is to blame for.
    Storage(rusqlite::Error),
    /// See [`Busy`].
    Hurry(rusqlite::Error),
}

/// Another program has the database locked, and whoever writes must not wait for it. Nothing was
/// written.
#[derive(Debug)]
pub(super) struct Busy;

/// What writing needs.
pub(super) struct Worker {
    db: Connection,
    /// Pages in the write-ahead log after the last commit.
    log: Arc<AtomicI32>,
    /// Pages in it when last asked.
    seen: i32,
    /// Pages at which the log is next moved into the database.
    checkpoint_at: i32,
    /// What the database is known to hold, so that a commit need not ask it.
    fences: IdMap<Fence>,
    /// How long the last commit took, without the statements before it.
    commit_took: Option<Duration>,
    /// Whether whoever writes must not wait for locks.
    hurries: bool,
}

impl Worker {
    pub(super) fn new(mut db: Connection) -> rusqlite::Result<Self> {
        let log = Arc::new(AtomicI32::new(0));
        let pages = log.clone();
        // Takes the place of SQLite's automatic checkpoint, which would run before the replies.
        db.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, n: i32| {
            pages.store(n, Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self {
            db,
            log,
            seen: 0,
            checkpoint_at: CHECKPOINT_PAGES,
            fences: IdMap::default(),
            commit_took: None,
            hurries: false,
        })
    }

    /// How long the last commit took, if there was one.
    pub(super) fn commit_took(&self) -> Option<Duration> {
        self.commit_took
    }

    /// From now on waits so long for another program's locks. `None` means not at all, and to say that
    /// it would have to.
    pub(super) fn wait_for_locks(&mut self, busy: Option<Duration>) {
        self.hurries = busy.is_none();
        if let Err(err) = self.db.busy_timeout(busy.unwrap_or_default()) {
            tracing::error!(%err, "how long to wait for locks could not be set");
        }
    }

    /// Moves the log into the database, as the last thing that is written.
    pub(super) fn tidy_up(&mut self) {
        if let Err(err) = query::checkpoint(&self.db, Checkpoint::Last) {
            tracing::warn!(%err, "the write-ahead log stays; the next start reads it");
        }
    }

    /// Carries commands out in one transaction and notes how each went.
    ///
    /// # Errors
    ///
    /// When that would need waiting and must not; none was carried out then.
    pub(super) fn write_group(&mut self, group: &mut [Command]) -> Result<(), Busy> {
        match self.transaction(group) {
            Ok(()) => {}
            Err(Undone::Hurry(_)) => return Err(Busy),
            Err(Undone::Command(err)) if group.len() == 1 => fail_all(group, err),
            Err(Undone::Storage(err)) => fail_all(group, err),
            Err(Undone::Command(_)) => self.write_singly(group),
        }
        Ok(())
    }
    /// After one command spoilt a group: each alone, so that only the bad one fails.
    fn write_singly(&mut self, group: &mut [Command]) {
        for i in 0..group.len() {
            match self.transaction(&mut group[i..=i]) {
                Ok(()) => {}
                Err(Undone::Command(err)) => fail_all(&mut group[i..=i], err),
                // It would fail the rest too, each perhaps after a long wait for a lock.
                Err(Undone::Storage(err) | Undone::Hurry(err)) => {
                    return fail_all(&mut group[i..], err);
                }
            }
        }
    }

    fn transaction(&mut self, group: &mut [Command]) -> Result<(), Undone> {
        let done = self.try_transaction(group);
        if done.is_err() {
            // They may tell of writes that are undone now.
            self.fences.clear();
            self.undo();
        }
        done
    }

    fn try_transaction(&mut self, group: &mut [Command]) -> Result<(), Undone> {
        // Only if an earlier rollback failed.
        if !self.db.is_autocommit() {
            query::rollback(&self.db).map_err(Undone::Storage)?;
        }
        query::begin_write(&self.db).map_err(|err| match err.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy) if self.hurries => Undone::Hurry(err),
            _ => Undone::Storage(err),
        })?;
        let Self { db, fences, .. } = self;
        let mut writing = Writing::new(db, fences);
        for command in group {
            writing.apply(command).map_err(Undone::Command)?;
        }
        drop(writing);
        let start = Instant::now();
        let done = query::commit(&self.db).map_err(Undone::Storage);
        self.commit_took = Some(start.elapsed());
        done
    }

    fn undo(&self) {
        // SQLite rolls back by itself after the worst errors.
        if self.db.is_autocommit() {
            return;
        }
        if let Err(err) = query::rollback(&self.db) {
            tracing::error!(%err, "a transaction could not be rolled back; trying again with the next");
        }
    }

    /// Whether the log has grown long.
    pub(super) fn wants_checkpoint(&self) -> bool {
        let pages = self.log.load(Ordering::Relaxed);
        self.checkpoint_at <= pages || pages < self.seen
    }

    /// Moves the log into the database while nobody waits for an answer.
    pub(super) fn checkpoint_if_due(&mut self) {
        let pages = self.log.load(Ordering::Relaxed);
        let started_over = pages < self.seen;
        self.seen = pages;
        if started_over {
            self.checkpoint_at = CHECKPOINT_PAGES;
        }
        if pages < self.checkpoint_at {
            return;
        }
        // While readers overlap without a gap, the log cannot start over by itself and would grow
        // for ever. Ours read for moments, so waiting for them is short.
        let how = if LONG_LOG <= pages {
            Checkpoint::Waiting
        } else {
            Checkpoint::Passing
        };
        let done = query::checkpoint(&self.db, how).unwrap_or_else(|err| {
            tracing::warn!(%err, pages, "the write-ahead log could not be moved into the database");
            false
        });
        // Somebody else reads for long, such as a backup: waiting for them again soon would stop
        // every write for as long each time.
        let more = if done {
            CHECKPOINT_PAGES
        } else {
            pages.max(CHECKPOINT_PAGES)
        };
        self.checkpoint_at = pages.saturating_add(more);
    }
}

fn fail_all(group: &mut [Command], err: rusqlite::Error) {
    let err = Arc::new(err);
    group.iter_mut().for_each(|it| it.fail(&err));
}

/// Pages of log (16 MiB) between two checkpoints: enough that a page written often is moved once.
const CHECKPOINT_PAGES: i32 = 4 << 10;

/// Pages of log (128 MiB) at which a checkpoint waits for readers.
const LONG_LOG: i32 = 8 * CHECKPOINT_PAGES;

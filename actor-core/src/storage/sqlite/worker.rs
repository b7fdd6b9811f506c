//! The thread that writes: everything that waits goes into one transaction, and is answered after
//! its commit.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::Connection;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    super::{ActorRecord, Batch, Committed, Creation, NewActor, Op, StorageError},
    error,
    query::{self, Checkpoint, Fence},
    queue,
};
use crate::id::{ActorId, Generation};

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
    fn run(&mut self, write: impl FnOnce(&W) -> Result<A, Stop>) -> rusqlite::Result<()> {
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

    fn answer(self) {
        match self {
            Self::Create(job) => job.answer(),
            Self::Commit(job) => job.answer(),
            Self::Destroy(job) => job.answer(),
        }
    }

    /// About how many bytes it writes.
    fn size(&self) -> usize {
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
enum Stop {
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

/// Why a transaction was rolled back.
enum Undone {
    /// One command failed; the others may do better without it.
    ByCommand(rusqlite::Error),
    /// It could not begin or commit, which no command is to blame for.
    ByStorage(rusqlite::Error),
}

/// The thread's own things.
pub(super) struct Worker {
    db: Connection,
    /// Pages in the write-ahead log after the last commit.
    log: Arc<AtomicI32>,
    /// Pages in it when last asked.
    seen: i32,
    /// Pages at which the log is next moved into the database.
    checkpoint_at: i32,
    /// What the database is known to hold, so that a commit need not ask it.
    fences: HashMap<ActorId, Fence>,
    group: usize,
    /// How long the last commit took, without the statements before it.
    commit_took: Duration,
}

impl Worker {
    pub(super) fn new(mut db: Connection, group: usize) -> rusqlite::Result<Self> {
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
            fences: HashMap::new(),
            group,
            commit_took: Duration::ZERO,
        })
    }

    /// Serves until every sender is gone and the queue is empty, then tidies up.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Command>, readers: Vec<JoinHandle<()>>) {
        let mut group = Vec::with_capacity(self.group);
        // Those who were answered last and those who came meanwhile, most likely.
        let mut expected = 0;
        while let Some(first) = queue::next(&mut queue) {
            let mut size = first.size();
            let gathers_until = Instant::now() + self.patience();
            group.push(first);
            while group.len() < self.group && size < GROUP_BYTES {
                let Some(next) = queue::another(
                    &mut queue,
                    (group.len() < expected).then_some(gathers_until),
                ) else {
                    break;
                };
                size += next.size();
                group.push(next);
            }
            self.write_group(&mut group);
            expected = group.len() + queue.len();
            group.drain(..).for_each(Command::answer);
            self.checkpoint_if_due();
        }
        for reader in readers {
            // A reader that panicked has nothing left to say.
            let _ = reader.join();
        }
        if let Err(err) = query::checkpoint(&self.db, Checkpoint::Last) {
            tracing::warn!(%err, "the write-ahead log stays; the next start reads it");
        }
    }

    /// How long to wait for a group to fill: as long as not doing so would make the others wait. A
    /// disk that commits quickly is better kept busy while the callers compute.
    fn patience(&self) -> Duration {
        if self.commit_took < SLOW_COMMIT {
            Duration::ZERO
        } else {
            self.commit_took
        }
    }

    fn write_group(&mut self, group: &mut [Command]) {
        match self.transaction(group) {
            Ok(()) => {}
            Err(Undone::ByCommand(err)) if group.len() == 1 => fail_all(group, err),
            Err(Undone::ByStorage(err)) => fail_all(group, err),
            Err(Undone::ByCommand(_)) => self.write_singly(group),
        }
    }

    /// After one command spoilt a group: each alone, so that only the bad one fails.
    fn write_singly(&mut self, group: &mut [Command]) {
        for i in 0..group.len() {
            match self.transaction(&mut group[i..=i]) {
                Ok(()) => {}
                Err(Undone::ByCommand(err)) => fail_all(&mut group[i..=i], err),
                // It would fail the rest too, each perhaps after a long wait for a lock.
                Err(Undone::ByStorage(err)) => return fail_all(&mut group[i..], err),
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
            query::rollback(&self.db).map_err(Undone::ByStorage)?;
        }
        query::begin_write(&self.db).map_err(Undone::ByStorage)?;
        for command in group {
            self.apply(command).map_err(Undone::ByCommand)?;
        }
        let start = Instant::now();
        let done = query::commit(&self.db).map_err(Undone::ByStorage);
        self.commit_took = start.elapsed();
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

    fn apply(&mut self, command: &mut Command) -> rusqlite::Result<()> {
        match command {
            Command::Create(job) => job.run(|it| self.create(it)),
            Command::Commit(job) => job.run(|it| self.commit(it)),
            Command::Destroy(job) => job.run(|it| self.destroy(*it)),
        }
    }

    fn create(&mut self, actor: &NewActor) -> Result<Creation, Stop> {
        let Some(row) = query::create(&self.db, actor)? else {
            let first = query::find(&self.db, &actor.address)?;
            return first.map(Creation::Taken).ok_or_else(|| {
                Stop::Refused(StorageError::Failed("the id names another actor".into()))
            });
        };
        let NewActor {
            id,
            address,
            created,
            input,
        } = actor.clone();
        let generation = Generation::default();
        let has_input = input.is_some();
        self.remember(
            id,
            Fence {
                row,
                generation,
                has_input,
                alarm: None,
            },
        );
        Ok(Creation::Made(ActorRecord {
            id,
            address,
            created,
            generation,
            input,
        }))
    }

    fn commit(&mut self, batch: &Batch) -> Result<Committed, Stop> {
        let known = self.fence(batch.actor)?;
        let Some(mut fence) = known else {
            return Err(Stop::Refused(StorageError::Missing(batch.actor)));
        };
        if batch.generation < fence.generation {
            return Err(Stop::Refused(StorageError::Fenced {
                batch: batch.generation,
                stored: fence.generation,
            }));
        }
        let before = fence;
        if fence.generation < batch.generation || fence.has_input {
            query::advance(&self.db, fence.row, batch.generation)?;
            fence.generation = batch.generation;
            fence.has_input = false;
        }
        if let Some(alarm) = batch.alarm {
            let alarm = alarm.map(query::stored_time);
            if alarm != fence.alarm {
                query::set_alarm(&self.db, fence.row, alarm)?;
                fence.alarm = alarm;
            }
        }
        if fence != before {
            self.fences.insert(batch.actor, fence);
        }
        for op in &batch.ops {
            match op {
                Op::Put { key, value } => query::put(&self.db, fence.row, key, value)?,
                Op::Delete { key } => query::delete(&self.db, fence.row, key)?,
            }
        }
        Ok(batch.committed())
    }

    fn destroy(&mut self, id: ActorId) -> Result<(), Stop> {
        if let Some(fence) = self.fence(id)? {
            query::destroy(&self.db, fence.row)?;
            self.fences.remove(&id);
        }
        Ok(())
    }

    fn fence(&mut self, id: ActorId) -> rusqlite::Result<Option<Fence>> {
        if let Some(known) = self.fences.get(&id) {
            return Ok(Some(*known));
        }
        let found = query::fence(&self.db, id)?;
        if let Some(fence) = found {
            self.remember(id, fence);
        }
        Ok(found)
    }

    fn remember(&mut self, id: ActorId, fence: Fence) {
        // Forgetting all is rare, costs a point read for each actor still in use, and needs no order
        // of age.
        if FENCES <= self.fences.len() {
            self.fences.clear();
        }
        self.fences.insert(id, fence);
    }

    /// Moves the log into the database while nobody waits for an answer.
    fn checkpoint_if_due(&mut self) {
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

/// A commit that takes as long as this is worth gathering for.
const SLOW_COMMIT: Duration = Duration::from_micros(150);

/// Bytes after which a transaction takes nothing more, so that large states do not make small ones
/// wait for long.
const GROUP_BYTES: usize = 16 << 20;

/// Pages of log (16 MiB) between two checkpoints: enough that a page written often is moved once.
const CHECKPOINT_PAGES: i32 = 4 << 10;

/// Pages of log (128 MiB) at which a checkpoint waits for readers.
const LONG_LOG: i32 = 8 * CHECKPOINT_PAGES;

/// Most actors whose fence is kept in memory, about 5 MiB of them.
const FENCES: usize = 1 << 16;

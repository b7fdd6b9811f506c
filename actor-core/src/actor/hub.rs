//! What one life of an actor shares between its cell and the handlers that run beside it: the list of
//! connections and the outputs on their way to the gate. Not the state, which the cell owns.

use std::{
    any::Any,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    ActorType,
    atomic::Atomic,
    broadcast::Recorded,
    conn::{Conn, LocalQueue},
    failure::Failure,
    fold::{Folded, Row},
    reply::About,
    table::Table,
    tally::Background,
    work::Spawn,
};
use crate::{
    clock::{Clock, Entropy, Timestamp},
    config::ActorOptions,
    connection::{CloseFrame, Frame, Outbox},
    error::ActorError,
    id::ConnId,
    journal::{Journal, TooMuchPending},
    lifecycle::Blocker,
    queue::{Completions, Desk, Sending, Written},
    schedule,
    storage::{Driver, Op},
    value::Value,
};
#[cfg(feature = "sqlite")]
use crate::{config::Durability, sql};

/// One life's shared part. A turn that uses nothing of it does not touch it, see [`News`].
pub(crate) struct Hub<A: ActorType> {
    /// Whether the life is over.
    closed: AtomicBool,
    /// How often something was written beside the state.
    writes: AtomicU64,
    /// Whether the life is about to end.
    pub(super) stopping: AtomicBool,
    pub(crate) about: Arc<About>,
    pub(crate) options: Arc<ActorOptions>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) doorbell: Arc<dyn Doorbell<A>>,
    table: Mutex<Table<A>>,
    emissions: Mutex<Emissions<A>>,
    /// Absent while nothing waits: most actors write nothing beside their state.
    journal: Mutex<Option<Box<Journal>>>,
    pub(super) background: OnceLock<Box<Background>>,
    #[cfg(feature = "sqlite")]
    pub(crate) sql: sql::Door,
    /// Absent for the many actors that have no schedules.
    schedules: Mutex<Option<Box<schedule::Table>>>,
    /// Absent until a queue is used.
    desk: OnceLock<Box<Desk>>,
    /// Absent until an atomic turn runs.
    pub(super) atomic: OnceLock<Box<Atomic<A>>>,
}

/// What every turn looks at, kept where the cell is anyway: with thousands of actors each line of
/// memory that a call touches has to be fetched.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Whether there may be outputs, so that a turn without any takes no lock.
    emitted: AtomicBool,
    /// Whether an exclusive turn runs.
    in_turn: AtomicBool,
}

impl News {
    /// Whether something was emitted or touched since the last [`Hub::take`].
    pub(crate) fn is_there(&self) -> bool {
        self.emitted.load(Ordering::Acquire)
    }

    /// An exclusive turn begins or is over.
    pub(crate) fn set_in_turn(&self, runs: bool) {
        self.in_turn.store(runs, Ordering::Release);
    }
}

/// How handlers reach the cell.
pub(crate) trait Doorbell<A: ActorType>: Send + Sync {
    /// What the cell looks at after each turn.
    fn news(&self) -> &News;

    /// Something was put into the hub.
    fn ring(&self);

    /// Runs a short turn between others, unless the life that it is of `is_over`: the next has a state of
    /// its own.
    fn turn(&self, turn: Turn<A>, is_over: &AtomicBool);

    /// As [`turn`](Self::turn), unless too many wait already.
    fn turn_if_room(&self, turn: Turn<A>, is_over: &AtomicBool) -> bool;

    /// Asks what keeps the actor awake.
    fn why_awake(&self) -> oneshot::Receiver<Vec<Blocker>>;

    /// Reads a connection that nobody has asked for yet. `None` when it cannot be read.
    fn unfold(&self, id: ConnId, folded: Folded) -> Option<Row<A>>;

    /// Closes the socket of one that cannot be read, and whose row has to go.
    fn lose(&self, id: ConnId);

    /// Where the actor's data is.
    fn driver(&self) -> &Arc<dyn Driver>;

    /// What actors' own databases share.
    #[cfg(feature = "sqlite")]
    fn sql(&self) -> &Arc<sql::Pool>;
    /// Who waits for messages of the actor's queues to be completed.
    fn completions(&self) -> &Completions;

    /// The registry, while anybody has it.
    fn home(&self) -> Option<Arc<dyn Any + Send + Sync>>;
}

/// A short turn that only reads.
pub(crate) type ReadTurn<A> = Box<dyn FnOnce(&A) + Send>;

/// A short turn of a handler that runs free.
pub(crate) enum Turn<A> {
    Read(ReadTurn<A>),
    /// Answers whether it may have changed the state.
    Write(Box<dyn FnOnce(&mut A) -> bool + Send>),
}

/// Which kind of handler an output comes from: those of an exclusive turn count only if it succeeds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    Turn,
    Beside,
    /// As `Beside`, from the handler that may park.
    Run,
    /// As `Beside`, from the hook that must not change what it is told of.
    StateChange,
}

/// Something a handler wants to happen outside the actor.
pub(crate) enum Output<A: ActorType> {
    Event {
        wire: Vec<(Arc<Outbox>, Bytes)>,
        local: Vec<Arc<LocalQueue<A>>>,
        event: Option<Arc<A::Event>>,
    },
    /// An event that is kept for clients who are away.
    Recorded(Box<Recorded<A>>),
    /// These clients cannot be sent an event that they hear.
    Unsendable(Vec<Arc<Outbox>>),
    /// A message over a raw WebSocket.
    Message(Arc<Outbox>, Frame),
    Disconnect {
        conn: ConnId,
        close: CloseFrame,
    },
    Spawn(Spawn),
    /// Work that begins once what the handler left is durable.
    Tell(Spawn),
    Save(oneshot::Sender<Result<(), ActorError>>),
    SaveWithin(Duration),
    /// A message from outside is to go into its queue, which is read by now.
    Send(Box<Sending>),
    /// The queues are read by now, because a message in there is due.
    QueueRead,
    /// A handler that goes on beside the cell, or inside a reply, failed with this.
    Failed(Failure),
    /// A message of a queue was completed.
    Completed(u64, Value),
    /// A message of a queue will never be completed.
    Lost(u64),
    Sleep,
    Destroy,
}

struct Emissions<A: ActorType> {
    turn: Vec<Output<A>>,
    beside: Vec<Output<A>>,
}

impl<A: ActorType> Hub<A> {
    pub(crate) fn new(
        about: Arc<About>,
        options: Arc<ActorOptions>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        doorbell: Arc<dyn Doorbell<A>>,
        table: Table<A>,
    ) -> Self {
        Self {
            about,
            options,
            clock,
            entropy,
            doorbell,
            table: Mutex::new(table),
            emissions: Mutex::new(Emissions {
                turn: Vec::new(),
                beside: Vec::new(),
            }),
            journal: Mutex::default(),
            #[cfg(feature = "sqlite")]
            sql: sql::Door::default(),
            schedules: Mutex::default(),
            writes: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            background: OnceLock::new(),
            desk: OnceLock::new(),
            atomic: OnceLock::new(),
        }
    }

    /// Who is connected, as far as anybody has asked: those who are [folded](super::Fold) are counted, and
    /// no more.
    pub(crate) fn seen_of_table(&self) -> MutexGuard<'_, Table<A>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an output on its way. A connection kept from an exclusive turn may emit later, so what
    /// counts is whether one runs now.
    pub(crate) fn emit(&self, origin: Origin, output: Output<A>) {
        if self.is_closed() {
            tracing::warn!(actor = %self.about.address, "an output of a life that is over is dropped");
            return;
        }
        let origin = self.effective(origin);
        let mut emissions = self.emissions();
        match origin {
            Origin::Turn => emissions.turn.push(output),
            Origin::Beside | Origin::Run | Origin::StateChange => emissions.beside.push(output),
        }
        drop(emissions);
        self.touch(origin);
    }

    /// Tells the cell that the hub changed; during an exclusive turn it looks by itself.
    pub(crate) fn touch(&self, origin: Origin) {
        self.doorbell.news().emitted.store(true, Ordering::Release);
        if self.effective(origin) != Origin::Turn {
            self.doorbell.ring();
        }
    }

    pub(super) fn effective(&self, origin: Origin) -> Origin {
        if self.doorbell.news().in_turn.load(Ordering::Acquire) {
            origin
        } else {
            Origin::Beside
        }
    }

    /// The queues of this life.
    pub(crate) fn desk(&self) -> &Desk {
        self.desk.get_or_init(Box::default)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Runs a short turn between others.
    pub(super) fn turn(&self, turn: Turn<A>) {
        self.doorbell.turn(turn, &self.closed);
    }

    /// As [`turn`](Self::turn), unless too many wait already.
    pub(super) fn turn_if_room(&self, turn: Turn<A>) -> bool {
        self.doorbell.turn_if_room(turn, &self.closed)
    }

    /// The life is over: whoever kept a connection of it speaks to nobody.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let mut emissions = self.emissions();
        let dropped = (
            mem::take(&mut emissions.turn),
            mem::take(&mut emissions.beside),
        );
        drop(emissions);
        *self.journal() = None;
        // Without the lock: what is among them may look at this hub when it is dropped.
        drop(dropped);
    }

    /// Takes what was emitted. Outputs of a running exclusive turn stay until it is over.
    pub(crate) fn take(&self, turn_is_over: bool) -> Vec<Output<A>> {
        // What a running turn wrote beside the state is news when it is over, as its outputs are.
        let wrote = !turn_is_over && self.journal().as_ref().is_some_and(|it| it.has_turn());
        let mut emissions = self.emissions();
        let still = !turn_is_over && (wrote || !emissions.turn.is_empty());
        self.doorbell.news().emitted.store(still, Ordering::Release);
        let mut out = mem::take(&mut emissions.beside);
        if turn_is_over {
            out.append(&mut emissions.turn);
            drop(emissions);
            if let Some(journal) = self.journal().as_deref_mut() {
                journal.keep_turn();
            }
            if let Some(desk) = self.desk.get() {
                desk.keep_turn(|ops| self.journal().get_or_insert_default().keep_turn_as(ops));
            }
        }
        out
    }

    /// Drops the outputs of an exclusive turn that failed.
    pub(crate) fn discard_turn(&self) {
        self.emissions().turn.clear();
        if let Some(journal) = self.journal().as_deref_mut() {
            journal.discard_turn();
        }
        if let Some(desk) = self.desk.get() {
            desk.discard_turn();
        }
    }

    /// Whether the next commit has more to say than the state.
    pub(crate) fn is_dirty(&self) -> bool {
        self.seen_of_table().is_dirty() || self.journal().as_ref().is_some_and(|it| it.is_dirty())
    }

    /// Notes writes beside the state for the next commit, all of them or none (P3). Reads see them at
    /// once.
    pub(crate) fn write(&self, origin: Origin, ops: Vec<Op>) -> Result<(), TooMuchPending> {
        if self.closed.load(Ordering::Acquire) {
            tracing::warn!(actor = %self.about.address, "a write of a life that is over is dropped");
            return Ok(());
        }
        let in_turn = self.effective(origin) == Origin::Turn;
        self.journal().get_or_insert_default().write(in_turn, ops)?;
        self.note_write();
        self.touch(origin);
        Ok(())
    }

    /// How often something was written beside the state: who compares learns whether a handler did.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    pub(super) fn note_write(&self) {
        self.writes.fetch_add(1, Ordering::Relaxed);
    }

    /// What the commit of `version` takes of what was written beside the state, and the alarm if it
    /// is to be another.
    pub(crate) fn take_written(&self, version: u64) -> (Vec<Op>, Option<Option<Timestamp>>) {
        // Held over both: who schedules something holds it while writing.
        let mut schedules = self.schedules();
        let take = || match self.journal().as_mut() {
            Some(journal) => journal.take(version),
            None => Vec::new(),
        };
        let queues = match self.desk.get() {
            Some(desk) => desk.take_written(take),
            None => Written {
                ops: take(),
                ..Written::default()
            },
        };
        let told = schedules.as_mut().and_then(|it| it.take_alarm());
        let alarm = (told.is_some() || queues.is_told).then(|| {
            let schedules = schedules.as_ref().and_then(|it| it.alarm());
            schedules.into_iter().chain(queues.alarm).min()
        });
        (queues.ops, alarm)
    }

    /// Everything up to `version` is on disk.
    pub(crate) fn settled(&self, version: u64) {
        self.seen_of_table().settled(version);
        let mut journal = self.journal();
        if journal.as_mut().is_some_and(|it| it.settled(version)) {
            *journal = None;
        }
    }

    /// A commit failed that will be tried again.
    pub(crate) fn retake_written(&self) {
        if let Some(journal) = self.journal().as_deref_mut() {
            journal.retake();
        }
        if let Some(schedules) = self.schedules().as_deref_mut() {
            schedules.forget_alarm();
        }
        if let Some(desk) = self.desk.get() {
            desk.forget_due();
        }
    }

    /// The actor's own database.
    #[cfg(feature = "sqlite")]
    pub(crate) fn sql(&self) -> sql::Sql {
        let lease = || sql::Lease {
            id: self.about.id,
            is_new: self.sql.is_new,
            unstored: self.options.durability == Durability::None,
            warns: self.options.warn_on_manual_transactions,
        };
        self.sql.open(self.doorbell.sql(), lease)
    }

    pub(crate) fn conns(self: &Arc<Self>, origin: Origin) -> Vec<Conn<A>> {
        let table = self.table();
        table
            .all()
            .map(|it| Conn {
                inner: Arc::clone(it),
                hub: Arc::clone(self),
                origin,
            })
            .collect()
    }

    pub(crate) fn conn(self: &Arc<Self>, id: ConnId, origin: Origin) -> Option<Conn<A>> {
        let inner = Arc::clone(self.table_with(id).by_id(id)?);
        Some(Conn {
            inner,
            hub: Arc::clone(self),
            origin,
        })
    }

    pub(crate) fn lend(
        self: &Arc<Self>,
        inner: &Arc<super::conn::Inner<A>>,
        origin: Origin,
    ) -> Conn<A> {
        Conn {
            inner: Arc::clone(inner),
            hub: Arc::clone(self),
            origin,
        }
    }

    /// The actor's schedules. Whoever changes them writes to the journal before letting go.
    pub(crate) fn schedules(&self) -> MutexGuard<'_, Option<Box<schedule::Table>>> {
        self.schedules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// When the actor has to be awake at the latest.
    pub(crate) fn alarm(&self) -> Option<Timestamp> {
        let schedules = self.schedules().as_ref().and_then(|it| it.alarm());
        let queues = self.desk.get().and_then(|it| it.alarm());
        schedules.into_iter().chain(queues).min()
    }

    /// When a schedule is due next, or a delayed message.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let schedules = self.schedules().as_ref().and_then(|it| it.next_due());
        schedules.into_iter().chain(self.next_message()).min()
    }

    /// When a delayed message of the queues is to be offered next.
    pub(crate) fn next_message(&self) -> Option<Timestamp> {
        self.desk.get()?.next_due()
    }

    pub(super) fn journal(&self) -> MutexGuard<'_, Option<Box<Journal>>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn emissions(&self) -> MutexGuard<'_, Emissions<A>> {
        self.emissions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

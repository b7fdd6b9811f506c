//! What waits for an actor: bounded, and empty of memory while nothing waits (P6).

use std::{
    collections::VecDeque,
    mem,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{
    frame::PeerCall,
    here::Bed,
    job::{HttpCall, Opening},
    keyed::KeyedCall,
    queue::Queue,
    visit::Visit,
    why::Question,
};
use crate::{
    actor::{Actor, ReadTurn, Turn},
    connection::{CloseFrame, Message, Ticket},
    id::ConnId,
    lifecycle::{Blocker, BlockerKind, Stop, Wakes},
    queue::Sending,
};

/// One message to an actor.
pub(crate) enum Msg<A: Actor> {
    /// A call from inside the process, or over the connection that is named.
    /// Shared, for a message to be small.
    Call(A::Call, Option<Arc<ConnId>>),
    /// A call by another actor.
    Peer(Box<PeerCall<A>>),
    /// A call with an idempotency key, from inside the process.
    Keyed(Box<KeyedCall<A>>),
    /// A call by a single HTTP request.
    Http(Box<HttpCall<A>>),
    /// A message for one of the actor's queues, from inside the process.
    Send(Box<Sending>),
    /// A client wants to connect.
    Open(Box<Opening<A>>),
    /// A call over a client's socket, which comes again should its life break.
    SocketCall(Box<SocketCall<A>>),
    /// A message over a raw socket.
    Frame(Box<Incoming>),
    /// A client has gone; over a raw socket it may have said how.
    Close(ConnId, Option<Box<CloseFrame>>),
    /// A client wants to hear an event, or no more.
    Subscribe(ConnId, Box<str>, bool),
    /// Somebody looks in from outside.
    Visit(Box<Visit>),
}

/// What came over a raw socket.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) conn: ConnId,
    pub(crate) ticket: Ticket,
    pub(crate) message: Message,
}

/// What came over a socket of the protocol.
pub(crate) struct SocketCall<A: Actor> {
    pub(crate) conn: ConnId,
    pub(crate) ticket: Ticket,
    pub(crate) call: A::Call,
}

/// A message that was not taken, handed back.
pub(crate) enum Refused<A: Actor> {
    /// The mailbox is full.
    Full(Msg<A>),
    /// The actor is gone for good, or nothing may wake it any more.
    Gone(Msg<A>),
    /// The actor crashed, and is not up again yet.
    Down(Msg<A>),
}

/// Whether a cell runs behind the mailbox.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// None: the next message starts one.
    Asleep,
    /// One does.
    Awake,
    /// None: one starts by itself after a crash.
    Down,
    /// None, and none will.
    Gone,
}

/// The queues. Everything that decides between sleeping and waking is under one lock, so a message
/// cannot fall between a cell that leaves and one that comes.
///
/// Small on purpose: with thousands of actors each line of memory that a message touches has to be
/// fetched. A lone message lies in the mailbox itself.
#[repr(C)] // What every message touches stands together.
pub(super) struct Mailbox<A: Actor> {
    pub(super) phase: Phase,
    stop: Option<Stop>,
    rung: bool,
    /// Whether the life to come was begun for an alarm.
    alarmed: bool,
    /// Whether the cell waits for something to come.
    pub(super) parked: bool,
    /// Whether somebody waits for room.
    crowded: bool,
    /// Whether the life has started, and so answers.
    pub(super) serves: bool,
    /// How often it was woken in vain.
    pub(super) wakes: Wakes,
    limit: u32,
    /// The cell's; kept from one wait to the next.
    pub(super) waker: Option<Waker>,
    /// What came after `next`; empty while there is none.
    calls: Queue<Msg<A>>,
    beside: Option<Box<Beside<A>>>,
    next: Option<Msg<A>>,
    pub(super) bed: Bed<A>,
}

/// How many messages of clients who want to hear something may be there beyond the limit of others.
const SUBSCRIBES: usize = 1024;

/// What need not wait for the calls before it. Few actors ever have any.
struct Beside<A: Actor> {
    /// Calls of handlers that run free: they need no turn.
    free: VecDeque<Msg<A>>,
    /// Short turns of handlers that run free.
    turns: VecDeque<Turn<A>>,
    /// Who wants to know what keeps the actor awake.
    asked: Vec<Question>,
}

impl<A: Actor> Default for Beside<A> {
    fn default() -> Self {
        Self {
            free: VecDeque::new(),
            turns: VecDeque::new(),
            asked: Vec::new(),
        }
    }
}

/// What a push asks of the one who pushed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Pushed {
    /// Nothing.
    Taken,
    /// Start a cell.
    Start,
}

impl<A: Actor> Mailbox<A> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            phase: Phase::Asleep,
            stop: None,
            rung: false,
            alarmed: false,
            parked: false,
            crowded: false,
            serves: false,
            wakes: Wakes::default(),
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
            waker: None,
            calls: Queue::new(),
            beside: None,
            next: None,
            bed: Bed::default(),
        }
    }

    /// Adds a message. Those that end something are never refused for lack of room. Who subscribes has
    /// waited for room, so that more than [`SUBSCRIBES`] come only to an actor that cannot start.
    pub(super) fn push(&mut self, msg: Msg<A>, is_free: bool) -> Result<Pushed, Refused<A>> {
        if self.phase == Phase::Gone {
            return Err(Refused::Gone(msg));
        }
        let bounded = match &msg {
            Msg::Close(..) | Msg::Subscribe(..) => false,
            Msg::Visit(visit) => !visit.ends(),
            _ => true,
        };
        if bounded && self.phase == Phase::Down {
            return Err(Refused::Down(msg));
        }
        let is_full = match &msg {
            Msg::Subscribe(..) => self.limit as usize + SUBSCRIBES <= self.waiting(),
            _ => bounded && !self.has_room(),
        };
        if is_full {
            return Err(Refused::Full(msg));
        }
        if is_free {
            self.beside.get_or_insert_default().free.push_back(msg);
        } else if self.next.is_none() {
            self.next = Some(msg);
        } else {
            self.calls.push_back(msg);
        }
        Ok(self.awaken())
    }

    /// Whether another message may come. One that starts a cell always may: what is never refused may
    /// have filled the mailbox while none could be started, and only a cell makes room.
    pub(super) fn has_room(&self) -> bool {
        self.waiting() < self.limit as usize || self.phase == Phase::Asleep
    }

    /// What waits, roughly as it will be begun.
    pub(super) fn all(&self) -> impl Iterator<Item = &Msg<A>> {
        let free = self.beside.iter().flat_map(|it| &it.free);
        self.next.iter().chain(self.calls.iter()).chain(free)
    }

    /// Somebody waits for room.
    pub(super) fn crowd(&mut self) {
        self.crowded = true;
    }

    /// Whether somebody waits for room, who is then to be told.
    pub(super) fn take_crowded(&mut self) -> bool {
        mem::take(&mut self.crowded)
    }

    pub(super) fn push_turn(&mut self, turn: Turn<A>) {
        self.beside.get_or_insert_default().turns.push_back(turn);
        self.unpark();
    }

    pub(super) fn ring(&mut self) {
        self.rung = true;
        self.unpark();
    }

    /// Asks the cell to stop; wakes nobody who sleeps.
    pub(super) fn ask(&mut self, stop: Stop) {
        if matches!(self.phase, Phase::Awake | Phase::Down) {
            self.stop = Some(stop);
            self.unpark();
        }
    }

    /// An alarm is due: a cell that sleeps is started, one that does not looks at its clock.
    pub(super) fn alarm(&mut self) -> Pushed {
        match self.phase {
            Phase::Asleep => {
                self.alarmed = true;
                self.awaken()
            }
            Phase::Awake => {
                self.ring();
                Pushed::Taken
            }
            Phase::Down | Phase::Gone => Pushed::Taken,
        }
    }

    /// Whether this life was begun for an alarm.
    pub(super) fn take_alarmed(&mut self) -> bool {
        mem::take(&mut self.alarmed)
    }

    fn awaken(&mut self) -> Pushed {
        if self.phase == Phase::Asleep {
            self.phase = Phase::Awake;
            return Pushed::Start;
        }
        self.unpark();
        Pushed::Taken
    }

    /// Wakes the cell if it waits. Under the lock, because handing the waker out would cost a clone
    /// at every wait.
    pub(super) fn unpark(&mut self) {
        if self.parked {
            self.parked = false;
            if let Some(waker) = &self.waker {
                waker.wake_by_ref();
            }
        }
    }

    /// Puts a question to the cell, if there is one.
    pub(super) fn ask_why(&mut self, to: Question) {
        if self.phase != Phase::Awake {
            return;
        }
        if self.serves {
            self.beside.get_or_insert_default().asked.push(to);
            self.ring();
        } else {
            // Who asked may have gone.
            let _ = to.send(vec![Blocker::new(BlockerKind::Starting)]);
        }
    }

    pub(super) fn take_asked(&mut self) -> Vec<Question> {
        let beside = self.beside.as_mut();
        beside.map_or_else(Vec::new, |it| mem::take(&mut it.asked))
    }

    /// How many messages wait.
    pub(super) fn waiting(&self) -> usize {
        let free = self.beside.as_ref().map_or(0, |it| it.free.len());
        usize::from(self.next.is_some()) + self.calls.len() + free
    }

    /// Takes all calls that wait: gives the first, and moves the others into `batch`, which must be
    /// empty.
    pub(super) fn take_calls(&mut self, batch: &mut Queue<Msg<A>>) -> Option<Msg<A>> {
        let first = self.next.take();
        if !self.calls.is_empty() {
            mem::swap(&mut self.calls, batch);
        }
        first
    }

    /// Puts messages back that were taken and not begun, before all others.
    pub(super) fn put_back(&mut self, mut batch: Queue<Msg<A>>) {
        batch.extend(self.next.take());
        batch.append(&mut self.calls);
        self.next = batch.pop_front();
        self.calls = batch;
    }

    pub(super) fn next_free(&mut self) -> Option<Msg<A>> {
        self.beside.as_mut()?.free.pop_front()
    }

    pub(super) fn next_turn(&mut self) -> Option<Turn<A>> {
        self.beside.as_mut()?.turns.pop_front()
    }

    /// Whether somebody wants the actor to be gone for good.
    pub(super) fn is_doomed(&self) -> bool {
        self.stop == Some(Stop::Destroy)
    }

    /// Ready when the actor is asked to stop; registers for that.
    pub(super) fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        self.register(cx);
        self.take_stop().map_or(Poll::Pending, Poll::Ready)
    }

    pub(super) fn take_stop(&mut self) -> Option<Stop> {
        self.stop.take()
    }

    /// Takes the short turns of a life that is over, to be dropped without the lock: a closure may
    /// own what sends to this very mailbox.
    #[must_use]
    pub(super) fn end_life(&mut self) -> VecDeque<Turn<A>> {
        self.rung = false;
        self.serves = false;
        if self.stop == Some(Stop::Sleep) {
            self.stop = None;
        }
        drop(self.take_asked());
        self.beside
            .as_mut()
            .map_or_else(VecDeque::new, |it| mem::take(&mut it.turns))
    }

    /// Everything that waits, for a cell that cannot serve it.
    pub(super) fn drain(&mut self) -> Vec<Msg<A>> {
        let free = self.beside.take().map(|it| it.free).into_iter().flatten();
        let calls = mem::take(&mut self.calls);
        free.chain(self.next.take()).chain(calls).collect()
    }

    /// Everything that somebody waits for, of a cell that cannot serve it now. That a client has gone,
    /// or what it wants to hear, stays for the next.
    pub(super) fn drain_awaited(&mut self) -> Vec<Msg<A>> {
        let all = self.drain();
        let (kept, awaited) = all
            .into_iter()
            .partition::<Vec<_>, _>(|it| matches!(it, Msg::Close(..) | Msg::Subscribe(..)));
        let mut batch = Queue::new();
        batch.extend(kept);
        self.put_back(batch);
        awaited
    }

    /// Forgets messages that nobody is left to take.
    pub(super) fn forget(&mut self, is_moot: impl Fn(&Msg<A>) -> bool) {
        let all = self
            .next
            .take()
            .into_iter()
            .chain(mem::take(&mut self.calls));
        let mut rest = Queue::new();
        rest.extend(all.filter(|it| !is_moot(it)));
        self.put_back(rest);
    }

    /// The actor is down after a fault, for good or until it starts again by itself. Gives what is to be
    /// refused for that; a destroy that somebody wants is among it.
    pub(super) fn go_down(&mut self, phase: Phase) -> Vec<Msg<A>> {
        self.phase = phase;
        if self.is_doomed() {
            self.stop = None;
        }
        let refused = self.drain_awaited();
        self.shrink();
        refused
    }

    /// Whether calls of free handlers wait.
    pub(super) fn has_free(&self) -> bool {
        self.beside.as_ref().is_some_and(|it| !it.free.is_empty())
    }

    /// How many short turns wait.
    pub(super) fn turns(&self) -> usize {
        self.beside.as_ref().map_or(0, |it| it.turns.len())
    }

    fn has_turns(&self) -> bool {
        0 < self.turns()
    }

    /// The next short turn if it only reads.
    pub(super) fn next_read(&mut self) -> Option<ReadTurn<A>> {
        let turns = &mut self.beside.as_mut()?.turns;
        match turns.pop_front()? {
            Turn::Read(read) => Some(read),
            write @ Turn::Write(_) => {
                turns.push_front(write);
                None
            }
        }
    }

    /// Whether a stop or a short turn that writes waits, neither of which can go beside readers.
    pub(super) fn wants_a_turn(&self) -> bool {
        self.stop.is_some() || self.has_turns()
    }

    /// Whether the bell was rung; registers for whatever comes next.
    pub(super) fn poll_news(&mut self, cx: &mut Context<'_>) -> bool {
        if mem::take(&mut self.rung) {
            return true;
        }
        self.register(cx);
        false
    }

    /// Whether calls wait.
    pub(super) fn has_calls(&self) -> bool {
        self.next.is_some() || self.has_free()
    }

    /// Frees the memory of queues that are empty, and lets go of the cell's task.
    pub(super) fn shrink(&mut self) {
        self.parked = false;
        self.waker = None;
        self.calls.shrink();
        if self
            .beside
            .as_ref()
            .is_some_and(|it| it.free.is_empty() && it.turns.is_empty())
        {
            self.beside = None;
        }
    }

    /// Ready when the bell was rung or a turn or stop waits; registers for whatever comes next.
    pub(super) fn poll_any(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if mem::take(&mut self.rung) || self.has_turns() || self.stop.is_some() {
            return Poll::Ready(());
        }
        self.register(cx);
        Poll::Pending
    }

    /// Whether nothing has come; registers for what does.
    pub(super) fn poll_quiet(&mut self, cx: &Context<'_>) -> bool {
        let is_quiet =
            !self.rung && self.stop.is_none() && !self.has_turns() && self.waiting() == 0;
        if is_quiet {
            self.register(cx);
        }
        is_quiet
    }

    pub(super) fn register(&mut self, cx: &Context<'_>) {
        self.parked = true;
        if !self
            .waker
            .as_ref()
            .is_some_and(|it| it.will_wake(cx.waker()))
        {
            self.waker = Some(cx.waker().clone());
        }
    }
}

//! One life: what may wake it, and what it does next.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::{
    sync::oneshot,
    task::{JoinSet, unconstrained},
    time::{Instant, Sleep, sleep_until},
};

use super::{
    alarms::LOOK, commit::Saving, gate::Gate, guard::guard_now, host::TypeInfo, job::Job,
    keyed::Keyed, mailbox::Msg, queue::Queue, raw::Goodbyes, side::Free, slot::Slot, task::Step,
    why::Vigil,
};
use crate::{
    actor::{Actor, Ctx, Hub, Listener, LocalQueue, Spawn, Transport},
    clock::Timestamp,
    config::{ActorOptions, Durability},
    connection::{CloseFrame, Frame, Outbox, Rings, Ticket},
    error::ActorError,
    lifecycle::{Effect, Event, Machine, Stop},
    metrics::Awake,
    schedule::Fire,
    value::Value,
};

/// One life of an actor.
///
/// What every message touches stands first and together: with thousands of actors awake, fetching
/// the lines of this struct is what a call costs most.
#[repr(C)]
pub(super) struct Cell<A: Actor> {
    pub(super) slot: Arc<Slot<A>>,
    /// The slot's own; each life has it at hand.
    pub(super) info: Arc<TypeInfo>,
    /// Whether nothing has happened since idle time began to count.
    pub(super) quiet: bool,
    /// Whether the mailbox may hold something. If not, whoever puts something in wakes the task.
    pub(super) looks: bool,
    /// Whether it has taken anything that waited.
    pub(super) served: bool,
    /// Whether something goes on beside the turns: a commit, free handlers.
    pub(super) beside: bool,
    /// Whether the actor has anything on disk; if not, nothing looks at `saving`.
    pub(super) stores: bool,
    /// Whether `on_state_change` is about to run.
    pub(super) change_is_due: bool,
    /// Whether `due` says something.
    has_due: bool,
    /// Whether a call came with an idempotency key.
    pub(super) is_keyed: bool,
    /// Why this life cannot go on.
    pub(super) broken: Option<Box<Broken>>,
    /// The context of calls through a handle, while none runs.
    pub(super) plain: Option<Ctx<A>>,
    pub(super) effects: Queue<Effect>,
    /// What follows from what ran; goes before the batch.
    pub(super) jobs: Queue<Job<A>>,
    /// Messages taken from the mailbox and not begun.
    pub(super) batch: Queue<Msg<A>>,
    /// Absent until it rests and does not sleep.
    pub(super) vigil: Option<Box<Vigil>>,
    /// When `timer` fires, if it was asked to wake this task.
    pub(super) armed: Option<Instant>,
    pub(super) machine: Machine,
    pub(super) hub: Arc<Hub<A>>,
    /// Whether messages that were begun are to come again.
    pub(super) rewinds: bool,
    /// Whether a destroy failed.
    pub(super) undestroyed: bool,
    /// Whether the state may be half-changed and must not be saved.
    pub(super) tainted: bool,
    timer: Option<Pin<Box<Sleep>>>,
    pub(super) saving: Saving,
    pub(super) gate: Gate<Held<A>>,
    pub(super) free: Option<Box<Free<A>>>,
    /// Futures in the background, and the `run` handler.
    pub(super) background: Option<JoinSet<()>>,
    /// When a schedule is due next.
    pub(super) due: Option<Timestamp>,
    /// What watches this life, once it has begun.
    pub(super) awake: Option<Awake>,
    /// Absent for the many actors that keep no events.
    pub(super) rings: Option<Box<Rings>>,
    /// Absent until a call comes with an idempotency key.
    pub(super) keyed: Option<Box<Keyed<A>>>,
    pub(super) goodbyes: Goodbyes<A>,
}

/// A life that ended in the middle: the actor comes back from its last commit.
#[derive(Debug)]
pub(super) struct Broken {
    /// What those are told whose replies were not saved.
    pub(super) error: ActorError,
    pub(super) cause: Cause,
}

/// What broke a life, and so whether the next may fare better.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    /// One handler: others will do.
    Handler,
    /// The state could not be saved: that may go on.
    Storage,
}

impl Broken {
    pub(super) fn by_handler(name: &str) -> Box<Self> {
        let text = format!("the actor was reloaded before this was saved, because of `{name}`");
        Box::new(Self {
            error: ActorError::new("actor", "reloaded", text),
            cause: Cause::Handler,
        })
    }

    pub(super) fn by_storage(error: ActorError) -> Box<Self> {
        let cause = Cause::Storage;
        Box::new(Self { error, cause })
    }
}

/// An output that waits for its state to be durable.
pub(super) enum Held<A: Actor> {
    Reply(A::Call),
    Event {
        wire: Vec<(Arc<Outbox>, Bytes)>,
        local: Vec<Arc<LocalQueue<A>>>,
        event: Option<Arc<A::Event>>,
    },
    /// These clients cannot be sent what they hear, and so are closed.
    Unsendable(Vec<Arc<Outbox>>),
    Message(Arc<Outbox>, Frame),
    /// An answer to what a client sent, which then is dealt with.
    Answer(A::Call, Ticket),
    /// That a message is dealt with, which nobody is answered.
    Taken(Ticket),
    Close(Listener<A>, CloseFrame),
    /// A connection is open, whose row had to be stored for that if it is to hibernate.
    Opened(oneshot::Sender<Result<(), ActorError>>, Transport),
    /// A save is done: somebody waits to hear it.
    Done(oneshot::Sender<Result<(), ActorError>>),
    /// A message from outside is in its queue.
    Sent(oneshot::Sender<Result<u64, ActorError>>, u64),
    /// A message of a queue is completed.
    Completed(u64, Value),
    /// A scheduled run that storage is to know of first.
    Run(Fire),
    /// Something that is to be told to another actor.
    Tell(Spawn),
}

impl<A: Actor> Cell<A> {
    pub(super) fn new(slot: Arc<Slot<A>>, hub: Arc<Hub<A>>, saving: Saving) -> Self {
        let options = &slot.info.options;
        let machine = Machine::new(options.sleep_after, options.sleep_grace);
        let stores = options.durability != Durability::None;
        // The one before may have been cut off in the middle of a turn.
        slot.news.set_in_turn(false);
        Self {
            info: Arc::clone(&slot.info),
            slot,
            hub,
            quiet: false,
            looks: true,
            tainted: false,
            served: false,
            undestroyed: false,
            rewinds: false,
            beside: false,
            change_is_due: false,
            has_due: false,
            is_keyed: false,
            keyed: None,
            stores,
            plain: None,
            broken: None,
            effects: Queue::new(),
            jobs: Queue::new(),
            batch: Queue::new(),
            armed: None,
            machine,
            timer: None,
            saving,
            gate: Gate::new(0),
            free: None,
            background: None,
            due: None,
            awake: None,
            rings: None,
            vigil: None,
            goodbyes: Goodbyes::default(),
        }
    }

    pub(super) fn options(&self) -> &ActorOptions {
        &self.info.options
    }

    /// Whether the actor has anything on disk.
    pub(super) fn stores(&self) -> bool {
        self.stores
    }

    /// Tells the machine what happened and queues what it wants done.
    pub(super) fn tell(&mut self, event: Event) {
        self.tell_at(Instant::now(), event);
    }

    fn tell_at(&mut self, now: Instant, event: Event) {
        let effect = self.machine.on(now, event);
        if let Some(Effect::RunStopHook(_)) = effect {
            // Before the effect is performed, because that waits for the turn that runs now.
            self.hub.begin_stop();
        }
        if let Some(effect) = effect {
            self.effects.push_back(effect);
        }
    }

    pub(super) fn ask(&mut self, stop: Stop) {
        self.tell(Event::Asked(stop));
    }

    /// Snapshots the state and starts a commit, unless the state may be half-changed.
    pub(super) fn save(&mut self, state: &A) {
        if self.tainted {
            self.saving.give_up();
            return;
        }
        self.beside = true;
        // Serializing is user code too.
        let started = guard_now(|| self.saving.start(state, &self.hub));
        let error = match started {
            Ok(Ok(())) => return,
            Ok(Err(error)) => ActorError::internal(format!("not saved: {error}")),
            Err(fault) => fault.of_hook("serialize"),
        };
        tracing::error!(actor = %self.slot.about.address, %error, "the state cannot be saved");
        self.broken = Some(Broken::by_storage(error));
    }

    pub(super) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step<A>> {
        self.poll_side(cx);
        if self.broken.is_some() || self.must_save() {
            return Poll::Ready(Step::Look);
        }
        if self.poll_grace(cx).is_ready() {
            self.tell(Event::Deadline);
        }
        if let Some(effect) = self.effects.pop_front() {
            return Poll::Ready(Step::Perform(effect));
        }
        if let Some(job) = self.jobs.pop_front() {
            return Poll::Ready(Step::Run(job));
        }
        if self.may_begin()
            && let Some(msg) = self.batch.pop_front()
        {
            // A message without a job may still have left a save to begin.
            let job = self.begin(msg);
            return Poll::Ready(job.map_or(Step::Look, Step::Run));
        }
        self.poll_mailbox(cx)
    }

    /// Whether a snapshot is to be taken before anything else. While messages wait that can begin, it
    /// is put off for a moment.
    pub(super) fn must_save(&mut self) -> bool {
        self.stores
            && self.saving.is_due()
            && (self.batch.is_empty() || !self.may_begin() || !self.saving.gathers())
    }

    /// Whether another message may begin: while storage hangs, what waits for it is bounded (P6).
    pub(super) fn may_begin(&self) -> bool {
        self.machine.is_started()
            && (!self.beside
                || self.gate.len() < self.options().mailbox && !self.has_no_room_for_frame())
    }

    /// Ready once the grace of a stop under way is over (G3).
    pub(super) fn poll_grace(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(end) = self.machine.grace_ends() else {
            return Poll::Pending;
        };
        self.poll_timer(cx, end)
    }

    /// Ready once it is `at`.
    fn poll_timer(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        // Without tokio's budget, or a task that has used it up would wait for a timer that was never
        // told whom to wake.
        let fired = pin!(unconstrained(timer.as_mut())).poll(cx);
        self.armed = fired.is_pending().then_some(at);
        fired
    }

    /// Looks into the mailbox, which is only worth its lock when nothing else is to do.
    fn poll_mailbox(&mut self, cx: &mut Context<'_>) -> Poll<Step<A>> {
        if !self.looks {
            return self.rest(cx);
        }
        let started = self.may_begin();
        let mut mailbox = self.slot.mailbox();
        let stop = mailbox.take_stop();
        if stop.is_none()
            && let Some(turn) = mailbox.next_turn()
        {
            return Poll::Ready(Step::Turn(turn));
        }
        let first = if started {
            mailbox.take_calls(&mut self.batch)
        } else {
            None
        };
        let crowded = first.is_some() && mailbox.take_crowded();
        let free_waits = started && mailbox.has_free();
        let news = first.is_some() || stop.is_some() || free_waits;
        // Also when there is something to do: what comes meanwhile is found in the task's next run,
        // and where nothing comes the mailbox is not locked again.
        let rung = mailbox.poll_any(cx).is_ready();
        // Whoever asks sees what begins now, and so waits for its first rest.
        let asked = if news {
            Vec::new()
        } else {
            mailbox.take_asked()
        };
        self.looks = rung || !started;
        drop(mailbox);
        self.answer_why(asked, None);
        if let Some(stop) = stop {
            self.ask(stop);
        }
        if free_waits {
            self.served = true;
            self.start_waiting_free();
        }
        self.served |= first.is_some();
        self.slot.tell_of_room(crowded);
        if news {
            self.stir();
            let job = first.and_then(|msg| self.begin(msg));
            return Poll::Ready(job.map_or(Step::Look, Step::Run));
        }
        if rung {
            // What rings the bell is no activity: only calls restart the idle time (B2).
            return Poll::Ready(Step::Look);
        }
        self.rest(cx)
    }

    /// Nothing to do: arms the timer, and sleeps if it is time.
    fn rest(&mut self, cx: &mut Context<'_>) -> Poll<Step<A>> {
        if !self.quiet {
            self.quiet = true;
            if self.machine.counts_idle_time() {
                let now = Instant::now();
                if let Some(vigil) = &mut self.vigil {
                    vigil.heard = now;
                }
                if !self.machine.quiet(now) {
                    self.tell_at(now, Event::Quiet);
                }
            }
            if !self.effects.is_empty() {
                return Poll::Ready(Step::Look);
            }
        }
        if self.has_due && self.claim_due() {
            return Poll::Ready(Step::Look);
        }
        if self.machine.is_kept_awake() {
            self.keep_vigil();
        }
        let mut next = self.machine.next_deadline();
        if self.stores {
            next = earlier(next, self.saving.next_deadline());
        }
        if self.has_due {
            next = earlier(next, self.alarm());
        }
        if self.vigil.is_some() {
            next = earlier(next, self.vigil_ends());
        }
        let Some(next) = next else {
            self.timer = None;
            self.armed = None;
            return Poll::Pending;
        };
        // A later deadline leaves the timer as it is: when it fires too early, it is set anew. One
        // that will wake this task need not be asked again.
        let armed = self.armed.filter(|it| *it <= next);
        if armed.is_some() && self.timer.as_ref().is_some_and(|it| !it.is_elapsed()) {
            return Poll::Pending;
        }
        if self.poll_timer(cx, armed.unwrap_or(next)).is_pending() {
            return Poll::Pending;
        }
        while Instant::now() < next {
            if self.poll_timer(cx, next).is_pending() {
                return Poll::Pending;
            }
        }
        self.timer = None;
        self.tell(Event::Deadline);
        Poll::Ready(Step::Look)
    }

    /// The schedules have changed.
    pub(super) fn look_at_schedules(&mut self) {
        self.due = self.hub.next_due();
        self.has_due = self.due.is_some();
    }

    /// Takes what comes due while readers run. They leave the state as it is, so that storage can be told
    /// meanwhile: in the middle of an exclusive turn it cannot.
    pub(super) fn poll_due(&mut self, cx: &mut Context<'_>) {
        if !self.has_due || self.claim_due() {
            return;
        }
        if let Some(at) = self.alarm()
            && self.poll_timer(cx, at).is_ready()
        {
            cx.waker().wake_by_ref();
        }
    }

    /// When to see whether a schedule is due, by the clock of timers. Some time before it is, for the time of
    /// day may be set meanwhile, and goes on while a machine sleeps whose timers do not.
    fn alarm(&self) -> Option<Instant> {
        let due = self.due.filter(|_| self.machine.is_started())?;
        Instant::now().checked_add(due.since(self.hub.clock.now()).min(LOOK))
    }

    /// Begins with a message: what to run first, if anything.
    pub(super) fn begin(&mut self, msg: Msg<A>) -> Option<Job<A>> {
        match msg {
            Msg::Call(call, conn) => return self.take_call(call, conn.as_deref()),
            Msg::Peer(call) => return self.take_peer_call(*call),
            Msg::Keyed(call) => return self.take_keyed(*call),
            Msg::Http(call) => self.open(Box::new(call.opening)),
            Msg::Send(sending) => self.take_in(*sending),
            Msg::Open(opening) => self.open(opening),
            Msg::SocketCall(sent) => return self.take_sent(*sent),
            Msg::Frame(incoming) => return self.take_frame(*incoming),
            Msg::Close(id, how) => self.client_left(id, how),
            Msg::Subscribe(id, event, on) => self.subscribe(id, event, on),
            Msg::Visit(visit) => self.receive_visit(*visit),
        }
        self.jobs.pop_front()
    }
}

pub(super) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

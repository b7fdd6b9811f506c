//! The loop of one life: what may wake it, and what it does next.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    task::JoinSet,
    time::{Instant, Sleep, sleep_until},
};

use super::{
    commit::Saving,
    gate::Gate,
    job::{Job, Then},
    mailbox::Msg,
    side::FreeDone,
    slot::Slot,
    startup,
    turn::{Fault, guard, guard_now},
};
use crate::{
    actor::{Actor, Hub, Listener, LocalQueue, Origin, Receiver, Turn},
    config::{ActorOptions, Durability},
    connection::{CloseFrame, Outbox},
    error::ActorError,
    id::ConnId,
    lifecycle::{Effect, Event, Machine, Phase, Stop},
};

/// Turns in a row after which the cell lets other tasks run.
const BURST: u32 = 128;

/// One life of an actor.
pub(super) struct Cell<A: Actor> {
    pub(super) slot: Arc<Slot<A>>,
    pub(super) hub: Arc<Hub<A>>,
    pub(super) machine: Machine,
    pub(super) saving: Saving,
    pub(super) gate: Gate<Held<A>>,
    /// Messages taken from the mailbox and not begun.
    pub(super) batch: VecDeque<Msg<A>>,
    /// What follows from what ran; goes before the batch.
    pub(super) jobs: VecDeque<Job<A>>,
    pub(super) free: Option<JoinSet<FreeDone<A>>>,
    pub(super) effects: VecDeque<Effect>,
    /// Why this life cannot go on.
    pub(super) broken: Option<Broken>,
    /// Whether the state may be half-changed and must not be saved.
    pub(super) tainted: bool,
    timer: Option<Pin<Box<Sleep>>>,
    quiet: bool,
}

/// A life that ended in the middle: the actor comes back from its last commit.
#[derive(Debug)]
pub(super) struct Broken {
    /// What those are told whose replies were not saved.
    pub(super) error: ActorError,
}

/// An output that waits for its state to be durable.
pub(super) enum Held<A: Actor> {
    Reply(A::Call),
    Event {
        wire: Vec<(Arc<Outbox>, Bytes)>,
        local: Vec<Arc<LocalQueue<A>>>,
        event: Option<Arc<A::Event>>,
    },
    Close(Listener<A>, CloseFrame),
    Opened(tokio::sync::oneshot::Sender<Result<(), ActorError>>),
}

/// What the loop does next.
enum Step<A: Actor> {
    Run(Job<A>),
    Turn(Turn<A>),
    Perform(Effect),
    /// Look again: something beside the turns has changed.
    Look,
}

/// The actor's task: one life after another, until it sleeps with nothing waiting.
pub(super) async fn run<A: Actor>(slot: Arc<Slot<A>>) {
    let mut carried = None;
    loop {
        let Ok((mut cell, mut state)) = Box::pin(startup::start(&slot, carried.take())).await
        else {
            return;
        };
        match cell.serve(&mut state).await {
            Ended::Broken(broken) => {
                carried = cell.asked_to_stop();
                cell.abandon(&broken.error);
                tracing::warn!(actor = %slot.about.address, "reloading from the last commit");
            }
            Ended::Stopped(why) => {
                drop(state);
                if cell.leave(why) {
                    return;
                }
            }
        }
    }
}

/// How a life ended.
enum Ended {
    Broken(Broken),
    Stopped(Stop),
}

impl<A: Actor> Cell<A> {
    pub(super) fn new(slot: Arc<Slot<A>>, hub: Arc<Hub<A>>, saving: Saving) -> Self {
        let options = &slot.info.options;
        let machine = Machine::new(options.sleep_after, options.sleep_grace);
        Self {
            slot,
            hub,
            machine,
            saving,
            gate: Gate::new(0),
            batch: VecDeque::new(),
            jobs: VecDeque::new(),
            free: None,
            effects: VecDeque::new(),
            broken: None,
            tainted: false,
            timer: None,
            quiet: false,
        }
    }

    async fn serve(&mut self, state: &mut A) -> Ended {
        let mut burst = 0;
        loop {
            if self.saving.is_due() {
                self.save(state);
            }
            if let Some(broken) = self.broken.take() {
                return Ended::Broken(broken);
            }
            match poll_fn(|cx| self.poll_step(cx)).await {
                Step::Run(job) => self.run_job(state, job).await,
                Step::Turn(turn) => self.run_turn(state, turn),
                Step::Perform(Effect::RunStopHook(why)) => self.run_stop_hook(state, why),
                Step::Perform(Effect::Finalize(why)) => Box::pin(self.finalize(state, why)).await,
                Step::Perform(Effect::End(why)) => return Ended::Stopped(why),
                Step::Look => {}
            }
            burst += 1;
            if BURST <= burst {
                burst = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    pub(super) fn options(&self) -> &ActorOptions {
        &self.slot.info.options
    }

    /// Whether the actor has anything on disk.
    pub(super) fn stores(&self) -> bool {
        self.options().durability != Durability::None
    }

    /// Tells the machine what happened and queues what it wants done.
    pub(super) fn tell(&mut self, event: Event) {
        let effect = self.machine.on(Instant::now(), event);
        self.effects.extend(effect);
    }

    pub(super) fn ask(&mut self, stop: Stop) {
        self.tell(Event::Asked(stop));
    }

    fn asked_to_stop(&self) -> Option<Stop> {
        match self.machine.phase() {
            Phase::Grace { why, .. } | Phase::Finalizing { why } => Some(why),
            Phase::Loading | Phase::Started | Phase::Ended { .. } => None,
        }
    }

    /// Snapshots the state and starts a commit.
    pub(super) fn save(&mut self, state: &A) {
        if let Err(error) = self.saving.start(state, &self.hub) {
            let told = ActorError::internal(format!("not saved: {error}"));
            tracing::error!(actor = %self.slot.about.address, %error, "the state cannot be saved");
            self.broken = Some(Broken { error: told });
        }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step<A>> {
        self.poll_side(cx);
        if self.broken.is_some() || self.saving.is_due() {
            return Poll::Ready(Step::Look);
        }
        if let Some(effect) = self.effects.pop_front() {
            return Poll::Ready(Step::Perform(effect));
        }
        if let Some(job) = self.jobs.pop_front() {
            return Poll::Ready(Step::Run(job));
        }
        while self.machine.is_started() {
            let Some(msg) = self.batch.pop_front() else {
                break;
            };
            self.begin(msg);
            if let Some(job) = self.jobs.pop_front() {
                return Poll::Ready(Step::Run(job));
            }
        }
        self.poll_mailbox(cx)
    }

    /// Looks into the mailbox, which is only worth its lock when nothing else is to do.
    fn poll_mailbox(&mut self, cx: &mut Context<'_>) -> Poll<Step<A>> {
        let started = self.machine.is_started();
        let mut mailbox = self.slot.mailbox();
        if let Some(turn) = mailbox.next_turn() {
            return Poll::Ready(Step::Turn(turn));
        }
        let stop = mailbox.take_stop();
        if started {
            mailbox.take_calls(&mut self.batch);
        }
        let mut news = mailbox.poll_any(cx).is_ready() || stop.is_some();
        let free_waits = started && mailbox.has_free();
        drop(mailbox);
        if let Some(stop) = stop {
            self.ask(stop);
        }
        if free_waits {
            self.start_waiting_free();
            news = true;
        }
        if !self.batch.is_empty() {
            self.slot.made_room();
            news = true;
        }
        if news {
            self.quiet = false;
            if started {
                self.tell_busy();
            }
            return Poll::Ready(Step::Look);
        }
        self.rest(cx)
    }

    fn tell_busy(&mut self) {
        self.machine.busy();
    }

    /// Nothing to do: arms the timer, and sleeps if it is time.
    fn rest(&mut self, cx: &mut Context<'_>) -> Poll<Step<A>> {
        if !self.quiet {
            self.quiet = true;
            self.tell(Event::Quiet);
            if !self.effects.is_empty() {
                return Poll::Ready(Step::Look);
            }
        }
        let machine = self.machine.next_deadline();
        let Some(next) = machine.into_iter().chain(self.saving.next_deadline()).min() else {
            self.timer = None;
            return Poll::Pending;
        };
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(next)));
        // A later deadline leaves the timer as it is: when it fires too early, it is set anew.
        if next < timer.deadline() {
            timer.as_mut().reset(next);
        }
        while timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if next <= now {
                self.timer = None;
                self.saving.on_deadline(now);
                self.tell(Event::Deadline);
                self.quiet = false;
                return Poll::Ready(Step::Look);
            }
            timer.as_mut().reset(next);
        }
        Poll::Pending
    }

    /// Turns a message into jobs.
    pub(super) fn begin(&mut self, msg: Msg<A>) {
        match msg {
            Msg::Call(call, conn) => self.take_call(call, conn),
            Msg::Http(call) => self.open(Box::new(call.opening)),
            Msg::Open(opening) => self.open(opening),
            Msg::Close(id) => self.disconnect(id, None),
            Msg::Subscribe(id, event, on) => self.subscribe(id, &event, on),
        }
    }

    /// A call becomes a job; one over a connection that has gone is dropped with it.
    pub(super) fn take_call(&mut self, call: A::Call, conn: Option<ConnId>) {
        let caller = match conn {
            None => None,
            Some(id) => {
                let Some(conn) = self.hub.table().by_id(id).cloned() else {
                    return;
                };
                Some(conn)
            }
        };
        let job = Job::call(call, caller);
        if job.receiver() == Receiver::Free {
            self.spawn_free(job);
        } else {
            self.jobs.push_back(job);
        }
    }

    pub(super) fn timeout_of(&self, job: &Job<A>) -> Duration {
        let spec = &A::HANDLERS[A::handler(&job.call)];
        let options = self.options();
        spec.timeout.unwrap_or(match job.then {
            Then::Reply | Then::HttpDone(_) => options.action_timeout,
            Then::Admit(..) | Then::Opened(..) | Then::Closed(..) => options.connect_timeout,
            Then::StopHook(..) => options.sleep_grace,
        })
    }

    async fn run_job(&mut self, state: &mut A, job: Job<A>) {
        match job.receiver() {
            Receiver::Exclusive => self.run_exclusive(state, job).await,
            Receiver::Shared => self.run_shared(state, job).await,
            Receiver::Free => self.spawn_free(job),
        }
    }

    /// One turn with the state to itself.
    async fn run_exclusive(&mut self, state: &mut A, mut job: Job<A>) {
        let handler = A::handler(&job.call);
        if self.saving.is_dirty() && self.stores() && self.slot.info.may_suspend(handler) {
            self.save(state);
        }
        let timeout = self.timeout_of(&job);
        let mut suspended = false;
        let outcome = {
            let ctx = job.ctx(&self.hub, Origin::Turn);
            let mut turn = pin!(guard(state.run_exclusive(&ctx, &mut job.call), timeout));
            poll_fn(|cx| {
                if let Poll::Ready(outcome) = turn.as_mut().poll(cx) {
                    return Poll::Ready(outcome);
                }
                suspended = true;
                self.poll_beside(cx).map(Err)
            })
            .await
        };
        self.slot.info.learn(handler, suspended);
        match outcome {
            Ok(()) => self.finish(job, true),
            Err(fault) => {
                self.hub.discard_turn();
                // The turn may have stopped half-way: the last commit is the state (P7).
                if matches!(job.then, Then::StopHook(..)) {
                    self.tainted = true;
                } else {
                    let name = A::HANDLERS[handler].name;
                    self.broken.get_or_insert(Broken {
                        error: fault.of_hook(name),
                    });
                }
                self.fault(job, &fault);
            }
        }
    }

    /// Moves along what goes on beside a turn that waits. Ready when the turn must not go on.
    fn poll_beside(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        self.poll_side(cx);
        loop {
            let mut mailbox = self.slot.mailbox();
            let free = self.machine.is_started() && mailbox.has_free();
            let again = mailbox.poll_news(cx);
            drop(mailbox);
            if free {
                self.start_waiting_free();
            }
            if again {
                self.poll_side(cx);
            }
            if !free && !again {
                break;
            }
        }
        match &self.broken {
            Some(broken) => Poll::Ready(Fault::Broken(broken.error.clone())),
            None => Poll::Pending,
        }
    }

    /// Readers beside each other, until none runs. Those that come meanwhile join, up to the first
    /// message that is not a reader.
    async fn run_shared(&mut self, state: &A, job: Job<A>) {
        let mut running = FuturesUnordered::new();
        let mut first = pin!(share(state, self.shared(job)));
        let mut waiting = true;
        poll_fn(|cx| {
            if waiting && let Poll::Ready((job, outcome)) = first.as_mut().poll(cx) {
                waiting = false;
                self.shared_done(job, outcome);
            }
            while let Poll::Ready(Some((job, outcome))) = running.poll_next_unpin(cx) {
                self.shared_done(job, outcome);
            }
            if !waiting && running.is_empty() {
                return Poll::Ready(());
            }
            if self.poll_beside(cx).is_ready() {
                return Poll::Ready(());
            }
            while let Some(next) = self.next_reader(state) {
                running.push(share(state, self.shared(next)));
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await;
    }

    /// The next job if it is a reader, with short reads run on the way.
    fn next_reader(&mut self, state: &A) -> Option<Job<A>> {
        if !self.machine.is_started() {
            return None;
        }
        while let Some(read) = self.slot.mailbox().next_read() {
            if guard_now(|| read(state)).is_err() {
                tracing::error!(actor = %self.slot.about.address, "a read panicked");
            }
        }
        if self.jobs.is_empty() {
            if self.batch.is_empty() {
                self.slot.mailbox().take_calls(&mut self.batch);
                self.slot.made_room();
            }
            if let Some(Msg::Call(call, _)) = self.batch.front()
                && A::HANDLERS[A::handler(call)].receiver == Receiver::Shared
                && let Some(msg) = self.batch.pop_front()
            {
                self.begin(msg);
            }
        }
        let is_reader = self
            .jobs
            .front()
            .is_some_and(|it| it.receiver() == Receiver::Shared);
        if is_reader {
            self.jobs.pop_front()
        } else {
            None
        }
    }

    fn shared(&self, job: Job<A>) -> (Job<A>, Arc<Hub<A>>, Duration) {
        let timeout = self.timeout_of(&job);
        (job, Arc::clone(&self.hub), timeout)
    }

    fn shared_done(&mut self, job: Job<A>, outcome: Result<(), Fault>) {
        match outcome {
            Ok(()) => self.finish(job, false),
            Err(fault) => self.fault(job, &fault),
        }
    }

    /// A short turn of a free handler.
    fn run_turn(&mut self, state: &mut A, turn: Turn<A>) {
        match turn {
            Turn::Read(read) => {
                if guard_now(|| read(state)).is_err() {
                    tracing::error!(actor = %self.slot.about.address, "a read panicked");
                }
            }
            Turn::Write(write) => match guard_now(|| write(state)) {
                Ok(()) => {
                    if self.stores() {
                        self.saving.state_changed();
                        self.want_save();
                    }
                }
                Err(fault) => {
                    self.broken = Some(Broken {
                        error: fault.of_hook("TaskCtx::write"),
                    });
                }
            },
        }
    }
}

/// Runs a reader.
async fn share<A: Actor>(
    state: &A,
    (mut job, hub, timeout): (Job<A>, Arc<Hub<A>>, Duration),
) -> (Job<A>, Result<(), Fault>) {
    let ctx = job.ctx(&hub, Origin::Beside);
    let outcome = guard(state.run_shared(&ctx, &mut job.call), timeout).await;
    (job, outcome)
}

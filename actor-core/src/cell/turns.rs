//! Runs turns on the state: one with it to itself, readers beside each other, short ones in between.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, OnceLock},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::Instant;

use super::{
    frame::Who,
    guard::{Fault, Guard, guard_now},
    job::{Job, Then, Wish, waits},
    live::{Broken, Cell},
    mailbox::Msg,
    raw, slot,
    tunnel::note_taken,
    why::Running,
};
use crate::{
    actor::{Actor, Ctx, Hub, Origin, Receiver, Turn},
    config::{Durability, LONGEST},
    id::ConnId,
};

/// A reader that is over.
type Read<A> = (Job<A>, Result<(), Fault>);

/// Readers at a time.
const READERS: usize = 1024;

impl<A: Actor> Cell<A> {
    /// How long a handler may run: its own timeout, and not past the end of a stop (G3).
    pub(super) fn timeout_of(&self, job: &Job<A>) -> Duration {
        let spec = &A::HANDLERS[A::handler(&job.call)];
        let options = self.options();
        let own = spec.timeout.map(|it| it.min(LONGEST));
        let own = own.unwrap_or(match job.then {
            Then::Reply
            | Then::Peer(_)
            | Then::HttpDone(_)
            | Then::Scheduled(..)
            | Then::Message(_) => options.action_timeout,
            Then::Admit(..) => options.on_before_connect_timeout,
            Then::Opened(..) | Then::SocketOpened(..) => options.on_connect_timeout,
            Then::Closed(..) | Then::SocketClosed(..) => options.on_disconnect_timeout,
            Then::StateChange(_) => options.on_state_change_timeout,
            Then::Failure(_) => options.on_error_timeout,
            Then::Decide(..) => options.on_before_connect_timeout,
            Then::StopHook(..) => options.sleep_grace,
        });
        // Nobody works for longer than its caller waits.
        let own = waits(&job.then).map_or(own, |it| own.min(it.left()));
        match self.machine.grace_ends() {
            Some(end) => own.min(end.saturating_duration_since(Instant::now())),
            None => own,
        }
    }

    /// When the outputs of a handler may leave.
    pub(super) fn durability_of(&self, job: &Job<A>) -> Durability {
        match self.options().durability {
            Durability::None => Durability::None,
            actors => {
                let own = A::HANDLERS[A::handler(&job.call)].durability;
                own.unwrap_or(actors)
            }
        }
    }

    /// One turn with the state to itself.
    pub(super) async fn run_exclusive(
        &mut self,
        state: &mut A,
        job: &mut Job<A>,
    ) -> Result<(), Fault> {
        let handler = A::handler(&job.call);
        if self.stores() && self.saving.is_dirty() && self.info.may_suspend(handler) {
            self.save(state);
        }
        let timeout = self.timeout_of(job);
        let mut running = None;
        let ctx = self.context_of(job);
        let outcome = {
            self.slot.news.set_in_turn(true);
            let who = Who {
                about: &ctx.hub.about,
                receiver: Receiver::Exclusive,
                waits: waits(&job.then),
            };
            let mut turn = pin!(Guard::new(
                state.run_exclusive(&ctx, &mut job.call),
                timeout,
                who
            ));
            poll_fn(|cx| {
                if let Poll::Ready(outcome) = turn.as_mut().poll(cx) {
                    return Poll::Ready(outcome);
                }
                let running = *running.get_or_insert_with(|| Running::begun(handler));
                self.poll_beside(cx, running).map(Err)
            })
            .await
        };
        self.slot.news.set_in_turn(false);
        self.keep_context(ctx);
        self.info.learn(handler, running.is_some());
        outcome
    }

    /// As [`run_exclusive`](Self::run_exclusive), for a handler that awaits nothing: no time can pass in
    /// which it could be ended, or anything go on beside it.
    pub(super) fn run_at_once(&mut self, state: &mut A, job: &mut Job<A>) -> Result<(), Fault> {
        let ctx = self.context_of(job);
        self.slot.news.set_in_turn(true);
        let outcome = guard_now(|| {
            let turn = pin!(state.run_exclusive(&ctx, &mut job.call));
            turn.poll(&mut Context::from_waker(Waker::noop()))
        });
        self.slot.news.set_in_turn(false);
        self.keep_context(ctx);
        match outcome? {
            Poll::Ready(()) => Ok(()),
            Poll::Pending => Err(Fault::Panicked("it had to wait, and may not".to_owned())),
        }
    }

    /// What follows such a turn.
    pub(super) fn end_exclusive(&mut self, job: Job<A>, outcome: Result<(), Fault>) {
        match outcome {
            Ok(()) => self.finish(job, true),
            Err(fault) => {
                self.hub.discard_turn();
                // The turn may have stopped half-way: the last commit is the state (P7).
                if self.machine.is_started() {
                    let name = A::HANDLERS[A::handler(&job.call)].name;
                    self.broken.get_or_insert_with(|| Broken::by_handler(name));
                } else {
                    // It is stopping, and what came before this turn is on its way to disk.
                    self.tainted = true;
                }
                self.fault(job, &fault);
            }
        }
    }

    /// The context of an exclusive turn. Calls through a handle all have the same.
    fn context_of(&mut self, job: &Job<A>) -> Ctx<A> {
        match self.plain.take() {
            Some(plain) if job.is_plain() => plain,
            kept => {
                self.plain = kept;
                job.ctx(&self.hub, Origin::Turn)
            }
        }
    }

    fn keep_context(&mut self, ctx: Ctx<A>) {
        if ctx.is_plain() {
            self.plain = Some(ctx);
        }
    }

    /// Moves along what goes on beside a turn that waits. Ready when the turn must not go on.
    fn poll_beside(&mut self, cx: &mut Context<'_>, running: Running) -> Poll<Fault> {
        // The mailbox wakes the task for this turn, and calls stay in it.
        self.looks = true;
        self.poll_side(cx);
        loop {
            let mut mailbox = self.slot.mailbox();
            let free = self.machine.is_started() && mailbox.has_free();
            let stop = mailbox.take_stop();
            let again = mailbox.poll_news(cx);
            let asked = mailbox.take_asked();
            drop(mailbox);
            self.answer_why(asked, Some(running));
            if let Some(stop) = stop {
                self.ask(stop);
            }
            if free {
                self.start_waiting_free();
            }
            if again || free {
                self.poll_side(cx);
            }
            if !again && stop.is_none() {
                break;
            }
        }
        if let Some(broken) = &self.broken {
            return Poll::Ready(Fault::Broken(broken.error.clone()));
        }
        self.poll_grace(cx)
            .map(|()| Fault::Broken(slot::stopping()))
    }

    /// Readers beside each other, until none runs. Those that come meanwhile join, up to the first
    /// message that is not a reader.
    pub(super) async fn run_shared(&mut self, state: &A, job: Job<A>) {
        let handler = A::handler(&job.call);
        let mut began = None;
        let mut deciding: Vec<_> = decides(&job).into_iter().collect();
        let cut = OnceLock::new();
        let mut running = FuturesUnordered::new();
        let mut first = pin!(share(state, self.shared(job), &cut));
        let mut waiting = true;
        poll_fn(|cx| {
            if waiting && let Poll::Ready(read) = first.as_mut().poll(cx) {
                waiting = false;
                self.decided(read, &mut deciding);
            }
            while let Poll::Ready(Some(read)) = running.poll_next_unpin(cx) {
                self.decided(read, &mut deciding);
            }
            if !waiting && running.is_empty() {
                return Poll::Ready(());
            }
            let mut readers = *began.get_or_insert_with(|| Running::begun(handler));
            readers.count = running.len() + usize::from(waiting);
            if let Poll::Ready(fault) = self.poll_beside(cx, readers) {
                // Each ends by that, and comes again if it can.
                let _ = cut.set(fault);
                if waiting && let Poll::Ready((job, outcome)) = first.as_mut().poll(cx) {
                    self.shared_done(job, outcome);
                }
                self.end_readers(&mut running, cx);
                return Poll::Ready(());
            }
            self.poll_due(cx);
            if self.stores() && self.saving.is_due() {
                // Readers change nothing, so what came before them need not wait for them.
                self.save(state);
                cx.waker().wake_by_ref();
            }
            while running.len() < READERS
                && let Some(next) = self.next_reader(state, &deciding, cx)
            {
                deciding.extend(decides(&next));
                running.push(share(state, self.shared(next), &cut));
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await;
    }

    /// Ends those of the readers that are cut short, or just done.
    fn end_readers(
        &mut self,
        readers: &mut FuturesUnordered<impl Future<Output = Read<A>>>,
        cx: &mut Context<'_>,
    ) {
        for reader in Pin::new(readers).iter_pin_mut() {
            if let Poll::Ready((job, outcome)) = reader.poll(cx) {
                self.shared_done(job, outcome);
            }
        }
    }

    /// The next job if it is a reader, with short reads run on the way. What a client sent after it asked
    /// for an event waits until that is decided.
    fn next_reader(&mut self, state: &A, deciding: &[ConnId], cx: &Context<'_>) -> Option<Job<A>> {
        if !self.machine.is_started() {
            return None;
        }
        loop {
            // Bound first: a read runs without the mailbox's lock.
            let next = self.slot.mailbox().next_read();
            let Some(read) = next else { break };
            read(state);
        }
        if self.slot.mailbox().wants_a_turn() {
            // Somebody waits who cannot go beside readers.
            return None;
        }
        if self.jobs.is_empty() {
            if self.batch.is_empty() {
                self.take_waiting();
            }
            let may_begin = |it: &Msg<A>| is_for_reader(it) && !is_sent_by(it, deciding);
            if self.batch.front().is_some_and(may_begin)
                && let Some(msg) = self.batch.pop_front()
            {
                let job = self.begin(msg);
                if job.is_none() {
                    // It was refused, or waits for something that is to be asked for.
                    cx.waker().wake_by_ref();
                }
                return job;
            }
        }
        let is_of = |it: &Job<A>| {
            it.caller
                .as_ref()
                .is_some_and(|it| deciding.contains(&it.id))
        };
        let is_reader = self
            .jobs
            .front()
            .is_some_and(|it| it.receiver() == Receiver::Shared && !is_of(it));
        if is_reader {
            self.jobs.pop_front()
        } else {
            None
        }
    }

    /// Moves what waits in the mailbox into the batch, which must be empty.
    pub(super) fn take_waiting(&mut self) {
        let first = self.slot.mailbox().take_calls(&mut self.batch);
        if let Some(first) = first {
            self.batch.push_front(first);
        }
        self.slot.made_room();
    }

    fn shared(&self, job: Job<A>) -> (Job<A>, Arc<Hub<A>>, Duration) {
        let timeout = self.timeout_of(&job);
        (job, Arc::clone(&self.hub), timeout)
    }

    /// A reader is over, which may have decided whether a client hears an event.
    fn decided(&mut self, (job, outcome): Read<A>, deciding: &mut Vec<ConnId>) {
        if let Some(conn) = decides(&job) {
            deciding.retain(|it| *it != conn);
        }
        self.shared_done(job, outcome);
    }

    fn shared_done(&mut self, job: Job<A>, outcome: Result<(), Fault>) {
        match outcome {
            Ok(()) => self.finish(job, false),
            Err(fault) => self.fault(job, &fault),
        }
    }

    /// A short turn of a free handler.
    pub(super) fn run_turn(&mut self, state: &mut A, turn: Turn<A>) {
        match turn {
            Turn::Read(read) => read(state),
            Turn::Write(write) => match guard_now(|| write(state)) {
                Ok(true) => {
                    self.state_changed();
                    self.want_save();
                }
                Ok(false) => {}
                Err(fault) => {
                    let name = "TaskCtx::write";
                    self.broken = Some(Broken::by_handler(name));
                    self.note_fault_of(name, &fault, fault.of_hook(name));
                }
            },
        }
    }
}

/// The connection that waits to be told whether it may hear an event.
fn decides<A: Actor>(job: &Job<A>) -> Option<ConnId> {
    match &job.then {
        Then::Decide(Wish::Hear(conn, _), _) => Some(*conn),
        _ => None,
    }
}

/// Whether it comes from one of these over its socket.
fn is_sent_by<A: Actor>(msg: &Msg<A>, conns: &[ConnId]) -> bool {
    matches!(msg, Msg::SocketCall(sent) if conns.contains(&sent.conn))
}

fn is_for_reader<A: Actor>(msg: &Msg<A>) -> bool {
    let receiver = match msg {
        Msg::Call(call, _) => Some(A::HANDLERS[A::handler(call)].receiver),
        Msg::Peer(it) => Some(A::HANDLERS[A::handler(&it.call)].receiver),
        Msg::Keyed(it) => Some(A::HANDLERS[A::handler(&it.call)].receiver),
        Msg::SocketCall(sent) => Some(A::HANDLERS[A::handler(&sent.call)].receiver),
        Msg::Frame(_) => raw::receiver_of_messages::<A>(),
        Msg::Http(_)
        | Msg::Send(_)
        | Msg::Open(_)
        | Msg::Close(..)
        | Msg::Subscribe(..)
        | Msg::Visit(_) => None,
    };
    receiver == Some(Receiver::Shared)
}

/// Runs a reader, to its end or until all are `cut` short. When it has written something beside the state,
/// the number of its message goes to disk with that: it will not be done again.
async fn share<A: Actor>(
    state: &A,
    (mut job, hub, timeout): (Job<A>, Arc<Hub<A>>, Duration),
    cut: &OnceLock<Fault>,
) -> Read<A> {
    let origin = match job.then {
        Then::StateChange(_) => Origin::StateChange,
        _ => Origin::Beside,
    };
    let ctx = job.ctx(&hub, origin);
    let Job {
        call,
        caller,
        ticket,
        then,
        ..
    } = &mut job;
    let who = Who {
        about: &hub.about,
        receiver: Receiver::Shared,
        waits: waits(then),
    };
    let message = caller.as_ref().zip(ticket.as_ref());
    let message = message.filter(|_| hub.options.durability != Durability::None);
    let outcome = {
        let mut turn = pin!(Guard::new(state.run_shared(&ctx, call), timeout, who));
        poll_fn(|cx| {
            if let Some(fault) = cut.get() {
                return Poll::Ready(Err(fault.clone()));
            }
            let written = hub.writes();
            let polled = turn.as_mut().poll(cx);
            if let Some((conn, ticket)) = message
                && hub.writes() != written
            {
                note_taken(&hub, conn, ticket);
            }
            polled
        })
        .await
    };
    (job, outcome)
}

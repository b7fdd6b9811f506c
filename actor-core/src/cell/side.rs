//! What goes on beside the turns: commits, free handlers, outputs on their way out. None of it
//! touches the state, so it goes on also while a turn waits in the middle.

use std::{
    collections::BTreeMap,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    task::{Id, JoinError, JoinSet},
    time::Instant,
};

use super::{
    frame::Who,
    guard::{Fault, Guard},
    job::{Job, Wish, read_answer, waits},
    live::{Broken, Cell, Held},
    mailbox::Msg,
};
use crate::{
    actor::{Actor, Origin, Output, Receiver, TaskCtx, aborted},
    config::Durability,
    connection::CloseFrame,
    error::ActorError,
    id::ConnId,
    lifecycle::{Event, Stop, WorkKind},
    metrics,
    storage::StorageError,
};

/// A free handler that is over.
pub(super) struct FreeDone<A: Actor> {
    job: Job<A>,
    outcome: Result<(), Fault>,
}

/// Free handlers that run.
pub(super) struct Free<A: Actor> {
    pub(super) tasks: JoinSet<FreeDone<A>>,
    /// Which each is, and since when.
    pub(super) begun: BTreeMap<Id, (usize, Instant)>,
}

impl<A: Actor> Default for Free<A> {
    fn default() -> Self {
        Self {
            tasks: JoinSet::new(),
            begun: BTreeMap::new(),
        }
    }
}

/// A version that no commit reaches: what waits for it leaves, or fails, when the life ends.
const NEVER: u64 = u64::MAX;

impl<A: Actor> Cell<A> {
    /// Moves everything along that needs no turn. Wakes the task when there is more.
    pub(super) fn poll_side(&mut self, cx: &mut Context<'_>) {
        if self.beside {
            self.poll_commit(cx);
            self.poll_free(cx);
            self.poll_background(cx);
            self.poll_keyed(cx);
            self.beside = self.saving.is_in_flight() || !self.only_saves();
        }
        if self.slot.news.is_there() {
            self.drain_outputs(false, self.options().durability);
        }
    }

    /// Whether nothing but a commit goes on beside the turns.
    pub(super) fn only_saves(&self) -> bool {
        self.free.is_none() && self.background.is_none() && !self.keyed_wait()
    }

    fn poll_commit(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready((since, result)) = self.saving.poll(cx) {
            match result {
                Ok(committed) => {
                    self.info.meters.committed(&since);
                    self.hub.settled(committed.version());
                    self.slot.host.alarms.moved();
                    self.gate.open(&committed);
                    while let Some(held) = self.gate.next() {
                        self.deliver(held);
                    }
                }
                Err(error) => self.commit_failed(&error),
            }
        }
    }

    fn poll_free(&mut self, cx: &mut Context<'_>) {
        let Some(free) = &mut self.free else { return };
        let mut over = Vec::new();
        let is_empty = loop {
            match free.tasks.poll_join_next_with_id(cx) {
                Poll::Ready(Some(done)) => {
                    let id = done.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
                    free.begun.remove(&id);
                    over.push(done);
                }
                Poll::Ready(None) => break true,
                Poll::Pending => break false,
            }
        };
        if is_empty {
            self.free = None;
        }
        for done in over {
            self.machine.work.end(WorkKind::Free);
            // One that panicked outside its guard, in a drop, has answered by being dropped.
            if let Ok((_, done)) = done {
                self.free_done(done);
            }
            self.tell(Event::WorkEnded);
        }
        // There may be room for another.
        self.start_waiting_free();
    }

    fn commit_failed(&mut self, error: &StorageError) {
        tracing::error!(actor = %self.slot.about.address, %error, "a commit failed");
        metrics::count(&metrics::COMMIT_FAILURES, [&self.info.name]);
        if self.options().durability == Durability::Relaxed && self.gate.is_empty() {
            // Nobody waits for it, and what was acknowledged is still in memory: try again (S2).
            let interval = self.options().save_interval;
            self.saving.try_again(&self.hub, interval);
            return;
        }
        let told = ActorError::new("actor", "storage_failed", format!("not saved: {error}"));
        self.broken = Some(Broken::by_storage(told));
    }

    /// Starts the free handlers that wait, as many as may run at a time.
    pub(super) fn start_waiting_free(&mut self) {
        let limit = self.options().mailbox;
        while self.machine.is_started() && self.running_free() < limit {
            let next = self.slot.mailbox().next_free();
            let job = match next {
                Some(Msg::Call(call, conn)) => self.take_call(call, conn.as_deref()),
                Some(Msg::Peer(call)) => self.take_peer_call(*call),
                Some(Msg::Keyed(call)) => self.take_keyed(*call),
                Some(Msg::SocketCall(sent)) => self.take_sent(*sent),
                Some(_) | None => break,
            };
            self.jobs.extend(job);
        }
        self.slot.made_room();
    }

    /// Runs a job beside everything else.
    pub(super) fn spawn_free(&mut self, mut job: Job<A>) {
        self.machine.work.begin(WorkKind::Free);
        let ctx = TaskCtx {
            ctx: job.ctx(&self.hub, Origin::Beside),
        };
        let timeout = self.timeout_of(&job);
        self.beside = true;
        let handler = A::handler(&job.call);
        let free = self.free.get_or_insert_default();
        let task = free.tasks.spawn(async move {
            let who = Who {
                about: &ctx.ctx.hub.about,
                receiver: Receiver::Free,
                waits: waits(&job.then),
            };
            let outcome = Guard::new(A::run_free(&ctx, &mut job.call), timeout, who).await;
            FreeDone { job, outcome }
        });
        free.begun.insert(task.id(), (handler, Instant::now()));
    }

    fn free_done(&mut self, done: FreeDone<A>) {
        match done.outcome {
            Ok(()) => self.finish(done.job, false),
            Err(fault) => self.fault(done.job, &fault),
        }
    }

    /// The version an output of this durability has to wait for.
    pub(super) fn tag(&self, durability: Durability) -> u64 {
        if self.machine.is_destroying() {
            // Whoever asked for it is told when it has happened.
            return NEVER;
        }
        match durability {
            Durability::Acked => self.saving.version(),
            Durability::Relaxed | Durability::None => 0,
        }
    }

    /// Takes what handlers emitted and sends it on its way, each as durable as `durability` asks.
    pub(super) fn drain_outputs(&mut self, turn_is_over: bool, durability: Durability) {
        let leaving = self.send_outputs(turn_is_over, durability);
        self.disconnect_all(leaving);
    }

    /// As [`drain_outputs`](Self::drain_outputs), except that connections which are to be closed are
    /// given back: what follows the handler may still have something for them.
    fn send_outputs(
        &mut self,
        turn_is_over: bool,
        durability: Durability,
    ) -> Vec<(ConnId, CloseFrame)> {
        let outputs = self.hub.take(turn_is_over);
        let mut recorded = self.record_events(&outputs);
        self.count_work();
        // One that could not be unfolded went without a word.
        self.count_connections();
        if self.hub.is_dirty() {
            self.look_at_schedules();
            if !self.saving.is_dirty() {
                self.connections_changed();
            }
        }
        let tag = self.tag(durability);
        let mut leaving = Vec::new();
        for output in outputs {
            match output {
                Output::Event { wire, local, event } => {
                    self.hold(tag, Held::Event { wire, local, event });
                }
                Output::Recorded(_) => self.hold_recorded(recorded.pop_front()),
                Output::Unsendable(it) => self.hold(tag, Held::Unsendable(it)),
                Output::Message(outbox, frame) => self.hold(tag, Held::Message(outbox, frame)),
                Output::Disconnect { conn, close } => leaving.push((conn, close)),
                // What is about to go need not be kept.
                Output::Save(to) if self.machine.is_destroying() => self.deliver(Held::Done(to)),
                Output::Save(to) => self.hold(self.saving.version(), Held::Done(to)),
                Output::SaveWithin(max) => self.saving.want_before(max),
                Output::Spawn(it) => self.spawn_background(it),
                // Nothing will be durable any more.
                Output::Tell(it) if self.machine.is_destroying() => self.spawn_background(it),
                Output::Tell(it) => self.hold(tag, Held::Tell(it)),
                Output::Send(it) => self.take_in(*it),
                Output::QueueRead => self.offer_delayed(),
                Output::Failed(it) => self.report(it),
                Output::Completed(id, response) => self.hold(tag, Held::Completed(id, response)),
                Output::Lost(id) => self.slot.completions.forget(id),
                Output::Sleep => self.ask(Stop::Sleep),
                Output::Destroy => self.ask(Stop::Destroy),
            }
        }
        leaving
    }

    fn disconnect_all(&mut self, leaving: Vec<(ConnId, CloseFrame)>) {
        for (conn, close) in leaving {
            self.disconnect(conn, Some(close));
        }
    }

    /// Lets an output leave now, or once `tag` is durable.
    pub(super) fn hold(&mut self, tag: u64, held: Held<A>) {
        if tag == 0 {
            // Saw nothing that is to be saved.
            self.deliver(held);
        } else if let Some(out) = self.gate.pass(tag, held) {
            self.deliver(out);
        } else {
            self.saving.want_now();
        }
    }

    fn deliver(&mut self, held: Held<A>) {
        match held {
            Held::Reply(mut call) => A::reply(&mut call).release(),
            Held::Event { wire, local, event } => {
                for (outbox, bytes) in wire {
                    let max = self.options().max_outgoing;
                    if max < bytes.len() {
                        outbox.close(CloseFrame::new(1011, "message.outgoing_too_long"));
                        metrics::count(&metrics::TOO_LONG, ["out"]);
                    } else {
                        outbox.push(bytes);
                    }
                }
                if let Some(event) = event {
                    for queue in local {
                        queue.push(Arc::clone(&event));
                    }
                }
            }
            Held::Unsendable(outboxes) => {
                for outbox in outboxes {
                    outbox.close(CloseFrame::new(1011, "actor.send_failed"));
                }
            }
            Held::Message(outbox, frame) => outbox.push_frame(frame),
            Held::Answer(mut call, ticket) => {
                A::reply(&mut call).release();
                ticket.settle();
            }
            Held::Taken(ticket) => ticket.settle(),
            Held::Close(listener, frame) => listener.close(frame),
            Held::Run(fire) => self.begin_run(fire),
            Held::Tell(it) => self.spawn_background(it),
            Held::Completed(id, response) => self.slot.completions.complete(id, response),
            Held::Sent(to, id) => {
                // The sender may have gone.
                let _ = to.send(Ok(id));
            }
            Held::Opened(to, _) | Held::Done(to) => {
                // Who asked may have gone.
                let _ = to.send(Ok(()));
            }
        }
    }

    /// Goes on with whatever follows a handler that returned. `exclusive` says that it may have
    /// changed the state.
    pub(super) fn finish(&mut self, mut job: Job<A>, exclusive: bool) {
        if exclusive {
            self.state_changed();
        }
        if self.is_keyed {
            self.keep_answer(&mut job.call);
        }
        let durability = self.durability_of(&job);
        if exclusive && durability == Durability::Acked && job.ticket.is_some() {
            self.note_effect(&job);
        }
        let mut leaving = Vec::new();
        if self.slot.news.is_there() {
            leaving = self.send_outputs(exclusive, durability);
        }
        let tag = self.tag(durability);
        if tag == 0 && job.is_answered_only() {
            // Most calls, and nothing of them has to be kept.
            A::reply(&mut job.call).release();
        } else {
            self.follow(job, tag);
        }
        if !leaving.is_empty() {
            self.disconnect_all(leaving);
        }
        self.want_save();
    }

    pub(super) fn follow(&mut self, mut job: Job<A>, tag: u64) {
        use super::job::Then;
        match job.then {
            Then::Reply | Then::Peer(_) => match job.ticket {
                Some(ticket) => self.hold(tag, Held::Answer(job.call, ticket)),
                None => self.hold(tag, Held::Reply(job.call)),
            },
            Then::HttpDone(conn) => {
                self.hold(tag, Held::Reply(job.call));
                self.http_done(&conn);
            }
            Then::Admit(opening, mut answer) => {
                A::reply(&mut job.call).release();
                self.preflight_over(opening, read_answer(&mut answer));
            }
            Then::Opened(opening, conn, mut answer) => {
                A::reply(&mut job.call).release();
                self.connect_over(*opening, &conn, read_answer(&mut answer));
            }
            Then::Scheduled(run, mut outcome) => {
                A::reply(&mut job.call).release();
                let outcome = outcome.try_recv().unwrap_or_else(|_| Err(aborted()));
                self.run_ended(&run, outcome.err().as_ref());
            }
            Then::SocketOpened(opening, conn, mut answer) => {
                A::reply(&mut job.call).release();
                self.socket_opened(*opening, &conn, read_answer(&mut answer));
            }
            Then::Closed(conn, answer) => {
                self.hook_over(job.call, answer);
                self.closed(&conn);
            }
            Then::Message(answer) => {
                self.hook_over(job.call, answer);
                if let Some(ticket) = job.ticket {
                    self.hold(tag, Held::Taken(ticket));
                }
            }
            Then::SocketClosed(conn, answer) => {
                self.hook_over(job.call, answer);
                self.socket_closed(&conn);
            }
            Then::StopHook(why, answer) => {
                self.hook_over(job.call, answer);
                self.stop_hook_done(why);
            }
            Then::StateChange(answer) => {
                self.hook_over(job.call, answer);
                self.told_of_change();
            }
            Then::Failure(answer) => {
                self.hook_over(job.call, answer);
                self.told_of_failure();
            }
            Then::Decide(wish, mut answer) => {
                A::reply(&mut job.call).release();
                self.decide(wish, read_answer(&mut answer));
            }
        }
    }

    /// A handler did not return: whoever waits for it is told. The state is not touched here.
    pub(super) fn fault(&mut self, job: Job<A>, fault: &Fault) {
        use super::job::Then;
        let error = self.note_fault(&job, fault);
        let ended = match &job.then {
            Then::Reply | Then::Peer(_) | Then::Message(_) => None,
            // Whoever sent a message is told by `refuse`.
            Then::HttpDone(conn) | Then::Decide(Wish::Send(_, conn), _) => {
                let conn = Arc::clone(conn);
                self.http_done(&conn);
                None
            }
            Then::Admit(..) => Some(WorkKind::Connecting),
            Then::Opened(_, conn, _) => {
                let id = conn.id;
                self.unlist(id);
                Some(WorkKind::Connecting)
            }
            Then::Closed(conn, _) => {
                let conn = Arc::clone(conn);
                self.spare_next_life(&conn, fault);
                self.closed(&conn);
                None
            }
            Then::SocketOpened(_, conn, _) => {
                // Not opened, so its client is told by `refuse`, and `on_close` does not run.
                self.disconnect(conn.id, None);
                Some(WorkKind::Connecting)
            }
            Then::SocketClosed(conn, _) => {
                let conn = Arc::clone(conn);
                self.spare_next_life(&conn, fault);
                self.socket_closed(&conn);
                None
            }
            Then::Scheduled(run, _) => {
                let run = Arc::clone(run);
                self.run_failed(&run, &error);
                None
            }
            Then::StopHook(why, _) => {
                self.stop_hook_done(*why);
                None
            }
            Then::StateChange(_) => {
                self.told_of_change();
                None
            }
            Then::Failure(_) => {
                self.told_of_failure();
                None
            }
            Then::Decide(Wish::Hear(conn, event), _) => {
                self.may_hear(*conn, event, Err(error.clone()));
                None
            }
        };
        if let Some(kind) = ended {
            self.machine.work.end(kind);
        }
        self.let_go(job, fault, &error);
    }

    /// One that was cut short because its life broke comes again, if it can; whoever waits for any
    /// other is told.
    fn let_go(&mut self, job: Job<A>, fault: &Fault, error: &ActorError) {
        if self.broken.is_some() && matches!(fault, Fault::Broken(_)) {
            self.rewinds |= job.give_up(error);
        } else {
            job.refuse(error);
        }
    }

    /// Asks for a save as soon as the actor's durability wants one.
    pub(super) fn want_save(&mut self) {
        match self.options().durability {
            Durability::Acked => self.saving.want_now(),
            Durability::Relaxed => {
                let interval = self.options().save_interval;
                self.saving.want_within(interval);
            }
            Durability::None => {}
        }
    }
}

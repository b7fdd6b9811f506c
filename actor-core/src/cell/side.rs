//! What goes on beside the turns: commits, free handlers, outputs on their way out. None of it
//! touches the state, so it goes on also while a turn waits in the middle.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    guard::{Fault, Guard},
    job::{Job, read_answer},
    live::{Broken, Cell, Held},
    mailbox::Msg,
};
use crate::{
    actor::{Actor, Origin, Output, TaskCtx},
    config::Durability,
    connection::CloseFrame,
    error::ActorError,
    id::ConnId,
    lifecycle::{Event, WorkKind},
    storage::StorageError,
};

/// A free handler that is over.
pub(super) struct FreeDone<A: Actor> {
    job: Job<A>,
    outcome: Result<(), Fault>,
}

impl<A: Actor> Cell<A> {
    /// Moves everything along that needs no turn. Wakes the task when there is more.
    pub(super) fn poll_side(&mut self, cx: &mut Context<'_>) {
        if self.beside {
            self.poll_commit(cx);
            self.poll_free(cx);
            self.beside = self.saving.is_in_flight() || self.free.is_some();
        }
        if self.hub.has_news() {
            let tag = self.tag(self.options().durability);
            self.drain_outputs(false, tag);
        }
    }

    fn poll_commit(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(result) = self.saving.poll(cx) {
            match result {
                Ok(committed) => {
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
        let mut is_empty = false;
        while let Poll::Ready(done) = free.poll_join_next(cx) {
            match done {
                // An aborted handler's reply has answered for itself.
                Some(done) => over.extend(done.ok()),
                None => {
                    is_empty = true;
                    break;
                }
            }
        }
        if is_empty {
            self.free = None;
        }
        for done in over {
            self.free_done(done);
        }
    }

    fn commit_failed(&mut self, error: &StorageError) {
        tracing::error!(actor = %self.slot.about.address, %error, "a commit failed");
        let told = ActorError::new("actor", "storage_failed", format!("not saved: {error}"));
        self.broken = Some(Broken { error: told });
    }

    /// Starts the free handlers that wait.
    pub(super) fn start_waiting_free(&mut self) {
        loop {
            let Some(msg) = self.slot.mailbox().next_free() else {
                return;
            };
            if let Msg::Call(call, conn) = msg {
                let job = self.take_call(call, conn);
                self.jobs.extend(job);
            }
        }
    }

    /// Runs a job beside everything else.
    pub(super) fn spawn_free(&mut self, mut job: Job<A>) {
        self.machine.work.begin(WorkKind::Free);
        let ctx = TaskCtx {
            ctx: job.ctx(&self.hub, Origin::Beside),
        };
        let timeout = self.timeout_of(&job);
        self.beside = true;
        self.free.get_or_insert_default().spawn(async move {
            let outcome = Guard::new(A::run_free(&ctx, &mut job.call), timeout).await;
            FreeDone { job, outcome }
        });
    }

    fn free_done(&mut self, done: FreeDone<A>) {
        self.machine.work.end(WorkKind::Free);
        match done.outcome {
            Ok(()) => self.finish(done.job, false),
            Err(fault) => self.fault(done.job, &fault),
        }
        self.tell(Event::WorkEnded);
    }

    /// The version an output of this durability has to wait for.
    pub(super) fn tag(&self, durability: Durability) -> u64 {
        match durability {
            Durability::Acked => self.saving.version(),
            Durability::Relaxed | Durability::None => 0,
        }
    }

    /// Takes what handlers emitted and sends it on its way.
    pub(super) fn drain_outputs(&mut self, turn_is_over: bool, tag: u64) {
        let leaving = self.send_outputs(turn_is_over, tag);
        self.disconnect_all(leaving);
    }

    /// As [`drain_outputs`](Self::drain_outputs), except that connections which are to be closed are
    /// given back: what follows the handler may still have something for them.
    fn send_outputs(&mut self, turn_is_over: bool, tag: u64) -> Vec<(ConnId, CloseFrame)> {
        let outputs = self.hub.take(turn_is_over);
        let mut tag = tag;
        if self.stores() && self.hub.table().is_dirty() && !self.saving.is_dirty() {
            self.saving.connections_changed();
            self.want_save();
            tag = tag.max(self.tag(self.options().durability));
        }
        let mut leaving = Vec::new();
        for output in outputs {
            match output {
                Output::Event { wire, local, event } => {
                    self.hold(tag, Held::Event { wire, local, event });
                }
                Output::Disconnect { conn, close } => leaving.push((conn, close)),
                Output::Sleep => self.ask(crate::lifecycle::Stop::Sleep),
                Output::Destroy => self.ask(crate::lifecycle::Stop::Destroy),
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

    fn deliver(&self, held: Held<A>) {
        match held {
            Held::Reply(mut call) => A::reply(&mut call).release(),
            Held::Event { wire, local, event } => {
                for (outbox, bytes) in wire {
                    let max = self.options().max_outgoing;
                    if max < bytes.len() {
                        outbox.close(CloseFrame::new(1011, "message.outgoing_too_long"));
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
            Held::Close(listener, frame) => listener.close(frame),
            Held::Opened(to) => {
                // The client may have gone while its connection was opened.
                let _ = to.send(Ok(()));
            }
        }
    }

    /// Goes on with whatever follows a handler that returned. `exclusive` says that it may have
    /// changed the state.
    pub(super) fn finish(&mut self, job: Job<A>, exclusive: bool) {
        if exclusive && self.stores() {
            self.saving.state_changed();
        }
        let spec = &A::HANDLERS[A::handler(&job.call)];
        let durability = match self.options().durability {
            Durability::None => Durability::None,
            actors => spec.durability.unwrap_or(actors),
        };
        let tag = self.tag(durability);
        let mut leaving = Vec::new();
        if self.hub.has_news() {
            leaving = self.send_outputs(exclusive, tag);
        }
        let tag = self.tag(durability);
        self.follow(job, tag);
        self.disconnect_all(leaving);
        self.want_save();
    }

    fn follow(&mut self, mut job: Job<A>, tag: u64) {
        use super::job::Then;
        match job.then {
            Then::Reply => self.hold(tag, Held::Reply(job.call)),
            Then::HttpDone(conn) => {
                self.hold(tag, Held::Reply(job.call));
                self.http_done(&conn);
            }
            Then::Admit(opening, mut answer) => {
                A::reply(&mut job.call).release();
                match read_answer(&mut answer) {
                    Ok(state) => self.list(opening, state),
                    Err(error) => self.refuse_opening(*opening, &error),
                }
            }
            Then::Opened(opening, conn, mut answer) => {
                A::reply(&mut job.call).release();
                match read_answer(&mut answer) {
                    Ok(()) => self.opened(*opening, &conn),
                    Err(error) => {
                        self.unlist(&conn);
                        self.refuse_opening(*opening, &error);
                    }
                }
            }
            Then::Closed(mut answer) => {
                A::reply(&mut job.call).release();
                if let Err(error) = read_answer(&mut answer) {
                    tracing::warn!(actor = %self.slot.about.address, %error, "on_disconnect failed");
                }
                self.closed();
            }
            Then::StopHook(name, mut answer) => {
                A::reply(&mut job.call).release();
                if let Err(error) = read_answer(&mut answer) {
                    tracing::warn!(actor = %self.slot.about.address, %error, "{name} failed");
                }
                self.tell(Event::HookDone);
            }
        }
    }

    /// A handler did not return: whoever waits for it is told. The state is not touched here.
    pub(super) fn fault(&mut self, job: Job<A>, fault: &Fault) {
        use super::job::Then;
        let name = A::HANDLERS[A::handler(&job.call)].name;
        let error = if job.is_action() {
            fault.of_action(name)
        } else {
            fault.of_hook(name)
        };
        tracing::error!(actor = %self.slot.about.address, %error, "a handler did not return");
        let ended = match &job.then {
            Then::Reply => None,
            Then::HttpDone(conn) => {
                let conn = Arc::clone(conn);
                self.http_done(&conn);
                None
            }
            Then::Admit(..) => Some(WorkKind::Connecting),
            Then::Opened(_, conn, _) => {
                let conn = Arc::clone(conn);
                self.unlist(&conn);
                Some(WorkKind::Connecting)
            }
            Then::Closed(..) => {
                self.closed();
                None
            }
            Then::StopHook(..) => {
                self.tell(Event::HookDone);
                None
            }
        };
        if let Some(kind) = ended {
            self.machine.work.end(kind);
        }
        job.refuse(&error);
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

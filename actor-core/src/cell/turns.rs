//! Runs turns on the state: one with it to itself, readers beside each other, short ones in between.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};

use super::{
    guard::{Fault, Guard, guard_now},
    job::{Job, Then},
    live::{Broken, Cell},
    mailbox::Msg,
};
use crate::actor::{Actor, Hub, Origin, Receiver, Turn};

impl<A: Actor> Cell<A> {
    pub(super) fn timeout_of(&self, job: &Job<A>) -> Duration {
        let spec = &A::HANDLERS[A::handler(&job.call)];
        let options = self.options();
        spec.timeout.unwrap_or(match job.then {
            Then::Reply | Then::HttpDone(_) => options.action_timeout,
            Then::Admit(..) | Then::Opened(..) | Then::Closed(..) => options.connect_timeout,
            Then::StopHook(..) => options.sleep_grace,
        })
    }

    /// One turn with the state to itself.
    pub(super) async fn run_exclusive(&mut self, state: &mut A, mut job: Job<A>) {
        let handler = A::handler(&job.call);
        if self.saving.is_dirty() && self.stores() && self.slot.info.may_suspend(handler) {
            self.save(state);
        }
        let timeout = self.timeout_of(&job);
        let mut suspended = false;
        let outcome = {
            let ctx = job.ctx(&self.hub, Origin::Turn);
            let mut turn = pin!(Guard::new(
                state.run_exclusive(&ctx, &mut job.call),
                timeout
            ));
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
                        by_storage: false,
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
    pub(super) async fn run_shared(&mut self, state: &A, job: Job<A>) {
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
                let lone = self.slot.mailbox().take_calls(&mut self.batch);
                self.batch.extend(lone);
                self.slot.made_room();
            }
            if let Some(Msg::Call(call, _)) = self.batch.front()
                && A::HANDLERS[A::handler(call)].receiver == Receiver::Shared
                && let Some(msg) = self.batch.pop_front()
            {
                return self.begin(msg);
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
    pub(super) fn run_turn(&mut self, state: &mut A, turn: Turn<A>) {
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
                        by_storage: false,
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
    let outcome = Guard::new(state.run_shared(&ctx, &mut job.call), timeout).await;
    (job, outcome)
}

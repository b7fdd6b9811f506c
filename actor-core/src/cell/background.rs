//! Work beside the turns that is no call: the `run` handler, and the futures that handlers left behind.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use super::{
    failure::hears_of_failures,
    guard::guard_work,
    job::{Job, Then, read_answer},
    live::Cell,
};
use crate::{
    actor::{
        Actor, Ctx, Failure, FailureKind, Handler, Hook, Origin, Output, Reply, Spawn, TaskCtx,
    },
    error::ActorError,
    key::Address,
    lifecycle::{Event, WorkKind},
};

impl<A: Actor> Cell<A> {
    /// Starts the `run` handler, if there is one.
    pub(super) fn start_run(&mut self) {
        if !const { has_hook(A::HANDLERS, A::ACTIONS + A::SCHEDULED, "run") } {
            return;
        }
        let (to, mut answer) = oneshot::channel();
        let Some(mut call) = A::hook(Hook::Run(Reply::caller(to))) else {
            return;
        };
        let place = A::HANDLERS[A::handler(&call)].location;
        let ctx = TaskCtx {
            ctx: Ctx::of_life(&self.hub, Origin::Run),
        };
        self.spawn_background(Spawn {
            name: "run",
            guard: self.hub.hold(WorkKind::Run, Some(place)),
            work: Box::pin(async move {
                A::run_free(&ctx, &mut call).await;
                A::reply(&mut call).release();
                read_answer(&mut answer)
            }),
        });
    }

    /// Runs work beside everything else, to its end or that of this life.
    pub(super) fn spawn_background(&mut self, spawn: Spawn) {
        let Spawn { name, guard, work } = spawn;
        let (about, hub) = (Arc::clone(&self.slot.about), Arc::clone(&self.hub));
        if !self.machine.takes_work() {
            let actor = &about.address;
            tracing::warn!(%actor, "`{name}` comes too late: the actor's life is over");
            return;
        }
        self.beside = true;
        self.background.get_or_insert_default().spawn(async move {
            let (kind, done) = match guard_work(work).await {
                Ok(done) => (FailureKind::Error, done),
                Err(fault) => (FailureKind::Panic, Err(fault.of_hook(name))),
            };
            if let Err(error) = done {
                report(name, &about.address, &error);
                if hears_of_failures::<A>() {
                    let handler = name;
                    let failure = Failure {
                        handler,
                        kind,
                        error,
                    };
                    hub.emit(Origin::Beside, Output::Failed(failure));
                }
            }
            drop(guard);
        });
    }

    pub(super) fn poll_background(&mut self, cx: &mut Context<'_>) {
        let Some(background) = &mut self.background else {
            return;
        };
        // What each came to it has said by itself.
        while let Poll::Ready(done) = background.poll_join_next(cx) {
            if done.is_none() {
                self.background = None;
                return;
            }
        }
    }

    /// The state changed, or might have: it is to be saved, and `on_state_change` told before anything
    /// else runs. One call tells of all changes up to it (S8).
    pub(super) fn state_changed(&mut self) {
        if self.stores() {
            self.saving.state_changed();
        }
        let is_heard =
            const { has_hook(A::HANDLERS, A::ACTIONS + A::SCHEDULED, "on_state_change") };
        if !is_heard || self.change_is_due {
            return;
        }
        let (to, answer) = oneshot::channel();
        if let Some(call) = A::hook(Hook::StateChange(Reply::caller(to))) {
            self.change_is_due = true;
            self.machine.work.begin(WorkKind::StateChange);
            self.jobs
                .push_back(Job::hook(call, Then::StateChange(answer)));
        }
    }

    /// `on_state_change` has run.
    pub(super) fn told_of_change(&mut self) {
        self.change_is_due = false;
        self.machine.work.end(WorkKind::StateChange);
        self.tell(Event::WorkEnded);
    }

    /// Learns what work began or ended where only handlers see it.
    pub(super) fn count_work(&mut self) {
        if let Some(tally) = self.hub.take_tally() {
            self.machine.work.count_beside(&tally.counts);
            let activity = tally.activity;
            self.tell(Event::WorkChanged { activity });
        }
    }

    /// How many free handlers run.
    pub(super) fn running_free(&self) -> usize {
        self.free.as_ref().map_or(0, |it| it.tasks.len())
    }

    /// Aborts what runs beside the turns and waits until it is gone, so that none of its writes reaches
    /// the next life.
    pub(super) async fn abort_beside(&mut self) {
        if let Some(mut free) = self.free.take() {
            free.tasks.shutdown().await;
        }
        if let Some(mut background) = self.background.take() {
            background.shutdown().await;
        }
        self.give_up_waiting();
    }
}

/// Whether there is a hook of this name, asked by the compiler: who has none pays nothing.
pub(super) const fn has_hook(handlers: &[Handler], actions: usize, name: &str) -> bool {
    let mut at = actions;
    while at < handlers.len() {
        if is_same(handlers[at].name.as_bytes(), name.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

const fn is_same(left: &[u8], right: &[u8]) -> bool {
    let mut at = 0;
    while at < left.len() && at < right.len() && left[at] == right[at] {
        at += 1;
    }
    at == left.len() && at == right.len()
}

/// Work failed that nobody waits for. It hurts nobody else (P7).
fn report(name: &str, actor: &Address, error: &ActorError) {
    if name == "wait_until" {
        // The words by which those who come from RivetKit look for it.
        tracing::warn!(%actor, %error, "actor wait_until promise rejected");
    } else {
        tracing::warn!(%actor, %error, "`{name}` failed");
    }
}

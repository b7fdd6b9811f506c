//! Work beside the turns that is no call: the `run` handler, and the futures that handlers left behind.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use super::{guard::guard_work, job::read_answer, live::Cell};
use crate::{
    actor::{Actor, Ctx, Hook, Origin, Reply, Spawn, TaskCtx},
    error::ActorError,
    key::Address,
    lifecycle::{Event, WorkKind},
};

impl<A: Actor> Cell<A> {
    /// Starts the `run` handler, if there is one.
    pub(super) fn start_run(&mut self) {
        let hooks = &A::HANDLERS[A::ACTIONS..];
        if !hooks.iter().any(|it| it.name == "run") {
            return;
        }
        let (to, mut answer) = oneshot::channel();
        let Some(mut call) = A::hook(Hook::Run(Reply::caller(to))) else {
            return;
        };
        let ctx = TaskCtx {
            ctx: Ctx {
                hub: Arc::clone(&self.hub),
                caller: None,
                request: None,
                origin: Origin::Run,
            },
        };
        self.spawn_background(Spawn {
            name: "run",
            guard: self.hub.hold(WorkKind::Run),
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
        let about = Arc::clone(&self.slot.about);
        if !self.machine.takes_work() {
            let actor = &about.address;
            tracing::warn!(%actor, "`{name}` comes too late: the actor's life is over");
            return;
        }
        self.beside = true;
        self.background.get_or_insert_default().spawn(async move {
            let done = guard_work(work).await;
            let done = done.unwrap_or_else(|fault| Err(fault.of_hook(name)));
            if let Err(error) = done {
                report(name, &about.address, &error);
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

    /// Learns what work began or ended where only handlers see it.
    pub(super) fn count_work(&mut self) {
        if let Some(tally) = self.hub.take_tally() {
            self.machine.work.count_beside(&tally.counts);
            let activity = tally.activity;
            self.tell(Event::WorkChanged { activity });
        }
    }

    /// Aborts what runs beside the turns and waits until it is gone, so that none of its writes reaches
    /// the next life.
    pub(super) async fn abort_beside(&mut self) {
        if let Some(mut free) = self.free.take() {
            free.shutdown().await;
        }
        if let Some(mut background) = self.background.take() {
            background.shutdown().await;
        }
    }
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

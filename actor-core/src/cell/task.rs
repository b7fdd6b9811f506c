//! The actor's task: one life after another, and where what runs has its place.

use std::{
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::task::yield_now;

use super::{
    guard::guard_now,
    job::Job,
    live::{Broken, Cell},
    slot::Slot,
    startup::{self, DidNotStart},
};
use crate::{
    actor::{Actor, Receiver, Turn},
    lifecycle::Effect,
};

/// Steps in a row after which the task lets others run: two for each turn.
const BURST: u32 = 256;

/// What a life does next.
pub(super) enum Step<A: Actor> {
    Run(Job<A>),
    Turn(Turn<A>),
    Perform(Effect),
    /// Look again: something beside the turns has changed.
    Look,
    /// The life cannot go on.
    Break(Broken),
}

/// The actor's task: one life after another, until it sleeps with nothing waiting.
///
/// Written out and not an `async fn`, because of its size: the task of an idle actor holds a life and
/// no room for handlers. Those run in a box of their own, which was freed by the last one and so is
/// in the processor's cache still.
pub(super) struct Lives<A: Actor> {
    slot: Arc<Slot<A>>,
    doing: Doing<A>,
}

/// What the task does.
enum Doing<A: Actor> {
    /// Waits for what this life is to do next.
    Serves(Box<Life<A>>),
    /// Something that may have to wait goes on, and says how to go on after it: a start, a turn.
    Waits(Pin<Box<dyn Future<Output = Self> + Send>>),
    Over,
}

/// One life and the state it owns.
struct Life<A: Actor> {
    state: A,
    cell: Cell<A>,
}

impl<A: Actor> Lives<A> {
    pub(super) fn new(slot: Arc<Slot<A>>) -> Self {
        let doing = Doing::start(Arc::clone(&slot));
        Self { slot, doing }
    }

    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Doing::Serves(life) = &mut self.doing {
            life.cell.looks = true;
        }
        for _ in 0..BURST {
            let step = match &mut self.doing {
                Doing::Serves(life) => ready!(life.poll_step(cx)),
                Doing::Waits(wait) => {
                    self.doing = ready!(wait.as_mut().poll(cx));
                    continue;
                }
                Doing::Over => return Poll::Ready(()),
            };
            if let Doing::Serves(life) = mem::replace(&mut self.doing, Doing::Over) {
                self.doing = life.take(step);
            }
        }
        if let Doing::Serves(life) = &mut self.doing {
            // An actor that is never at rest has schedules too.
            life.cell.claim_due();
        }
        // Others run first, and what wakes them: its first poll asks for that.
        pin!(yield_now()).poll(cx)
    }
}

impl<A: Actor> Future for Lives<A> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let gone_on = guard_now(|| self.go_on(cx));
        gone_on.unwrap_or_else(|_| {
            // User code panicked where nothing guards it, in a drop say.
            let doing = mem::replace(&mut self.doing, Doing::Over);
            let _ = guard_now(|| drop(doing));
            self.slot.collapse();
            Poll::Ready(())
        })
    }
}

impl<A: Actor> Doing<A> {
    fn start(slot: Arc<Slot<A>>) -> Self {
        Self::Waits(Box::pin(async move {
            match startup::start(&slot).await {
                Ok((cell, state)) => Self::Serves(Box::new(Life { state, cell })),
                Err(DidNotStart) => Self::Over,
            }
        }))
    }
}

impl<A: Actor> Life<A> {
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step<A>> {
        // First, because the state of a broken life must not be saved.
        if let Some(broken) = self.cell.broken.take() {
            return Poll::Ready(Step::Break(broken));
        }
        if self.cell.stores {
            self.cell.saving.look_at_clock();
            if self.cell.must_save() {
                self.cell.save(&self.state);
            }
        }
        self.cell.poll_step(cx)
    }

    fn take(mut self: Box<Self>, step: Step<A>) -> Doing<A> {
        match step {
            Step::Run(job) => match job.receiver() {
                Receiver::Exclusive => {
                    return Doing::Waits(Box::pin(async move {
                        self.cell.run_exclusive(&mut self.state, job).await;
                        Doing::Serves(self)
                    }));
                }
                Receiver::Shared => {
                    return Doing::Waits(Box::pin(async move {
                        self.cell.run_shared(&self.state, job).await;
                        Doing::Serves(self)
                    }));
                }
                Receiver::Free => self.cell.spawn_free(job),
            },
            Step::Turn(turn) => self.cell.run_turn(&mut self.state, turn),
            Step::Perform(Effect::RunStopHook(why)) => self.cell.run_stop_hook(&self.state, why),
            Step::Perform(Effect::Finalize(why)) => {
                return Doing::Waits(Box::pin(async move {
                    self.cell.finalize(&mut self.state, why).await;
                    Doing::Serves(self)
                }));
            }
            Step::Perform(Effect::End(why)) => {
                let Self { mut cell, state } = *self;
                drop(state);
                return if cell.leave(why) {
                    Doing::Over
                } else {
                    Doing::start(cell.slot)
                };
            }
            Step::Break(broken) => {
                return Doing::Waits(Box::pin(async move {
                    let Self { mut cell, state } = *self;
                    drop(state);
                    if cell.abandon(broken).await {
                        Doing::Over
                    } else {
                        Doing::start(cell.slot)
                    }
                }));
            }
            Step::Look => {}
        }
        Doing::Serves(self)
    }
}

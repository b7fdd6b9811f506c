//! The actor's task: one life after another, and where what runs has its place.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::task::yield_now;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    crash::Down,
    guard::guard_now,
    here,
    job::Job,
    live::{Broken, Cell},
    slot::Slot,
    startup,
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
    Break(Box<Broken>),
}

/// The actor's task: one life after another, until it sleeps with nothing waiting.
///
/// Written out and not an `async fn`, because of its size: the task of an idle actor holds a life and
/// no room for handlers. Those run in a box of their own, which was freed by the last one and so is
/// in the processor's cache still. Of the task itself a call that need not wait touches `life` only,
/// which is in the same line of memory as tokio's part of it.
#[repr(C)]
pub(super) struct Lives<A: Actor> {
    /// What waits for something to do. Absent while something goes on that may have to wait.
    life: Option<Box<Life<A>>>,
    wait: Option<Box<Wait<A>>>,
    slot: Arc<Slot<A>>,
    /// Whether the life lies in the mailbox, where it may be lent.
    rests: bool,
}

/// Something that has to wait.
struct Wait<A: Actor>(Going<A>);

/// Something that may have to wait, and says how to go on after it: a start, a turn.
type Going<A> = Pin<Box<dyn Future<Output = Doing<A>> + Send>>;

/// What the task does next.
enum Doing<A: Actor> {
    Serves(Box<Life<A>>),
    Goes(Going<A>),
    Over,
}

/// One life and the state it owns.
#[repr(C, align(64))] // A small state stands beside what every message touches of the cell.
pub(super) struct Life<A: Actor> {
    pub(super) state: A,
    pub(super) cell: Cell<A>,
    /// Has a shutdown wait for the task.
    token: TaskTrackerToken,
}

impl<A: Actor> Lives<A> {
    pub(super) fn new(slot: Arc<Slot<A>>, token: TaskTrackerToken) -> Self {
        Self {
            life: None,
            wait: Some(Box::new(Wait(go_to_life(Arc::clone(&slot), token)))),
            slot,
            rests: false,
        }
    }

    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.rests {
            self.life = self.slot.mailbox().take_up(cx);
            if self.life.is_none() {
                return Poll::Pending;
            }
            self.rests = false;
        }
        if let Some(life) = &mut self.life {
            life.cell.looks = true;
        }
        for _ in 0..BURST {
            let mut doing = if let Some(life) = &mut self.life {
                match life.poll_step(cx) {
                    // Where it is, because most turns are over then.
                    Poll::Ready(Step::Run(job)) if job.is_at_once() => {
                        life.run_at_once(job);
                        continue;
                    }
                    Poll::Ready(step) => self.life.take().map_or(Doing::Over, |it| it.take(step)),
                    Poll::Pending => {
                        self.lay_down();
                        return Poll::Pending;
                    }
                }
            } else if let Some(wait) = &mut self.wait {
                let doing = ready!(wait.0.as_mut().poll(cx));
                self.wait = None;
                doing
            } else {
                return Poll::Ready(());
            };
            // At once, because most are over then.
            if let Doing::Goes(going) = &mut doing
                && let Poll::Ready(next) = going.as_mut().poll(cx)
            {
                doing = next;
            }
            match doing {
                Doing::Serves(life) => self.life = Some(life),
                Doing::Goes(going) => self.wait = Some(Box::new(Wait(going))),
                Doing::Over => {}
            }
        }
        if let Some(life) = &mut self.life {
            // An actor that is never at rest has schedules too.
            life.cell.claim_due();
        }
        // Others run first, and what wakes them: its first poll asks for that.
        pin!(yield_now()).poll(cx)
    }

    /// There is nothing to do: until there is, callers may run turns themselves.
    fn lay_down(&mut self) {
        if const { here::lends::<A>() }
            && let Some(life) = self.life.take_if(|it| it.cell.may_be_lent())
        {
            self.rests = true;
            self.slot.mailbox().lay_down(life);
        }
    }
}

impl<A: Actor> Drop for Lives<A> {
    fn drop(&mut self) {
        if self.rests {
            // Its runtime stops. The life would keep its own slot, and so itself.
            let life = self.slot.mailbox().desert();
            drop(life);
        }
    }
}

impl<A: Actor> Future for Lives<A> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        here::note_host(&self.slot.host);
        let gone_on = guard_now(|| self.go_on(cx));
        gone_on.unwrap_or_else(|_| {
            // User code panicked where nothing guards it, in a drop say.
            let rest = (self.life.take(), self.wait.take());
            let _ = guard_now(|| drop(rest));
            self.slot.collapse();
            Poll::Ready(())
        })
    }
}

/// A life begins.
fn go_to_life<A: Actor>(slot: Arc<Slot<A>>, token: TaskTrackerToken) -> Going<A> {
    Box::pin(async move {
        match startup::start(&slot).await {
            Ok((cell, state)) => Doing::Serves(Box::new(Life { state, cell, token })),
            Err(down) => wait_out(slot, token, down),
        }
    })
}

/// Another life begins after a fault, if it is to.
fn wait_out<A: Actor>(slot: Arc<Slot<A>>, token: TaskTrackerToken, down: Down) -> Doing<A> {
    let Down::Until(at) = down else {
        return Doing::Over;
    };
    Doing::Goes(Box::pin(async move {
        if slot.wait_out(at).await {
            Doing::Goes(go_to_life(slot, token))
        } else {
            Doing::Over
        }
    }))
}

impl<A: Actor> Life<A> {
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step<A>> {
        // First, because the state of a broken life must not be saved.
        if let Some(broken) = self.cell.broken.take() {
            return Poll::Ready(Step::Break(broken));
        }
        if self.cell.stores {
            self.cell.saving.look_at_clock();
            if ready!(self.cell.poll_save(cx)) {
                self.cell.save(&self.state);
            }
        }
        self.cell.poll_step(cx)
    }

    fn go_atomic(mut self: Box<Self>, job: Job<A>) -> Doing<A> {
        Doing::Goes(Box::pin(async move {
            let Self { state, cell, .. } = &mut *self;
            cell.run_atomic(state, job).await;
            Doing::Serves(self)
        }))
    }

    pub(super) fn run_at_once(&mut self, mut job: Job<A>) {
        let outcome = self.cell.run_at_once(&mut self.state, &mut job);
        self.cell.end_exclusive(job, outcome);
    }

    fn take(mut self: Box<Self>, step: Step<A>) -> Doing<A> {
        match step {
            Step::Run(mut job) => match job.receiver() {
                Receiver::Exclusive if Cell::is_atomic(&job) => return self.go_atomic(job),
                Receiver::Exclusive => {
                    return Doing::Goes(Box::pin(async move {
                        // Lent, because a future has room for each place that a value moves through.
                        let Self { state, cell, .. } = &mut *self;
                        let outcome = cell.run_exclusive(state, &mut job).await;
                        cell.end_exclusive(job, outcome);
                        Doing::Serves(self)
                    }));
                }
                Receiver::Shared => {
                    return Doing::Goes(Box::pin(async move {
                        self.cell.run_shared(&self.state, job).await;
                        Doing::Serves(self)
                    }));
                }
                Receiver::Free => self.cell.spawn_free(job),
            },
            Step::Turn(turn) => self.cell.run_turn(&mut self.state, turn),
            Step::Perform(Effect::RunStopHook(why)) => self.cell.run_stop_hook(&self.state, why),
            Step::Perform(Effect::Finalize(why)) => {
                return Doing::Goes(Box::pin(async move {
                    self.cell.finalize(&mut self.state, why).await;
                    Doing::Serves(self)
                }));
            }
            Step::Perform(Effect::End(why)) => {
                let Self {
                    mut cell,
                    state,
                    token,
                } = *self;
                drop(state);
                return if cell.leave(why) {
                    Doing::Over
                } else {
                    Doing::Goes(go_to_life(cell.slot, token))
                };
            }
            Step::Break(broken) => {
                return Doing::Goes(Box::pin(async move {
                    let Self {
                        mut cell,
                        state,
                        token,
                    } = *self;
                    drop(state);
                    match cell.abandon(*broken).await {
                        Some(down) => wait_out(cell.slot, token, down),
                        None => Doing::Goes(go_to_life(cell.slot, token)),
                    }
                }));
            }
            Step::Look => {}
        }
        Doing::Serves(self)
    }
}

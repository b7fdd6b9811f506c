//! A call that its caller runs. While an actor has nothing to do its life lies in the mailbox, and a handler
//! that awaits nothing can run on it where the call is made: that spares a switch to the actor's task and
//! one back. A commit that the turn asks for is handed to storage there too. Whoever comes meanwhile puts a
//! message into the mailbox as always, and so does whoever finds the task about to run, so that nobody is
//! overtaken.

use std::{
    cell::Cell as Mark,
    mem, ptr,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio::time::Instant;

use super::{
    guard::guard_now,
    host::Host,
    live::{Broken, Cell, earlier},
    mailbox::Mailbox,
    slot::Slot,
    task::Life,
};
use crate::actor::Actor;

thread_local! {
    /// Whose actors' tasks this thread polled last. Only compared, never followed.
    static HOST: Mark<*const Host> = const { Mark::new(ptr::null()) };
}

/// This thread polls a task of an actor of this host.
pub(super) fn note_host(host: &Arc<Host>) {
    HOST.set(Arc::as_ptr(host));
}

/// Whether a handler that runs here spawns into the runtime in which the host's actors live.
fn is_home(host: &Arc<Host>) -> bool {
    HOST.get() == Arc::as_ptr(host)
}

/// Whether any action may run while the actor's task rests.
pub(super) const fn lends<A: Actor>() -> bool {
    let mut at = 0;
    while at < A::ACTIONS {
        if A::HANDLERS[at].is_at_once() {
            return true;
        }
        at += 1;
    }
    false
}

/// Where a life lies while its task has nothing to do.
pub(super) struct Bed<A: Actor> {
    life: Option<Box<Life<A>>>,
    /// Whether the task wants it back from who has borrowed it.
    wanted: bool,
    /// Whether the task is gone, and so wants it no more.
    deserted: bool,
}

impl<A: Actor> Default for Bed<A> {
    fn default() -> Self {
        Self {
            life: None,
            wanted: false,
            deserted: false,
        }
    }
}

impl<A: Actor> Mailbox<A> {
    /// The task lays its life down.
    pub(super) fn lay_down(&mut self, life: Box<Life<A>>) {
        self.bed.life = Some(life);
    }

    /// The task takes its life up again. Where somebody has borrowed it, that one wakes the task.
    pub(super) fn take_up(&mut self, cx: &Context<'_>) -> Option<Box<Life<A>>> {
        if self.bed.life.is_none() {
            self.register(cx);
            self.bed.wanted = true;
        }
        self.bed.life.take()
    }

    /// Lends the life, if it lies here and the task has no reason to take it up. Of an actor that is
    /// stored comes with it what wakes the task.
    fn lend(&mut self) -> Option<(Box<Life<A>>, Option<Waker>)> {
        if !self.parked {
            return None;
        }
        let life = self.bed.life.take()?;
        let waker = if life.cell.stores {
            self.waker.clone()
        } else {
            None
        };
        Some((life, waker))
    }

    /// Takes a life back that was lent; `rests` says that there is still nothing to do. One that nobody
    /// wants any more is for the borrower to drop, without the lock.
    #[must_use]
    fn give_back(&mut self, life: Box<Life<A>>, rests: bool) -> Option<Box<Life<A>>> {
        if self.bed.deserted {
            return Some(life);
        }
        self.bed.life = Some(life);
        if mem::take(&mut self.bed.wanted) || !rests {
            self.unpark();
        }
        None
    }

    /// The task is gone. Gives the life if it lies here.
    pub(super) fn desert(&mut self) -> Option<Box<Life<A>>> {
        self.bed.deserted = true;
        self.bed.life.take()
    }
}

impl<A: Actor> Slot<A> {
    /// Runs a call of a handler that awaits nothing here and now, if the actor rests. Gives the call back
    /// otherwise.
    pub(crate) fn run_here(&self, call: A::Call) -> Option<A::Call> {
        if !A::HANDLERS[A::handler(&call)].is_at_once() || !is_home(&self.host) {
            return Some(call);
        }
        // Bound first: the turn runs without the mailbox's lock.
        let lent = self.mailbox().lend();
        let Some((mut life, waker)) = lent else {
            return Some(call);
        };
        let rests = guard_now(|| life.serve(call, waker.as_ref())).unwrap_or_else(|_| {
            // User code panicked where nothing guards it, in a drop say.
            let broken = &mut life.cell.broken;
            broken.get_or_insert_with(|| Broken::by_handler("a drop"));
            false
        });
        let unwanted = self.mailbox().give_back(life, rests);
        drop(unwanted);
        None
    }
}

impl<A: Actor> Life<A> {
    /// Runs a call while the task rests. Whether the task need not know of it.
    fn serve(&mut self, call: A::Call, waker: Option<&Waker>) -> bool {
        self.cell.served = true;
        self.cell.stir();
        if let Some(job) = self.cell.admit(call, None) {
            self.run_at_once(job);
        }
        if let Some(waker) = waker {
            self.save_here(waker);
        }
        self.cell.rests_on()
    }

    /// Begins the commit that is due, unless others are about to join. What it touched is at hand still,
    /// and the task need not run before storage has answered.
    fn save_here(&mut self, waker: &Waker) {
        let Cell { saving, broken, .. } = &self.cell;
        if saving.is_due() && !saving.is_crowded() && broken.is_none() {
            self.cell.save(&self.state);
            self.cell.poll_side(&mut Context::from_waker(waker));
        }
    }
}

impl<A: Actor> Cell<A> {
    /// There is something to do again: the idle time begins anew once that is done (B2).
    pub(super) fn stir(&mut self) {
        self.quiet = false;
        self.machine.busy();
    }

    /// Whether, while the task rests, a caller may run a turn.
    pub(super) fn may_be_lent(&self) -> bool {
        self.may_begin()
            && (!self.beside || self.only_saves())
            && self.broken.is_none()
            && self.vigil.is_none()
            && self.jobs.is_empty()
            && self.effects.is_empty()
            && self.batch.is_empty()
    }

    /// Ready when it is known whether to save now. A commit that is due waits, once, while those come back whom
    /// the last one answered: the task goes behind them, and they run their turns themselves.
    pub(super) fn poll_save(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if !self.must_save() {
            return Poll::Ready(false);
        }
        let waits = self.saving.is_crowded() && self.may_be_lent();
        if !waits || self.slot.mailbox().wants_a_turn() {
            return Poll::Ready(true);
        }
        self.take_waiting();
        if !self.batch.is_empty() {
            // They are here already.
            self.served = true;
            self.stir();
            return Poll::Ready(self.must_save());
        }
        if self.slot.mailbox().poll_quiet(cx) && self.saving.waits_once() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(true)
    }

    /// After a turn that a caller ran: whether the task waits for the right things still.
    fn rests_on(&mut self) -> bool {
        let has_more = self.slot.news.is_there() || self.stores && self.saving.is_news();
        if has_more || !self.may_be_lent() {
            return false;
        }
        self.quiet = true;
        if self.machine.counts_idle_time() {
            self.machine.quiet(Instant::now());
        }
        let mut next = self.machine.next_deadline();
        if self.stores {
            next = earlier(next, self.saving.next_deadline());
        }
        // Schedules are as they were, or there were news.
        next.is_none_or(|next| self.armed.is_some_and(|it| it <= next))
    }
}

//! What goes on beside the turns of one life and is no call: who keeps the actor awake, which futures
//! it was given, and how they learn that it stops. What each kind of work keeps from happening is for
//! the lifecycle to say.

use std::{
    any::Any,
    fmt,
    panic::Location,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    ActorType,
    ctx::Ctx,
    hub::{Hub, Origin, Output},
    tally::{Background, Place, Tally},
    task::TaskCtx,
};
use crate::{
    error::{ActorError, IntoActorError},
    lifecycle::WorkKind,
};

/// One entry among the work of a life, until it is dropped.
pub(crate) struct WorkGuard {
    life: Arc<dyn Life>,
    id: u64,
}

/// A life, whatever its actor's type.
trait Life: Send + Sync {
    fn background(&self) -> &Background;

    /// Tells the cell to count again.
    fn recount(&self);
}

/// A future to run beside the turns.
pub(crate) struct Spawn {
    /// As the log calls it.
    pub(crate) name: &'static str,
    pub(crate) guard: WorkGuard,
    pub(crate) work: BoxedWork,
}

/// What comes of work that nobody waits for: nothing, or an error for the log.
pub(crate) type BoxedWork = Pin<Box<dyn Future<Output = Result<(), ActorError>> + Send>>;

/// What a future in the background may come to: nothing, or a `Result`, whose error is logged.
#[diagnostic::on_unimplemented(
    message = "work in the background comes to `()` or to a `Result`, not to `{Self}`",
    note = "the error of a `Result` derives `actor_core::ActionError`, or is `actor_core::ActorError`"
)]
pub trait WorkOutcome {
    /// As a result without a value.
    ///
    /// # Errors
    ///
    /// Its own, if it is one.
    fn into_result(self) -> Result<(), ActorError>;
}

impl WorkOutcome for () {
    fn into_result(self) -> Result<(), ActorError> {
        Ok(())
    }
}

impl<T, E: IntoActorError> WorkOutcome for Result<T, E> {
    fn into_result(self) -> Result<(), ActorError> {
        self.map(|_| ()).map_err(|it| it.to_actor_error())
    }
}

/// Keeps an actor awake until it is dropped, see [`Ctx::keep_awake`].
#[must_use = "the actor stays awake until this is dropped"]
pub struct KeepAwake {
    guard: WorkGuard,
}

/// A timer that was set, see [`Ctx::timer`]. Dropping it changes nothing.
#[derive(Clone, Debug)]
pub struct Timer {
    cancel: CancellationToken,
}

impl Timer {
    /// Takes the timer back, unless it has fired.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

impl<A: ActorType> Ctx<A> {
    /// Keeps the actor awake until what it gives back is dropped (B4). A stop that comes all the same
    /// waits for that, up to [`sleep_grace`](crate::ActorOptions::sleep_grace).
    #[track_caller]
    pub fn keep_awake(&self) -> KeepAwake {
        KeepAwake {
            guard: self.hub.hold(WorkKind::KeepAwake, Some(Location::caller())),
        }
    }

    /// Runs work beside everything else, and keeps the actor awake while it runs. A stop that comes
    /// all the same waits for it, and aborts it when
    /// [`sleep_grace`](crate::ActorOptions::sleep_grace) is over. An error is logged.
    ///
    /// # Errors
    ///
    /// `actor.overloaded` when as much goes on in the background already as may wait in the
    /// [mailbox](crate::ActorOptions::mailbox), `actor.stopping` when this life is over.
    #[track_caller]
    pub fn keep_awake_while<F>(
        &self,
        work: impl FnOnce(TaskCtx<A>) -> F + Send + 'static,
    ) -> Result<(), ActorError>
    where
        F: Future<Output: WorkOutcome> + Send + 'static,
    {
        let guard = self
            .hub
            .hold_bounded(WorkKind::KeepAwake, Some(Location::caller()))?;
        let ctx = self.task();
        self.spawn(
            "keep_awake",
            guard,
            async move { work(ctx).await.into_result() },
        );
        Ok(())
    }

    /// Runs work beside everything else that a stop has to wait for: the actor may fall asleep
    /// meanwhile, and then stays in its grace until the work is over (B3, B4). What it changes is
    /// saved. When [`sleep_grace`](crate::ActorOptions::sleep_grace) is over it is aborted. An error is
    /// logged.
    ///
    /// ```
    /// use actor_core::prelude::*;
    ///
    /// #[actor]
    /// #[derive(Default)]
    /// pub struct Cart { mails: u32 }
    ///
    /// #[actor]
    /// impl Cart {
    ///     /// Answers at once; the mail leaves even if the actor is put to sleep.
    ///     #[action]
    ///     async fn check_out(&mut self, ctx: &Ctx<Self>, to: String) -> Result<(), ActorError> {
    ///         ctx.wait_until(|ctx| async move {
    ///             send_mail(to).await;
    ///             ctx.write(|cart| cart.mails += 1).await;
    ///         })
    ///     }
    /// }
    /// # async fn send_mail(_to: String) {}
    /// ```
    ///
    /// # Errors
    ///
    /// As [`keep_awake_while`](Self::keep_awake_while).
    #[track_caller]
    pub fn wait_until<F>(
        &self,
        work: impl FnOnce(TaskCtx<A>) -> F + Send + 'static,
    ) -> Result<(), ActorError>
    where
        F: Future<Output: WorkOutcome> + Send + 'static,
    {
        let guard = self
            .hub
            .hold_bounded(WorkKind::WaitUntil, Some(Location::caller()))?;
        let ctx = self.task();
        self.spawn(
            "wait_until",
            guard,
            async move { work(ctx).await.into_result() },
        );
        Ok(())
    }

    /// Runs work after a while, in this life or never: a timer neither keeps the actor awake nor
    /// holds up its stop, and is gone afterwards (B3). Once it has fired, its work does both.
    ///
    /// # Errors
    ///
    /// As [`keep_awake_while`](Self::keep_awake_while).
    #[track_caller]
    pub fn timer<F>(
        &self,
        after: Duration,
        work: impl FnOnce(TaskCtx<A>) -> F + Send + 'static,
    ) -> Result<Timer, ActorError>
    where
        F: Future<Output: WorkOutcome> + Send + 'static,
    {
        let guard = self
            .hub
            .hold_bounded(WorkKind::Timer, Some(Location::caller()))?;
        let firing = Arc::clone(&guard.life);
        let id = guard.id;
        let cancel = self.stopping();
        let (ctx, token) = (self.task(), cancel.clone());
        self.spawn("timer", guard, async move {
            if token.run_until_cancelled(sleep(after)).await.is_none() {
                return Ok(());
            }
            firing.background().becomes(id, WorkKind::KeepAwake);
            firing.recount();
            work(ctx).await.into_result()
        });
        Ok(Timer { cancel })
    }

    /// Is cancelled once this life begins to stop, whatever for: before `on_sleep` or `on_destroy`
    /// runs, never inside the turn that asked for it (G1, G6). It is a request; what goes on regardless
    /// is aborted when [`sleep_grace`](crate::ActorOptions::sleep_grace) is over. Each call gives a
    /// token of its own, whose `cancel` stops nothing but what listens to it.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.hub.stop_signal()
    }

    fn task(&self) -> TaskCtx<A> {
        TaskCtx {
            ctx: Self {
                caller: self.caller.clone(),
                request: self.request.clone(),
                scheduled: self.scheduled.clone(),
                ..Self::of_life(&self.hub, Origin::Beside)
            },
        }
    }

    /// Lets the actor sleep until what it gives back is dropped, if this is the handler that may.
    pub(super) fn parked(&self) -> Option<Box<dyn Any + Send>> {
        if self.origin != Origin::Run {
            return None;
        }
        self.hub.background().park();
        self.hub.recount();
        Some(Box::new(Parked(Arc::clone(&self.hub) as Arc<dyn Life>)))
    }

    fn spawn(
        &self,
        name: &'static str,
        guard: WorkGuard,
        work: impl Future<Output = Result<(), ActorError>> + Send + 'static,
    ) {
        let work = Box::pin(work);
        let spawn = Output::Spawn(Spawn { name, guard, work });
        // At once, also from a turn: the turn may wait for it. Unless it has to be undone with the turn.
        let origin = match self.hub.atomic(self.origin) {
            Some(_) => self.origin,
            None => Origin::Beside,
        };
        self.hub.emit(origin, spawn);
    }
}

impl<A: ActorType> TaskCtx<A> {
    /// Waits for a future as `run` waits for its queue: meanwhile the actor may fall asleep, and the
    /// wait ends when it stops (B1). `None` says that it stops. In other handlers, which keep the
    /// actor awake anyway, only the second holds.
    ///
    /// # Cancel safety
    ///
    /// As cancel safe as `future`.
    pub async fn park<T>(&self, future: impl Future<Output = T> + Send) -> Option<T> {
        let _parked = self.ctx.parked();
        self.stopping().run_until_cancelled(future).await
    }
}

/// The `run` handler waits in a queue.
struct Parked(Arc<dyn Life>);

impl Drop for Parked {
    fn drop(&mut self) {
        self.0.background().unpark();
        self.0.recount();
    }
}

impl<A: ActorType> Hub<A> {
    /// Counts work until what it gives back is dropped.
    pub(crate) fn hold(self: &Arc<Self>, kind: WorkKind, place: Place) -> WorkGuard {
        let id = self.background().hold(kind, place);
        self.recount();
        WorkGuard {
            life: Arc::clone(self) as Arc<dyn Life>,
            id,
        }
    }

    /// As [`hold`](Self::hold), unless there is too much already (P6).
    pub(crate) fn hold_bounded(
        self: &Arc<Self>,
        kind: WorkKind,
        place: Place,
    ) -> Result<WorkGuard, ActorError> {
        let limit = self.options.mailbox;
        if self.is_closed() {
            return Err(ActorError::new(
                "actor",
                "stopping",
                "this life of the actor is over",
            ));
        }
        if limit <= self.background().len() {
            let text = format!("{limit} futures run in the actor's background already");
            return Err(ActorError::new("actor", "overloaded", text));
        }
        Ok(self.hold(kind, place))
    }

    /// What work there is now, if that has changed since the last look.
    pub(crate) fn take_tally(&self) -> Option<Tally> {
        self.background.get()?.take_tally()
    }

    /// Tells everything in the background that the life stops (G1).
    pub(crate) fn begin_stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        if let Some(background) = self.background.get() {
            background.stop.cancel();
        }
    }

    /// Whether this life stops.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn stop_signal(&self) -> CancellationToken {
        let background = self.background();
        // Made just now, it may have missed the moment.
        if self.is_stopping() {
            background.stop.cancel();
        }
        background.stop.child_token()
    }
}

impl<A: ActorType> Life for Hub<A> {
    fn background(&self) -> &Background {
        self.background.get_or_init(Box::default)
    }

    fn recount(&self) {
        if !self.is_closed() {
            self.touch(Origin::Beside);
        }
    }
}

impl Drop for WorkGuard {
    fn drop(&mut self) {
        self.life.background().release(self.id);
        self.life.recount();
    }
}

impl fmt::Debug for WorkGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkGuard")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for KeepAwake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeepAwake")
            .field("guard", &self.guard)
            .finish()
    }
}

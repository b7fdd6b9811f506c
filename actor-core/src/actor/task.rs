//! The context of a handler that runs free: it reaches the state in short turns only.

use std::{
    fmt,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use tokio::sync::oneshot;

use super::{
    ActorType,
    ctx::Ctx,
    hub::{Origin, Output, Turn},
};
use crate::error::ActorError;

/// What a handler without a receiver is given. Everything [`Ctx`] has, and the state in short turns.
///
/// ```
/// use actor_core::prelude::*;
///
/// #[actor]
/// #[derive(Default)]
/// pub struct Agent { asked: u32 }
///
/// #[actor]
/// impl Agent {
///     /// Runs beside everything else while it waits.
///     #[action]
///     async fn ask(ctx: &TaskCtx<Self>, prompt: String) -> String {
///         let answer = prompt.to_uppercase(); // a slow model, say
///         ctx.write(|agent| agent.asked += 1).await;
///         answer
///     }
/// }
/// ```
pub struct TaskCtx<A: ActorType> {
    pub(crate) ctx: Ctx<A>,
}

impl<A: ActorType> TaskCtx<A> {
    /// Reads the state between two turns of others, beside other readers.
    ///
    /// It never completes in a task that outlives the actor's life, as one of [`tokio::spawn`] may.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, `read` runs or does not run; nothing else happens.
    pub async fn read<T: Send + 'static>(&self, read: impl FnOnce(&A) -> T + Send + 'static) -> T {
        let (to, answer) = oneshot::channel();
        self.ctx.hub.turn(Turn::Read(Box::new(move |state| {
            // A read that panics is this handler's panic, not the actor's.
            let _ = to.send(catch_unwind(AssertUnwindSafe(|| read(state))));
        })));
        or_end(answer)
            .await
            .unwrap_or_else(|payload| resume_unwind(payload))
    }

    /// Changes the state in a turn of its own. The change is saved like that of a `&mut self`
    /// handler.
    ///
    /// It never completes in a task that outlives the actor's life, as one of [`tokio::spawn`] may.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, `write` runs whole or does not run.
    pub async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&mut A) -> T + Send + 'static,
    ) -> T {
        let (to, answer) = oneshot::channel();
        self.ctx.hub.turn(Turn::Write(Box::new(move |state| {
            let _ = to.send(write(state));
            true
        })));
        or_end(answer).await
    }
}

impl<A: ActorType> TaskCtx<A> {
    /// Saves at once, whatever the durability: when it returns, everything that the state was when it
    /// was called is on disk (S1, S2). What storage was asked for by then is never asked again.
    ///
    /// Only a handler without `self` has it, because the state of a turn in the middle is not saved:
    /// others have what they changed saved when they return.
    ///
    /// # Errors
    ///
    /// `actor.storage_failed` when it could not be saved; the actor is then loaded anew from its last
    /// commit.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the save goes on.
    pub async fn save(&self) -> Result<(), ActorError> {
        let (to, saved) = oneshot::channel();
        self.ctx.hub.emit(Origin::Beside, Output::Save(to));
        or_end(saved).await
    }
}

/// A turn that is never answered belongs to a life that is over: its handlers are being aborted.
async fn or_end<T>(answer: oneshot::Receiver<T>) -> T {
    match answer.await {
        Ok(value) => value,
        Err(_) => std::future::pending().await,
    }
}

impl<A: ActorType> Deref for TaskCtx<A> {
    type Target = Ctx<A>;

    fn deref(&self) -> &Ctx<A> {
        &self.ctx
    }
}

impl<A: ActorType> fmt::Debug for TaskCtx<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ctx.fmt(f)
    }
}

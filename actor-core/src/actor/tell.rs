//! Telling other actors something without waiting for what they say.

use std::panic::Location;

use super::{
    ActorType,
    ctx::Ctx,
    hub::Output,
    work::{Spawn, WorkOutcome},
};
use crate::{error::ActorError, lifecycle::WorkKind};

impl<A: ActorType> Ctx<A> {
    /// Tells another actor something, one way: `say` runs beside everything else, once what this
    /// handler leaves is durable. When a `&mut self` handler panics or times out, nothing is said.
    ///
    /// The actor may fall asleep meanwhile, and then stays in its grace until it is said, as with
    /// [`wait_until`](Self::wait_until); an error is logged. It is said at most once: a process that dies
    /// in between has not said it. What must arrive is [sent](crate::gateway::ActorHandle::send) to a
    /// queue of the other actor.
    ///
    /// ```
    /// use actor_core::prelude::*;
    ///
    /// #[actor]
    /// #[derive(Default)]
    /// pub struct Statistics { orders: u64 }
    ///
    /// #[actor]
    /// impl Statistics {
    ///     #[action]
    ///     async fn ordered(&mut self, items: u64) {
    ///         self.orders += items;
    ///     }
    /// }
    ///
    /// #[actor]
    /// #[derive(Default)]
    /// pub struct Cart { items: u64 }
    ///
    /// #[actor]
    /// impl Cart {
    ///     #[action]
    ///     async fn order(&mut self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
    ///         let items = std::mem::take(&mut self.items);
    ///         let statistics = ctx.actors().get_or_create::<Statistics>("all");
    ///         ctx.tell(async move { statistics.ordered(items).await })
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// `actor.overloaded` when as much goes on in the background already as may wait in the
    /// [mailbox](crate::ActorOptions::mailbox), `actor.stopping` when this life is over.
    #[track_caller]
    pub fn tell<F>(&self, say: F) -> Result<(), ActorError>
    where
        F: Future<Output: WorkOutcome> + Send + 'static,
    {
        let place = Some(Location::caller());
        let guard = self.hub.hold_bounded(WorkKind::WaitUntil, place)?;
        let work = Box::pin(async move { say.await.into_result() });
        let name = "tell";
        self.hub
            .emit(self.origin, Output::Tell(Spawn { name, guard, work }));
        Ok(())
    }
}

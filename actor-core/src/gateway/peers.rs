//! How one actor reaches another: typed handles from its own context.

use std::fmt;

use super::handle::{ActorHandle, Handled, Target, input_value};
use crate::{
    actor::{ActorType, Ctx},
    error::ActorError,
    id::ActorId,
    key::ActorKey,
    registry::Registry,
};

/// The other actors of the registry, as an actor reaches them: what [`Registry`] has for everybody else.
///
/// A handler that waits for another actor's answer stays what it is: one with `&mut self` keeps all
/// others waiting meanwhile. The callee is given the time that the caller has left, and a circle of
/// calls that would wait for itself fails at once. The guide's chapter
/// [actors among themselves](crate::guide::peers) has the rules.
///
/// ```
/// use actor_core::prelude::*;
///
/// #[actor]
/// #[derive(Default)]
/// pub struct Account { cents: i64 }
///
/// #[actor]
/// impl Account {
///     #[action]
///     async fn add(&mut self, cents: i64) -> i64 {
///         self.cents += cents;
///         self.cents
///     }
/// }
///
/// #[actor]
/// #[derive(Default)]
/// pub struct Shop { sold: u32 }
///
/// #[actor]
/// impl Shop {
///     #[action]
///     async fn sell(&mut self, ctx: &Ctx<Self>, to: String) -> Result<i64, ActorError> {
///         let account = ctx.actors().get_or_create::<Account>(to);
///         let left = account.add(-250).await?;
///         self.sold += 1;
///         Ok(left)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::builder().actor::<Account>().actor::<Shop>().build().await?;
/// assert_eq!(registry.get_or_create::<Shop>("corner").sell("ann".into()).await?, -250);
/// # registry.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Actors {
    registry: Option<Registry>,
}

impl<A: ActorType> Ctx<A> {
    /// The other actors of the registry. Should nobody have the registry any more, calls of them fail
    /// with `actor.stopping`.
    #[must_use]
    pub fn actors(&self) -> Actors {
        let home = self.hub.doorbell.home();
        Actors {
            registry: home.and_then(Registry::of_home),
        }
    }
}

impl Actors {
    /// As [`Registry::get_or_create`].
    #[must_use]
    pub fn get_or_create<A: Handled>(&self, key: impl Into<ActorKey>) -> A::Handle {
        self.handle::<A>(Target::GetOrCreate(key.into(), None))
    }

    /// As [`Registry::get_or_create_with`].
    ///
    /// # Errors
    ///
    /// When the input does not serialize.
    pub fn get_or_create_with<A: Handled>(
        &self,
        key: impl Into<ActorKey>,
        input: &A::Input,
    ) -> Result<A::Handle, ActorError> {
        let input = Some(input_value(input)?);
        Ok(self.handle::<A>(Target::GetOrCreate(key.into(), input)))
    }

    /// As [`Registry::get`].
    #[must_use]
    pub fn get<A: Handled>(&self, key: impl Into<ActorKey>) -> A::Handle {
        self.handle::<A>(Target::Get(key.into()))
    }

    /// As [`Registry::get_for_id`].
    #[must_use]
    pub fn get_for_id<A: Handled>(&self, id: ActorId) -> A::Handle {
        self.handle::<A>(Target::Id(id))
    }

    fn handle<A: Handled>(&self, target: Target) -> A::Handle {
        ActorHandle::within(self.registry.clone(), target).into()
    }
}

impl fmt::Debug for Actors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actors").finish_non_exhaustive()
    }
}

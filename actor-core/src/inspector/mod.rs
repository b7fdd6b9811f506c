//! Looks into actors for whoever runs them: state, connections, actions, queues, schedules, database.
//! Off unless the registry has a token for it. What is sent over the wire of it is a server's.

mod database;
mod queue;
mod schedules;

use std::fmt;

use subtle::ConstantTimeEq as _;
use tokio::sync::oneshot;

pub use self::{database::Table, queue::QueueSnapshot};
pub use crate::cell::{Seen, Snapshot};
use crate::{
    cell::{Stay, Visit, brought},
    error::ActorError,
    id::ActorId,
    registry::Registry,
    value::Value,
};

/// Sees into every actor of a registry. Made by [`Registry::inspector`], for who knows the token.
///
/// Each look is a short turn of its actor, which it wakes if it sleeps, and counts as activity.
///
/// ```
/// use actor_core::prelude::*;
///
/// #[actor]
/// #[derive(Default)]
/// pub struct Counter { count: i64 }
///
/// #[actor]
/// impl Counter {
///     #[action]
///     async fn get(&self) -> i64 { self.count }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::builder().actor::<Counter>().inspector("secret").build().await?;
/// let counter = registry.get_or_create::<Counter>("visits");
/// let inspector = registry.inspector("secret")?;
/// inspector.replace_state(counter.resolve().await?, Value::object([("count", 7)])).await?;
/// assert_eq!(counter.get().await?, 7);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Inspector {
    registry: Registry,
}

impl Registry {
    /// Sees into every actor.
    ///
    /// # Errors
    ///
    /// `inspector.unauthorized` when `token` is not the one that
    /// [`RegistryBuilder::inspector`](crate::registry::RegistryBuilder::inspector) was given, or none was.
    /// The comparison takes as long for a token that is almost right.
    pub fn inspector(&self, token: &str) -> Result<Inspector, ActorError> {
        let known = self.inspector_token();
        if known.is_some_and(|it| it.as_bytes().ct_eq(token.as_bytes()).into()) {
            return Ok(Inspector {
                registry: self.clone(),
            });
        }
        let text = "the inspector is off, or the token is not its own";
        Err(ActorError::new("inspector", "unauthorized", text))
    }
}

impl Inspector {
    /// The actor as it is between two turns.
    ///
    /// # Errors
    ///
    /// `actor.not_found`, or why the actor could not be reached or does not serialize.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing happens.
    pub async fn snapshot(&self, id: ActorId) -> Result<Snapshot, ActorError> {
        let slot = self.registry.by_id(id).await?;
        let (to, back) = oneshot::channel();
        slot.visit(Visit::Look(to))?;
        brought(back).await
    }

    /// Puts `state`, a stored form as [`Snapshot::state`] is one, in place of the actor's. Fields that
    /// are transient stay. Returns once that is durable.
    ///
    /// # Errors
    ///
    /// `actor.invalid_request` when it is not the stored form of this actor, and nothing has changed;
    /// `actor.not_found`, or why the actor could not be reached or saved.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, it may or may not happen.
    pub async fn replace_state(&self, id: ActorId, state: Value) -> Result<(), ActorError> {
        let slot = self.registry.by_id(id).await?;
        let (to, back) = oneshot::channel();
        slot.visit(Visit::ReplaceState(state, to))?;
        brought(back).await
    }

    /// What clients call the actor's actions. Wakes nobody.
    ///
    /// # Errors
    ///
    /// `actor.not_found`, `actor.storage_failed`.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing happens.
    pub async fn actions(&self, id: ActorId) -> Result<Vec<&'static str>, ActorError> {
        Ok(self.registry.by_id(id).await?.actions())
    }

    /// Keeps the actor awake, and lets into its rooms.
    async fn stay(&self, id: ActorId) -> Result<Box<dyn Stay>, ActorError> {
        let slot = self.registry.by_id(id).await?;
        let (to, back) = oneshot::channel();
        slot.visit(Visit::Stay(to))?;
        brought(back).await
    }
}

/// Waits until what was written is on disk.
async fn saved(stay: &dyn Stay) -> Result<(), ActorError> {
    brought(stay.save()).await
}

/// Who asks has asked wrongly.
fn invalid(text: impl Into<std::borrow::Cow<'static, str>>) -> ActorError {
    ActorError::new("actor", "invalid_request", text).public()
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspector").finish_non_exhaustive()
    }
}

//! What waits in an actor's queues, one more message for them, and away with all.

use super::{Inspector, invalid, saved};
use crate::{
    error::{ActorError, IntoActorError as _},
    id::ActorId,
    queue::{QueueError, Queued, SendOptions, find},
    value::Value,
};

/// The queues of an actor.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct QueueSnapshot {
    /// How many messages there are, those that somebody holds included.
    pub size: usize,
    /// How many there may be.
    pub max_size: usize,
    /// The first of them.
    pub messages: Vec<Queued>,
}

impl Inspector {
    /// The actor's queues, with the first messages of them, at most `most`.
    ///
    /// # Errors
    ///
    /// `actor.not_found`, or why the actor could not be reached, or its storage.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing happens.
    pub async fn queue(&self, id: ActorId, most: usize) -> Result<QueueSnapshot, ActorError> {
        let stay = self.stay(id).await?;
        let life = stay.queues();
        let max_size = life.limits().messages;
        match life.desk().open(life).await {
            Ok(()) => Ok(QueueSnapshot {
                size: life.desk().count(),
                max_size,
                messages: life.desk().list(most),
            }),
            // Such an actor has none.
            Err(QueueError::NotStored) => Ok(QueueSnapshot {
                max_size,
                ..QueueSnapshot::default()
            }),
            Err(error) => Err(error.to_actor_error()),
        }
    }

    /// Puts a message into a queue, and returns once it is durable. One for a queue that the actor does
    /// not have is kept and counted, and offered to nobody.
    ///
    /// # Errors
    ///
    /// `actor.invalid_request` for an empty name, `queue.full`, `queue.message_too_large`; otherwise as
    /// [`queue`](Self::queue).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the message may have been sent.
    pub async fn send(&self, id: ActorId, queue: &str, body: &Value) -> Result<Queued, ActorError> {
        if queue.is_empty() {
            return Err(invalid("a queue has a name"));
        }
        let stay = self.stay(id).await?;
        let life = stay.queues();
        let sent = life.now();
        let open = life.desk().open(life).await;
        open.map_err(|it| it.to_actor_error())?;
        let options = match find(life.declared(), queue) {
            Ok(spec) => SendOptions::new().within(spec),
            Err(_) => SendOptions::new(),
        };
        let added = life.desk().add(life, queue, body, options, |_| {});
        let id = added.map_err(|it| it.to_actor_error())?;
        saved(&*stay).await?;
        let queue = queue.into();
        Ok(Queued { id, queue, sent })
    }

    /// Drops all messages of all queues, also those that somebody holds, and answers how many there were
    /// once that is durable. Who waits for one to be completed is told `queue.not_completed`.
    ///
    /// # Errors
    ///
    /// As [`queue`](Self::queue).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, they may be gone.
    pub async fn clear_queue(&self, id: ActorId) -> Result<usize, ActorError> {
        let stay = self.stay(id).await?;
        let life = stay.queues();
        let cleared = match life.desk().open(life).await {
            Ok(()) => life.desk().clear(life),
            Err(QueueError::NotStored) => return Ok(0),
            Err(error) => Err(error),
        };
        let cleared = cleared.map_err(|it| it.to_actor_error())?;
        saved(&*stay).await?;
        Ok(cleared)
    }
}

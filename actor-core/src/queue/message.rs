//! A message that was received to be completed.

use std::{fmt, marker::PhantomData, ops::Deref, sync::atomic::Ordering};

use serde::{Serialize, de::DeserializeOwned};

use super::{QueueSpec, desk::Surroundings, error::QueueError};
use crate::value::{Value, ValueError};

/// A message that stays in its queue until it is completed, with an `R` for whoever waits for that.
/// One that is dropped before goes back to its place and is offered again (at least once, X4), up to
/// the queue's [`max_attempts`](QueueSpec::max_attempts).
///
/// It reads as what was sent, a `T`. A handler has one such message at a time (Q3).
#[must_use = "a message that is dropped is offered again"]
pub struct Message<'a, T, R = ()> {
    held: Held<'a>,
    content: T,
    reply: PhantomData<fn(R)>,
}

/// The hold on a message, given up when dropped.
struct Held<'a> {
    life: &'a dyn Surroundings,
    queue: &'static QueueSpec,
    id: u64,
    attempts: u32,
}

impl<'a> Message<'a, Value, Value> {
    pub(super) fn new(
        life: &'a dyn Surroundings,
        queue: &'static QueueSpec,
        id: u64,
        attempts: u32,
        content: Value,
    ) -> Self {
        life.holds_message().store(true, Ordering::Release);
        let held = Held {
            life,
            queue,
            id,
            attempts,
        };
        Self {
            held,
            content,
            reply: PhantomData,
        }
    }

    /// The same message, read as a `T`.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn read_as<T: DeserializeOwned, R>(self) -> Result<Message<'a, T, R>, ValueError> {
        Ok(Message {
            content: self.content.deserialize_into()?,
            held: self.held,
            reply: PhantomData,
        })
    }
}

impl<T, R> Message<'_, T, R> {
    /// Its id, which no other message of the actor has had or will have.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.held.id
    }

    /// The name of its queue.
    #[must_use]
    pub fn queue(&self) -> &'static str {
        self.held.queue.name
    }

    /// How often it was received, this time included.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.held.attempts
    }
}

impl<T, R: Serialize> Message<'_, T, R> {
    /// Takes the message out of its queue. Whoever waits for it hears `reply` once that is durable.
    ///
    /// # Errors
    ///
    /// When `reply` does not serialize or too much waits for storage, and the message is offered
    /// again; `queue.already_completed` when it was completed [by its id](super::Queues::complete).
    pub fn complete(self, reply: R) -> Result<(), QueueError> {
        let Held { life, id, .. } = self.held;
        let reply = Value::from_serialize(&reply).map_err(|e| QueueError::Response(e.into()))?;
        life.desk().complete(life, id, reply)
    }
}

impl<T, R> Deref for Message<'_, T, R> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.content
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.life.holds_message().store(false, Ordering::Release);
        // Nothing happens to one that was completed.
        self.life.desk().release(self.life, self.id, self.queue);
    }
}

impl<T, R> fmt::Debug for Message<'_, T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("queue", &self.queue())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

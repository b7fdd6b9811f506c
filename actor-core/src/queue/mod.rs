//! Queues: durable messages to an actor, taken one by one when it has time for them.
//!
//! [`Ctx::queue`](crate::Ctx::queue) is the door of handlers that borrow the state: it sends, and takes
//! what is there. [`TaskCtx::queue`](crate::TaskCtx::queue) can wait as well.

mod completions;
mod desk;
mod due;
mod error;
mod inbox;
mod look;
mod message;
mod queues;
mod row;
mod sending;
mod table;
mod write;

use std::time::Duration;

pub(crate) use self::{
    completions::Completions,
    desk::{Desk, Limits, Parking, Surroundings, find},
    due::{Written, read_due},
    sending::{Sending, Sent},
};
pub use self::{error::QueueError, inbox::Inbox, look::Queued, message::Message, queues::Queues};
use crate::value::{Value, ValueError};

/// What an actor's queues carry. Derive it on an enum; each variant is one queue:
///
/// ```
/// use actor_core::{Queue, queue::QueueSpec};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Deserialize, Serialize)]
/// pub struct Mail { to: String }
///
/// #[derive(Queue)]
/// enum Jobs {
///     /// Clients send to `mail`.
///     Mail(Mail),
///     /// Whoever sends to `resize` may wait for a `u64`.
///     #[queue(reply = u64, max_attempts = 3)]
///     Resize(String),
///     /// Messages without content.
///     #[queue(name = "tidy")]
///     TidyUp,
/// }
///
/// assert_eq!(Jobs::Mail(Mail { to: "ann".into() }).name(), "mail");
/// assert_eq!(Jobs::QUEUES.len(), 3);
/// ```
pub trait Queue: Sized + Send + 'static {
    /// A message that was received to be completed: an enum with the same variants.
    type Message<'a>: Send;

    /// Every queue.
    const QUEUES: &'static [QueueSpec];

    /// The queue that this message is for.
    fn name(&self) -> &str;

    /// The message as it is stored.
    ///
    /// # Errors
    ///
    /// When it does not serialize.
    fn body(&self) -> Result<Value, ValueError>;

    /// Reads a message of the queue `name` back.
    ///
    /// # Errors
    ///
    /// When it is none.
    fn decode(name: &str, body: Value) -> Result<Self, ValueError>;

    /// A received message, by its queue. `decode` has read it before.
    ///
    /// # Errors
    ///
    /// When it is none.
    fn received(message: Message<'_, Value, Value>) -> Result<Self::Message<'_>, ValueError>;
}

/// One queue of an actor.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct QueueSpec {
    /// Its name, for clients and in storage.
    pub name: &'static str,
    /// How often a message may be received without being completed. `None` for ever again.
    pub max_attempts: Option<u32>,
    /// The queue to which such a message goes then. Without, it is dropped.
    pub dead_letter: Option<&'static str>,
    /// How long a message may wait to be received, unless its sender says otherwise. `None` for ever.
    pub ttl: Option<Duration>,
}

impl QueueSpec {
    /// A queue whose messages wait, and are tried, for as long as it takes.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            max_attempts: None,
            dead_letter: None,
            ttl: None,
        }
    }

    /// With at most so many attempts.
    #[must_use]
    pub const fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// With a queue for messages that were tried too often.
    #[must_use]
    pub const fn with_dead_letter(mut self, queue: &'static str) -> Self {
        self.dead_letter = Some(queue);
        self
    }

    /// With a time after which messages are dropped unread.
    #[must_use]
    pub const fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }
}

/// When a message is offered.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct SendOptions {
    delay: Option<Duration>,
    ttl: Option<Duration>,
}

impl SendOptions {
    /// At once, and for as long as its queue says.
    pub fn new() -> Self {
        Self::default()
    }

    /// Not before `delay` is over. The actor is awake then, whether or not it sleeps meanwhile.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Not once `ttl` is over: nobody has received it then, and it is dropped.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// With what `queue` says where the sender says nothing.
    pub(crate) fn within(mut self, queue: &QueueSpec) -> Self {
        self.ttl = self.ttl.or(queue.ttl);
        self
    }
}

/// A message with the reply that its sender waits for. `#[derive(Queue)]` makes a function that makes
/// one for each variant with `reply = ..`.
#[derive(Debug)]
pub struct Ask<Q, R> {
    pub(crate) message: Q,
    reply: std::marker::PhantomData<fn() -> R>,
}

impl<Q, R> Ask<Q, R> {
    /// `message`, which is replied to by an `R`.
    #[must_use]
    pub fn new(message: Q) -> Self {
        Self {
            message,
            reply: std::marker::PhantomData,
        }
    }
}

/// The queues of an actor that has none.
#[derive(Clone, Copy, Debug)]
pub enum NoQueue {}

impl Queue for NoQueue {
    type Message<'a> = Self;

    const QUEUES: &'static [QueueSpec] = &[];

    fn name(&self) -> &str {
        match *self {}
    }

    fn body(&self) -> Result<Value, ValueError> {
        match *self {}
    }

    fn decode(name: &str, _: Value) -> Result<Self, ValueError> {
        Err(no_queue(name))
    }

    fn received(message: Message<'_, Value, Value>) -> Result<Self, ValueError> {
        Err(no_queue(message.queue()))
    }
}

/// A message of any queue, not read yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// The name of its queue.
    pub queue: String,
    /// What its sender said.
    pub body: Value,
}

impl Queue for Letter {
    type Message<'a> = Message<'a, Value, Value>;

    /// Those of the actor count.
    const QUEUES: &'static [QueueSpec] = &[];

    fn name(&self) -> &str {
        &self.queue
    }

    fn body(&self) -> Result<Value, ValueError> {
        Ok(self.body.clone())
    }

    fn decode(name: &str, body: Value) -> Result<Self, ValueError> {
        Ok(Self {
            queue: name.to_owned(),
            body,
        })
    }

    fn received(message: Message<'_, Value, Value>) -> Result<Self::Message<'_>, ValueError> {
        Ok(message)
    }
}

/// There is no queue of this name.
pub(crate) fn no_queue(name: &str) -> ValueError {
    serde::de::Error::custom(format!("there is no queue `{name}`"))
}

//! The door of every handler: what it does with queues.

use std::{fmt, marker::PhantomData, sync::atomic::Ordering};

use serde::Serialize;

use super::{
    Letter, Queue, SendOptions,
    desk::{self, Read, Surroundings, Taken, Wanted},
    error::QueueError,
    message::Message,
};
use crate::value::Value;

/// The queues of an actor, of [`Ctx::queue`](crate::Ctx::queue): sends, and takes what is there.
///
/// What is sent by a `&mut self` handler is saved with the state it leaves, and offered once it has
/// returned; when it panics or times out, it was not sent. What is received without
/// [`try_message`](Self::try_message) is deleted with the receiver's next commit (P3): after a crash
/// before that it is there again, and neither is what the receiver did.
pub struct Queues<'a, Q> {
    life: &'a dyn Surroundings,
    names: Option<Vec<String>>,
    queue: PhantomData<fn() -> Q>,
}

impl<'a, Q: Queue> Queues<'a, Q> {
    pub(crate) fn new(life: &'a dyn Surroundings) -> Self {
        Self {
            life,
            names: None,
            queue: PhantomData,
        }
    }

    /// Only these queues, for receiving. Their messages come in the order they were sent, whichever
    /// queue they are in (Q1). No name at all means every queue.
    #[must_use]
    pub fn only<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        let names: Vec<_> = names.into_iter().map(Into::into).collect();
        self.names = Some(names).filter(|it| !it.is_empty());
        self
    }

    /// The same queues with messages as they are, for names that are known at run time only.
    #[must_use]
    pub fn raw(self) -> Queues<'a, Letter> {
        Queues {
            life: self.life,
            names: self.names,
            queue: PhantomData,
        }
    }

    /// Sends a message to the actor itself, and answers its id: ids ascend from 1 and none comes twice
    /// (Q1).
    ///
    /// # Errors
    ///
    /// `queue.full`, `queue.message_too_large`, `queue.not_defined` for a [`Letter`] to a queue that
    /// the actor does not have.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing was sent.
    pub async fn send(&self, message: Q) -> Result<u64, QueueError> {
        self.send_with(message, SendOptions::new()).await
    }

    /// As [`send`](Self::send), with a delay or a time to live.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing was sent.
    pub async fn send_with(&self, message: Q, options: SendOptions) -> Result<u64, QueueError> {
        let queue = desk::find(self.life.declared(), message.name())?;
        let body = message.body().map_err(|e| QueueError::Invalid {
            queue: queue.name.to_owned(),
            source: e.into(),
        })?;
        // A message is not held across the wait: it need not be `Sync`.
        drop(message);
        self.life.desk().open(self.life).await?;
        self.life
            .desk()
            .add(self.life, queue.name, &body, options.within(queue), |_| {})
    }

    /// Takes the first message, if there is one.
    ///
    /// # Errors
    ///
    /// `queue.previous_message_not_completed` while this handler holds one (Q3), or when storage
    /// fails.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing was received.
    pub async fn try_next(&self) -> Result<Option<Q>, QueueError> {
        let read = Self::read;
        let wanted = self.open(false, &read).await?;
        let found = self.life.desk().receive(self.life, &wanted)?;
        Ok(found.map(|it| it.content))
    }

    /// Takes the first messages, at most `most`, without waiting.
    ///
    /// # Errors
    ///
    /// As [`try_next`](Self::try_next).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing was received.
    pub async fn try_batch(&self, most: usize) -> Result<Vec<Q>, QueueError> {
        let read = Self::read;
        let wanted = self.open(false, &read).await?;
        let mut batch = Vec::new();
        while batch.len() < most
            && let Some(found) = self.life.desk().receive(self.life, &wanted)?
        {
            batch.push(found.content);
        }
        Ok(batch)
    }

    /// Takes the first message to complete it later, if there is one.
    ///
    /// # Errors
    ///
    /// As [`try_next`](Self::try_next).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing was received.
    pub async fn try_message(&self) -> Result<Option<Q::Message<'a>>, QueueError> {
        let read = Self::look;
        let wanted = self.open(true, &read).await?;
        let found = self.life.desk().receive(self.life, &wanted)?;
        found.map(|it| self.lend(it)).transpose()
    }

    /// Completes the message with this id, which somebody received to complete it: for one that is
    /// handed on by its id. [`Message::complete`] is the usual way.
    ///
    /// # Errors
    ///
    /// `queue.already_completed` when nobody holds it (any more).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing has happened.
    pub async fn complete(&self, id: u64, reply: impl Serialize + Send) -> Result<(), QueueError> {
        let reply = Value::from_serialize(&reply).map_err(|e| QueueError::Response(e.into()))?;
        self.life.desk().open(self.life).await?;
        self.life.desk().complete(self.life, id, reply)
    }

    /// How many messages there are in all queues, those that somebody holds included.
    ///
    /// # Errors
    ///
    /// When storage fails.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing has happened.
    pub async fn count(&self) -> Result<usize, QueueError> {
        self.life.desk().open(self.life).await?;
        Ok(self.life.desk().count())
    }

    /// As [`try_next`](Self::try_next), waiting for a message.
    pub(super) async fn wait_next(&self) -> Result<Q, QueueError> {
        let read = Self::read;
        let wanted = self.open(false, &read).await?;
        let found = self.life.desk().wait(self.life, &wanted).await?;
        Ok(found.content)
    }

    /// As [`try_message`](Self::try_message), waiting for one.
    pub(super) async fn wait_message(&self) -> Result<Q::Message<'a>, QueueError> {
        let read = Self::look;
        let wanted = self.open(true, &read).await?;
        let found = self.life.desk().wait(self.life, &wanted).await?;
        self.lend(found)
    }

    /// What is wanted, of queues that are there.
    async fn open<'r, T>(
        &self,
        hold: bool,
        read: Read<'r, T>,
    ) -> Result<Wanted<'r, T>, QueueError> {
        let queues = desk::select(self.life.declared(), self.names.as_deref())?;
        if self.life.holds_message().load(Ordering::Acquire) {
            return Err(QueueError::PreviousMessageNotCompleted);
        }
        self.life.desk().open(self.life).await?;
        Ok(Wanted { queues, hold, read })
    }

    fn read(queue: &str, body: Value) -> Result<Q, QueueError> {
        Q::decode(queue, body).map_err(|e| QueueError::Invalid {
            queue: queue.to_owned(),
            source: e.into(),
        })
    }

    /// Reads a message to see whether it is one, and gives back what was read.
    fn look(queue: &str, body: Value) -> Result<(String, Value), QueueError> {
        Self::read(queue, body.clone())?;
        Ok((queue.to_owned(), body))
    }

    fn lend(&self, taken: Taken<(String, Value)>) -> Result<Q::Message<'a>, QueueError> {
        let (name, body) = taken.content;
        let queue = desk::find(self.life.declared(), &name)?;
        let message = Message::new(self.life, queue, taken.id, taken.attempts, body);
        Q::received(message).map_err(|e| QueueError::Invalid {
            queue: name,
            source: e.into(),
        })
    }
}

impl<Q> fmt::Debug for Queues<'_, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queues")
            .field("only", &self.names)
            .finish_non_exhaustive()
    }
}

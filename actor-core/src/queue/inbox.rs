//! The door of handlers that may wait, because no state is borrowed while they do.

use std::{fmt, ops::Deref, time::Duration};

use futures_util::{Stream, stream};
use tokio::time::timeout;

use super::{Letter, Queue, QueueError, Queues};

/// The queues of an actor, of [`TaskCtx::queue`](crate::TaskCtx::queue): all that [`Queues`] does, and
/// waiting for messages.
///
/// A wait ends with `actor.aborted` when the actor stops (Q2). The `#[run]` handler that waits lets
/// the actor sleep (Q8): its next message wakes the actor, and `run` starts again.
pub struct Inbox<'a, Q> {
    queues: Queues<'a, Q>,
}

impl<'a, Q: Queue> Inbox<'a, Q> {
    pub(crate) fn new(queues: Queues<'a, Q>) -> Self {
        Self { queues }
    }

    /// Only these queues, as [`Queues::only`].
    #[must_use]
    pub fn only<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        Self::new(self.queues.only(names))
    }

    /// Messages as they are, as [`Queues::raw`].
    #[must_use]
    pub fn raw(self) -> Inbox<'a, Letter> {
        Inbox::new(self.queues.raw())
    }

    /// Takes the first message, waiting for one.
    ///
    /// # Errors
    ///
    /// `actor.aborted` when the actor stops; otherwise as [`Queues::try_next`].
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing was received.
    pub async fn next(&self) -> Result<Q, QueueError> {
        self.queues.wait_next().await
    }

    /// Takes the first message, waiting `within` for one.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next). That the time is over is no error (Q2).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing was received.
    pub async fn next_within(&self, within: Duration) -> Result<Option<Q>, QueueError> {
        in_time(within, self.next()).await
    }

    /// Waits `within` for a message, then takes what is there, at most `most`.
    ///
    /// # Errors
    ///
    /// As [`next_within`](Self::next_within).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing was received.
    pub async fn batch(&self, most: usize, within: Duration) -> Result<Vec<Q>, QueueError> {
        let Some(first) = self.next_within(within).await? else {
            return Ok(Vec::new());
        };
        let mut batch = vec![first];
        // The table is open now, so this does not wait.
        batch.extend(self.try_batch(most.saturating_sub(1)).await?);
        Ok(batch)
    }

    /// Takes the first message to complete it later, waiting for one.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing was received.
    pub async fn message(&self) -> Result<Q::Message<'a>, QueueError> {
        self.queues.wait_message().await
    }

    /// Takes the first message to complete it later, waiting `within` for one.
    ///
    /// # Errors
    ///
    /// As [`next_within`](Self::next_within).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing was received.
    pub async fn message_within(
        &self,
        within: Duration,
    ) -> Result<Option<Q::Message<'a>>, QueueError> {
        in_time(within, self.message()).await
    }

    /// One message after another, until the actor stops: then it ends quietly (Q2). Each is taken for good as by
    /// [`next`](Self::next); dropping the stream loses none.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next), but for `actor.aborted`. An error is the last that comes.
    pub fn stream(&self) -> impl Stream<Item = Result<Q, QueueError>> + Send {
        stream::unfold(Some(self), |inbox| async move {
            let inbox = inbox?;
            match inbox.next().await {
                Ok(message) => Some((Ok(message), Some(inbox))),
                Err(QueueError::Aborted) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

/// A receive that may find nothing. What is there already is taken also in no time at all.
async fn in_time<T>(
    within: Duration,
    receive: impl Future<Output = Result<T, QueueError>>,
) -> Result<Option<T>, QueueError> {
    timeout(within, receive).await.ok().transpose()
}

impl<'a, Q> Deref for Inbox<'a, Q> {
    type Target = Queues<'a, Q>;

    fn deref(&self) -> &Self::Target {
        &self.queues
    }
}

impl<Q> fmt::Debug for Inbox<'_, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.queues.fmt(f)
    }
}

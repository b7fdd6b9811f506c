//! Why a message could not be sent, received or completed.

use crate::{
    error::{ActorError, IntoActorError},
    journal::TooMuchPending,
    metrics,
    storage::StorageError,
    value::Value,
};

/// Why a message could not be sent, received or completed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The actor declares no queue of this name.
    #[error("the actor has no queue `{queue}`")]
    NotDefined {
        /// The name.
        queue: String,
    },
    /// The actor has as many messages as it may have.
    #[error("Queue is full. Limit is {limit} messages.")]
    Full {
        /// [`max_queue_size`](crate::ActorOptions::max_queue_size).
        limit: usize,
    },
    /// The message is too large.
    #[error("Queue message is too large: {size} bytes. Limit is {limit} bytes.")]
    TooLarge {
        /// [`max_queue_message_size`](crate::ActorOptions::max_queue_message_size).
        limit: usize,
        /// Of the message with its envelope, in bytes.
        size: usize,
    },
    /// The message is not what the queue takes, or does not serialize.
    #[error("this is no message for the queue `{queue}`")]
    Invalid {
        /// The name.
        queue: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The response does not serialize.
    #[error("the response does not serialize")]
    Response(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nobody holds this message: it was completed before, or was not received to be completed.
    #[error("the message was completed already")]
    AlreadyCompleted,
    /// This handler has received a message that it has not completed.
    #[error("the previous message was not completed")]
    PreviousMessageNotCompleted,
    /// The actor stops.
    #[error("the actor stops")]
    Aborted,
    /// The actor has durability `none`, so nothing of it is stored.
    #[error("an actor with durability `none` stores nothing")]
    NotStored,
    /// Messages come faster than storage takes them.
    #[error("too much waits to be saved already")]
    Overloaded,
    /// The storage failed.
    #[error("the storage failed")]
    Storage(#[from] StorageError),
}

impl QueueError {
    pub(super) fn full(limit: usize) -> Self {
        metrics::refused("queue.full", Self::Full { limit })
    }

    pub(super) fn too_large(limit: usize, size: usize) -> Self {
        metrics::refused("queue.message_too_large", Self::TooLarge { limit, size })
    }
}

impl From<TooMuchPending> for QueueError {
    fn from(_: TooMuchPending) -> Self {
        Self::Overloaded
    }
}

#[diagnostic::do_not_recommend]
impl IntoActorError for QueueError {
    fn to_actor_error(&self) -> ActorError {
        let queue = |code| ActorError::new("queue", code, self.to_string());
        match self {
            Self::NotDefined { .. } => queue("not_defined"),
            Self::Full { limit } => {
                queue("full").with_metadata(Value::object([("limit", *limit as u64)]))
            }
            Self::TooLarge { limit, size } => {
                let metadata = [("limit", *limit as u64), ("size", *size as u64)];
                queue("message_too_large").with_metadata(Value::object(metadata))
            }
            Self::Invalid { source, .. } => {
                ActorError::new("queue", "message_invalid", format!("{self}: {source}"))
            }
            Self::Response(_) => queue("response_invalid"),
            Self::AlreadyCompleted => queue("already_completed"),
            Self::PreviousMessageNotCompleted => queue("previous_message_not_completed"),
            Self::Aborted => ActorError::new("actor", "aborted", self.to_string()),
            Self::NotStored => queue("not_stored"),
            Self::Overloaded => queue("overloaded"),
            Self::Storage(error) => {
                ActorError::new("actor", "storage_failed", format!("queue: {error}"))
            }
        }
    }
}

impl From<QueueError> for ActorError {
    fn from(error: QueueError) -> Self {
        error.to_actor_error()
    }
}

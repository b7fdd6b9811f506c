//! Why something cannot be scheduled.

use super::{MAX_ARGS, MAX_HISTORY, MAX_NAME, MIN_INTERVAL};
use crate::{
    error::{ActorError, IntoActorError},
    journal::TooMuchPending,
    storage::StorageError,
};

/// Why something could not be scheduled, or a schedule not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// The actor has as many schedules as it may have (T9).
    #[error("an actor of this type has at most {limit} schedules")]
    TooManySchedules {
        /// How many it may have.
        limit: usize,
    },
    /// A name is empty or longer than 128 bytes.
    #[error("the name of a schedule has 1 to {MAX_NAME} bytes, not {size}")]
    BadName {
        /// Its size in bytes.
        size: usize,
    },
    /// A recurring schedule would come more often than every 5 s.
    #[error("the shortest interval is {} ms", MIN_INTERVAL.as_millis())]
    IntervalTooShort,
    /// More than 1,000 runs would be remembered.
    #[error("at most the last {MAX_HISTORY} runs of a schedule are remembered")]
    HistoryTooLong,
    /// A cron expression has not five fields, or one of them says nothing, or it never comes true.
    #[error("`{expression}` is no cron expression: {why}")]
    BadCron {
        /// The expression.
        expression: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no time zone of this name.
    #[error("there is no time zone `{0}`")]
    UnknownTimeZone(String),
    /// The actor has no action of this name.
    #[error("there is no action `{0}` to schedule")]
    UnknownAction(String),
    /// The arguments do not serialize.
    #[error("the arguments do not serialize")]
    Encode(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The arguments have more than 64 KiB.
    #[error("the arguments of a scheduled call have at most {MAX_ARGS} bytes, not {size}")]
    ArgumentsTooLarge {
        /// Their size in bytes.
        size: usize,
    },
    /// The actor has durability `none`, so nothing of it is stored.
    #[error("an actor with durability `none` stores nothing")]
    NotStored,
    /// Writes come faster than storage takes them.
    #[error("too much waits to be saved already")]
    Overloaded,
    /// What is stored cannot be read.
    #[error("the stored entry is something else")]
    Decode(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The storage failed.
    #[error("the storage failed")]
    Storage(#[from] StorageError),
}

impl From<TooMuchPending> for ScheduleError {
    fn from(_: TooMuchPending) -> Self {
        Self::Overloaded
    }
}

#[diagnostic::do_not_recommend]
impl IntoActorError for ScheduleError {
    fn to_actor_error(&self) -> ActorError {
        let code = match self {
            Self::TooManySchedules { .. } => "max_schedules_exceeded",
            Self::BadName { .. } => "invalid_name",
            Self::IntervalTooShort => "invalid_interval",
            Self::HistoryTooLong => "invalid_history",
            Self::BadCron { .. } => "invalid_cron",
            Self::UnknownTimeZone(_) => "invalid_timezone",
            Self::UnknownAction(_) => "action_not_found",
            Self::Encode(_) => "not_serializable",
            Self::ArgumentsTooLarge { .. } => "arguments_too_large",
            Self::NotStored => "not_stored",
            Self::Overloaded => "overloaded",
            Self::Decode(error) => {
                let text = format!("a schedule cannot be read: {error}");
                return ActorError::new("protocol", "invalid_persisted_data", text);
            }
            Self::Storage(error) => {
                let text = format!("schedules: {error}");
                return ActorError::new("actor", "storage_failed", text);
            }
        };
        ActorError::new("schedule", code, self.to_string())
    }
}

//! Idempotency keys: which calls came with one, and what they were answered. Running them is for the cell.
//!
//! Of each key there are two rows: a short one that says whose it is, and the answer. The short ones are read
//! by the first call with a key in a life; an answer is read when somebody asks for it again.

mod load;
mod print;
mod row;
mod table;

pub(crate) use self::{
    load::{failed, load, missing, unreadable},
    print::fingerprint,
    row::{Answer, read_answer, write_answer},
    table::{FirstCall, Found, Limits, Mark, Table},
};
use crate::{error::ActorError, metrics};

/// Most bytes of a key.
const MAX_KEY: usize = 255;

/// Why a call with a key was not run.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum IdempotencyError {
    #[error("an idempotency key has 1 to {MAX_KEY} bytes, not {size}")]
    InvalidKey { size: usize },
    #[error("a call with this idempotency key is under way")]
    InProgress,
    #[error("this idempotency key came with other arguments before")]
    KeyReused,
}

impl From<IdempotencyError> for ActorError {
    fn from(error: IdempotencyError) -> Self {
        let code = match error {
            IdempotencyError::InvalidKey { .. } => "invalid_key",
            IdempotencyError::InProgress => "in_progress",
            IdempotencyError::KeyReused => "key_reused",
        };
        Self::new("idempotency", code, error.to_string())
    }
}

/// Whether a key is within its limits.
pub(crate) fn check(key: &str) -> Result<(), IdempotencyError> {
    match key.len() {
        1..=MAX_KEY => Ok(()),
        size => {
            let error = IdempotencyError::InvalidKey { size };
            Err(metrics::refused("idempotency.invalid_key", error))
        }
    }
}

/// An actor that says nothing of its calls' arguments or answers cannot tell one call from another.
pub(crate) fn unsupported() -> ActorError {
    let text = "the actor, written by hand, has no `arguments` and `replay`";
    ActorError::new("idempotency", "not_supported", text)
}

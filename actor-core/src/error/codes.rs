//! The one table of codes: which HTTP status each has, and which a client may read.

use super::ActorError;

/// What clients see in place of a hidden error's message.
pub const MASKED_MESSAGE: &str = "An internal error occurred";

/// Whether clients may read message and metadata of `group.code`.
#[must_use]
pub fn is_public(group: &str, code: &str) -> bool {
    match group {
        "user" | "inspector" | "message" | "schedule" | "queue" | "kv" | "idempotency" => true,
        "auth" => code == "forbidden",
        "actor" => matches!(
            code,
            "not_found"
                | "action_not_found"
                | "request_not_defined"
                | "method_not_allowed"
                | "action_timed_out"
                | "aborted"
                | "duplicate_key"
                | "key_too_large"
                | "not_registered"
                | "validation_error"
                | "answer_lost"
        ),
        _ => false,
    }
}

/// The HTTP status of `group.code`.
#[must_use]
pub fn status(group: &str, code: &str) -> u16 {
    match (group, code) {
        ("inspector", "unauthorized") => 401,
        ("auth", "forbidden") => 403,
        ("actor", "not_found" | "action_not_found" | "request_not_defined") => 404,
        ("actor", "method_not_allowed") => 405,
        ("actor", "action_timed_out" | "deadline_exceeded") => 408,
        ("idempotency", "invalid_key") => 400,
        ("idempotency", "in_progress") => 409,
        ("idempotency", "key_reused") => 422,
        ("actor", "call_cycle") => 508,
        ("guard", "retry_attempts_exceeded") => 502,
        ("actor", "overloaded") | ("sql", "overloaded" | "too_many_open") => 503,
        ("actor", "aborted" | "duplicate_key" | "key_too_large" | "not_registered")
        | ("actor", "validation_error" | "invalid_request")
        | ("message" | "queue" | "kv" | "schedule", _) => 400,
        _ if unavailable(group, code).is_some() => 503,
        _ => 500,
    }
}

/// Why nothing was done of what was asked of an actor, so that it may be asked again (R2, R4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unavailable {
    Stopping,
    WokenInVain,
    Destroyed,
    NotReady,
    Stopped,
    TriedInVain,
}

impl Unavailable {
    /// The error that says so.
    pub(crate) fn error(self) -> ActorError {
        let (group, code) = self.code().split_once('.').unwrap_or_default();
        ActorError::new(group, code, "the actor has not done this")
    }

    /// `group.code`.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Stopping => "actor.stopping",
            Self::WokenInVain => "guard.actor_wake_retries_exceeded",
            Self::Destroyed => "actor.destroyed_while_waiting_for_ready",
            Self::NotReady => "guard.actor_ready_timeout",
            Self::Stopped => "guard.actor_stopped_while_waiting",
            Self::TriedInVain => "guard.retry_attempts_exceeded",
        }
    }
}

/// Whether `group.code` says that nothing was done.
pub(crate) fn unavailable(group: &str, code: &str) -> Option<Unavailable> {
    match (group, code) {
        ("actor", "stopping") => Some(Unavailable::Stopping),
        ("guard", "actor_wake_retries_exceeded") => Some(Unavailable::WokenInVain),
        ("actor", "destroyed_while_waiting_for_ready") => Some(Unavailable::Destroyed),
        ("guard", "actor_ready_timeout") => Some(Unavailable::NotReady),
        ("guard", "actor_stopped_while_waiting") => Some(Unavailable::Stopped),
        ("guard", "retry_attempts_exceeded") => Some(Unavailable::TriedInVain),
        _ => None,
    }
}

//! The one table of codes: which HTTP status each has, and which a client may read.

/// What clients see in place of a hidden error's message.
pub const MASKED_MESSAGE: &str = "An internal error occurred";

/// Whether clients may read message and metadata of `group.code`.
#[must_use]
pub fn is_public(group: &str, code: &str) -> bool {
    match group {
        "user" | "inspector" | "message" | "schedule" | "queue" | "kv" => true,
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
        ("actor", "action_timed_out") => 408,
        ("actor", "overloaded") | ("sql", "overloaded" | "too_many_open") => 503,
        ("actor", "aborted" | "duplicate_key" | "key_too_large" | "not_registered")
        | ("actor", "validation_error" | "invalid_request")
        | ("message" | "queue" | "kv" | "schedule", _) => 400,
        _ if unavailable(group, code).is_some() => 503,
        _ => 500,
    }
}

/// `group.code` when it says that the actor is between two lives: what was asked of it was not done, and
/// may be asked again (R4).
#[must_use]
pub fn unavailable(group: &str, code: &str) -> Option<&'static str> {
    Some(match (group, code) {
        ("actor", "stopping") => "actor.stopping",
        ("guard", "actor_wake_retries_exceeded") => "guard.actor_wake_retries_exceeded",
        ("guard", "actor_stopped_while_waiting") => "guard.actor_stopped_while_waiting",
        _ => return None,
    })
}

//! Every metric: name, labels, help. ✗ recording

use super::{
    Kind::{self, Counter, Gauge, Seconds},
    Metric,
};

const fn metric(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind,
        labels,
        help,
    }
}

/// Actors that are awake.
pub const AWAKE: Metric = metric("actor_awake", Gauge, &["actor"], "Actors that are awake");

/// Starts of an actor, the first included.
pub const WAKES: Metric = metric(
    "actor_wakes_total",
    Counter,
    &["actor"],
    "Starts of an actor, the first included",
);

/// Starts that failed: hooks, unreadable state, storage.
pub const START_FAILURES: Metric = metric(
    "actor_start_failures_total",
    Counter,
    &["actor"],
    "Starts that failed",
);

/// Ends of a life by its own path. `reason` is `sleep`, `shutdown` or `destroy`.
pub const STOPS: Metric = metric(
    "actor_stops_total",
    Counter,
    &["actor", "reason"],
    "Ends of a life by its own path",
);

/// Lives given up, to be loaded again from the last commit. `cause` is `handler` or `storage`.
pub const RELOADS: Metric = metric(
    "actor_reloads_total",
    Counter,
    &["actor", "cause"],
    "Lives given up and loaded again from the last commit",
);

/// Handlers and hooks that did not return. `kind` is `panicked` or `timed_out`.
pub const FAULTS: Metric = metric(
    "actor_handler_faults_total",
    Counter,
    &["actor", "kind"],
    "Handlers and hooks that panicked or timed out",
);

/// Messages refused with `actor.overloaded` because the mailbox was full.
pub const MAILBOX_REFUSALS: Metric = metric(
    "actor_mailbox_refusals_total",
    Counter,
    &["actor"],
    "Messages refused because the mailbox was full",
);

/// Connections of actors that are awake, single HTTP calls among them.
pub const CONNECTIONS: Metric = metric(
    "actor_connections",
    Gauge,
    &["actor"],
    "Connections of actors that are awake",
);

/// Connections that stay open while their actor sleeps.
pub const HIBERNATING: Metric = metric(
    "actor_connections_hibernating",
    Gauge,
    &["actor"],
    "Connections that stay open while their actor sleeps",
);

/// Connections refused with `actor.too_many_connections`.
pub const CONNECTION_REFUSALS: Metric = metric(
    "actor_connection_refusals_total",
    Counter,
    &["actor"],
    "Connections refused because there were too many",
);

/// Answers to calls with an idempotency key that went before their time, for there were more than
/// [`max_idempotency_keys`](crate::ActorOptions::max_idempotency_keys).
pub const IDEMPOTENCY_DROPS: Metric = metric(
    "actor_idempotency_answers_dropped_total",
    Counter,
    &["actor"],
    "Answers kept for idempotency keys that were dropped before their time",
);

/// Connections closed with `ws.slow_reader` because their outbox was full.
pub const OUTBOX_OVERFLOWS: Metric = metric(
    "actor_outbox_overflows_total",
    Counter,
    &[],
    "Connections closed because their outbox was full",
);

/// Connections that an actor found as it woke. `outcome` is `restored`; `stale`, whose client has gone;
/// `not_stored` and `failed`, whose sockets were closed.
pub const RESTORES: Metric = metric(
    "actor_connections_restored_total",
    Counter,
    &["actor", "outcome"],
    "Connections that an actor found as it woke",
);

/// Requests refused with `guard.rate_limit` or `guard.in_flight_limit`. `limit` is `actor` or `address`.
pub const GATEWAY_REFUSALS: Metric = metric(
    "actor_gateway_refusals_total",
    Counter,
    &["limit"],
    "Requests and messages over what a client may ask for",
);

/// Connections given up because their client gave no sign of life.
pub const LOST: Metric = metric(
    "actor_connections_lost_total",
    Counter,
    &[],
    "Connections given up because their client gave no sign of life",
);

/// Times when half of what may wait of one client's messages did, or three quarters. `percent` is `50` or
/// `75`.
pub const INBOX_WARNINGS: Metric = metric(
    "actor_inbox_warnings_total",
    Counter,
    &["actor", "percent"],
    "Times when much that one client sent waited for its actor",
);

/// Sockets closed with `guard.websocket_pending_limit_reached`.
pub const INBOX_REFUSALS: Metric = metric(
    "actor_inbox_refusals_total",
    Counter,
    &["actor"],
    "Sockets closed because too much that their client sent waited",
);

/// Messages over `max_incoming` or `max_outgoing`. `direction` is `in` or `out`.
pub const TOO_LONG: Metric = metric(
    "actor_messages_too_long_total",
    Counter,
    &["direction"],
    "Messages over the limit of their length",
);

/// What the limits of keys, queues, schedules and SQL turned away. `limit` is the code of the error, such
/// as `kv.value_too_large`.
pub const LIMITS: Metric = metric(
    "actor_limit_refusals_total",
    Counter,
    &["limit"],
    "What a limit turned away",
);

/// How long commits took that succeeded, from snapshot to acknowledgement.
pub const COMMIT_SECONDS: Metric = metric(
    "actor_commit_seconds",
    Seconds,
    &["actor"],
    "How long commits took that succeeded",
);

/// Commits that failed.
pub const COMMIT_FAILURES: Metric = metric(
    "actor_commit_failures_total",
    Counter,
    &["actor"],
    "Commits that failed",
);

/// Lives that stayed awake for twenty times their `sleep_after` though nobody spoke to them, by what
/// kept them. `kind` is a [`BlockerKind::name`](crate::BlockerKind::name).
pub const OVERSTAYS: Metric = metric(
    "actor_overstays_total",
    Counter,
    &["actor", "kind"],
    "Lives that stayed awake long though nobody spoke to them",
);

/// All of them.
pub const ALL: &[Metric] = &[
    AWAKE,
    WAKES,
    START_FAILURES,
    STOPS,
    RELOADS,
    FAULTS,
    MAILBOX_REFUSALS,
    CONNECTIONS,
    HIBERNATING,
    CONNECTION_REFUSALS,
    IDEMPOTENCY_DROPS,
    OUTBOX_OVERFLOWS,
    RESTORES,
    GATEWAY_REFUSALS,
    LOST,
    INBOX_WARNINGS,
    INBOX_REFUSALS,
    TOO_LONG,
    LIMITS,
    COMMIT_SECONDS,
    COMMIT_FAILURES,
    OVERSTAYS,
];

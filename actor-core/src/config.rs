//! Options of an actor type: what each does, its default, its cost.

use std::time::Duration;

/// When the outputs of a turn may leave: its reply, its events, the acknowledgement of a connection
/// (P2).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Durability {
    /// Once the state they saw is on disk. Nothing that a client was told is ever lost. Costs one
    /// commit of waiting, shared by all turns that gathered meanwhile.
    #[default]
    Acked,
    /// At once; the state follows within [`save_interval`](ActorOptions::save_interval). A crash may
    /// lose that much of what was acknowledged.
    Relaxed,
    /// At once, and the state is never stored: an actor that wakes was created anew. As an option of
    /// a single action it means the same as `Relaxed`.
    None,
}

/// What becomes of an actor whose life ended by a fault: one that did not start, because a hook of the
/// start failed or storage did, or one that broke, because a `&mut self` handler panicked or took too
/// long, or a commit failed. What was committed is never touched by the first two.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum CrashPolicy {
    /// It sleeps until somebody wants something of it.
    #[default]
    Sleep,
    /// It starts again by itself: at once after the first fault, then after a wait that doubles with
    /// each fault in a row from half a second to a minute. Meanwhile calls are refused with
    /// `actor.restarting`, which clients retry. A life that served for a minute ends the row.
    Restart,
    /// It is destroyed without a hook, if the fault is of its own code. Storage that fails, and a
    /// stored form that cannot be read, destroy nobody.
    Destroy,
}

/// Options of an actor type. `#[actor(..)]` sets each by its name; durations are written `"30s"`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ActorOptions {
    /// When outputs may leave. Default: [`Durability::Acked`].
    pub durability: Durability,
    /// How long an actor stays awake with nothing to do. `None` keeps it awake until it is asked to
    /// sleep or the process stops. Default: 30 s. Shorter frees memory sooner and wakes more often. What
    /// keeps an actor awake all the same says
    /// [`why_awake`](crate::gateway::ActorRef::why_awake).
    pub sleep_after: Option<Duration>,
    /// How long going to sleep may take in all: `on_sleep`, disconnects, running handlers. Default:
    /// 15 s.
    pub sleep_grace: Duration,
    /// Longest time state stays unsaved under [`Durability::Relaxed`]. Default: 1 s.
    pub save_interval: Duration,
    /// What follows when a life ends by a fault. Default: [`CrashPolicy::Sleep`].
    pub crash: CrashPolicy,
    /// How long an action may run, the wait for other turns not counted; and so with `on_request`,
    /// `on_message` and what a schedule runs. Default: 60 s.
    pub action_timeout: Duration,
    /// How long `on_create` may run. Default: 5 s.
    pub on_create_timeout: Duration,
    /// How long `on_migrate` may run. Default: 30 s.
    pub on_migrate_timeout: Duration,
    /// How long `on_wake` may run. Default: 5 s.
    pub on_wake_timeout: Duration,
    /// How long `on_before_connect` may run, which makes the connection's state too, and how long
    /// `can_subscribe` and `can_publish`, each. Default: 5 s.
    pub on_before_connect_timeout: Duration,
    /// How long `on_connect` and `on_websocket` may run, each. Default: 5 s.
    pub on_connect_timeout: Duration,
    /// How long `on_disconnect` and `on_close` may run, each. Default: 5 s.
    pub on_disconnect_timeout: Duration,
    /// How long `on_state_change` may run, with which all other turns wait. Default: 5 s.
    pub on_state_change_timeout: Duration,
    /// How long `on_error` may run. Default: 5 s.
    pub on_error_timeout: Duration,
    /// Calls and frames that may wait for the actor. One more is refused with `actor.overloaded`.
    /// Default: 1,024.
    pub mailbox: usize,
    /// Bytes that may wait for one connection's reader. One more frame closes that connection.
    /// Default: 4 MiB.
    pub outbox: usize,
    /// Largest frame or body a client may send, in bytes. Default: 65,536.
    pub max_incoming: usize,
    /// Largest reply or event, in bytes. Default: 1 MiB.
    pub max_outgoing: usize,
    /// Whether clients may only do what something lets them: connect by `on_before_connect`, hear an
    /// event by `can_subscribe`, send to a queue by `can_publish`, call an action by its `guard` or because it is `open`. All else is
    /// refused with `auth.forbidden`. Who holds a handle in the process is the program itself, and may
    /// do everything. Default: false.
    pub deny_by_default: bool,
    /// Most connections at a time. One more is refused with `actor.too_many_connections`. Default:
    /// 100,000.
    pub max_connections: usize,
    /// Most schedules at a time. One more is refused with `schedule.max_schedules_exceeded`. Default:
    /// 1,000. All of them are in memory while the actor is awake.
    pub max_schedules: usize,
    /// Whether the log warns, once for each life, of a transaction that a statement on `ctx.sql()`
    /// begins and does not end: other handlers' statements get into it. Default: yes.
    pub warn_on_manual_transactions: bool,
    /// Messages that all queues of the actor may have together, taken and not completed ones
    /// included. One more is refused with `queue.full`. Default: 1,000. They are in memory while the
    /// actor is awake and uses its queues.
    pub max_queue_size: usize,
    /// Largest message of a queue with its envelope, in bytes. Default: 65,536.
    pub max_queue_message_size: usize,
    /// How long the answer to a call with an
    /// [idempotency key](crate::gateway::ActorHandle::idempotency_key) is kept, from when it was answered:
    /// a call with the same key is given it until then, and runs from then on. Default: 24 h. A sleeping
    /// actor is not woken to forget one; what is over goes when the next comes.
    pub idempotency_window: Duration,
    /// Most such answers at a time. For one more the oldest goes, whether its time is over or not.
    /// Default: 1,024. The keys, not the answers, are in memory while the actor is awake and is called with
    /// some; in an actor with durability `none` the answers are, too.
    pub max_idempotency_keys: usize,
    /// Largest such answer as it is stored, in bytes. In place of a larger one is kept that there was one:
    /// a call with the same key does not run and is told `actor.answer_lost`. Default: 65,536.
    pub max_idempotency_answer: usize,
    /// Which raw WebSockets outlive a sleep. One that does not keeps the actor awake while it is open,
    /// and is closed when the actor sleeps all the same. Default: [`Hibernate::Never`]. An actor whose
    /// sockets hibernate sees them again after a wake without an `on_websocket`.
    pub hibernate_websockets: Hibernate,
    /// Largest message a client may send over a raw WebSocket, in bytes. Default: 32 MiB.
    pub max_message: usize,
    /// A text that clients send over raw WebSockets to hear whether the line is open, and what they are
    /// answered, as [`AutoReply`] says. Default: none.
    pub auto_reply: Option<AutoReply>,
}

/// No deadline is further away than thirty years: what is asked for beyond means as good as never, and can
/// be added to any time.
pub(crate) const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// How many times its [`sleep_after`](ActorOptions::sleep_after) an actor that has clients may stay awake
/// with nobody speaking to it, because of some work, before the log warns of that, once for each life.
pub const LONG_STAY: u32 = 20;

/// Which raw WebSockets outlive a sleep.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Hibernate {
    /// None.
    #[default]
    Never,
    /// All.
    Always,
    /// Those whose upgrade request the function likes.
    If(fn(&http::request::Parts) -> bool),
}

impl Hibernate {
    /// Whether the socket that `request` opens outlives a sleep. It stays as it is decided at the
    /// open (C5).
    pub(crate) fn allows(self, request: &http::request::Parts) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::If(is_so) => is_so(request),
        }
    }
}

/// A text of clients that is answered without the actor: it is not woken, no handler runs, and the
/// message has no number. It is meant for clients that cannot send WebSocket pings, such as browsers.
/// `#[actor(auto_reply = ("ping", "pong"))]`.
///
/// The answer overtakes what the client sent before and the actor has not answered.
/// [`Socket::auto_replied_at`](crate::Socket::auto_replied_at) tells when there last was one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AutoReply {
    /// The whole text that is answered.
    pub request: &'static str,
    /// The text that answers it.
    pub response: &'static str,
}

impl AutoReply {
    /// Answers `request` with `response`.
    #[must_use]
    pub const fn new(request: &'static str, response: &'static str) -> Self {
        Self { request, response }
    }
}

/// When a client that says nothing is asked whether it is still there, and when it is given up (H16).
///
/// A client that vanished without closing its connection (a laptop that was shut, a cable that was
/// pulled) looks like one that has nothing to say. So one that was silent for `interval` is sent a
/// WebSocket ping, which browsers and client libraries answer by themselves; and one that gives no sign of
/// life for another `timeout` is gone: its connection leaves the list, and its hooks run as if it had
/// closed. Either comes up to a quarter of the shorter time later. Any byte from the client is a sign of
/// life; pings and their answers never wake an actor.
///
/// Each quiet client costs two small packets in `interval`. Proxies and home routers forget connections
/// that are silent for a minute or more, so a much longer one loses clients that are there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Liveness {
    /// How long a client may be silent before it is asked. Default: 30 s.
    pub interval: Duration,
    /// How long it may take to answer. Default: 30 s.
    pub timeout: Duration,
}

impl Liveness {
    /// Asks after `interval` of silence, and waits for an answer for `timeout`. Both are at least 32 ms.
    #[must_use]
    pub fn new(interval: Duration, timeout: Duration) -> Self {
        let shortest = Duration::from_millis(32);
        Self {
            interval: interval.max(shortest),
            timeout: timeout.max(shortest),
        }
    }
}

impl Default for Liveness {
    fn default() -> Self {
        Self::new(Duration::from_secs(30), Duration::from_secs(30))
    }
}

impl ActorOptions {
    /// The same, with no time longer than [`LONGEST`].
    pub(crate) fn bounded(mut self) -> Self {
        if let Some(after) = &mut self.sleep_after {
            *after = LONGEST.min(*after);
        }
        for time in [
            &mut self.sleep_grace,
            &mut self.save_interval,
            &mut self.action_timeout,
            &mut self.on_create_timeout,
            &mut self.on_migrate_timeout,
            &mut self.on_wake_timeout,
            &mut self.on_before_connect_timeout,
            &mut self.on_connect_timeout,
            &mut self.on_disconnect_timeout,
            &mut self.on_state_change_timeout,
            &mut self.on_error_timeout,
        ] {
            *time = LONGEST.min(*time);
        }
        self
    }
}

impl Default for ActorOptions {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            sleep_after: Some(Duration::from_secs(30)),
            sleep_grace: Duration::from_secs(15),
            save_interval: Duration::from_secs(1),
            crash: CrashPolicy::default(),
            action_timeout: Duration::from_secs(60),
            on_create_timeout: Duration::from_secs(5),
            on_wake_timeout: Duration::from_secs(5),
            on_before_connect_timeout: Duration::from_secs(5),
            on_connect_timeout: Duration::from_secs(5),
            on_disconnect_timeout: Duration::from_secs(5),
            on_state_change_timeout: Duration::from_secs(5),
            on_error_timeout: Duration::from_secs(5),
            on_migrate_timeout: Duration::from_secs(30),
            mailbox: 1024,
            outbox: 4 * 1024 * 1024,
            max_incoming: 64 * 1024,
            max_outgoing: 1024 * 1024,
            deny_by_default: false,
            max_connections: 100_000,
            max_schedules: 1_000,
            warn_on_manual_transactions: true,
            max_queue_size: 1000,
            max_queue_message_size: 64 * 1024,
            idempotency_window: Duration::from_secs(24 * 60 * 60),
            max_idempotency_keys: 1_024,
            max_idempotency_answer: 64 * 1024,
            hibernate_websockets: Hibernate::default(),
            max_message: 32 * 1024 * 1024,
            auto_reply: None,
        }
    }
}

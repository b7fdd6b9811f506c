//! Events: what an actor tells its connections.

use crate::value::{Value, ValueError};

/// What an actor tells those who listen. Derive it on an enum; each variant is one event:
///
/// ```
/// use actor_core::Event;
///
/// #[derive(Event)]
/// enum RoomEvent {
///     /// Clients hear `line` with one argument.
///     Line(String),
///     /// Clients hear `moved` with two.
///     Moved(i64, i64),
///     /// Clients hear `joined` with one argument, `{ name }`.
///     Joined { name: String },
///     /// Clients hear `closed` with none.
///     #[event(name = "closed")]
///     TheRoomClosed,
/// }
///
/// assert_eq!(RoomEvent::Line("hi".into()).name(), "line");
/// ```
pub trait Event: Send + Sync + 'static {
    /// Which are kept for clients who are away for a moment, and how many of each. `#[event(replay =
    /// 100)]` on a variant adds one.
    const REPLAYS: &'static [Replay] = &[];

    /// The name clients subscribe to.
    fn name(&self) -> &'static str;

    /// The arguments clients' listeners get: always a [`Value::Array`].
    ///
    /// # Errors
    ///
    /// When an argument does not serialize.
    fn args(&self) -> Result<Value, ValueError>;
}

/// An event that is kept for clients who are away, see the guide on
/// [hibernation](crate::guide::hibernation).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Replay {
    /// Its name.
    pub event: &'static str,
    /// How many a client may miss and still get. They are in memory while the actor is awake, in at most
    /// a quarter of its [`outbox`](crate::ActorOptions::outbox), and read by waking.
    pub keep: u32,
}

impl Replay {
    /// Keeps so many of an event.
    #[must_use]
    pub const fn new(event: &'static str, keep: u32) -> Self {
        Self { event, keep }
    }
}

/// The events of an actor that has none of its own.
#[derive(Clone, Copy, Debug)]
pub enum NoEvent {}

impl Event for NoEvent {
    fn name(&self) -> &'static str {
        match *self {}
    }

    fn args(&self) -> Result<Value, ValueError> {
        match *self {}
    }
}

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
    /// The name clients subscribe to.
    fn name(&self) -> &'static str;

    /// The arguments clients' listeners get: always a [`Value::Array`].
    ///
    /// # Errors
    ///
    /// When an argument does not serialize.
    fn args(&self) -> Result<Value, ValueError>;
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

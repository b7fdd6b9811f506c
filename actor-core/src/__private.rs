//! What `actor-macros` expands to calls of. Not public API: no semver promise.

#![allow(
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    reason = "only macros call this"
)]

pub use std::{
    convert::Infallible,
    default::Default,
    format,
    future::Future,
    option::Option,
    primitive::{bool, str, u8, u16, u32, u64, usize},
    result::Result,
    string::{String, ToString},
    time::Duration,
    unreachable,
    vec::Vec,
};

pub use serde::{self, Deserialize, Serialize, de::DeserializeOwned};

pub use crate::{
    actor::{
        Actor, ActorType, Ctx, Event, Handler, Hook, NoEvent, Receiver, RenameAll, Reply,
        ReplySlot, StateError, TaskCtx, WireReply,
    },
    config::{ActorOptions, Durability},
    error::{ActorError, CallError, IntoActorError},
    gateway::{ActorHandle, Handled},
    protocol::Args,
    value::{Value, ValueError},
};

/// What an action takes and gives back.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot cross an action boundary",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it"
)]
pub trait Wire: Serialize + DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> Wire for T {}

/// Of `Result<T, E>`, what an action that may fail returns.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is named like `Result` but is not one",
    note = "an action's return type whose name ends in `Result` has to be a `std::result::Result`"
)]
pub trait Fallible {
    type Ok;
    type Err;
    fn into_result(self) -> Result<Self::Ok, Self::Err>;
}

impl<T, E> Fallible for Result<T, E> {
    type Ok = T;
    type Err = E;
    fn into_result(self) -> Self {
        self
    }
}

/// What a hook may return: its value, or a `Result` of it.
pub trait HookOutcome<T> {
    fn into_outcome(self) -> Result<T, ActorError>;
}

impl<T> HookOutcome<T> for T {
    fn into_outcome(self) -> Result<T, ActorError> {
        Ok(self)
    }
}

impl<T, E: IntoActorError> HookOutcome<T> for Result<T, E> {
    fn into_outcome(self) -> Result<T, ActorError> {
        self.map_err(|it| it.to_actor_error())
    }
}

/// Next argument of a client's call.
pub fn take<T: Wire>(args: &mut Args, name: &str) -> Result<T, ActorError> {
    args.take(name)
}

/// Refuses arguments nobody takes.
pub fn finish(args: &Args) -> Result<(), ActorError> {
    args.finish()
}

/// The arguments of a call, which a handler takes once.
pub fn args<T>(args: &mut Option<T>) -> T {
    args.take().expect("a call runs once")
}

/// Answers an action that cannot fail.
pub fn reply<T: Wire>(reply: &mut Reply<T, Infallible>, value: T) {
    reply.fill(Ok(value));
}

/// Answers an action that may fail.
pub fn reply_result<T: Wire, E: IntoActorError>(reply: &mut Reply<T, E>, value: Result<T, E>) {
    reply.fill(value);
}

/// Answers a hook.
pub fn reply_hook<T>(reply: &mut Reply<T, ActorError>, value: impl HookOutcome<T>) {
    reply.fill_hook(value.into_outcome());
}

/// Takes the reply of a client's call into a [`Reply`] of the action's types.
pub fn wire_reply<T, E>(reply: &mut Option<WireReply>) -> Reply<T, E> {
    reply.take().map_or_else(Reply::nobody, Reply::wire)
}

/// An actor without `on_create`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no `#[on_create]` and no `Default`",
    note = "write `#[on_create] async fn create(ctx: &Ctx<Self>, input: ..) -> Self`, or derive `Default`"
)]
pub trait DefaultState: Sized {
    fn default_state() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> DefaultState for T {
    fn default_state() -> Self {
        T::default()
    }
}

/// Writes a stored form as a CBOR map.
pub fn encode_state<T: Serialize>(stored: &T, out: &mut Vec<u8>) -> Result<(), StateError> {
    ciborium::into_writer(stored, out).map_err(|e| StateError::Encode(e.into()))
}

/// Reads a stored form of the current version, or of an older one through `migrate`.
pub fn decode_state<T: DeserializeOwned>(
    found: u32,
    known: u32,
    bytes: &[u8],
    migrate: Option<fn(u32, Value) -> Result<Value, String>>,
) -> Result<T, StateError> {
    if known < found {
        return Err(StateError::Newer { found, known });
    }
    if found == known {
        return ciborium::from_reader(bytes).map_err(|e| StateError::Decode(e.into()));
    }
    let migrate = migrate.ok_or(StateError::NoMigration { found, known })?;
    let old: Value = ciborium::from_reader(bytes).map_err(|e| StateError::Decode(e.into()))?;
    let new = migrate(found, old).map_err(|e| StateError::Decode(e.into()))?;
    new.deserialize_into()
        .map_err(|e| StateError::Decode(e.into()))
}

/// The wire name of an action under `rename`.
pub const fn pick(
    rename: RenameAll,
    camel: &'static str,
    snake: &'static str,
    pascal: &'static str,
    kebab: &'static str,
) -> &'static str {
    match rename {
        RenameAll::CamelCase => camel,
        RenameAll::SnakeCase => snake,
        RenameAll::PascalCase => pascal,
        RenameAll::KebabCase => kebab,
    }
}

/// An arm that the receiver of the call rules out.
pub fn wrong_receiver() -> ! {
    unreachable!("the cell runs each call by its handler's receiver")
}

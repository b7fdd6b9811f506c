//! What is told and kept as values: arguments of events, messages of queues, errors.

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::ActorError,
    queue::Message,
    value::{Value, ValueError},
};

/// What can be an argument of an event, or tell a client about an error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent to clients",
    note = "derive `serde::Serialize` for it"
)]
pub trait Told: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Told for T {}

/// One argument of an event.
pub fn event_arg<T: Told + ?Sized>(arg: &T) -> Result<Value, ValueError> {
    Value::from_serialize(arg)
}

/// All arguments of an event.
pub fn event_args<const N: usize>(args: [Value; N]) -> Result<Value, ValueError> {
    Ok(Value::Array(args.into()))
}

/// What can be a message of a queue.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a message of a queue",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it"
)]
pub trait Queued: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Queued for T {}

/// A message as it is stored.
pub fn queue_body<T: Queued>(content: &T) -> Result<Value, ValueError> {
    Value::from_serialize(content)
}

/// A stored message, read back.
pub fn queue_content<T: Queued>(body: Value) -> Result<T, ValueError> {
    body.deserialize_into()
}

/// A received message as the type that its queue has.
pub fn queue_message<T: Queued, R>(
    message: Message<'_, Value, Value>,
) -> Result<Message<'_, T, R>, ValueError> {
    message.read_as()
}

/// The actor has no queue of this name.
pub fn no_queue(name: &str) -> ValueError {
    crate::queue::no_queue(name)
}

/// An error that clients read has a text.
#[diagnostic::on_unimplemented(
    message = "clients read what `{Self}` says, and it says nothing",
    note = "derive `thiserror::Error` for it, or implement `Display`"
)]
pub trait Says: ToString {}

#[diagnostic::do_not_recommend]
impl<T: ToString> Says for T {}

/// An error that clients read.
pub fn public_error<E: Says>(error: &E, group: &'static str, code: &'static str) -> ActorError {
    ActorError::new(group, code, error.to_string()).public()
}

/// An error that is hidden from clients has its causes told in the log.
#[diagnostic::on_unimplemented(
    message = "the log is told of `{Self}` and its causes, so it has to be an error",
    note = "derive `thiserror::Error` for it, or implement `std::error::Error`"
)]
pub trait Logged: std::error::Error {}

#[diagnostic::do_not_recommend]
impl<T: std::error::Error> Logged for T {}

/// An error for the log, with its causes: clients are told that something failed.
pub fn hidden_error<E: Logged>(error: &E) -> ActorError {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        message = format!("{message}: {it}");
        cause = it.source();
    }
    ActorError::internal(message)
}

/// `error` with metadata, as far as that can be written.
pub fn with_metadata<T: Told + ?Sized>(error: ActorError, metadata: &T) -> ActorError {
    match Value::from_serialize(metadata) {
        Ok(metadata) => error.with_metadata(metadata),
        Err(cause) => {
            tracing::error!(%error, %cause, "metadata does not serialize");
            error
        }
    }
}

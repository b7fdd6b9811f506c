//! Every way for a route of the app's own to turn a request away: no key in the path, or an actor's
//! error.

use std::fmt;

use actor_core::{ActorError, CallError, IntoActorError};
use axum::{
    extract::rejection::RawPathParamsRejection,
    response::{IntoResponse, Response},
};
use http::StatusCode;

use crate::http::gateway_error;

/// Why [`Actor`](crate::Actor) found no key in a request.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyRejection {
    /// The route's path has no parameter. Answered with 500: it is the program that is wrong.
    NoParams,
    /// The path is not UTF-8 once it is decoded. Answered with 400.
    Path(RawPathParamsRejection),
}

impl fmt::Display for KeyRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoParams => f.write_str("the route's path has no parameter for an actor's key"),
            Self::Path(rejection) => rejection.fmt(f),
        }
    }
}

impl std::error::Error for KeyRejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoParams => None,
            // Display shows the inner error already, so the chain goes on below it.
            Self::Path(rejection) => rejection.source(),
        }
    }
}

impl IntoResponse for KeyRejection {
    fn into_response(self) -> Response {
        match self {
            Self::NoParams => {
                tracing::error!("{self}");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
            Self::Path(rejection) => rejection.into_response(),
        }
    }
}

/// An actor's error as a response: what a handler returns to use `?` on calls of actors.
///
/// The response has the error's status and the JSON body that clients of the actor get. Errors that
/// are not public are hidden in it, and written to the log.
///
/// ```
/// # use actor_core::prelude::*;
/// # #[actor]
/// # #[derive(Default)]
/// # pub struct Counter { count: i64 }
/// # #[actor]
/// # impl Counter {
/// #     #[action]
/// #     async fn increment(&mut self, by: i64) -> i64 { self.count += by; self.count }
/// # }
/// use actor_axum::Actor;
///
/// async fn visit(Actor(counter): Actor<Counter>) -> Result<String, actor_axum::Error> {
///     Ok(format!("visit number {}", counter.increment(1).await?))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Error(ActorError);

impl Error {
    /// The actor's error.
    #[must_use]
    pub fn actor_error(&self) -> &ActorError {
        &self.0
    }
}

impl From<ActorError> for Error {
    fn from(error: ActorError) -> Self {
        Self(error)
    }
}

impl<E: IntoActorError> From<CallError<E>> for Error {
    fn from(error: CallError<E>) -> Self {
        Self(error.to_actor_error())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        gateway_error(&self.0)
    }
}

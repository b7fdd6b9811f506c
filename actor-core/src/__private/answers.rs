//! What hooks, guards and handlers of raw requests may give back.

use super::args;
use crate::{
    actor::{Actor, Ctx, Reply},
    error::{ActorError, IntoActorError},
    request::{IntoResponse, Request, Response},
};

/// What a hook may return: its value, or a `Result` of it.
#[diagnostic::on_unimplemented(
    message = "this hook gives back `{T}`, or a `Result` of it, not `{Self}`",
    note = "the error of a `Result` derives `actor_core::ActionError`, or is `actor_core::ActorError`"
)]
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

/// Answers a hook.
pub fn reply_hook<T, O: HookOutcome<T>>(reply: &mut Reply<T, ActorError>, value: O) {
    reply.fill_hook(value.into_outcome());
}

/// The request as the type that a handler names.
pub fn request<T: Asked>(request: &mut Option<(Box<Request>,)>) -> T {
    T::of(*args(request).0)
}

/// `Self` is the request; there is no other choice.
#[diagnostic::on_unimplemented(
    message = "this handler is given a `Request`, not a `{Self}`",
    note = "that is `actor_core::request::Request`, or `axum::extract::Request`, by value"
)]
pub trait Asked {
    fn of(request: Request) -> Self;
}

impl Asked for Request {
    fn of(request: Request) -> Self {
        request
    }
}

/// What a raw request is answered with.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no answer to a raw request",
    note = "give back what implements `IntoResponse`, or a `Result` of it whose error derives `actor_core::ActionError`"
)]
pub trait Respond: IntoResponse {}

#[diagnostic::do_not_recommend]
impl<T: IntoResponse> Respond for T {}

/// What a handler of raw requests gave back, whose type may have no name. A `Result` whose error is an
/// actor's is told apart from other answers by its method being an inherent one, which goes before the
/// trait's.
pub struct Answered<T>(pub T);

impl<T: Respond, E: IntoActorError> Answered<Result<T, E>> {
    pub fn answer(self) -> Result<Response, ActorError> {
        match self.0 {
            Ok(value) => Ok(value.into_response()),
            Err(error) => Err(error.to_actor_error()),
        }
    }
}

/// See [`Answered`].
pub trait OtherAnswer<T> {
    fn answer(self) -> Result<Response, ActorError>
    where
        T: Respond;
}

impl<T> OtherAnswer<T> for Answered<T> {
    fn answer(self) -> Result<Response, ActorError>
    where
        T: Respond,
    {
        Ok(self.0.into_response())
    }
}

/// Answers a raw request by handler number `at`.
pub fn reply_request<A: Actor>(
    ctx: &Ctx<A>,
    at: usize,
    reply: &mut Reply<Box<Response>, ActorError>,
    answer: Result<Response, ActorError>,
) {
    if let Err(error) = &answer {
        ctx.failed(at, || error.clone());
    }
    reply.fill_hook(answer.map(Box::new));
}

/// What `on_create` made.
pub fn outcome<T, O: HookOutcome<T>>(made: O) -> Result<T, ActorError> {
    made.into_outcome()
}

/// What a guard may say: `true`, or `Ok(())`, lets the caller pass.
#[diagnostic::on_unimplemented(
    message = "a guard gives back a `bool`, or a `Result<(), E>`, not `{Self}`",
    note = "it is a plain function: `fn may(ctx: &Ctx<Self>) -> bool`"
)]
pub trait Verdict {
    fn into_verdict(self) -> Result<(), ActorError>;
}

impl Verdict for bool {
    fn into_verdict(self) -> Result<(), ActorError> {
        if self {
            Ok(())
        } else {
            Err(ActorError::forbidden())
        }
    }
}

impl<E: IntoActorError> Verdict for Result<(), E> {
    fn into_verdict(self) -> Result<(), ActorError> {
        self.map_err(|it| it.to_actor_error())
    }
}

/// What the guard of an action says.
pub fn verdict<V: Verdict>(verdict: V) -> Result<(), ActorError> {
    verdict.into_verdict()
}

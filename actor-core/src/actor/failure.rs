//! What `#[on_error]` is told.

use super::{
    Actor, Ctx,
    hub::{Origin, Output},
};
use crate::error::ActorError;

/// A handler of the actor that failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The name of the action as clients call it, of the hook as it is called in Rust, or of the kind
    /// of background work, such as `keep_awake`.
    pub handler: &'static str,
    /// How it failed.
    pub kind: FailureKind,
    /// What its caller was told, before anything was hidden from clients: see
    /// [`is_public`](ActorError::is_public).
    pub error: ActorError,
}

/// How a handler failed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum FailureKind {
    /// It returned an error.
    Error,
    /// It panicked.
    Panic,
    /// It took longer than it may.
    Timeout,
}

/// The hook that is told.
pub(crate) const ON_ERROR: &str = "on_error";

impl<A: Actor> Ctx<A> {
    /// Handler number `handler` answers with an error.
    pub(crate) fn failed(&self, handler: usize, error: impl FnOnce() -> ActorError) {
        let hooks = &A::HANDLERS[A::ACTIONS + A::SCHEDULED..];
        if hooks.iter().all(|it| it.name != ON_ERROR) {
            return;
        }
        let failure = Failure {
            handler: A::HANDLERS[handler].name,
            kind: FailureKind::Error,
            error: error(),
        };
        // Not an output of the turn, with which it would go should that be undone.
        self.hub.emit(Origin::Beside, Output::Failed(failure));
    }
}

//! Raw HTTP requests to an actor: axum's own types, and what both ends of one request know of each
//! other while it is under way. Nothing here knows a server, a router or the actor.

use std::fmt;

use tokio_util::sync::CancellationToken;

pub use axum_core::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};

/// Tells a handler that nobody waits for its response any more: the client has hung up, the response
/// has been delivered to its end, or the actor has ended the connection.
///
/// `#[on_request]` finds it in the extensions of its request, and so does axum's `Extension`. Handlers
/// are not aborted when their client leaves, because what they do to the state should be done whole;
/// one that waits for long looks here.
///
/// ```
/// use actor_core::{prelude::*, request::{Hangup, IntoResponse, Request}};
///
/// #[actor]
/// #[derive(Default)]
/// pub struct Model {}
///
/// #[actor]
/// impl Model {
///     #[on_request]
///     async fn ask(_ctx: &TaskCtx<Self>, request: Request) -> impl IntoResponse {
///         let hangup = request.extensions().get::<Hangup>().cloned().unwrap_or_default();
///         tokio::select! {
///             answer = std::future::ready("a slow answer") => answer,
///             () = hangup.wait() => "nobody reads this",
///         }
///     }
/// }
/// ```
#[derive(Clone, Default)]
pub struct Hangup(CancellationToken);

impl Hangup {
    /// Whether nobody waits any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Completes once nobody waits any more.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing happens; it can be awaited again.
    pub async fn wait(&self) {
        self.0.cancelled().await;
    }
}

impl fmt::Debug for Hangup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hangup").field(&self.is_over()).finish()
    }
}

/// One request under way, as its two ends know it.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// The actor has ended the connection.
    cut: CancellationToken,
    /// Nobody waits any more.
    over: CancellationToken,
}

impl Exchange {
    pub(crate) fn new() -> Self {
        let cut = CancellationToken::new();
        let over = cut.child_token();
        Self { cut, over }
    }

    /// What the handler is given.
    pub(crate) fn hangup(&self) -> Hangup {
        Hangup(self.over.clone())
    }

    /// The actor's end: what is left of the response is not sent.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }

    /// Completes once the actor has [`cut`](Self::cut).
    pub(crate) fn until_cut(&self) -> impl Future<Output = ()> + Send + use<> {
        self.cut.clone().cancelled_owned()
    }

    /// The client's end.
    pub(crate) fn hang_up(&self) {
        self.over.cancel();
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }
}

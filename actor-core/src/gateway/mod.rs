//! Finds actors and keeps the line to their clients open: typed handles in the process, and the
//! untyped [`Gateway`] that servers such as `actor-axum` speak to.

mod actors;
mod caller;
mod handle;
mod lent;
mod limits;
mod liveness;
mod local;
mod pace;
mod peers;
mod queue;
mod reach;
mod retry;
mod socket;
mod websocket;

use std::{fmt, str::FromStr as _, sync::Arc};

use bytes::Bytes;
use tokio::sync::oneshot;

pub use self::{
    handle::{ActorHandle, Handled},
    limits::{Admission, Limiter, Limits, Quota},
    liveness::Watch,
    local::Connection,
    pace::Pace,
    peers::Actors,
    queue::QueueRequest,
    socket::{ConnectRequest, Socket, WebSocketRequest, close_with, refusal},
    websocket::WebSocket,
};
use self::{
    lent::Lent,
    reach::{Tried, Way},
};
use crate::{
    actor::HttpAnswer,
    cell::{self, AnySlot, Claim, Visit, WireCall, brought, check_end},
    config::ActorOptions,
    error::{self, ActorError, Unavailable},
    id::ActorId,
    key::{ActorKey, Address},
    lifecycle::{ActorStatus, Blocker},
    metrics,
    protocol::{
        self, ActorSpecifier, Encoding,
        target::{ActorQuery, Method, Target},
    },
    registry::Registry,
    request::{Request, Response},
    value::Value,
};

/// The way in for clients that speak the wire: resolves targets, calls actions, opens sockets.
///
/// Made by [`Registry::gateway`].
#[derive(Clone, Debug)]
pub struct Gateway {
    registry: Registry,
}

impl Registry {
    /// The way in for clients that speak the wire.
    #[must_use]
    pub fn gateway(&self) -> Gateway {
        Gateway {
            registry: self.clone(),
        }
    }
}

/// An actor that was resolved. While it is held, the actor may sleep and wake behind it.
#[derive(Clone)]
pub struct ActorRef {
    slot: Arc<dyn AnySlot>,
    way: Way,
}

impl ActorRef {
    fn new(slot: Arc<dyn AnySlot>) -> Self {
        Self { slot, way: Way::Id }
    }

    /// The actor's id.
    #[must_use]
    pub fn id(&self) -> ActorId {
        self.slot.about().id
    }

    /// Where the actor is found.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.slot.about().address
    }

    /// The number of its present life, zero before the first.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.slot.about().generation()
    }

    /// Its options.
    #[must_use]
    pub fn options(&self) -> &ActorOptions {
        self.slot.options()
    }

    /// As error bodies name it.
    #[must_use]
    pub fn specifier(&self) -> ActorSpecifier {
        self.slot.about().specifier()
    }

    /// Asks the actor to sleep, if it is awake.
    pub fn sleep(&self) {
        self.slot.ask(crate::lifecycle::Stop::Sleep);
    }

    /// Wakes the actor if it sleeps, and returns once it is awake.
    #[cfg(feature = "testing")]
    pub(crate) async fn wake(&self) -> Result<(), ActorError> {
        let (to, awake) = oneshot::channel();
        Arc::clone(&self.slot).visit(Visit::Stay(to))?;
        brought(awake).await.map(drop)
    }

    /// What keeps the actor awake now; while it stops, what the stop waits for. Empty when nothing does:
    /// then it sleeps already, see [`is_awake`](Self::is_awake), or will once it was left alone for its
    /// [`sleep_after`](crate::ActorOptions::sleep_after). The question itself neither wakes an actor nor
    /// keeps it awake, and is answered while a handler runs, as soon as that waits for something.
    ///
    /// An actor that has clients and is kept awake by something else for very long is warned of in the
    /// log, see [`LONG_STAY`](crate::config::LONG_STAY).
    ///
    /// ```
    /// use actor_core::{BlockerKind, prelude::*};
    ///
    /// #[actor]
    /// #[derive(Default)]
    /// pub struct Agent {}
    ///
    /// #[actor]
    /// impl Agent {
    ///     #[action]
    ///     async fn think(ctx: &TaskCtx<Self>) {
    ///         let _guard = ctx.keep_awake();
    ///         std::future::pending().await
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let registry = Registry::builder().actor::<Agent>().build().await?;
    /// let agent = registry.get_or_create::<Agent>("one");
    /// let actor = agent.actor().await?;
    /// assert!(actor.why_awake().await.is_empty()); // it sleeps
    /// # let asleep = actor.clone();
    /// let thinking = tokio::spawn(async move { agent.think().await.map_err(drop) });
    /// # while asleep.why_awake().await.len() < 2 { tokio::task::yield_now().await }
    /// for it in actor.why_awake().await {
    ///     println!("{it}"); // handler `think` for 12.3s at src/agent.rs:9
    ///     assert!(matches!(it.kind, BlockerKind::Handler | BlockerKind::KeepAwake));
    /// }
    /// # thinking.abort();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing happens.
    pub async fn why_awake(&self) -> Vec<Blocker> {
        self.slot.why_awake().await.unwrap_or_default()
    }

    /// What the actor is up to.
    #[must_use]
    pub fn status(&self) -> ActorStatus {
        self.slot.status()
    }

    /// Destroys the actor, waking it if it sleeps: every connection is closed, `on_destroy` runs, all its
    /// data goes. Returns once it is gone and its key is free. One that cannot start is removed without
    /// the hook.
    ///
    /// # Errors
    ///
    /// `actor.not_found` when it is gone already, `actor.storage_failed`, or `actor.stopping` when the
    /// process stops. `actor.call_cycle` when a handler of the actor itself waits for this, directly or
    /// over others: its end waits for that handler. Such a one asks by [`Ctx::destroy`](crate::Ctx::destroy).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the actor is destroyed all the same.
    pub async fn destroy(&self) -> Result<(), ActorError> {
        check_end(self.slot.about()).await?;
        let (to, done) = oneshot::channel();
        Arc::clone(&self.slot).visit(Visit::Destroy(to))?;
        brought(done).await
    }

    /// Whether the actor is awake.
    #[must_use]
    pub fn is_awake(&self) -> bool {
        self.slot.is_awake()
    }
}

impl fmt::Debug for ActorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorRef({})", self.address())
    }
}

/// A client's HTTP request for an action.
#[derive(Debug)]
pub struct ActionRequest {
    /// The action's wire name.
    pub name: String,
    /// What the body is in, and the answer will be.
    pub encoding: Encoding,
    /// The arguments, encoded.
    pub body: Bytes,
    /// The connection's params, `Undefined` for none.
    pub params: Value,
    /// The request, for hooks to look at.
    pub request: Option<http::request::Parts>,
    /// With which the action runs once, see
    /// [`idempotency_key`](crate::gateway::ActorHandle::idempotency_key).
    pub idempotency_key: Option<String>,
}

/// What the client of an action or a queue is answered.
#[derive(Clone, Debug)]
pub struct ActionResponse {
    /// The HTTP status.
    pub status: u16,
    /// The output or the error, encoded.
    pub body: Bytes,
    /// `group.code` of an error that says: the actor did not take this and will take another soon. Servers
    /// send it as the header `x-rivet-error`, by which clients decide to try again (R4).
    pub unavailable: Option<&'static str>,
}

impl Gateway {
    /// The registry behind it.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Runs the task that reads and writes a client's socket. [`Registry::shutdown`] waits for it a
    /// moment once it has closed all sockets.
    pub fn spawn_socket(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.registry.host().sockets.spawn(task);
    }

    /// Waits until clients' sockets are to close because the registry stops: for a task of
    /// [`spawn_socket`](Self::spawn_socket) that holds no [`Socket`].
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing happens.
    pub async fn closing(&self) {
        self.registry.host().hang_up.cancelled().await;
    }

    /// 128 random bits from the registry's source, for ids in logs.
    #[must_use]
    pub fn random(&self) -> u128 {
        self.registry.host().entropy.random()
    }

    /// Finds the actor a request is for, and creates it if the request asks for that. A sleeping
    /// actor is not woken by this.
    ///
    /// # Errors
    ///
    /// `actor.not_found`, `actor.not_registered`, `actor.key_too_large`, `actor.storage_failed`, ..
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the actor may have been created.
    pub async fn resolve(&self, target: &Target) -> Result<ActorRef, ActorError> {
        Ok(match target {
            Target::Direct { actor_id, .. } => ActorRef::new(self.by_id(actor_id).await?),
            Target::Query(query) => self.by_query(query).await?,
        })
    }

    async fn by_id(&self, id: &str) -> Result<Arc<dyn AnySlot>, ActorError> {
        let id = ActorId::from_str(id).map_err(|_| cell::gone())?;
        self.registry.by_id(id).await
    }

    async fn by_query(&self, query: &ActorQuery) -> Result<ActorRef, ActorError> {
        let address = self.address(&query.namespace, &query.name, query.key.clone())?;
        let way = match query.method {
            Method::Get => Way::Get,
            Method::GetOrCreate => Way::GetOrCreate(input(query.input.as_ref())?.map(Box::new)),
        };
        let slot = self.look_up(&address, &way).await?;
        Ok(ActorRef { slot, way })
    }

    fn address(&self, namespace: &str, name: &str, key: ActorKey) -> Result<Address, ActorError> {
        let own = self.registry.namespace();
        let namespace = if **own == *namespace {
            Arc::clone(own)
        } else {
            Arc::from(namespace)
        };
        self.registry.address(&namespace, name, key).ok_or_else(|| {
            let text = format!("no actor type is named `{name}`");
            ActorError::new("actor", "not_registered", text)
        })
    }

    /// Calls an action as a connection of its own that lives as long as the call (C4). Errors are
    /// answers too, encoded as the client asked.
    ///
    /// A call that no handler has begun with is tried again, as [`guide::requests`](crate::guide::requests) says,
    /// and may so come to another actor of the same key: afterwards `actor` is the one that answered.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the action may run or not; nobody hears its answer.
    pub async fn action(&self, actor: &mut ActorRef, request: ActionRequest) -> ActionResponse {
        let encoding = request.encoding;
        match self.call(actor, request).await {
            Ok(response) => response,
            Err(error) => error_response(encoding, &error, Some(&actor.specifier())),
        }
    }

    async fn call(
        &self,
        actor: &mut ActorRef,
        request: ActionRequest,
    ) -> Result<ActionResponse, ActorError> {
        let limit = actor.options().max_incoming;
        if limit < request.body.len() {
            return Err(incoming_too_long(request.body.len(), limit));
        }
        let ActionRequest {
            name,
            encoding,
            body,
            params,
            request,
            idempotency_key,
        } = request;
        let head = request.map(Arc::new);
        let key: Option<Arc<str>> = idempotency_key.map(Arc::from);
        let attempt = |slot: Arc<dyn AnySlot>, claim: Claim| {
            let args = protocol::http::decode_action(encoding, &body);
            let sent = slot.http(WireCall {
                action: &name,
                args: args.map_err(ActorError::from),
                encoding,
                params: params.clone(),
                request: head.clone(),
                claim: claim.clone(),
                key: key.clone(),
            });
            answered(sent, claim)
        };
        self.reach(Tried::Request, actor, attempt).await
    }

    /// Hands a raw HTTP request to the actor's `on_request`, as a connection of its own that lives until
    /// the response has been sent or dropped (C4). The request is what the actor sees. One that no handler
    /// has begun with is tried again as [`action`](Self::action) is; its body is kept nowhere for that.
    ///
    /// # Errors
    ///
    /// What the handler or a hook of connecting answered, `actor.request_not_defined` when the actor has
    /// no `on_request`, or why it was not run. [`error_response`] says how to tell the client.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the handler may run or not; its connection ends.
    pub async fn fetch(
        &self,
        actor: &mut ActorRef,
        params: Value,
        request: Request,
    ) -> Result<Response, ActorError> {
        let (head, body) = request.into_parts();
        let body = Lent::new(body);
        let attempt = |slot: Arc<dyn AnySlot>, claim: Claim| {
            let request = Request::from_parts(head.clone(), body.lend());
            let underway = Arc::clone(&slot).request(params.clone(), request, claim);
            async { underway?.response(slot).await }
        };
        let response = self.reach(Tried::Request, actor, attempt).await;
        response.inspect_err(|error| {
            if !error.is_public() {
                let (actor, id) = (actor.address(), actor.id());
                tracing::error!(%actor, %id, %error, "a raw request failed");
            }
        })
    }
}

/// Waits for the answer to an action.
async fn answered(
    sent: Result<oneshot::Receiver<HttpAnswer>, ActorError>,
    claim: Claim,
) -> Result<ActionResponse, ActorError> {
    let answer = sent?.await.map_err(|_| crate::actor::aborted())?;
    match answer.unavailable {
        Some(why) if claim.take_back() => Err(why.error()),
        unavailable => Ok(ActionResponse {
            status: answer.status,
            body: answer.body,
            unavailable: unavailable.map(Unavailable::code),
        }),
    }
}

/// An error as an HTTP client is answered, masked unless it is public.
#[must_use]
pub fn error_response(
    encoding: Encoding,
    error: &ActorError,
    about: Option<&ActorSpecifier>,
) -> ActionResponse {
    let shown = error.masked();
    let body = protocol::http::encode_error(encoding, &shown, about);
    ActionResponse {
        status: shown.status(),
        body,
        unavailable: error::unavailable(shown.group(), shown.code()).map(Unavailable::code),
    }
}

/// A client sent more than it may (C10).
#[must_use]
pub fn incoming_too_long(bytes: usize, limit: usize) -> ActorError {
    metrics::count(&metrics::TOO_LONG, ["in"]);
    let text = format!("the message has {bytes} bytes, more than {limit}");
    ActorError::new("message", "incoming_too_long", text)
}

/// A client's raw request has a body of more than a server takes.
#[must_use]
pub fn body_too_long(bytes: usize, limit: usize) -> ActorError {
    metrics::count(&metrics::TOO_LONG, ["in"]);
    let text = format!("the body has {bytes} bytes, more than {limit}");
    let error = ActorError::new("guard", "invalid_request_body", text);
    error.with_status(413).public()
}

/// Decodes a client's input and encodes it as storage keeps it.
fn input(bytes: Option<&Bytes>) -> Result<Option<Bytes>, ActorError> {
    let Some(bytes) = bytes else { return Ok(None) };
    let value = Encoding::Bare
        .decode_value(bytes)
        .map_err(ActorError::from)?;
    crate::registry::encode_input(&value).map(Some)
}

//! Every path of the router, and what a request passes on its way in. What is done at each path is
//! in [`calls`], [`ws`] and [`actors`].

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use actor_core::{
    ActorError, Registry,
    gateway::{Gateway, Limiter, Limits, Pace},
    protocol::{headers, target::Route},
};
use axum::{
    Json, Router,
    extract::Request,
    response::{IntoResponse, Response},
    routing::{MethodRouter, any},
};
use http::{HeaderMap, request::Parts};
use serde_json::json;
use subtle::ConstantTimeEq as _;

use crate::{
    actors,
    admission::{Admitted, Keeper},
    cors::{Cors, Preflight},
    http as calls,
    target::TargetLayer,
    ws,
};

/// The routes through which clients reach the actors of `registry`, to merge or nest into an app.
///
/// The same as [`ActorRouter::new`] with nothing changed.
///
/// ```
/// # use actor_core::Registry;
/// # use axum::{Router, routing::get};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::builder().build().await?;
/// let app: Router = Router::new()
///     .route("/", get("my page"))
///     .merge(actor_axum::router(registry));
/// # Ok(())
/// # }
/// ```
pub fn router<S>(registry: Registry) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    ActorRouter::new(registry).into_router()
}

/// Declares the routes through which clients reach actors.
///
/// | path | what it is |
/// |---|---|
/// | `/gateway/{*rest}` | actions, connections and all else that an actor answers |
/// | `/actors`, `/actors/{id}`, `/actors/{id}/sleep` | finds, creates, puts to sleep; destroys for who knows the [token](actor_core::registry::RegistryBuilder::destroy_token) |
/// | `/metadata` | what clients ask first |
/// | `/health` | says that the process serves |
///
/// No fallback is set, and no other path is touched, so the router can be merged into any app.
/// Nested under `/prefix`, clients take `http://host/prefix` as their endpoint.
///
/// ```
/// # use actor_core::Registry;
/// use actor_axum::{ActorRouter, Cors};
/// use axum::Router;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let registry = Registry::builder().build().await?;
/// let actors = ActorRouter::new(registry)
///     .cors(Cors::origins(["https://app.example"]))
///     .without_health()
///     .into_router();
/// let app: Router = Router::new().nest("/api", actors);
/// # Ok(())
/// # }
/// ```
#[must_use = "routes are made by `into_router`"]
pub struct ActorRouter {
    registry: Registry,
    cors: Cors,
    health: bool,
    max_request_body: usize,
    keeper: Keeper,
}

impl ActorRouter {
    /// The routes to the actors of `registry`.
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            cors: Cors::default(),
            health: true,
            max_request_body: MAX_REQUEST_BODY,
            keeper: Keeper::default(),
        }
    }

    /// Which pages of other origins may use the routes. Default: [`Cors::any`].
    pub fn cors(mut self, cors: Cors) -> Self {
        self.cors = cors;
        self
    }

    /// Most bytes of a raw request's body; an actor's `#[on_request]` finds it broken off there, and one
    /// that announces more is refused with status 413 and `guard.invalid_request_body`. Responses have
    /// no limit, because they are never held in whole. Default: 20 MiB.
    pub fn max_request_body(mut self, bytes: usize) -> Self {
        self.max_request_body = bytes;
        self
    }

    /// Lets in only who shows this token, as clients do that were made with one: in the URL, in a header, or
    /// among the subprotocols of a socket. Others are answered 401 `api.unauthorized`, a socket is opened
    /// and closed with that reason; no actor hears of them. `/health` and `/metadata` need none, and a
    /// client that asks to skip the wait for its actor needs it all the same. Default: everybody is let in.
    ///
    /// The comparison takes as long for a token that is almost right. An empty token lets nobody in.
    pub fn token(self, token: impl Into<String>) -> Self {
        let token = token.into();
        self.check_token(move |it| {
            !token.is_empty() && token.as_bytes().ct_eq(it.as_bytes()).into()
        })
    }

    /// As [`token`](Self::token), where there are more than one.
    pub fn check_token(mut self, is_right: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.keeper.token = Some(Arc::new(is_right));
        self
    }

    /// Keeps clients to `limits`, by where they come from. Default: no limits; `Limits::default()` has
    /// those of RivetKit's engine.
    ///
    /// The address is that of the connection, which axum has to be told to pass on: [`serve()`](crate::serve())
    /// does, others use `into_make_service_with_connect_info::<SocketAddr>()`. Behind a proxy all connections
    /// are the proxy's: say by [`client_address`](Self::client_address) where a request comes from. Those
    /// that do not say count as one client.
    ///
    /// ```
    /// # use actor_core::Registry;
    /// use actor_axum::ActorRouter;
    /// use actor_core::gateway::Limits;
    ///
    /// # fn example(registry: Registry) {
    /// let actors = ActorRouter::new(registry).token("secret").limits(Limits::default());
    /// # }
    /// ```
    pub fn limits(mut self, limits: Limits) -> Self {
        self.keeper.limiter = Some(Limiter::new(limits));
        self
    }

    /// Closes a socket with 1008 `guard.message_rate_limit` whose client sends more than `most` messages in a
    /// second; as many may come at once. Pings do not count. Default: as many as it likes, held back by TCP while
    /// the actor has no room.
    ///
    /// ```
    /// # use actor_core::Registry;
    /// use actor_axum::ActorRouter;
    ///
    /// # fn example(registry: Registry) {
    /// let actors = ActorRouter::new(registry).messages_per_second(50);
    /// # }
    /// ```
    pub fn messages_per_second(mut self, most: u32) -> Self {
        self.keeper.pace = Some(Pace::per_second(most));
        self
    }

    /// Where requests come from, for [`limits`](Self::limits): what a proxy in front of the app wrote into a
    /// header, for one. Headers that no proxy of yours has written say what the client likes.
    pub fn client_address(
        mut self,
        address: impl Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        self.keeper.address = Some(Arc::new(address));
        self
    }

    /// Leaves `/health` to the app.
    pub fn without_health(mut self) -> Self {
        self.health = false;
        self
    }

    /// The routes.
    pub fn into_router<S>(self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let health = self.health;
        let door = self.into_door();
        let router = Router::new()
            .route("/metadata", door.clone().open(metadata))
            .route("/actors", door.clone().open_to_known(actors::collection))
            .route("/actors/{id}", door.clone().open_to_known(actors::one))
            .route(
                "/actors/{id}/sleep",
                door.clone().open_to_known(actors::sleep),
            )
            .nest_service("/gateway/", gateway(door.clone()));
        if health {
            router.route("/health", door.open(healthy))
        } else {
            router
        }
    }

    /// The requests that name their actor in headers or subprotocols instead of the path; see
    /// [`TargetLayer`].
    #[must_use]
    pub fn into_target_layer(self) -> TargetLayer {
        TargetLayer::of(self.into_door())
    }

    fn into_door(self) -> Arc<Door> {
        let gateway = self.registry.gateway();
        let rays = Rays::new(&gateway);
        Arc::new(Door {
            gateway,
            cors: self.cors,
            max_request_body: self.max_request_body,
            keeper: self.keeper,
            rays,
        })
    }
}

impl fmt::Debug for ActorRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorRouter")
            .field("registry", &self.registry)
            .field("cors", &self.cors)
            .finish_non_exhaustive()
    }
}

/// What all routes share.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) gateway: Gateway,
    pub(crate) cors: Cors,
    pub(crate) max_request_body: usize,
    pub(crate) keeper: Keeper,
    pub(crate) rays: Rays,
}

impl Door {
    /// A route of the manager's API: what `handler` answers, with CORS around it.
    fn open<S, F, Fut>(self: Arc<Self>, handler: F) -> MethodRouter<S>
    where
        S: Clone + Send + Sync + 'static,
        F: Fn(Arc<Self>, Request) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Response> + Send + 'static,
    {
        any(move |request: Request| async move {
            if let Some(preflight) = self.cors.preflight(&request, Preflight::Mirror) {
                return preflight;
            }
            let origin = self.cors.origin(request.headers());
            let door = Arc::clone(&self);
            let mut response = handler(door, request).await;
            self.cors.mark_manager(origin, &mut response);
            response
        })
    }

    /// As [`open`](Self::open), for those that are let in.
    fn open_to_known<S, F, Fut>(self: Arc<Self>, handler: F) -> MethodRouter<S>
    where
        S: Clone + Send + Sync + 'static,
        F: Fn(Arc<Self>, Request) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Response> + Send + 'static,
    {
        self.open(move |door: Arc<Self>, request: Request| {
            let handler = handler.clone();
            async move {
                let (parts, body) = request.into_parts();
                let admitted = door.keeper.admit(&parts);
                let admitted = admitted.and_then(|it| {
                    door.keeper.check_manager(&parts.headers)?;
                    Ok(it)
                });
                match admitted {
                    Ok(_admitted) => handler(door, Request::from_parts(parts, body)).await,
                    Err(error) => calls::gateway_error(&error),
                }
            }
        })
    }

    /// Hands a request to the actor it is for.
    pub(crate) async fn enter(
        self: Arc<Self>,
        request: Request,
        route: Result<Route, ActorError>,
    ) -> Response {
        if let Some(preflight) = self.cors.preflight(&request, Preflight::Gateway) {
            return preflight;
        }
        let origin = self.cors.origin(request.headers());
        let ray = self.rays.of(request.headers());
        let (parts, body) = request.into_parts();
        // Who sends nonsense is counted too, and is told of it, not of a token.
        let entering = self.keeper.admit(&parts).and_then(|admitted| {
            let route = route?;
            headers::skip_ready_wait(&parts.headers)?;
            self.keeper.check_target(&route, &parts)?;
            Ok(Entering { route, admitted })
        });
        if ws::is_upgrade(&parts) {
            return ws::upgrade(&self, parts, entering, ray);
        }
        let mut response = calls::call(&self, parts, body, entering, ray).await;
        self.cors.mark_gateway(origin, &mut response);
        response
    }
}

/// A request that was let in, and what it is for.
pub(crate) struct Entering {
    pub(crate) route: Route,
    pub(crate) admitted: Admitted,
}

/// All below `/gateway/`. The path is read as it was sent, percent-encoded, since a decoded name may have
/// slashes. It is nested and not a route with a parameter for the rest, because a router inside an actor
/// would take that for one of its own.
fn gateway(door: Arc<Door>) -> MethodRouter {
    any(move |request: Request| {
        let path = request.uri().path();
        let below = path.strip_prefix('/').unwrap_or(path);
        let route = Route::below_gateway(below, request.uri().query());
        door.enter(request, route)
    })
}

async fn metadata(_: Arc<Door>, _: Request) -> Response {
    Json(json!({ "runtime": "actor-axum", "version": env!("CARGO_PKG_VERSION") })).into_response()
}

async fn healthy(_: Arc<Door>, _: Request) -> Response {
    "ok".into_response()
}

/// Nothing is at this path.
pub(crate) fn no_route(path: &str) -> ActorError {
    ActorError::new("api", "not_found", format!("nothing is at {path}"))
        .with_status(404)
        .public()
}

/// See [`ActorRouter::max_request_body`].
const MAX_REQUEST_BODY: usize = 20 * 1024 * 1024;

/// Names for requests: the client's own, or new ones.
#[derive(Debug)]
pub(crate) struct Rays {
    seed: u64,
    count: AtomicU64,
}

impl Rays {
    fn new(gateway: &Gateway) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = gateway.random().to_be_bytes();
        Self {
            seed: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            count: AtomicU64::new(0),
        }
    }

    /// The name of one request.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Ray {
        let sent = headers.get(headers::RAY_ID).and_then(|it| it.to_str().ok());
        match sent {
            Some(name) if !name.is_empty() && name.len() <= Ray::LONGEST => Ray(name.to_owned()),
            Some(_) | None => {
                let count = self.count.fetch_add(1, Ordering::Relaxed);
                // An odd factor makes neighbours look different and never meets itself again.
                let name = self
                    .seed
                    .wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                Ray(format!("{name:016x}"))
            }
        }
    }
}

/// The name of one request, in logs and answers.
#[derive(Clone, Debug)]
pub(crate) struct Ray(pub(crate) String);

impl Ray {
    /// Most bytes, so that it fits into a close frame beside a code.
    const LONGEST: usize = 64;
}

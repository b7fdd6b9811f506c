//! Every path of the router, and what a request passes on its way in. What is done at each path is
//! in [`calls`], [`ws`] and [`actors`].

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use actor_core::{
    ActorError, Registry,
    gateway::Gateway,
    protocol::{headers, target::Route},
};
use axum::{
    Json, Router,
    extract::Request,
    response::{IntoResponse, Response},
    routing::{MethodRouter, any},
};
use http::HeaderMap;
use serde_json::json;

use crate::{
    actors,
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
/// | `/actors`, `/actors/{id}`, `/actors/{id}/sleep` | finds, creates and puts to sleep |
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
}

impl ActorRouter {
    /// The routes to the actors of `registry`.
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            cors: Cors::default(),
            health: true,
            max_request_body: MAX_REQUEST_BODY,
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
            .route("/actors", door.clone().open(actors::collection))
            .route("/actors/{id}", door.clone().open(actors::one))
            .route("/actors/{id}/sleep", door.clone().open(actors::sleep))
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

    /// Hands a request to the actor it is for.
    pub(crate) async fn enter(
        self: Arc<Self>,
        request: Request,
        route: Result<Route, ActorError>,
    ) -> Response {
        if let Some(preflight) = self.cors.preflight(&request, Preflight::Gateway) {
            return preflight;
        }
        // What else is wrong with the request is told first.
        let route = route.and_then(|route| {
            headers::skip_ready_wait(request.headers())?;
            Ok(route)
        });
        let origin = self.cors.origin(request.headers());
        let ray = self.rays.of(request.headers());
        let (parts, body) = request.into_parts();
        if ws::is_upgrade(&parts) {
            return ws::upgrade(&self, parts, route, ray);
        }
        let mut response = calls::call(&self, parts, body, route, ray).await;
        self.cors.mark_gateway(origin, &mut response);
        response
    }
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

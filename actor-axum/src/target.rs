//! Requests that name their actor in headers or subprotocols: whatever their path in the app.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use actor_core::protocol::{
    headers::{self, Subprotocols},
    target::Route,
};
use axum::{extract::Request, response::Response};
use futures_util::future::{BoxFuture, Either};
use http::{HeaderMap, Method, header::ACCESS_CONTROL_REQUEST_HEADERS, request::Parts};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    router::{Door, no_route},
    ws,
};

/// Serves requests that name their actor in headers (`x-rivet-target: actor`) or in WebSocket
/// subprotocols (`rivet_target.actor`) instead of in their path.
///
/// RivetKit's TypeScript client sends them with the option `gateway.skipReadyWait`, to `/request`,
/// `/connect` and `/websocket`. Since an app may have such paths of its own, they are not routes but
/// a layer, which takes the requests that carry a target and lets all others pass. Add it to the
/// outermost router, before the layers that are to see these requests too:
///
/// ```
/// # use actor_core::Registry;
/// use actor_axum::ActorRouter;
/// use axum::Router;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let registry = Registry::builder().build().await?;
/// let app: Router = Router::new()
///     .merge(ActorRouter::new(registry.clone()).into_router())
///     .layer(ActorRouter::new(registry).into_target_layer());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TargetLayer {
    door: Arc<Door>,
}

impl TargetLayer {
    pub(crate) fn of(door: Arc<Door>) -> Self {
        Self { door }
    }
}

impl<S> Layer<S> for TargetLayer {
    type Service = TargetService<S>;

    fn layer(&self, inner: S) -> TargetService<S> {
        TargetService {
            door: Arc::clone(&self.door),
            inner,
        }
    }
}

/// The service of [`TargetLayer`].
#[derive(Clone, Debug)]
pub struct TargetService<S> {
    door: Arc<Door>,
    inner: S,
}

impl<S> Service<Request> for TargetService<S>
where
    S: Service<Request, Response = Response>,
    S::Error: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if !may_be_targeted(request.uri().path()) {
            return Either::Left(self.inner.call(request));
        }
        let (parts, body) = request.into_parts();
        let (path, query) = (parts.uri.path(), parts.uri.query());
        let route = if is_preflight(&parts) {
            // The browser asks for leave to send a target; it is not sent yet.
            Err(no_route(path))
        } else if ws::is_upgrade(&parts) {
            // What else is wrong with the subprotocols is said over the socket.
            let offered = Subprotocols::parse(ws::offered(&parts.headers)).unwrap_or_default();
            Route::from_subprotocols(&offered, path, query)
        } else {
            Route::from_headers(|name| text(&parts.headers, name), path, query)
        };
        let request = Request::from_parts(parts, body);
        match route.transpose() {
            Some(route) => {
                let door = Arc::clone(&self.door);
                Either::Right(Box::pin(
                    async move { Ok(door.enter(request, route).await) },
                ))
            }
            None => Either::Left(self.inner.call(request)),
        }
    }
}

/// Whether clients send requests with a target to this path.
fn may_be_targeted(path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    let first = segments.next();
    match first {
        Some("request" | "websocket") => true,
        Some("connect") => segments.next().is_none(),
        _ => false,
    }
}

/// Whether a browser asks for leave to send a target.
fn is_preflight(parts: &Parts) -> bool {
    let asked = parts.headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS);
    let names = asked.iter().filter_map(|it| it.to_str().ok());
    parts.method == Method::OPTIONS
        && names
            .flat_map(|it| it.split(','))
            .any(|it| it.trim().eq_ignore_ascii_case(headers::TARGET))
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

//! From an upgrade to an open connection, or to a refusal that the client can read.

use std::sync::Arc;

use actor_core::{
    ActorError, Value,
    connection::{CloseFrame, Frame},
    gateway::{ConnectRequest, Socket, WebSocketRequest, close_with, refusal},
    protocol::{Encoding, headers::Subprotocols},
};
use axum::extract::OriginalUri;
use bytes::BytesMut;
use http::{HeaderValue, Uri, request::Parts};
use hyper::upgrade::OnUpgrade;

use super::{inspector, offered, pump::Line, stream::Stream};
use crate::{
    admission::Admitted,
    http::{find, no_endpoint},
    router::{Door, Entering, Ray},
};

/// A connection, and the frame that comes before all others.
struct Opened {
    socket: Socket,
    admitted: Admitted,
    greeting: Option<Frame>,
}

/// Why no connection was opened, as the client is told.
struct Refused {
    frame: Option<Frame>,
    close: CloseFrame,
}

impl Refused {
    /// By an actor or its hooks.
    fn by_actor(encoding: Encoding, error: &ActorError) -> Self {
        let (frame, close) = refusal(encoding, error);
        Self {
            frame: Some(frame),
            close,
        }
    }

    /// Of a raw socket, whose client reads no frames of ours.
    fn of_raw(error: &ActorError) -> Self {
        Self {
            frame: None,
            close: close_with(error),
        }
    }

    /// Before an actor was reached; the reason then names the request.
    fn by_gateway(encoding: Encoding, error: &ActorError, ray: &Ray) -> Self {
        let (frame, mut close) = refusal(encoding, &error.masked());
        close.reason.push('#');
        close.reason.push_str(&ray.0);
        Self {
            frame: Some(frame),
            close: CloseFrame::new(close.code, close.reason),
        }
    }
}

/// Opens the connection that a client asks for. `None` when there is nothing left to do.
pub(super) async fn open(
    door: Arc<Door>,
    on_upgrade: OnUpgrade,
    parts: Parts,
    entering: Result<Entering, ActorError>,
    ray: Ray,
) -> Option<Box<Line>> {
    let io = match on_upgrade.await {
        Ok(io) => io,
        Err(error) => {
            tracing::debug!(%error, "a client left during its upgrade");
            return None;
        }
    };
    if entering
        .as_ref()
        .is_ok_and(|it| it.route.path == "/inspector/connect")
    {
        // Boxed, for it is large and rare.
        Box::pin(inspector::serve(&door, io, parts, entering)).await;
        return None;
    }
    match connect(&door, parts, entering, &ray).await {
        Ok(Opened {
            socket,
            admitted,
            greeting,
        }) => {
            let mut stream = Stream::new(io, socket.max_incoming());
            if let Some(frame) = greeting {
                stream.greet(frame);
            }
            Some(Box::new(Line::new(
                stream,
                socket,
                admitted,
                door.keeper.pace,
            )))
        }
        Err(refused) => {
            tracing::debug!(
                reason = refused.close.reason,
                ray = ray.0,
                "a connection is refused"
            );
            let mut stream = Stream::new(io, 0);
            if let Some(frame) = refused.frame {
                stream.greet(frame);
            }
            stream.close(refused.close).await;
            None
        }
    }
}

async fn connect(
    door: &Door,
    mut parts: Parts,
    entering: Result<Entering, ActorError>,
    ray: &Ray,
) -> Result<Opened, Refused> {
    let encoding = encoding(&parts)?;
    let offered = Subprotocols::parse(offered(&parts.headers))
        .map_err(|error| Refused::by_actor(encoding, &error.into()))?;
    let (route, actor, admitted) = find(&door.gateway, entering)
        .await
        .map_err(|error| Refused::by_gateway(encoding, &error, ray))?;
    let params = offered.conn_params.unwrap_or(Value::Undefined);
    parts.uri = route.url(&parts);
    if is_raw(&route.path) {
        let request = WebSocketRequest {
            params,
            request: compact(parts),
        };
        let socket = door.gateway.open_websocket(&actor, request).await;
        let socket = socket.map_err(|error| Refused::of_raw(&error))?;
        return Ok(Opened {
            socket,
            admitted,
            greeting: None,
        });
    }
    if route.path != "/connect" {
        return Err(Refused::of_raw(&no_endpoint(&route.path)));
    }
    let request = ConnectRequest {
        encoding,
        params,
        request: Some(compact(parts)),
    };
    let socket = door.gateway.connect(&actor, request).await;
    let socket = socket.map_err(|error| Refused::by_actor(encoding, &error))?;
    let greeting = Some(socket.init());
    Ok(Opened {
        socket,
        admitted,
        greeting,
    })
}

/// Whether a path inside an actor is that of a raw socket: `/websocket` and what follows it.
fn is_raw(path: &str) -> bool {
    let rest = path.strip_prefix("/websocket");
    rest.is_some_and(|it| it.is_empty() || it.starts_with('/'))
}

/// Copies what is left of the request to where it needs no more room than it has bytes: as it came,
/// it holds on to the buffer that it was read into, and the connection holds on to it.
fn compact(mut parts: Parts) -> Parts {
    parts.uri = copy(&parts.uri);
    if let Some(OriginalUri(uri)) = parts.extensions.get_mut() {
        *uri = copy(uri);
    }
    let len = parts.headers.values().map(HeaderValue::len).sum();
    let mut all = BytesMut::with_capacity(len);
    for value in parts.headers.values() {
        all.extend_from_slice(value.as_bytes());
    }
    let mut all = all.freeze();
    for value in parts.headers.values_mut() {
        let is_sensitive = value.is_sensitive();
        let bytes = all.split_to(value.len());
        if let Ok(mut copied) = HeaderValue::from_maybe_shared(bytes) {
            copied.set_sensitive(is_sensitive);
            *value = copied;
        }
    }
    parts
}

fn copy(uri: &Uri) -> Uri {
    uri.to_string().parse().unwrap_or_else(|_| uri.clone())
}

/// The encoding among the subprotocols. Read apart from the others, so that an error in those can be
/// told.
fn encoding(parts: &Parts) -> Result<Encoding, Refused> {
    let mut tokens = offered(&parts.headers).flat_map(|it| it.split(','));
    let name = tokens.find_map(|it| it.trim().strip_prefix("rivet_encoding."));
    match name {
        None => Ok(Encoding::default()),
        Some(name) => Encoding::from_name(name).ok_or_else(|| Refused {
            frame: None,
            close: CloseFrame::new(1003, "actor.unsupported_websocket_encoding"),
        }),
    }
}

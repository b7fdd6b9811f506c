//! Upgrades to WebSockets. They always succeed when they are well-formed: what is wrong is said over
//! the socket, where clients can read it.

mod bounds;
mod connect;
mod inspector;
mod pump;
mod stream;

use std::sync::Arc;

use actor_core::{ActorError, protocol::headers::SUBPROTOCOL};
use axum::{body::Body, response::Response};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode, Version,
    header::{
        CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
    request::Parts,
};
use hyper::upgrade::OnUpgrade;
use tungstenite::handshake::derive_accept_key;

use crate::{
    http::gateway_error,
    router::{Door, Entering, Ray},
};

/// Whether a request wants to become a WebSocket.
pub(crate) fn is_upgrade(parts: &Parts) -> bool {
    if parts.version == Version::HTTP_2 {
        return parts.method == Method::CONNECT;
    }
    parts
        .headers
        .get(UPGRADE)
        .is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Makes a WebSocket of a request for an actor.
pub(crate) fn upgrade(
    door: &Arc<Door>,
    mut parts: Parts,
    entering: Result<Entering, ActorError>,
    ray: Ray,
) -> Response {
    let (response, on_upgrade) = match shake_hands(&mut parts) {
        Ok(agreed) => agreed,
        Err(error) => return gateway_error(&error),
    };
    // Opening is boxed, so that its memory is free again while the socket is idle.
    let opening = Box::pin(connect::open(
        Arc::clone(door),
        on_upgrade,
        parts,
        entering,
        ray,
    ));
    door.gateway.spawn_socket(async move {
        if let Some(line) = opening.await {
            line.run().await;
        }
    });
    response
}

/// The values of the subprotocol headers.
pub(crate) fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|it| it.to_str().ok())
}

/// The response that agrees to an upgrade, and what will be the socket.
fn shake_hands(parts: &mut Parts) -> Result<(Response, OnUpgrade), ActorError> {
    let version = parts.headers.get(SEC_WEBSOCKET_VERSION);
    if version.is_none_or(|it| it.as_bytes() != b"13") {
        return Err(refusal("version 13 of WebSocket is spoken here"));
    }
    let mut response = Response::new(Body::empty());
    if parts.version == Version::HTTP_2 {
        check_protocol(parts)?;
    } else {
        let key = parts.headers.get(SEC_WEBSOCKET_KEY);
        let key = key.ok_or_else(|| refusal("`sec-websocket-key` is missing"))?;
        let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()))
            .map_err(|_| refusal("`sec-websocket-key` is malformed"))?;
        if parts.method != Method::GET {
            return Err(refusal("WebSockets begin with GET"));
        }
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    let mut tokens = offered(&parts.headers).flat_map(|it| it.split(','));
    if tokens.any(|it| it.trim() == SUBPROTOCOL) {
        let chosen = HeaderValue::from_static(SUBPROTOCOL);
        response
            .headers_mut()
            .insert(SEC_WEBSOCKET_PROTOCOL, chosen);
    }
    let on_upgrade = parts.extensions.remove::<OnUpgrade>();
    let on_upgrade = on_upgrade.ok_or_else(|| refusal("the connection cannot be upgraded"))?;
    Ok((response, on_upgrade))
}

#[cfg(feature = "http2")]
fn check_protocol(parts: &Parts) -> Result<(), ActorError> {
    let protocol = parts.extensions.get::<hyper::ext::Protocol>();
    if protocol.is_some_and(|it| it.as_str() == "websocket") {
        Ok(())
    } else {
        Err(refusal("the connection can only become a WebSocket"))
    }
}

#[cfg(not(feature = "http2"))]
fn check_protocol(_: &Parts) -> Result<(), ActorError> {
    Err(refusal("WebSockets over HTTP/2 need the feature `http2`"))
}

fn refusal(text: &'static str) -> ActorError {
    ActorError::new("ws", "bad_handshake", text)
        .with_status(400)
        .public()
}

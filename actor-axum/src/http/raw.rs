//! `/request/{*path}`: the actor's own handler of raw requests.

use actor_core::{
    ActorError, Value,
    gateway::{ActorRef, body_too_long, error_response},
    protocol::{Encoding, encoding::decode_params, headers},
};
use axum::{
    body::{Body, HttpBody as _},
    extract::Request,
    response::Response,
};
use http::{StatusCode, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::{answer, body};
use crate::router::Door;

/// Hands the request over, and streams the response back.
pub(super) async fn fetch(door: &Door, actor: &mut ActorRef, parts: Parts, body: Body) -> Response {
    match try_fetch(door, actor, parts, body).await {
        Ok(response) => response,
        // As clients know it: nothing says that an actor was asked.
        Err(error) if error.is("actor", "request_not_defined") => {
            answer::empty(StatusCode::NOT_FOUND)
        }
        Err(error) => {
            let error = error_response(Encoding::Json, &error, Some(&actor.specifier()));
            answer::encoded(Encoding::Json, error)
        }
    }
}

async fn try_fetch(
    door: &Door,
    actor: &mut ActorRef,
    parts: Parts,
    body: Body,
) -> Result<Response, ActorError> {
    let params = match parts.headers.get(headers::CONN_PARAMS) {
        Some(params) => decode_params(params.as_bytes())?,
        None => Value::Undefined,
    };
    let limit = door.max_request_body;
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if limit < announced {
        body::skip(body).await;
        return Err(body_too_long(announced, limit));
    }
    let body = Limited::new(body, limit).map_err(move |error| {
        if error.is::<LengthLimitError>() {
            let error = body_too_long(limit.saturating_add(1), limit);
            tracing::debug!(%error, "a body is broken off");
        }
        error
    });
    let body = Body::new(body);
    let request = Request::from_parts(parts, body);
    door.gateway.fetch(actor, params, request).await
}

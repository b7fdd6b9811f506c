//! `POST /action/{name}`.

use actor_core::{
    ActorError, Value,
    gateway::{ActionRequest, ActorRef, Gateway, error_response},
    protocol::{encoding::decode_params, headers},
};
use axum::{body::Body, response::Response};
use http::{Method, request::Parts};
use percent_encoding::percent_decode_str;

use super::{answer, body, encoding};

/// Calls the action whose name, as it was sent, is `name`.
pub(super) async fn call(
    gateway: &Gateway,
    actor: &ActorRef,
    name: &str,
    parts: Parts,
    body: Body,
) -> Response {
    let encoding = encoding(&parts);
    let response = match prepare(actor, name, parts, body).await {
        Ok(request) => gateway.action(actor, request).await,
        Err(error) => error_response(encoding, &error, Some(&actor.specifier())),
    };
    answer::encoded(encoding, response)
}

async fn prepare(
    actor: &ActorRef,
    name: &str,
    parts: Parts,
    body: Body,
) -> Result<ActionRequest, ActorError> {
    if parts.method != Method::POST {
        let text = format!("actions are called by POST, not by {}", parts.method);
        return Err(ActorError::new("actor", "method_not_allowed", text));
    }
    let params = match parts.headers.get(headers::CONN_PARAMS) {
        Some(params) => decode_params(params.as_bytes())?,
        None => Value::Undefined,
    };
    let name = percent_decode_str(name).decode_utf8_lossy().into_owned();
    let body = body::read(body, actor.options().max_incoming).await?;
    Ok(ActionRequest {
        name,
        encoding: encoding(&parts),
        body,
        params,
        request: Some(parts),
    })
}

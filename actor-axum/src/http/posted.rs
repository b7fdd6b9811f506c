//! What actions and queues have in common: a `POST` with a name, params and a body.

use actor_core::{
    ActorError, Value,
    gateway::ActorRef,
    protocol::{Encoding, encoding::decode_params, headers},
};
use axum::body::Body;
use bytes::Bytes;
use http::{Method, request::Parts};
use percent_encoding::percent_decode_str;

use super::{body, encoding};

/// A request to an actor, read.
pub(super) struct Posted {
    pub(super) name: String,
    pub(super) encoding: Encoding,
    pub(super) body: Bytes,
    pub(super) params: Value,
    pub(super) parts: Parts,
}

/// Reads a request to what is called `name`, as it was sent.
pub(super) async fn read(
    actor: &ActorRef,
    name: &str,
    parts: Parts,
    body: Body,
) -> Result<Posted, ActorError> {
    if parts.method != Method::POST {
        let text = format!("actions and queues take POST, not {}", parts.method);
        return Err(ActorError::new("actor", "method_not_allowed", text));
    }
    let params = match parts.headers.get(headers::CONN_PARAMS) {
        Some(params) => decode_params(params.as_bytes())?,
        None => Value::Undefined,
    };
    Ok(Posted {
        name: percent_decode_str(name).decode_utf8_lossy().into_owned(),
        encoding: encoding(&parts),
        body: body::read(body, actor.options().max_incoming).await?,
        params,
        parts,
    })
}

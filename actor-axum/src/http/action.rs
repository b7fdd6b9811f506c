//! `POST /action/{name}`.

use actor_core::{
    gateway::{ActionRequest, ActorRef, Gateway, error_response},
    protocol::headers,
};
use axum::{body::Body, response::Response};
use http::request::Parts;

use super::{answer, encoding, posted};

/// Calls the action whose name, as it was sent, is `name`.
pub(super) async fn call(
    gateway: &Gateway,
    actor: &mut ActorRef,
    name: &str,
    parts: Parts,
    body: Body,
) -> Response {
    let encoding = encoding(&parts);
    let posted = posted::read(actor, name, parts, body).await;
    let posted = posted.and_then(|it| Ok((headers::idempotency_key(&it.parts.headers)?, it)));
    let response = match posted {
        Ok((idempotency_key, it)) => {
            let request = ActionRequest {
                name: it.name,
                encoding: it.encoding,
                body: it.body,
                params: it.params,
                request: Some(it.parts),
                idempotency_key,
            };
            gateway.action(actor, request).await
        }
        Err(error) => error_response(encoding, &error, Some(&actor.specifier())),
    };
    answer::encoded(encoding, response)
}

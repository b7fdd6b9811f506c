//! `POST /action/{name}`.

use actor_core::gateway::{ActionRequest, ActorRef, Gateway, error_response};
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
    let response = match posted::read(actor, name, parts, body).await {
        Ok(it) => {
            let request = ActionRequest {
                name: it.name,
                encoding: it.encoding,
                body: it.body,
                params: it.params,
                request: Some(it.parts),
                idempotency_key: None,
            };
            gateway.action(actor, request).await
        }
        Err(error) => error_response(encoding, &error, Some(&actor.specifier())),
    };
    answer::encoded(encoding, response)
}

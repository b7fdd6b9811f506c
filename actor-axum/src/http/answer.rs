//! Responses, and the headers that say which actor made them.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actor_core::{
    ActorError,
    gateway::{ActionResponse, ActorRef},
    protocol::{Encoding, headers, http::gateway_error_json},
};
use axum::{
    Json,
    body::{Body, HttpBody},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use http_body::{Frame, SizeHint};

use crate::{admission::Admitted, router::Ray};

/// An actor's answer in the client's encoding.
pub(super) fn encoded(encoding: Encoding, answer: ActionResponse) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = status(answer.status);
    let content_type = HeaderValue::from_static(encoding.content_type());
    let fields = response.headers_mut();
    // For those that follow, too.
    fields.reserve(8);
    fields.insert(CONTENT_TYPE, content_type);
    if let Some(code) = answer.unavailable {
        let name = HeaderName::from_static(headers::ERROR);
        fields.insert(name, HeaderValue::from_static(code));
    }
    response
}

/// An error from before an actor was reached: JSON, whatever the client's encoding.
pub(crate) fn gateway_error(error: &ActorError) -> Response {
    if !error.is_public() {
        tracing::warn!(%error, "a request failed and is told no more than a code");
    }
    let shown = error.masked();
    let mut response = Response::new(Body::from(gateway_error_json(&shown)));
    *response.status_mut() = status(shown.status());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let code = format!("{}.{}", shown.group(), shown.code());
    if let Ok(code) = HeaderValue::try_from(code) {
        headers.insert(HeaderName::from_static(headers::ERROR), code);
    }
    if let Some(seconds) = retry_after(&shown) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// After how many seconds a client that asked too often may ask again.
fn retry_after(error: &ActorError) -> Option<u64> {
    let millis = error.metadata()?.member("retryAfterMs")?.as_integer()?;
    Some(u64::try_from(millis).ok()?.div_ceil(1000))
}

pub(super) fn text(text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

pub(super) fn json(value: &serde_json::Value) -> Response {
    Json(value).into_response()
}

pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Counts the request until its answer has been sent.
pub(super) fn counted(response: Response, admitted: Admitted) -> Response {
    if !admitted.counts() {
        return response;
    }
    response.map(|body| {
        Body::new(Counted {
            body,
            _admitted: admitted,
        })
    })
}

/// A body that is counted for as long as it is there.
struct Counted {
    body: Body,
    _admitted: Admitted,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Says which actor answered.
pub(super) fn with_actor(mut response: Response, actor: &ActorRef) -> Response {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(actor.id().to_string()) {
        headers.insert(HeaderName::from_static(headers::ACTOR), id);
    }
    headers.insert(
        HeaderName::from_static(headers::ACTOR_GENERATION),
        HeaderValue::from(actor.generation()),
    );
    let key = &actor.address().key;
    let key = if key.parts().is_empty() {
        String::new()
    } else {
        key.to_string()
    };
    // A key may have characters that no header may; then it is left out.
    if let Ok(key) = HeaderValue::from_maybe_shared(Bytes::from(key)) {
        headers.insert(HeaderName::from_static(headers::ACTOR_KEY), key);
    }
    response
}

/// Says which request it answers.
pub(super) fn with_ray(mut response: Response, ray: Ray) -> Response {
    if let Ok(ray) = HeaderValue::try_from(ray.0) {
        response
            .headers_mut()
            .insert(HeaderName::from_static(headers::RAY_ID), ray);
    }
    response
}

fn status(code: u16) -> StatusCode {
    // Authors choose statuses, so one may be none.
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

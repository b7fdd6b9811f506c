//! `/inspector/{*path}`: what the inspector shows of one actor, as JSON.

use actor_core::{
    ActorError, Value,
    gateway::{ActionRequest, ActorRef, Gateway, error_response},
    inspector::{Inspector, Seen, Snapshot},
    protocol::Encoding,
};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{Method, header::AUTHORIZATION, request::Parts};
use percent_encoding::percent_decode_str;

use super::{answer, body, no_endpoint};

/// Answers a request for what is at `path` below `/inspector`.
pub(super) async fn inspect(
    gateway: &Gateway,
    actor: &ActorRef,
    path: &str,
    parts: Parts,
    body: Body,
) -> Response {
    match try_inspect(gateway, actor, path, parts, body).await {
        Ok(response) => response,
        Err(error) => {
            let mut shown = error.masked().into_owned();
            if shown.metadata().is_none() {
                // Its clients look for the member.
                shown = shown.with_metadata(Value::Null);
            }
            answer::encoded(Encoding::Json, error_response(Encoding::Json, &shown, None))
        }
    }
}

async fn try_inspect(
    gateway: &Gateway,
    actor: &ActorRef,
    path: &str,
    parts: Parts,
    body: Body,
) -> Result<Response, ActorError> {
    let inspector = gateway.registry().inspector(token(&parts))?;
    let id = actor.id();
    if let Some(name) = path.strip_prefix("action/") {
        only(&parts, &Method::POST)?;
        return action(gateway, actor, name, parts, body).await;
    }
    let shown = match (path, &parts.method) {
        ("state", &Method::GET) => {
            let Snapshot { state, .. } = inspector.snapshot(id).await?;
            Value::object([("state", state), ("isStateEnabled", true.into())])
        }
        ("state", &Method::PATCH) => {
            let body = body::read(body, MAX_STATE).await?;
            let wanted = Encoding::Json.decode_value(&body)?;
            let state = wanted.member("state").cloned();
            let state = state.ok_or_else(|| invalid("the body has no `state`"))?;
            inspector.replace_state(id, state).await?;
            Value::object([("ok", true)])
        }
        ("connections", &Method::GET) => {
            let Snapshot { connections, .. } = inspector.snapshot(id).await?;
            Value::object([("connections", list(&connections))])
        }
        ("rpcs", &Method::GET) => Value::object([("rpcs", actions(&inspector, actor).await?)]),
        // Neither is kept; clients take these answers for "none".
        ("traces", &Method::GET) => Value::object([
            ("otlp", Value::Array(Vec::new())),
            ("clamped", false.into()),
        ]),
        ("workflow-history", &Method::GET) => Value::object([
            ("history", Value::Null),
            ("workflowState", Value::Null),
            ("isWorkflowEnabled", false.into()),
        ]),
        ("summary", &Method::GET) => summary(&inspector, actor).await?,
        ("state" | "connections" | "rpcs" | "traces" | "workflow-history" | "summary", _) => {
            return Err(no_method(&parts));
        }
        _ => return Err(no_endpoint(&format!("/inspector/{path}"))),
    };
    Ok(json(&shown))
}

/// The token, empty when there is none.
fn token(parts: &Parts) -> &str {
    let value = parts.headers.get(AUTHORIZATION);
    let value = value.and_then(|it| it.to_str().ok()).unwrap_or_default();
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    }
}

/// Calls an action as any client does.
async fn action(
    gateway: &Gateway,
    actor: &ActorRef,
    name: &str,
    parts: Parts,
    body: Body,
) -> Result<Response, ActorError> {
    let body = body::read(body, actor.options().max_incoming).await?;
    let request = ActionRequest {
        name: percent_decode_str(name).decode_utf8_lossy().into_owned(),
        encoding: Encoding::Json,
        body: if body.is_empty() {
            Bytes::from_static(b"{}")
        } else {
            body
        },
        params: Value::Undefined,
        request: Some(parts),
    };
    let response = gateway.action(actor, request).await;
    Ok(answer::encoded(Encoding::Json, response))
}

async fn summary(inspector: &Inspector, actor: &ActorRef) -> Result<Value, ActorError> {
    let Snapshot {
        state, connections, ..
    } = inspector.snapshot(actor.id()).await?;
    Ok(Value::object([
        ("state", state),
        ("isStateEnabled", true.into()),
        ("connections", list(&connections)),
        ("rpcs", actions(inspector, actor).await?),
        ("queueSize", 0.into()),
        ("isDatabaseEnabled", false.into()),
        ("isWorkflowEnabled", false.into()),
        ("workflowHistory", Value::Null),
    ]))
}

async fn actions(inspector: &Inspector, actor: &ActorRef) -> Result<Value, ActorError> {
    let names = inspector.actions(actor.id()).await?;
    Ok(Value::Array(names.into_iter().map(Value::from).collect()))
}

fn list(connections: &[Seen]) -> Value {
    let one = |conn: &Seen| {
        let hears = conn.subscriptions.iter().map(|it| Value::from(it.as_str()));
        let details = Value::object([
            ("type", conn.kind.into()),
            ("params", or_null(&conn.params)),
            ("stateEnabled", true.into()),
            ("state", or_null(&conn.state)),
            ("subscriptions", Value::Array(hears.collect())),
            ("isHibernatable", conn.is_hibernatable.into()),
        ]);
        Value::object([
            ("type", Value::from(conn.kind)),
            ("id", Value::from(conn.id.to_string())),
            ("details", details),
        ])
    };
    Value::Array(connections.iter().map(one).collect())
}

fn or_null(value: &Value) -> Value {
    match value {
        Value::Undefined => Value::Null,
        other => other.clone(),
    }
}

fn json(value: &Value) -> Response {
    let mut response = answer::text(Encoding::Json.encode_value(value));
    let content_type = http::HeaderValue::from_static(Encoding::Json.content_type());
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, content_type);
    response
}

fn only(parts: &Parts, method: &Method) -> Result<(), ActorError> {
    if parts.method == *method {
        Ok(())
    } else {
        Err(no_method(parts))
    }
}

fn no_method(parts: &Parts) -> ActorError {
    let text = format!("{} is not what this is asked with", parts.method);
    ActorError::new("actor", "method_not_allowed", text)
}

fn invalid(text: &'static str) -> ActorError {
    ActorError::new("actor", "invalid_request", text).public()
}

/// Most bytes of a new state.
const MAX_STATE: usize = 20 * 1024 * 1024;

//! `/inspector/{*path}`: what the inspector shows of one actor, as JSON.

use std::{borrow::Cow, str::FromStr};

use actor_core::{
    ActorError, Value,
    gateway::{ActionRequest, ActorRef, Gateway, error_response},
    inspector::{Inspector, Seen, Snapshot},
    protocol::Encoding,
    queue::Queued,
};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{Method, request::Parts};
use percent_encoding::percent_decode_str;

use super::{answer, bearer, body, no_endpoint};
use crate::inspection::{self, MAX_ROWS, MAX_STATE};

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
    let inspector = gateway.registry().inspector(bearer(&parts.headers))?;
    if let Some(name) = path.strip_prefix("action/") {
        only(&parts, &Method::POST)?;
        return action(gateway, actor, name, parts, body).await;
    }
    let shown = match path.split_once('/') {
        Some(("database", what)) => database(&inspector, actor, what, &parts, body).await?,
        _ if path == "queue" => queue(&inspector, actor, &parts, body).await?,
        _ => actor_itself(&inspector, actor, path, &parts, body).await?,
    };
    Ok(json(&shown))
}

/// State, connections, actions, and all of it summed up.
async fn actor_itself(
    inspector: &Inspector,
    actor: &ActorRef,
    path: &str,
    parts: &Parts,
    body: Body,
) -> Result<Value, ActorError> {
    let id = actor.id();
    Ok(match (path, &parts.method) {
        ("state", &Method::GET) => {
            let Snapshot { state, .. } = inspector.snapshot(id).await?;
            Value::object([("state", state), ("isStateEnabled", true.into())])
        }
        ("state", &Method::PATCH) => {
            let state = member(&read(body, MAX_STATE).await?, "state")?;
            inspector.replace_state(id, state).await?;
            Value::object([("ok", true)])
        }
        ("connections", &Method::GET) => {
            let Snapshot { connections, .. } = inspector.snapshot(id).await?;
            Value::object([("connections", list(&connections))])
        }
        ("rpcs", &Method::GET) => Value::object([("rpcs", actions(inspector, actor).await?)]),
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
        ("summary", &Method::GET) => summary(inspector, actor).await?,
        ("state" | "connections" | "rpcs" | "traces" | "workflow-history" | "summary", _) => {
            return Err(no_method(parts));
        }
        _ => return Err(no_endpoint(&format!("/inspector/{path}"))),
    })
}

async fn queue(
    inspector: &Inspector,
    actor: &ActorRef,
    parts: &Parts,
    body: Body,
) -> Result<Value, ActorError> {
    let id = actor.id();
    Ok(match parts.method {
        Method::GET => {
            let most: u32 = number(parts, "limit")?.unwrap_or(QUEUE_PAGE);
            let seen = inspector.queue(id, most as usize).await?;
            let messages = seen.messages.iter().map(|it| message(it, it.id.into()));
            Value::object([
                ("size", count(seen.size)),
                ("maxSize", count(seen.max_size)),
                ("truncated", (seen.messages.len() < seen.size).into()),
                ("messages", Value::Array(messages.collect())),
            ])
        }
        Method::POST => {
            let body = read(body, actor.options().max_incoming).await?;
            let name = member(&body, "name")?;
            let name = name.as_str().ok_or_else(|| invalid("`name` is no text"))?;
            let content = body.member("body").cloned().unwrap_or_default();
            let sent = inspector.send(id, name, &content).await?;
            message(&sent, sent.id.to_string().into())
        }
        Method::DELETE => {
            inspector.clear_queue(id).await?;
            Value::object([("ok", true)])
        }
        _ => return Err(no_method(parts)),
    })
}

async fn database(
    inspector: &Inspector,
    actor: &ActorRef,
    what: &str,
    parts: &Parts,
    body: Body,
) -> Result<Value, ActorError> {
    let id = actor.id();
    Ok(match (what, &parts.method) {
        ("schema", &Method::GET) => {
            let tables = inspector.tables(id).await?;
            Value::object([("schema", inspection::schema(tables))])
        }
        ("rows", &Method::GET) => {
            let table = inspection::asked(&parts.uri, "table");
            let table = table.ok_or_else(|| invalid("`table` is missing"))?;
            let limit = number(parts, "limit")?.unwrap_or(ROW_PAGE).min(MAX_ROWS);
            let offset = number(parts, "offset")?.unwrap_or_default();
            let rows = inspector.rows(id, &table, limit, offset).await?;
            Value::object([("rows", Value::Array(rows))])
        }
        ("execute", &Method::POST) => {
            let body = read(body, MAX_STATE).await?;
            let sql = member(&body, "sql")?;
            let sql = sql.as_str().ok_or_else(|| invalid("`sql` is no text"))?;
            let given = |name| {
                let it = body.member(name);
                it.filter(|it| !it.is_nothing()).cloned()
            };
            let params = given("properties").or_else(|| given("args"));
            let params = params.unwrap_or_else(|| Value::Array(Vec::new()));
            let rows = inspector.execute(id, sql, &params).await?;
            Value::object([("rows", Value::Array(rows))])
        }
        ("schema" | "rows" | "execute", _) => return Err(no_method(parts)),
        _ => return Err(no_endpoint(&format!("/inspector/database/{what}"))),
    })
}

/// A number in the query of a request.
fn number<T: FromStr>(parts: &Parts, name: &str) -> Result<Option<T>, ActorError> {
    let text = inspection::asked(&parts.uri, name);
    let read = text.map(|it| it.parse()).transpose();
    read.map_err(|_| invalid(format!("`{name}` is no such number")))
}

async fn read(body: Body, limit: usize) -> Result<Value, ActorError> {
    let body = body::read(body, limit).await?;
    Ok(Encoding::Json.decode_value(&body)?)
}

fn member(body: &Value, name: &str) -> Result<Value, ActorError> {
    let found = body.member(name).cloned();
    found.ok_or_else(|| invalid(format!("the body has no `{name}`")))
}

fn message(it: &Queued, id: Value) -> Value {
    Value::object([
        ("id", id),
        ("name", Value::from(&*it.queue)),
        ("createdAtMs", it.sent.as_millis().into()),
    ])
}

fn count(n: usize) -> Value {
    Value::from(n as u64)
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
        idempotency_key: None,
    };
    let response = gateway.action(&mut actor.clone(), request).await;
    Ok(answer::encoded(Encoding::Json, response))
}

async fn summary(inspector: &Inspector, actor: &ActorRef) -> Result<Value, ActorError> {
    let Snapshot {
        state, connections, ..
    } = inspector.snapshot(actor.id()).await?;
    let has_database = inspector.has_database(actor.id()).await?;
    Ok(Value::object([
        ("state", state),
        ("isStateEnabled", true.into()),
        ("connections", list(&connections)),
        ("rpcs", actions(inspector, actor).await?),
        (
            "queueSize",
            count(inspector.queue(actor.id(), 0).await?.size),
        ),
        ("isDatabaseEnabled", has_database.into()),
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
        let (id, details) = inspection::connection(conn);
        Value::object([
            ("type", Value::from(conn.kind)),
            ("id", id.into()),
            ("details", details),
        ])
    };
    Value::Array(connections.iter().map(one).collect())
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

fn invalid(text: impl Into<Cow<'static, str>>) -> ActorError {
    ActorError::new("actor", "invalid_request", text).public()
}

/// Messages of a queue that are shown at once, unless told.
const QUEUE_PAGE: u32 = 100;
/// Rows of a table that are shown at once, unless told.
const ROW_PAGE: u32 = 100;

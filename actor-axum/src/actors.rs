//! `/actors`: finds actors, creates them, puts them to sleep, destroys them.

use std::sync::Arc;

use actor_core::{
    ActorError, ActorKey, ActorStatus, CrashPolicy,
    gateway::{ActorRef, Gateway},
    protocol::headers,
};
use axum::{
    Json,
    body::Body,
    extract::Request,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, request::Parts};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    http::{bearer, check_datacenter, gateway_error, read_body},
    router::{Door, no_route},
};

/// `/actors`.
pub(crate) async fn collection(door: Arc<Door>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let gateway = &door.gateway;
    let answer = match parts.method {
        Method::GET => list(gateway, &parts).await,
        Method::PUT => get_or_create(gateway, &parts, body).await,
        Method::POST => create(gateway, &parts, body).await,
        _ => Err(no_method(&parts)),
    };
    answer.unwrap_or_else(|error| gateway_error(&error))
}

/// `/actors/{id}`.
pub(crate) async fn one(door: Arc<Door>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let answer = match parts.method {
        Method::GET => show(&door.gateway, &parts).await,
        Method::DELETE => destroy(&door.gateway, &parts).await,
        _ => Err(no_method(&parts)),
    };
    answer.unwrap_or_else(|error| gateway_error(&error))
}

async fn show(gateway: &Gateway, parts: &Parts) -> Result<Response, ActorError> {
    let actor = find(gateway, parts).await?;
    Ok(Json(json!({ "actor": Shown::of(&actor) })).into_response())
}

async fn destroy(gateway: &Gateway, parts: &Parts) -> Result<Response, ActorError> {
    let actor = find(gateway, parts).await?;
    gateway.destroy(&actor, bearer(&parts.headers)).await?;
    Ok(Json(json!({})).into_response())
}

/// `/actors/{id}/sleep`.
pub(crate) async fn sleep(door: Arc<Door>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let answer = if parts.method == Method::POST {
        find(&door.gateway, &parts).await
    } else {
        Err(no_method(&parts))
    };
    match answer {
        Ok(actor) => {
            actor.sleep();
            Json(json!({})).into_response()
        }
        Err(error) => gateway_error(&error),
    }
}

/// The actor whose id is in the path.
async fn find(gateway: &Gateway, parts: &Parts) -> Result<ActorRef, ActorError> {
    let path = parts.uri.path();
    let id = path.strip_prefix("/actors/").unwrap_or(path);
    let id = id.strip_suffix("/sleep").unwrap_or(id);
    let id = percent_decode_str(id).decode_utf8_lossy();
    gateway
        .find_by_id(&id)
        .await?
        .ok_or_else(|| ActorError::new("actor", "not_found", format!("no actor has the id `{id}`")))
}

async fn list(gateway: &Gateway, parts: &Parts) -> Result<Response, ActorError> {
    let query = Query::of(gateway, parts);
    let mut actors = Vec::new();
    if !query.actor_ids.is_empty() {
        if MAX_IDS < query.actor_ids.len() {
            return Err(invalid(format!("more than {MAX_IDS} ids are asked for")));
        }
        for id in &query.actor_ids {
            actors.extend(gateway.find_by_id(id).await?);
        }
    } else if let (Some(name), Some(key)) = (&query.name, &query.key) {
        let key = ActorKey::parse(key);
        actors.extend(gateway.find_by_key(&query.namespace, name, key).await?);
    } else {
        return Err(invalid(
            "actors are found by `name` and `key`, or by `actor_ids`",
        ));
    }
    let actors: Vec<_> = actors.iter().map(Shown::of).collect();
    Ok(Json(json!({ "actors": actors, "pagination": { "cursor": null } })).into_response())
}

async fn get_or_create(
    gateway: &Gateway,
    parts: &Parts,
    body: Body,
) -> Result<Response, ActorError> {
    let (actor, created) = make(gateway, parts, body, false).await?;
    Ok(Json(json!({ "actor": Shown::of(&actor), "created": created })).into_response())
}

async fn create(gateway: &Gateway, parts: &Parts, body: Body) -> Result<Response, ActorError> {
    let (actor, _) = make(gateway, parts, body, true).await?;
    Ok(Json(json!({ "actor": Shown::of(&actor) })).into_response())
}

/// What a client sends to create an actor. Pool and crash policy are understood and mean nothing:
/// there is one process, and what follows a crash is the actor's own option.
#[derive(Debug, Deserialize)]
struct Creation {
    name: String,
    #[serde(default)]
    key: String,
    input: Option<String>,
    datacenter: Option<String>,
}

async fn make(
    gateway: &Gateway,
    parts: &Parts,
    body: Body,
    new: bool,
) -> Result<(ActorRef, bool), ActorError> {
    let body = read_body(body, MAX_BODY).await?;
    let wanted: Creation = serde_json::from_slice(&body).map_err(|e| invalid(e.to_string()))?;
    if let Some(datacenter) = &wanted.datacenter {
        check_datacenter(datacenter)?;
    }
    let input = match wanted.input {
        Some(input) => Some(decode_input(&input)?),
        None => None,
    };
    let namespace = Query::of(gateway, parts).namespace;
    let key = ActorKey::parse(&wanted.key);
    gateway
        .create(&namespace, &wanted.name, key, input, new)
        .await
}

fn decode_input(input: &str) -> Result<Bytes, ActorError> {
    STANDARD
        .decode(input)
        .map(Bytes::from)
        .map_err(|e| invalid(format!("`input` is not base64: {e}")))
}

/// An actor as clients of the manager's API know it.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    actor_id: String,
    name: &'a str,
    key: String,
    namespace_id: &'a str,
    datacenter: &'static str,
    runner_name_selector: &'static str,
    crash_policy: &'static str,
    create_ts: Option<u64>,
    start_ts: Option<u64>,
    pending_allocation_ts: Option<u64>,
    connectable_ts: Option<u64>,
    sleep_ts: Option<u64>,
    reschedule_ts: Option<u64>,
    destroy_ts: Option<u64>,
}

impl<'a> Shown<'a> {
    fn of(actor: &'a ActorRef) -> Self {
        let address = actor.address();
        let reschedule_ts = match actor.status() {
            ActorStatus::CrashLoopBackoff { until, .. } => Some(until.as_millis()),
            _ => None,
        };
        Self {
            actor_id: actor.id().to_string(),
            name: &address.name,
            key: address.key.to_string(),
            namespace_id: &address.namespace,
            datacenter: "default",
            runner_name_selector: "default",
            crash_policy: match actor.options().crash {
                CrashPolicy::Restart => "restart",
                CrashPolicy::Destroy => "destroy",
                _ => "sleep",
            },
            // Other times are not kept; clients take null for unknown.
            create_ts: None,
            start_ts: None,
            pending_allocation_ts: None,
            connectable_ts: None,
            sleep_ts: None,
            reschedule_ts,
            destroy_ts: None,
        }
    }
}

/// The query of a request to the manager's API.
#[derive(Debug)]
struct Query {
    namespace: String,
    name: Option<String>,
    key: Option<String>,
    actor_ids: Vec<String>,
}

impl Query {
    fn of(gateway: &Gateway, parts: &Parts) -> Self {
        let header = parts.headers.get(headers::NAMESPACE);
        let mut namespace = header.and_then(|it| it.to_str().ok()).map(str::to_owned);
        let (mut name, mut key, mut actor_ids) = (None, None, Vec::new());
        let query = parts.uri.query().unwrap_or_default();
        for (param, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*param {
                "namespace" => namespace = Some(value.into_owned()),
                "name" => name = Some(value.into_owned()),
                "key" => key = Some(value.into_owned()),
                "actor_ids" => {
                    let ids = value.split(',').filter(|it| !it.is_empty());
                    actor_ids.extend(ids.map(str::to_owned));
                }
                _ => {}
            }
        }
        let namespace = namespace.unwrap_or_else(|| gateway.registry().namespace().to_string());
        Self {
            namespace,
            name,
            key,
            actor_ids,
        }
    }
}

fn no_method(parts: &Parts) -> ActorError {
    no_route(&format!("{} {}", parts.method, parts.uri.path())).with_status(405)
}

fn invalid(text: impl Into<String>) -> ActorError {
    ActorError::new("api", "invalid_request", text.into())
        .with_status(400)
        .public()
}

/// Most bytes of a body here: the largest input in base64, and room for the rest.
const MAX_BODY: usize = 6 * 1024 * 1024;
/// Most ids in one lookup.
const MAX_IDS: usize = 128;

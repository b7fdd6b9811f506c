//! Requests to actors over plain HTTP: which endpoint, and what every answer carries.

mod action;
mod answer;
mod body;
mod inspector;
mod posted;
mod queue;
mod raw;

use actor_core::{
    ActorError, Value,
    gateway::{ActorRef, Gateway, error_response},
    protocol::{
        Encoding, headers,
        target::{ActorQuery, Route, Target},
    },
};
use axum::{body::Body, response::Response};
use http::{HeaderMap, Method, header::AUTHORIZATION, request::Parts};

pub(crate) use self::{answer::gateway_error, body::read as read_body};
use crate::{
    admission::Admitted,
    router::{Door, Entering, Ray},
};

/// Answers a request for an actor.
pub(crate) async fn call(
    door: &Door,
    mut parts: Parts,
    body: Body,
    entering: Result<Entering, ActorError>,
    ray: Ray,
) -> Response {
    let (route, mut actor, admitted) = match find(&door.gateway, entering).await {
        Ok(found) => found,
        Err(error) => return answer::with_ray(answer::gateway_error(&error), ray),
    };
    parts.uri = route.url(&parts);
    let response = if route.raw_path().is_some() {
        raw::fetch(door, &mut actor, parts, body).await
    } else {
        endpoint(&door.gateway, &mut actor, &route.path, parts, body).await
    };
    let response = answer::counted(response, admitted);
    answer::with_ray(answer::with_actor(response, &actor), ray)
}

/// Finds the actor of a route.
pub(crate) async fn find(
    gateway: &Gateway,
    entering: Result<Entering, ActorError>,
) -> Result<(Route, ActorRef, Admitted), ActorError> {
    let Entering {
        route,
        mut admitted,
    } = entering?;
    if let Target::Query(ActorQuery {
        region: Some(region),
        ..
    }) = &route.target
    {
        check_datacenter(region)?;
    }
    let actor = gateway.resolve(&route.target).await?;
    admitted.at(actor.id())?;
    Ok((route, actor, admitted))
}

async fn endpoint(
    gateway: &Gateway,
    actor: &mut ActorRef,
    path: &str,
    parts: Parts,
    body: Body,
) -> Response {
    if let Some(name) = path.strip_prefix("/action/")
        && !name.contains('/')
    {
        return action::call(gateway, actor, name, parts, body).await;
    }
    if let Some(path) = path.strip_prefix("/inspector/") {
        return inspector::inspect(gateway, actor, path, parts, body).await;
    }
    if let Some(name) = path.strip_prefix("/queue/")
        && !name.contains('/')
    {
        return queue::send(gateway, actor, name, parts, body).await;
    }
    let is_read = matches!(parts.method, Method::GET | Method::HEAD);
    match path {
        "/" if is_read => answer::text(format!("actor {} is here\n", actor.address())),
        "/health" if is_read => answer::text("ok"),
        "/metadata" if is_read => answer::json(&serde_json::json!({
            "runtime": "actor-axum",
            "version": env!("CARGO_PKG_VERSION"),
            "type": "local",
        })),
        "/metrics" if is_read => answer::text(format!(
            "# TYPE actor_awake gauge\nactor_awake {}\n# TYPE actor_generation counter\n\
             actor_generation {}\n",
            u8::from(actor.is_awake()),
            actor.generation(),
        )),
        _ => {
            let encoding = encoding(&parts);
            let error = error_response(encoding, &no_endpoint(path), Some(&actor.specifier()));
            answer::encoded(encoding, error)
        }
    }
}

/// What a request is in and its answer will be.
fn encoding(parts: &Parts) -> Encoding {
    parts
        .headers
        .get(headers::ENCODING)
        .and_then(|it| it.to_str().ok())
        .and_then(Encoding::from_name)
        .unwrap_or_default()
}

/// Actors run here and nowhere else.
pub(crate) fn check_datacenter(name: &str) -> Result<(), ActorError> {
    if name.is_empty() || name == "default" {
        return Ok(());
    }
    let text = format!("there is no datacenter `{name}`, only `default`");
    Err(ActorError::new("datacenter", "not_found", text)
        .with_status(400)
        .public())
}

/// Nothing of the actor's is at `path`.
pub(crate) fn no_endpoint(path: &str) -> ActorError {
    let metadata = Value::object([("id", path), ("resource", "route")]);
    ActorError::new(
        "actor",
        "not_found",
        format!("the actor has nothing at {path}"),
    )
    .with_metadata(metadata)
}

/// The token of the `authorization` header, empty when there is none.
pub(crate) fn bearer(headers: &HeaderMap) -> &str {
    let value = headers.get(AUTHORIZATION);
    let value = value.and_then(|it| it.to_str().ok()).unwrap_or_default();
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    }
}

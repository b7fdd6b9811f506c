//! Raw requests to an actor's own handler.

use std::convert::Infallible;

use actor_core::{
    prelude::*,
    request::{Body, Hangup, IntoResponse, Request, Response},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    response::sse::{Event as Sent, Sse},
    routing::get,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{StatusCode, header::CONTENT_TYPE};
use http_body_util::BodyExt as _;
use tokio::{io::AsyncReadExt as _, io::AsyncWriteExt as _, net::TcpStream, sync::Notify};
use tower::ServiceExt as _;

use crate::support::{Call, Server, code, header, json, soon};

/// What a raw request looks like from inside.
#[actor(params = Option<String>)]
#[derive(Default)]
pub(crate) struct Mirror {
    left: u32,
}

#[derive(Debug, thiserror::Error, ActionError)]
pub(crate) enum MirrorError {
    #[error("{0} is not welcome")]
    #[action_error(status = 403)]
    Unwelcome(String),
    #[error("the vault is at /secret")]
    #[action_error(internal)]
    Vault,
}

/// Told when the client of an endless response has left.
static LEFT: Notify = Notify::const_new();

#[actor]
impl Mirror {
    #[on_before_connect]
    async fn admit(&self, params: Option<String>) -> Result<(), MirrorError> {
        match params {
            Some(name) if name == "mallory" => Err(MirrorError::Unwelcome(name)),
            _ => Ok(()),
        }
    }

    #[on_disconnect]
    async fn gone(&mut self) {
        self.left += 1;
    }

    #[on_request]
    async fn fetch(ctx: &TaskCtx<Self>, request: Request) -> Result<Response, MirrorError> {
        match request.uri().path() {
            "/vault" => Err(MirrorError::Vault),
            "/left" => Ok(ctx.read(|it| it.left).await.to_string().into_response()),
            "/echo" => Ok(Response::new(request.into_body())),
            "/length" => Ok(match request.into_body().collect().await {
                Ok(body) => body.to_bytes().len().to_string().into_response(),
                Err(_) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
            }),
            "/events" => Ok(events(&request)),
            _ => Ok(Json(serde_json::json!({
                "method": request.method().as_str(),
                "uri": request.uri().to_string(),
                "conn": ctx.conn().map(|it| it.id().to_string()),
            }))
            .into_response()),
        }
    }
}

/// Server-sent events: one, and then silence.
fn events(request: &Request) -> Response {
    let hangup = request.extensions().get::<Hangup>().cloned().unwrap();
    let silence = stream::once(async move {
        hangup.wait().await;
        Ok("")
    });
    let watch = Watch;
    let events = stream::iter([Ok::<_, Infallible>("data: 1\n\n")]).chain(silence);
    let events = events.inspect(move |_| {
        let _ = &watch;
    });
    (
        [(CONTENT_TYPE, "text/event-stream")],
        Body::from_stream(events),
    )
        .into_response()
}

struct Watch;

impl Drop for Watch {
    fn drop(&mut self) {
        LEFT.notify_one();
    }
}

async fn server() -> (Server, Registry) {
    let builder = Registry::builder().actor::<Mirror>().actor::<Mute>();
    let builder = builder.actor::<Site>();
    let registry = builder.build().await.unwrap();
    let actors = actor_axum::ActorRouter::new(registry.clone()).max_request_body(100);
    let layer = actor_axum::ActorRouter::new(registry.clone()).into_target_layer();
    let app = Router::new()
        .nest("/api", actors.into_router())
        .layer(layer);
    (Server::of(app).await, registry)
}

/// A whole router, whose routes reach the state by the actor's own actions.
#[actor]
#[derive(Default)]
pub(crate) struct Site {
    users: Vec<String>,
}

#[actor]
impl Site {
    #[on_request]
    async fn fetch(ctx: &TaskCtx<Self>, request: Request) -> Response {
        let routes = Router::new()
            .route("/users", get(all_users).post(add_user))
            .route("/users/{at}", get(one_user))
            .route("/ticks", get(ticks))
            .with_state(ctx.actors().get_for_id::<Self>(ctx.id()));
        let Ok(response) = routes.oneshot(request).await;
        response
    }

    #[action]
    async fn add(&mut self, name: String) -> usize {
        self.users.push(name);
        self.users.len()
    }

    #[action]
    async fn users(&self) -> Vec<String> {
        self.users.clone()
    }
}

type Answer<T> = Result<T, actor_axum::Error>;

async fn all_users(State(site): State<SiteHandle>) -> Answer<Json<Vec<String>>> {
    Ok(Json(site.users().await?))
}

async fn add_user(
    State(site): State<SiteHandle>,
    Json(name): Json<String>,
) -> Answer<(StatusCode, Json<usize>)> {
    Ok((StatusCode::CREATED, Json(site.add(name).await?)))
}

async fn one_user(
    State(site): State<SiteHandle>,
    Path(at): Path<usize>,
) -> Answer<Result<String, StatusCode>> {
    let found = site.users().await?.into_iter().nth(at);
    Ok(found.ok_or(StatusCode::NOT_FOUND))
}

/// axum's own server-sent events.
async fn ticks() -> impl IntoResponse {
    let ticks = stream::iter(0..3).map(|it| Sent::default().event("tick").json_data(it));
    Sse::new(ticks)
}

/// No handler of raw requests.
#[actor]
#[derive(Default)]
pub(crate) struct Mute {}

#[actor]
impl Mute {}

fn target(actor: &str, path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    format!(
        "/api/gateway/{actor}{path}?a=1&rvt-namespace=default&rvt-method=getOrCreate&{query}\
         &rvt-runner=default&rvt-key=k"
    )
}

#[tokio::test]
async fn the_actor_sees_its_own_url() {
    let (server, _registry) = server().await;
    for (method, path, seen) in [
        ("GET", "/request", "http://localhost/?a=1&"),
        (
            "DELETE",
            "/request/a%20b//c?x=%2F&y",
            "http://localhost/a%20b//c?a=1&x=%2F&y",
        ),
        ("PURGE", "/request//a?z", "http://localhost/a?a=1&z"),
    ] {
        let answer = server.request(method, &target("mirror", path)).send().await;
        assert_eq!(answer.status(), 200);
        let body = json(&answer);
        assert_eq!(
            (&body["method"], &body["uri"]),
            (&method.into(), &seen.into())
        );
        assert_eq!(header(&answer, "x-rivet-actor").unwrap().len(), 36);
        assert_eq!(header(&answer, "x-rivet-actor-key"), Some("k"));
        assert!(header(&answer, "x-rivet-actor-generation").is_some());
        assert!(header(&answer, "x-rivet-ray-id").is_some());
    }
}

#[tokio::test]
async fn by_headers_too() {
    let (server, _registry) = server().await;
    let first = server.get(&target("mirror", "/request")).await;
    let id = header(&first, "x-rivet-actor").unwrap();
    let call = server
        .request("GET", "/request/here?q")
        .header("x-rivet-target", "actor");
    let answer = call.header("x-rivet-actor", id).send().await;
    assert_eq!(json(&answer)["uri"], "http://localhost/here?q");
}

#[tokio::test]
async fn errors_are_json_with_their_status() {
    let (server, _registry) = server().await;
    let hidden = server.get(&target("mirror", "/request/vault")).await;
    assert_eq!(
        (hidden.status().as_u16(), &*code(&hidden)),
        (500, "rivetkit.internal_error")
    );
    assert_eq!(json(&hidden)["message"], "An internal error occurred");

    let call = server.request("GET", &target("mirror", "/request"));
    let refused = call
        .header("x-rivet-conn-params", "\"mallory\"")
        .send()
        .await;
    assert_eq!(
        (refused.status().as_u16(), &*code(&refused)),
        (403, "user.unwelcome")
    );

    let call = server.request("GET", &target("mirror", "/request"));
    let odd = call.header("x-rivet-conn-params", "{").send().await;
    assert_eq!(odd.status(), 400);

    let none = server.get(&target("mute", "/request/x")).await;
    assert_eq!((none.status().as_u16(), none.body().len()), (404, 0));
}

#[tokio::test]
async fn bodies_up_to_the_limit() {
    let (server, _registry) = server().await;
    let fits = Bytes::from(vec![b'x'; 100]);
    let echo = server
        .request("POST", &target("mirror", "/request/echo"))
        .body(fits.clone());
    assert_eq!(echo.send().await.body(), &fits);
    let chunked = |length| {
        let pieces = vec![Bytes::from(vec![b'x'; 10]); length];
        server
            .request("POST", &target("mirror", "/request/length"))
            .chunked(pieces)
    };
    assert_eq!(&chunked(10).send().await.body()[..], b"100");
    // Not announced, so the handler runs and finds it broken off.
    assert_eq!(chunked(11).send().await.status(), 413);
    let announced = server.request("POST", &target("mirror", "/request/length"));
    let answer = announced.body(vec![b'x'; 101]).send().await;
    assert_eq!(
        (answer.status().as_u16(), &*code(&answer)),
        (413, "guard.invalid_request_body")
    );
}

#[tokio::test]
async fn head_and_options_reach_the_handler() {
    let (server, _registry) = server().await;
    let head = server
        .request("HEAD", &target("mirror", "/request"))
        .send()
        .await;
    assert_eq!((head.status().as_u16(), head.body().len()), (200, 0));
    let options = server
        .request("OPTIONS", &target("mirror", "/request"))
        .send()
        .await;
    assert_eq!(json(&options)["method"], "OPTIONS");
    // A preflight is the browser's question, not the page's.
    let preflight = server
        .request("OPTIONS", &target("mirror", "/request"))
        .header("origin", "https://a.example")
        .header("access-control-request-method", "POST");
    assert_eq!(preflight.send().await.status(), 204);
}

/// C4: who has read a response finds its connection gone.
#[tokio::test]
async fn c4_each_request_disconnects_before_the_next() {
    let (server, _registry) = server().await;
    for n in 0..20 {
        let answer = server.get(&target("mirror", "/request/left")).await;
        assert_eq!(answer.body(), n.to_string().as_bytes());
    }
}

/// Events arrive while the response is under way, and a client that leaves ends it.
#[tokio::test]
async fn events_stream_until_the_client_leaves() {
    let (server, _registry) = server().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let target = target("mirror", "/request/events");
    let call = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(call.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    soon(async {
        while !seen.windows(7).any(|it| it == b"data: 1") {
            assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0);
        }
    })
    .await;
    drop(stream);
    soon(LEFT.notified()).await;
    let left = Call::new(
        server.address,
        "GET",
        &self::target("mirror", "/request/left"),
    );
    assert_eq!(&left.send().await.body()[..], b"1");
}

/// Methods, parameters, extractors and their refusals, events: all of it is the router's.
#[tokio::test]
async fn a_whole_router_fits_into_an_actor() {
    let (server, registry) = server().await;
    let call = async |method: &str, path: &str, body: &str| {
        let request = server.request(method, &target("site", &format!("/request{path}")));
        let request = request.header("content-type", "application/json");
        let answer = request.body(body.to_owned()).send().await;
        let text = String::from_utf8(answer.body().to_vec()).unwrap();
        (answer.status().as_u16(), text)
    };
    assert_eq!(call("POST", "/users", "\"ann\"").await, (201, "1".into()));
    assert_eq!(call("POST", "/users", "\"bob\"").await, (201, "2".into()));
    let all = (200, r#"["ann","bob"]"#.into());
    assert_eq!(call("GET", "/users", "").await, all);
    assert_eq!(call("GET", "/users/1", "").await, (200, "bob".into()));
    for (method, path, body, status) in [
        ("GET", "/users/2", "", 404),
        ("GET", "/nowhere", "", 404),
        ("GET", "/users/x", "", 400),
        ("DELETE", "/users", "", 405),
        ("POST", "/users", "\"an", 400),
        ("POST", "/users", "7", 422),
    ] {
        let (found, _) = call(method, path, body).await;
        assert_eq!(found, status, "{method} {path}");
    }
    let events = server.get(&target("site", "/request/ticks")).await;
    assert_eq!(header(&events, "content-type"), Some("text/event-stream"));
    let expected = "event: tick\ndata: 0\n\nevent: tick\ndata: 1\n\nevent: tick\ndata: 2\n\n";
    assert_eq!(events.body(), expected.as_bytes());
    // It is the state of one actor, as everybody else sees it.
    let site = registry.get_or_create::<Site>("k");
    assert_eq!(site.users().await.unwrap(), ["ann", "bob"]);
}

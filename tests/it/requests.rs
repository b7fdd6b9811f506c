//! Raw HTTP requests: hooks around them, durability, what keeps awake, both ends hanging up.

use std::{convert::Infallible, time::Duration};

use actor_core::{
    prelude::*,
    request::{Body, Hangup, IntoResponse, Request, Response},
    testing::{Fault, TestRegistry},
};
use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::{StreamExt as _, poll, stream};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use crate::registry;

#[derive(Debug, thiserror::Error, ActionError)]
pub(crate) enum PageError {
    #[error("nothing is at {0}")]
    #[action_error(status = 404)]
    Nowhere(String),
    #[error("the vault is open")]
    #[action_error(internal)]
    Vault,
}

/// Answers with the method that its receiver gives it, and writes down what happens.
#[actor(params = Option<String>, sleep_after = "10s", action_timeout = "5s")]
#[derive(Default)]
pub(crate) struct Page {
    visits: u32,
    log: Vec<String>,
    wakes: u32,
}

#[actor]
impl Page {
    #[on_wake]
    async fn wake(&mut self) {
        self.wakes += 1;
    }

    #[on_before_connect]
    async fn admit(&mut self, ctx: &Ctx<Self>, params: Option<String>) -> Result<(), ActorError> {
        let path = ctx.request().map(|it| it.uri.path().to_owned());
        self.log
            .push(format!("before {}", path.unwrap_or_default()));
        if params.as_deref() == Some("mallory") {
            return Err(ActorError::new("auth", "forbidden", "not you"));
        }
        Ok(())
    }

    #[on_connect]
    async fn joined(&mut self, ctx: &Ctx<Self>, conn: &Conn<Self>) {
        assert_eq!(ctx.conns().len(), 1);
        assert!(!conn.is_hibernatable());
        self.log.push("connect".into());
    }

    #[on_disconnect]
    async fn left(&mut self) {
        self.log.push("disconnect".into());
    }

    #[on_request]
    async fn fetch(&mut self, ctx: &Ctx<Self>, request: Request) -> Result<Response, PageError> {
        self.visits += 1;
        self.log.push("request".into());
        assert!(ctx.conn().is_some());
        match request.uri().path() {
            "/" => Ok(self.visits.to_string().into_response()),
            "/echo" => Ok(Response::new(request.into_body())),
            "/vault" => Err(PageError::Vault),
            "/forever" => Ok(endless()),
            "/slow" => {
                sleep(Duration::from_secs(100)).await;
                Ok(().into_response())
            }
            "/panic" => panic!("on purpose"),
            "/leave" => {
                ctx.conn().into_iter().for_each(|it| it.disconnect("bye"));
                Ok("whole".into_response())
            }
            "/destroy" => {
                ctx.destroy();
                Ok("gone".into_response())
            }
            other => Err(PageError::Nowhere(other.to_owned())),
        }
    }

    #[action]
    async fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    #[action]
    async fn wakes(&self) -> u32 {
        self.wakes
    }

    #[action]
    async fn visits(&self) -> u32 {
        self.visits
    }

    #[action]
    async fn listed(&self, ctx: &Ctx<Self>) -> usize {
        ctx.conns().len()
    }

    #[action]
    async fn end_all(&self, ctx: &Ctx<Self>) {
        for conn in ctx.conns() {
            conn.disconnect("enough");
        }
    }

    #[action]
    async fn rest(&self, ctx: &Ctx<Self>) {
        ctx.sleep();
    }
}

/// A piece, and then nothing more and no end.
fn endless() -> Response {
    let first = stream::iter([Ok::<_, Infallible>("tick")]);
    Body::from_stream(first.chain(stream::pending())).into_response()
}

fn get(path: &str) -> Request {
    Request::get(path).body(Body::empty()).unwrap()
}

async fn text(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await;
    String::from_utf8(bytes.unwrap().to_vec()).unwrap()
}

async fn page() -> (Registry, PageHandle) {
    let registry = registry(|it| it.actor::<Page>()).await;
    let page = registry.get_or_create::<Page>("p");
    (registry, page)
}

/// C4: a raw request is a connection for its duration, and who has read its response whole finds the
/// connection gone.
#[tokio::test(start_paused = true)]
async fn c4_a_request_is_a_connection() {
    let (_registry, page) = page().await;
    let response = page.fetch(None, get("/")).await.unwrap();
    assert_eq!(text(response).await, "1");
    let hooks = ["before /", "connect", "request", "disconnect"];
    assert_eq!(page.log().await.unwrap(), hooks);
    assert_eq!(page.listed().await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_does_not_run() {
    let (_registry, page) = page().await;
    let error = page.fetch(Some("mallory".into()), get("/")).await;
    let error = error.unwrap_err();
    assert!(error.is("auth", "forbidden"), "{error}");
    assert_eq!(error.status(), 403);
    assert_eq!(page.log().await.unwrap(), ["before /"]);
}

#[tokio::test(start_paused = true)]
async fn errors_panics_and_timeouts_are_actors_errors() {
    let (_registry, page) = page().await;
    let code = async |path: &str| {
        let error = page.fetch(None, get(path)).await.unwrap_err();
        (
            format!("{}.{}", error.group(), error.code()),
            error.status(),
        )
    };
    assert_eq!(code("/nowhere").await, ("user.nowhere".into(), 404));
    assert_eq!(
        code("/vault").await,
        ("rivetkit.internal_error".into(), 500)
    );
    assert_eq!(code("/panic").await, ("actor.panicked".into(), 500));
    assert_eq!(code("/slow").await, ("actor.action_timed_out".into(), 408));
    // P7: the actor came back from its last commit each time.
    assert_eq!(page.visits().await.unwrap(), 2);
}

/// Bodies go through as they come, both ways.
#[tokio::test(start_paused = true)]
async fn bodies_stream_both_ways() {
    let (_registry, page) = page().await;
    let (to, from) = tokio::sync::mpsc::channel::<Result<Bytes, Infallible>>(1);
    let body = stream::unfold(from, async |mut from| Some((from.recv().await?, from)));
    let request = Request::post("/echo").body(Body::from_stream(Box::pin(body)));
    let response = page.fetch(None, request.unwrap()).await.unwrap();
    let mut pieces = response.into_body().into_data_stream();
    for piece in ["one", "two"] {
        to.send(Ok(piece.into())).await.unwrap();
        assert_eq!(pieces.next().await.unwrap().unwrap(), piece);
    }
    assert_eq!(page.listed().await.unwrap(), 1);
    drop(to);
    assert!(pieces.next().await.is_none());
    assert_eq!(page.listed().await.unwrap(), 0);
}

/// B1: an actor whose response is still on its way stays awake, and sleeps once it is not.
#[tokio::test(start_paused = true)]
async fn b1_a_response_under_way_keeps_awake() {
    let (_registry, page) = page().await;
    let response = page.fetch(None, get("/forever")).await.unwrap();
    sleep(Duration::from_secs(100)).await;
    assert_eq!(
        (page.wakes().await.unwrap(), page.listed().await.unwrap()),
        (1, 1)
    );
    drop(response);
    assert_eq!(page.listed().await.unwrap(), 0);
    sleep(Duration::from_secs(100)).await;
    assert_eq!(page.wakes().await.unwrap(), 2);
}

/// C7: the actor ends a response by disconnecting it, and its client can tell that it is not whole.
#[tokio::test(start_paused = true)]
async fn c7_the_actor_ends_a_response() {
    let (_registry, page) = page().await;
    let response = page.fetch(None, get("/forever")).await.unwrap();
    let mut pieces = response.into_body().into_data_stream();
    assert_eq!(pieces.next().await.unwrap().unwrap(), "tick");
    page.end_all().await.unwrap();
    assert!(pieces.next().await.unwrap().is_err());
    let log = page.log().await.unwrap();
    assert_eq!(log, ["before /forever", "connect", "request", "disconnect"]);
}

/// A response that is complete when its connection is ended is sent.
#[tokio::test(start_paused = true)]
async fn a_whole_response_outlives_its_connection() {
    let (registry, page) = page().await;
    for (path, body) in [("/leave", "whole"), ("/destroy", "gone")] {
        let response = page.fetch(None, get(path)).await.unwrap();
        assert_eq!(text(response).await, body);
    }
    // The key has a new actor.
    assert_eq!(page.visits().await.unwrap(), 0);
    registry.shutdown().await;
}

/// G3: a response that does not end is cut at the deadline of a stop.
#[tokio::test(start_paused = true)]
async fn g3_a_stop_cuts_what_does_not_end() {
    let (_registry, page) = page().await;
    let response = page.fetch(None, get("/forever")).await.unwrap();
    let mut pieces = response.into_body().into_data_stream();
    assert_eq!(pieces.next().await.unwrap().unwrap(), "tick");
    page.rest().await.unwrap();
    assert!(pieces.next().await.unwrap().is_err());
    assert_eq!(page.wakes().await.unwrap(), 2);
    assert_eq!(page.listed().await.unwrap(), 0);
}

/// A destroy waits for handlers, and not for what they have yet to send: nothing of it leaves before the end.
#[tokio::test(start_paused = true)]
async fn a_destroy_cuts_what_does_not_end_at_once() {
    let (_registry, page) = page().await;
    let response = page.fetch(None, get("/forever")).await.unwrap();
    let mut pieces = response.into_body().into_data_stream();
    assert_eq!(pieces.next().await.unwrap().unwrap(), "tick");
    let begun = Instant::now();
    page.destroy().await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(pieces.next().await.unwrap().is_err());
}

/// Serves raw requests beside everything else.
#[actor]
#[derive(Default)]
pub(crate) struct Free {
    served: u32,
}

static WAITS: Notify = Notify::const_new();
static WENT_ON: Notify = Notify::const_new();

#[actor]
impl Free {
    #[on_request]
    async fn fetch(ctx: &TaskCtx<Self>, request: Request) -> impl IntoResponse {
        if request.uri().path() == "/wait" {
            let hangup: Hangup = request.extensions().get().cloned().unwrap();
            WAITS.notify_one();
            hangup.wait().await;
            WENT_ON.notify_one();
        }
        let served = ctx.write(|it| {
            it.served += 1;
            it.served
        });
        (StatusCode::CREATED, served.await.to_string())
    }

    #[action]
    async fn listed(&self, ctx: &Ctx<Self>) -> usize {
        ctx.conns().len()
    }
}

/// P1: a handler without a receiver holds nobody up, and is told when its client has left.
#[tokio::test(start_paused = true)]
async fn p1_a_free_handler_learns_that_its_client_left() {
    let registry = registry(|it| it.actor::<Free>()).await;
    let free = registry.get_or_create::<Free>("f");
    let waiting = tokio::spawn({
        let free = free.clone();
        async move { free.fetch(Value::Undefined, get("/wait")).await }
    });
    WAITS.notified().await;
    let response = free.fetch(Value::Undefined, get("/")).await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(text(response).await, "1");
    assert_eq!(free.listed().await.unwrap(), 1);
    waiting.abort();
    WENT_ON.notified().await;
    assert_eq!(free.listed().await.unwrap(), 0);
}

/// Serves raw requests beside other readers, and knows nobody who could ask for it otherwise.
#[actor]
#[derive(Default)]
pub(crate) struct Mute {}

#[actor]
impl Mute {}

#[tokio::test(start_paused = true)]
async fn an_actor_without_a_handler_says_so() {
    let registry = registry(|it| it.actor::<Mute>()).await;
    let mute = registry.get_or_create::<Mute>("m");
    let error = mute.fetch(Value::Undefined, get("/")).await.unwrap_err();
    assert!(error.is("actor", "request_not_defined"), "{error}");
    assert_eq!(error.status(), 404);
}

/// P2: the head of a response waits until the state that it saw is durable.
#[tokio::test(start_paused = true)]
async fn p2_a_response_waits_for_its_commit() {
    let registry = TestRegistry::start(|it| it.actor::<Page>()).await;
    let faults = registry.storage();
    let page = registry.get_or_create::<Page>("p");
    page.visits().await.unwrap();
    faults.hold();
    let mut response = Box::pin(page.fetch(None, get("/")));
    assert!(poll!(&mut response).is_pending());
    sleep(Duration::from_secs(1)).await;
    assert!(poll!(&mut response).is_pending());
    faults.release();
    assert_eq!(text(response.await.unwrap()).await, "1");

    // What was not saved is not shown.
    page.log().await.unwrap();
    faults.script([Some(Fault::Refuse)]);
    let refused = page.fetch(None, get("/")).await.unwrap_err();
    assert!(refused.is("actor", "storage_failed"), "{refused}");
    assert_eq!(page.visits().await.unwrap(), 1);
}

//! The header `Idempotency-Key`: an action runs once, however often its request comes.

use std::pin::pin;

use actor_core::{prelude::*, protocol::Encoding};
use axum::Router;
use bytes::Bytes;
use futures_util::future::{Either, select};
use http::Response;
use tokio::sync::Semaphore;

use crate::support::{ENCODINGS, Server, action_body, code, counter, header, output};

/// Posts to an action of a counter, with these headers.
async fn post(server: &Server, action: &str, headers: &[(&'static str, &str)]) -> Response<Bytes> {
    post_in(server, Encoding::Json, action, 5, headers).await
}

async fn post_in(
    server: &Server,
    encoding: Encoding,
    action: &str,
    by: i64,
    headers: &[(&'static str, &str)],
) -> Response<Bytes> {
    let target = counter("k", &format!("/action/{action}"));
    let mut call = server
        .request("POST", &target)
        .header("x-rivet-encoding", encoding.name())
        .body(action_body(encoding, (by,)));
    for (name, value) in headers {
        call = call.header(name, value);
    }
    call.send().await
}

#[tokio::test]
async fn a_request_that_comes_again_is_answered_as_before() {
    let (server, _registry) = Server::plain().await;
    // As the header is defined, and as most clients send it.
    for value in ["\"order 17\"", "\"order 17\";v=1"] {
        let answer = post(&server, "increment", &[("idempotency-key", value)]).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.body()[..]),
            (200, &br#"{"output":5}"#[..])
        );
    }
    for value in ["order-18", "\"order-18\""] {
        let answer = post(&server, "increment", &[("idempotency-key", value)]).await;
        assert_eq!(&answer.body()[..], br#"{"output":10}"#);
    }
    // The last was asked for in JSON, and others answer as they are asked.
    for encoding in ENCODINGS {
        let key = [("idempotency-key", "order-18")];
        let answer = post_in(&server, encoding, "increment", 5, &key).await;
        assert_eq!(output::<i64>(encoding, answer.body()), 10);
        assert_eq!(
            header(&answer, "content-type"),
            Some(encoding.content_type())
        );
    }
    assert_eq!(server.action::<i64>("k", "count", ()).await, 10);
    // Without the header nothing is the same.
    let answer = post(&server, "increment", &[]).await;
    assert_eq!(&answer.body()[..], br#"{"output":15}"#);
}

#[tokio::test]
async fn a_key_with_other_arguments_is_422() {
    let (server, _registry) = Server::plain().await;
    let key = [("idempotency-key", "a")];
    assert_eq!(post(&server, "increment", &key).await.status(), 200);
    let answer = post_in(&server, Encoding::Json, "increment", 6, &key).await;
    assert_eq!(answer.status(), 422);
    assert_eq!(code(&answer), "idempotency.key_reused");
    assert_eq!(server.action::<i64>("k", "count", ()).await, 5);
}

#[tokio::test]
async fn what_is_no_key_is_400_and_does_not_run() {
    let (server, _registry) = Server::plain().await;
    let long = "k".repeat(256);
    for value in ["", "\"\"", "\"a", "a, b", &long] {
        let answer = post(&server, "increment", &[("idempotency-key", value)]).await;
        assert_eq!(answer.status(), 400, "{value}");
        assert_eq!(code(&answer), "idempotency.invalid_key");
    }
    assert_eq!(server.action::<i64>("k", "count", ()).await, 0);
}

#[tokio::test]
async fn errors_come_again_and_stay_masked() {
    let (server, _registry) = Server::plain().await;
    let target = counter("k", "/action/openVault");
    let open = || {
        let call = server.request("POST", &target).body("{}");
        call.header("idempotency-key", "a").send()
    };
    let (first, again) = (open().await, open().await);
    for answer in [&first, &again] {
        assert_eq!(answer.status(), 500);
        assert_eq!(code(answer), "rivetkit.internal_error");
    }
    assert_eq!(first.body(), again.body());
}

/// Whoever is not let in is not told what others were answered.
#[tokio::test]
async fn a_replay_is_only_for_who_may_call() {
    let (server, _registry) = Server::plain().await;
    let key = ("idempotency-key", "a");
    assert_eq!(post(&server, "increment", &[key]).await.status(), 200);
    let mallory = ("x-rivet-conn-params", r#"{"name":"mallory"}"#);
    let answer = post(&server, "increment", &[key, mallory]).await;
    assert_eq!(
        (answer.status().as_u16(), &*code(&answer)),
        (403, "user.unwelcome")
    );
}

#[actor]
#[derive(Default)]
struct Slow {}

#[actor]
impl Slow {
    #[action]
    async fn wait(_ctx: &TaskCtx<Self>) {
        let _ = MAY_GO_ON.acquire().await;
    }
}

static MAY_GO_ON: Semaphore = Semaphore::const_new(0);

#[tokio::test]
async fn one_that_runs_beside_the_first_is_409() {
    let registry = Registry::builder().actor::<Slow>().build().await.unwrap();
    let server = Server::of(Router::new().merge(actor_axum::router(registry))).await;
    let target = counter("k", "/action/wait").replace("/counter/", "/slow/");
    let wait = || {
        let call = server.request("POST", &target).body("{}");
        call.header("idempotency-key", "a").send()
    };
    let (one, other) = (pin!(wait()), pin!(wait()));
    let (Either::Left((refused, first)) | Either::Right((refused, first))) =
        select(one, other).await;
    assert_eq!(refused.status(), 409);
    assert_eq!(code(&refused), "idempotency.in_progress");
    MAY_GO_ON.add_permits(1);
    assert_eq!(first.await.status(), 200);
    assert_eq!(wait().await.status(), 200);
}

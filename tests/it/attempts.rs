//! What the gateway tries again of what clients ask, when, and what it never does twice.

use std::{cell::Cell, time::Duration};

use actor_core::{
    Socket,
    gateway::{
        ActionRequest, ActionResponse, ActorRef, ConnectRequest, Gateway, QueueRequest,
        WebSocketRequest,
    },
    prelude::*,
    protocol::{Encoding, target::Route},
    request::{Body, IntoResponse, Request},
    testing::TestRegistry,
};
use axum::body::to_bytes;
use tokio::time::{Instant, sleep};

thread_local! {
    /// Lives so far in this test, which has its thread to itself.
    static LIVES: Cell<u32> = const { Cell::new(0) };
    /// How many of them end before they take anything.
    static FATED: Cell<u32> = const { Cell::new(0) };
    /// How long a start takes.
    static START: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    /// What handlers and hooks of connecting have run.
    static RUNS: Cell<u32> = const { Cell::new(0) };
}

/// Goes as soon as it is there, as often as it is fated to.
#[actor(queue = Job, params = Option<String>, on_wake_timeout = "10m", action_timeout = "1m")]
#[derive(Default)]
pub(crate) struct Mayfly {}

#[derive(Queue)]
pub(crate) enum Job {
    Fly(String),
}

#[actor]
impl Mayfly {
    #[on_wake]
    async fn wake(&self, ctx: &Ctx<Self>) {
        LIVES.set(LIVES.get() + 1);
        sleep(START.get()).await;
        if LIVES.get() <= FATED.get() {
            ctx.destroy();
        }
    }

    #[on_before_connect]
    async fn admit(&self, params: Option<String>) -> Result<(), ActorError> {
        if params.is_some() {
            return ran();
        }
        Ok(())
    }

    #[action]
    async fn fly(&self) -> u32 {
        let _ = ran();
        LIVES.get()
    }

    /// Answers as though it had not run.
    #[action]
    async fn lie(&self) -> Result<(), ActorError> {
        ran()
    }

    #[on_request]
    async fn fetch(&self, request: Request) -> Result<impl IntoResponse, ActorError> {
        let path = request.uri().path().to_owned();
        let body = to_bytes(request.into_body(), usize::MAX).await;
        let outcome = ran();
        if path == "/lie" {
            outcome?;
        }
        Ok(body.unwrap())
    }

    #[on_message]
    async fn heard(&self, socket: &Socket<Self>) {
        socket.send_text("heard");
    }

    #[action]
    async fn end(&self, ctx: &Ctx<Self>) {
        ctx.destroy();
    }

    /// Whoever comes meanwhile waits.
    #[on_destroy]
    async fn ending(&self) {
        if FATED.get() == 0 {
            sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Says afterwards that nothing was.
fn ran() -> Result<(), ActorError> {
    RUNS.set(RUNS.get() + 1);
    let code = "actor_stopped_while_waiting";
    Err(ActorError::new("guard", code, "it did not run").public())
}

struct Fliers {
    registry: TestRegistry,
    gateway: Gateway,
    since: Instant,
}

impl Fliers {
    async fn new() -> Self {
        let registry = TestRegistry::start(|it| it.actor::<Mayfly>()).await;
        let gateway = registry.gateway();
        Self {
            registry,
            gateway,
            since: Instant::now(),
        }
    }

    async fn find(&self, method: &str) -> ActorRef {
        let runner = ["", "&rvt-runner=default"][usize::from(method == "getOrCreate")];
        let query = format!("rvt-namespace=default&rvt-method={method}&rvt-key=one{runner}");
        let route = Route::below_gateway("mayfly/action/fly", Some(&query)).unwrap();
        self.gateway.resolve(&route.target).await.unwrap()
    }

    async fn action(&self, actor: &mut ActorRef, name: &str, params: Value) -> ActionResponse {
        let request = ActionRequest {
            name: name.to_owned(),
            encoding: Encoding::Json,
            body: r#"{"args":[]}"#.into(),
            params,
            request: None,
            idempotency_key: None,
        };
        self.gateway.action(actor, request).await
    }

    async fn fly(&self, actor: &mut ActorRef) -> ActionResponse {
        self.action(actor, "fly", Value::Undefined).await
    }

    /// Milliseconds since the beginning.
    fn passed(&self) -> u128 {
        self.since.elapsed().as_millis()
    }
}

fn text(response: &ActionResponse) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn r2_a_request_whose_actor_goes_before_it_takes_it_comes_to_the_next() {
    let fliers = Fliers::new().await;
    FATED.set(2);
    let mut actor = fliers.find("getOrCreate").await;
    let first = actor.id();
    let answer = fliers.fly(&mut actor).await;
    assert_eq!((answer.status, text(&answer)), (200, r#"{"output":3}"#));
    assert_eq!((fliers.passed(), RUNS.get()), (300, 1));
    assert_ne!(actor.id(), first);
    assert_eq!(actor.id(), fliers.find("get").await.id());
}

#[tokio::test(start_paused = true)]
async fn r2_three_attempts_are_enough() {
    let fliers = Fliers::new().await;
    FATED.set(u32::MAX);
    let mut actor = fliers.find("getOrCreate").await;
    let answer = fliers.fly(&mut actor).await;
    let expected = "guard.retry_attempts_exceeded";
    assert_eq!((answer.status, answer.unavailable), (502, Some(expected)));
    assert!(text(&answer).contains("retry_attempts_exceeded"));
    assert_eq!((fliers.passed(), LIVES.get(), RUNS.get()), (300, 3, 0));
}

/// Who did not ask for it to be made has nothing to come to.
#[tokio::test(start_paused = true)]
async fn r1_an_actor_that_is_destroyed_is_no_other_to_who_did_not_ask_for_one() {
    let fliers = Fliers::new().await;
    let _actor = fliers.find("getOrCreate").await;
    FATED.set(1);
    let answer = fliers.fly(&mut fliers.find("get").await).await;
    let expected = "actor.destroyed_while_waiting_for_ready";
    assert_eq!((answer.status, answer.unavailable), (503, Some(expected)));
    assert_eq!((fliers.passed(), LIVES.get()), (0, 1));
}

/// Its body is read once, by whoever runs.
#[tokio::test(start_paused = true)]
async fn r2_a_raw_request_and_a_message_to_a_queue_are_tried_again() {
    let fliers = Fliers::new().await;
    FATED.set(1);
    let mut actor = fliers.find("getOrCreate").await;
    let pieces = ["some ", "pieces"].map(Ok::<_, std::convert::Infallible>);
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    let request = Request::post("/").body(body).unwrap();
    let response = fliers.gateway.fetch(&mut actor, Value::Undefined, request);
    let body = to_bytes(response.await.unwrap().into_body(), 100).await;
    assert_eq!(body.unwrap(), "some pieces");
    assert_eq!((fliers.passed(), LIVES.get(), RUNS.get()), (100, 2, 1));

    ActorRef::destroy(&actor).await.unwrap();
    let before = fliers.passed();
    LIVES.set(0);
    let request = QueueRequest {
        name: "fly".to_owned(),
        encoding: Encoding::Json,
        body: r#"{"body":"off"}"#.into(),
        params: Value::Undefined,
        request: None,
    };
    let answer = fliers.gateway.queue_send(&mut actor, request).await;
    assert_eq!(answer.status, 200, "{}", text(&answer));
    // It is gone, and so is the next.
    assert_eq!((fliers.passed() - before, LIVES.get()), (300, 2));
}

#[tokio::test(start_paused = true)]
async fn r1_who_waits_for_a_start_is_patient_but_not_for_ever() {
    let fliers = Fliers::new().await;
    START.set(Duration::from_secs(40));
    let mut actor = fliers.find("getOrCreate").await;
    assert_eq!(fliers.fly(&mut actor).await.status, 200);
    assert_eq!((fliers.passed(), LIVES.get(), RUNS.get()), (40_000, 1, 1));

    fliers
        .registry
        .hibernate(&fliers.registry.get_or_create::<Mayfly>("one"))
        .await;
    START.set(Duration::from_secs(100));
    let before = fliers.passed();
    let answer = fliers.fly(&mut actor).await;
    let expected = "guard.retry_attempts_exceeded";
    assert_eq!((answer.status, answer.unavailable), (502, Some(expected)));
    assert_eq!(fliers.passed() - before, 90_300);
    // What was taken back is not run when the actor is there at last.
    sleep(Duration::from_secs(20)).await;
    assert!(actor.is_awake());
    assert_eq!((LIVES.get(), RUNS.get()), (2, 1));
}

/// Whatever a handler or a hook says of itself, it has run.
#[tokio::test(start_paused = true)]
async fn r2_what_was_begun_is_not_done_twice() {
    let fliers = Fliers::new().await;
    let mut actor = fliers.find("getOrCreate").await;
    let answer = fliers.action(&mut actor, "lie", Value::Undefined).await;
    assert_eq!((answer.status, answer.unavailable), (503, None));
    assert!(
        text(&answer).contains("it did not run"),
        "{}",
        text(&answer)
    );
    assert_eq!((fliers.passed(), RUNS.get()), (0, 1));

    let request = Request::post("/lie").body(Body::from("something")).unwrap();
    let error = fliers
        .gateway
        .fetch(&mut actor, Value::Undefined, request)
        .await;
    assert!(
        error
            .unwrap_err()
            .is("guard", "actor_stopped_while_waiting")
    );
    assert_eq!((fliers.passed(), RUNS.get()), (0, 2));

    let answer = fliers.action(&mut actor, "fly", "somebody".into()).await;
    assert_eq!(answer.status, 503);
    assert_eq!((fliers.passed(), RUNS.get()), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn r3_a_socket_whose_actor_goes_before_it_takes_it_opens_at_the_next() {
    let fliers = Fliers::new().await;
    let connect = async |actor: &ActorRef| {
        let request = ConnectRequest {
            encoding: Encoding::Json,
            params: Value::Undefined,
            request: None,
        };
        fliers.gateway.connect(actor, request).await
    };
    FATED.set(1);
    let actor = fliers.find("getOrCreate").await;
    let socket = connect(&actor).await.unwrap();
    assert_eq!((fliers.passed(), LIVES.get()), (100, 2));
    assert_ne!(socket.actor().id(), actor.id());

    socket.actor().destroy().await.unwrap();
    FATED.set(LIVES.get() + 1);
    let (parts, ()) = Request::get("http://localhost/websocket/")
        .body(())
        .unwrap()
        .into_parts();
    let request = WebSocketRequest {
        params: Value::Undefined,
        request: parts,
    };
    let before = fliers.passed();
    let actor = fliers.find("getOrCreate").await;
    let raw = fliers.gateway.open_websocket(&actor, request).await;
    assert_eq!((fliers.passed() - before, LIVES.get()), (100, 4));

    // Its client comes again by itself, which it would not after a code that is the gateway's own.
    raw.unwrap().actor().destroy().await.unwrap();
    FATED.set(u32::MAX);
    let before = fliers.passed();
    let error = connect(&actor).await.unwrap_err();
    let expected = "destroyed_while_waiting_for_ready";
    assert!(error.is("actor", expected), "{error}");
    assert_eq!(fliers.passed() - before, 300);
}

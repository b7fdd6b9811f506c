//! What those are told who ask an actor that is between two lives.

use std::time::Duration;

use actor_core::{
    CloseFrame,
    connection::{Delivery, Frame},
    gateway::{ActionRequest, ActionResponse, ActorRef, ConnectRequest, Gateway},
    prelude::*,
    protocol::{
        self, Args, Encoding, ToClient, ToServer,
        target::{Route, Target},
    },
    testing::TestRegistry,
};
use futures_util::future::poll_fn;
use tokio::{join, time::sleep};

/// Goes to sleep as soon as it wakes, until it has been woken often enough.
#[actor(durability = "none")]
#[derive(Default)]
pub(crate) struct Restless {}

thread_local! {
    /// Wakes so far in this test, which has its thread to itself.
    static WAKES: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
    /// From which wake on it stays awake.
    static PATIENCE: std::cell::Cell<u32> = const { std::cell::Cell::new(u32::MAX) };
}

#[actor]
impl Restless {
    #[on_wake]
    async fn wake(&self, ctx: &Ctx<Self>) {
        WAKES.set(WAKES.get() + 1);
        if WAKES.get() < PATIENCE.get() {
            ctx.sleep();
        }
    }

    #[action]
    async fn ping(&self) -> u32 {
        WAKES.get()
    }

    #[action]
    async fn end(&self, ctx: &Ctx<Self>) {
        ctx.destroy();
    }

    /// Whoever comes meanwhile waits.
    #[on_destroy]
    async fn ending(&self) {
        sleep(Duration::from_secs(1)).await;
    }
}

async fn resolve(gateway: &Gateway, method: &str) -> ActorRef {
    let query = format!(
        "rvt-namespace=default&rvt-method={method}&rvt-key=one{}",
        if method == "get" {
            ""
        } else {
            "&rvt-runner=default"
        }
    );
    let route = Route::below_gateway("restless/action/ping", Some(&query)).unwrap();
    gateway.resolve(&route.target).await.unwrap()
}

async fn ping(gateway: &Gateway, actor: &ActorRef) -> ActionResponse {
    let request = ActionRequest {
        name: "ping".to_owned(),
        encoding: Encoding::Json,
        body: r#"{"args":[]}"#.into(),
        params: Value::Undefined,
        request: None,
        idempotency_key: None,
    };
    gateway.action(&mut actor.clone(), request).await
}

#[tokio::test(start_paused = true)]
async fn r1_an_actor_that_will_not_stay_awake_is_woken_eight_times() {
    let registry = TestRegistry::start(|it| it.actor::<Restless>()).await;
    let restless = registry.get_or_create::<Restless>("one");
    let error = restless.ping().await.unwrap_err();
    let expected = "guard.actor_wake_retries_exceeded";
    assert!(error.to_string().contains(expected), "{error}");
    assert_eq!(WAKES.get(), 8);
    assert!(!registry.is_awake(&restless).await);
    // Over the wire, and the next caller has all tries again.
    let gateway = registry.gateway();
    let actor = resolve(&gateway, "getOrCreate").await;
    let answer = ping(&gateway, &actor).await;
    assert_eq!((answer.status, answer.unavailable), (503, Some(expected)));
    assert_eq!(WAKES.get(), 16);
    let connect = ConnectRequest {
        encoding: Encoding::Json,
        params: Value::Undefined,
        request: None,
    };
    let error = gateway.connect(&actor, connect).await.unwrap_err();
    assert!(error.is("guard", "actor_wake_retries_exceeded"), "{error}");
    PATIENCE.set(WAKES.get() + 8);
    assert_eq!(restless.ping().await.unwrap(), 32);
}

#[tokio::test(start_paused = true)]
async fn r4_who_comes_to_an_actor_as_it_goes_finds_another_or_is_told() {
    PATIENCE.set(0);
    let registry = TestRegistry::start(|it| it.actor::<Restless>()).await;
    let restless = registry.get_or_create::<Restless>("one");
    restless.ping().await.unwrap();
    let gateway = registry.gateway();
    let wants_it = resolve(&gateway, "getOrCreate").await;
    let direct = Target::Direct {
        actor_id: wants_it.id().to_string(),
        token: None,
    };
    let has_it = gateway.resolve(&direct).await.unwrap();
    restless.end().await.unwrap();
    // By its id it is gone for good.
    let answer = ping(&gateway, &has_it).await;
    assert_eq!((answer.status, answer.unavailable), (404, None));
    // Who would have it made finds another, by itself.
    assert_eq!(ping(&gateway, &wants_it).await.status, 200);
}

/// A call, an open and a frame that come while the actor is being destroyed.
#[tokio::test(start_paused = true)]
async fn r4_who_waits_for_an_actor_that_is_destroyed_is_not_told_that_there_is_none() {
    PATIENCE.set(0);
    let registry = TestRegistry::start(|it| it.actor::<Restless>()).await;
    let restless = registry.get_or_create::<Restless>("one");
    restless.ping().await.unwrap();
    let gateway = registry.gateway();
    let actor = resolve(&gateway, "get").await;
    let connect = || {
        let request = ConnectRequest {
            encoding: Encoding::Json,
            params: Value::Undefined,
            request: None,
        };
        gateway.connect(&actor, request)
    };
    let socket = connect().await.unwrap();
    let meanwhile = async {
        sleep(Duration::from_millis(500)).await;
        let bytes = protocol::client::encode(
            Encoding::Json,
            &ToServer::Action {
                id: 1,
                name: "ping".to_owned(),
                args: Args::from_value(Value::from(Vec::new())),
            },
        );
        let text = true;
        socket.receive(Frame { bytes, text }).await.unwrap();
        join!(ping(&gateway, &actor), connect())
    };
    let (ended, (answer, opened)) = join!(restless.end(), meanwhile);
    ended.unwrap();
    let expected = Some("actor.destroyed_while_waiting_for_ready");
    assert_eq!((answer.status, answer.unavailable), (503, expected));
    let error = opened.unwrap_err();
    assert!(
        error.is("actor", "destroyed_while_waiting_for_ready"),
        "{error}"
    );
    let Some(Delivery::Frame(told)) = poll_fn(|cx| socket.poll_next(cx)).await else {
        panic!("the frame is not answered");
    };
    let told = protocol::client::decode(Encoding::Json, &told.bytes).unwrap();
    let ToClient::Error {
        error, action_id, ..
    } = told
    else {
        panic!("{told:?}");
    };
    assert_eq!(
        (error.group(), error.code(), action_id),
        ("actor", "destroyed_while_waiting_for_ready", Some(1))
    );
    let closed = poll_fn(|cx| socket.poll_next(cx)).await;
    assert_eq!(closed, Some(Delivery::Close(CloseFrame::new(1000, ""))));
}

#[tokio::test(start_paused = true)]
async fn r4_an_actor_that_stops_with_its_process_says_so() {
    PATIENCE.set(0);
    let registry = TestRegistry::start(|it| it.actor::<Restless>()).await;
    let gateway = registry.gateway();
    let actor = resolve(&gateway, "getOrCreate").await;
    registry.shutdown().await;
    let answer = ping(&gateway, &actor).await;
    let expected = Some("actor.stopping");
    assert_eq!((answer.status, answer.unavailable), (503, expected));
}

#[tokio::test(start_paused = true)]
async fn r1_an_actor_that_took_something_has_all_wakes_again() {
    let registry = TestRegistry::start(|it| it.actor::<Restless>()).await;
    let restless = registry.get_or_create::<Restless>("one");
    for _ in 0..3 {
        // Seven times in vain, then it takes the call.
        PATIENCE.set(WAKES.get() + 8);
        assert_eq!(restless.ping().await.unwrap(), PATIENCE.get());
        registry.hibernate(&restless).await;
    }
}

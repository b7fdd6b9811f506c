//! What those are told who ask an actor that is between two lives.

use actor_core::{
    gateway::{ActionRequest, ActionResponse, ActorRef, ConnectRequest, Gateway},
    prelude::*,
    protocol::{
        Encoding,
        target::{Route, Target},
    },
    testing::TestRegistry,
};

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
    };
    gateway.action(actor, request).await
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
async fn r4_who_comes_to_an_actor_as_it_goes_is_told_to_come_again() {
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
    let answer = ping(&gateway, &wants_it).await;
    let expected = Some("guard.actor_stopped_while_waiting");
    assert_eq!((answer.status, answer.unavailable), (503, expected));
    // By its id it is gone for good.
    let answer = ping(&gateway, &has_it).await;
    assert_eq!((answer.status, answer.unavailable), (404, None));
    let anew = resolve(&gateway, "getOrCreate").await;
    assert_eq!(ping(&gateway, &anew).await.status, 200);
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

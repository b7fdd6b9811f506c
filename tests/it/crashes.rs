//! What follows a life that ended by a fault, by the actor's crash policy, and what is seen of it.

use std::{future::poll_fn, time::Duration};

use actor_core::{
    ActorStatus, CallError, Failure,
    connection::{Delivery, Frame},
    gateway::ConnectRequest,
    prelude::*,
    protocol::{Encoding, ToServer, client},
    testing::{Fault, TestRegistry},
};
use tokio::time::{Instant, sleep, timeout};

/// Fails to wake for as many lives as it was told to.
#[actor(crash = "restart", sleep_after = "5m", on_wake_timeout = "10s")]
#[derive(Default)]
pub(crate) struct Riser {
    well_from: u64,
    log: Vec<String>,
}

#[actor]
impl Riser {
    #[on_wake]
    async fn wake(&mut self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
        sleep(Duration::from_millis(10)).await;
        if ctx.generation().number() < self.well_from {
            return Err(ActorError::internal("ill"));
        }
        self.log.push(format!("wake {}", ctx.generation().number()));
        Ok(())
    }

    #[on_disconnect]
    async fn left(&mut self) {
        self.log.push("left".into());
    }

    #[action]
    async fn ill_for(&mut self, ctx: &Ctx<Self>, lives: u64) {
        self.well_from = ctx.generation().number() + lives + 1;
    }

    #[action]
    async fn panic(&mut self) {
        panic!("on purpose");
    }

    #[action]
    async fn log(&self) -> Vec<String> {
        self.log.clone()
    }
}

/// Sleeps after a fault, as most do.
#[actor(sleep_after = "10s")]
#[derive(Default)]
pub(crate) struct Sleeper {
    n: u32,
}

#[actor]
impl Sleeper {
    #[action]
    async fn add(&mut self) -> u32 {
        self.n += 1;
        self.n
    }

    #[action]
    async fn panic(&mut self) {
        panic!("on purpose");
    }
}

/// Is worth nothing after a fault.
#[actor(crash = "destroy")]
#[derive(Default)]
pub(crate) struct Mayfly {
    n: u32,
}

#[actor]
impl Mayfly {
    #[action]
    async fn add(&mut self) -> u32 {
        self.n += 1;
        self.n
    }

    #[action]
    async fn panic(&mut self) {
        panic!("on purpose");
    }
}

async fn registry() -> TestRegistry {
    TestRegistry::start(|it| it.actor::<Riser>().actor::<Sleeper>().actor::<Mayfly>()).await
}

fn is_in_backoff(status: ActorStatus, crashes: u32) -> bool {
    matches!(status, ActorStatus::CrashLoopBackoff { crashes: it, .. } if it == crashes)
}

#[tokio::test(start_paused = true)]
async fn what_an_actor_is_up_to_is_seen() {
    let registry = registry().await;
    let riser = registry.get_or_create::<Riser>("it");
    assert!(riser.status().await.unwrap_err().is("actor", "not_found"));
    let seen = riser.actor().await.unwrap();
    assert_eq!(seen.status(), ActorStatus::Sleeping);
    let (log, ()) = tokio::join!(riser.log(), async {
        sleep(Duration::from_millis(5)).await;
        assert_eq!(seen.status(), ActorStatus::Starting);
    });
    log.unwrap();
    assert_eq!(riser.status().await.unwrap(), ActorStatus::Running);
    registry.hibernate(&riser).await;
    assert_eq!(riser.status().await.unwrap(), ActorStatus::Sleeping);
    riser.destroy().await.unwrap();
    assert_eq!(seen.status(), ActorStatus::Destroyed);
}

#[tokio::test(start_paused = true)]
async fn one_that_sleeps_after_a_fault_is_down_until_somebody_calls() {
    let registry = registry().await;
    let sleeper = registry.get_or_create::<Sleeper>("it");
    sleeper.add().await.unwrap();
    sleeper.panic().await.unwrap_err();
    registry.advance(Duration::from_secs(3600)).await;
    assert_eq!(sleeper.status().await.unwrap(), ActorStatus::Crashed);
    assert_eq!(sleeper.add().await.unwrap(), 2);
    assert_eq!(sleeper.status().await.unwrap(), ActorStatus::Running);
    registry.advance(Duration::from_secs(11)).await;
    assert_eq!(sleeper.status().await.unwrap(), ActorStatus::Sleeping);
}

#[tokio::test(start_paused = true)]
async fn one_that_restarts_comes_back_by_itself_after_a_panic() {
    let registry = registry().await;
    let riser = registry.get_or_create::<Riser>("it");
    riser.panic().await.unwrap_err();
    registry.advance(Duration::from_millis(20)).await;
    assert_eq!(riser.status().await.unwrap(), ActorStatus::Running);
    assert_eq!(riser.log().await.unwrap(), ["wake 1", "wake 2"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_falls_again_and_again_waits_longer_each_time() {
    let registry = registry().await;
    let riser = registry.get_or_create::<Riser>("it");
    riser.ill_for(4).await.unwrap();
    let seen = riser.actor().await.unwrap();
    registry.hibernate(&riser).await;
    let error = riser.log().await.unwrap_err();
    assert!(error.to_string().contains("ill"), "{error}");
    let mut waits = Vec::new();
    for crashes in 2..=4 {
        while !is_in_backoff(seen.status(), crashes) {
            registry.advance(Duration::from_millis(1)).await;
        }
        let down = Instant::now();
        // Whoever calls meanwhile is told at once.
        match riser.log().await.unwrap_err() {
            CallError::Actor(error) => assert!(error.is("actor", "restarting"), "{error}"),
            other => panic!("{other}"),
        }
        assert_eq!(down.elapsed(), Duration::ZERO);
        while is_in_backoff(seen.status(), crashes) {
            registry.advance(Duration::from_millis(1)).await;
        }
        waits.push(down.elapsed());
    }
    for (wait, most) in waits.iter().zip([500, 1000, 2000]) {
        let range = Duration::from_millis(most / 2)..=Duration::from_millis(most + 2);
        assert!(range.contains(wait), "{waits:?}");
    }
    registry.advance(Duration::from_millis(20)).await;
    assert_eq!(seen.status(), ActorStatus::Running);
    assert_eq!(riser.log().await.unwrap(), ["wake 1", "wake 6"]);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_while_an_actor_is_down_has_left_when_it_is_up() {
    let registry = registry().await;
    let riser = registry.get_or_create::<Riser>("it");
    let conn = riser.connect(Value::Undefined).await.unwrap();
    riser.ill_for(2).await.unwrap();
    registry.hibernate(&riser).await;
    riser.log().await.unwrap_err();
    let seen = riser.actor().await.unwrap();
    while !is_in_backoff(seen.status(), 2) {
        registry.advance(Duration::from_millis(1)).await;
    }
    drop(conn);
    registry.advance(Duration::from_secs(1)).await;
    assert_eq!(riser.log().await.unwrap(), ["wake 1", "wake 4", "left"]);
}

#[tokio::test(start_paused = true)]
async fn stops_do_not_wait_for_an_actor_that_is_down() {
    let registry = registry().await;
    let riser = registry.get_or_create::<Riser>("it");
    riser.ill_for(u64::from(u32::MAX)).await.unwrap();
    registry.hibernate(&riser).await;
    riser.log().await.unwrap_err();
    registry.advance(Duration::from_secs(3600)).await;
    riser.destroy().await.unwrap();
    assert_eq!(
        riser.log().await.unwrap(),
        ["wake 1"],
        "the next one is well"
    );

    riser.ill_for(u64::from(u32::MAX)).await.unwrap();
    registry.hibernate(&riser).await;
    riser.log().await.unwrap_err();
    registry.advance(Duration::from_secs(3600)).await;
    let stops = Instant::now();
    registry.shutdown().await;
    assert!(stops.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_destroyed_by_a_fault_begins_anew() {
    let registry = registry().await;
    let mayfly = registry.get_or_create::<Mayfly>("it");
    mayfly.add().await.unwrap();
    let id = mayfly.resolve().await.unwrap();
    // Storage that fails is no fault of its own.
    registry.storage().script([Some(Fault::Refuse)]);
    mayfly.add().await.unwrap_err();
    assert_eq!(mayfly.add().await.unwrap(), 2);
    let (panicked, waited) = tokio::join!(mayfly.panic(), mayfly.add());
    panicked.unwrap_err();
    assert!(waited.is_err() || waited.unwrap() == 1);
    assert_eq!(
        registry
            .get_for_id::<Mayfly>(id)
            .status()
            .await
            .unwrap_err()
            .code(),
        "not_found"
    );
    assert_ne!(mayfly.resolve().await.unwrap(), id);
    assert!(mayfly.add().await.unwrap() <= 2);
}

#[derive(Debug, Event)]
pub(crate) enum Rise {
    Rose(u64),
}

/// Saves late, and does not begin its second life at once.
#[actor(event = Rise, durability = "relaxed", save_interval = "1h", sleep_after = "1h")]
#[derive(Default)]
pub(crate) struct Herald {
    told: Vec<String>,
}

#[actor]
impl Herald {
    #[on_wake]
    async fn wake(&self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
        if ctx.generation().number() == 2 {
            return Err(ActorError::internal("ill"));
        }
        Ok(())
    }

    #[on_error]
    async fn failed(&mut self, failure: Failure) {
        self.told.push(failure.handler.to_owned());
    }

    #[action]
    async fn save(ctx: &TaskCtx<Self>) -> Result<(), ActorError> {
        ctx.save().await
    }

    #[action]
    async fn tell(&self, ctx: &Ctx<Self>) -> Vec<String> {
        ctx.broadcast(Rise::Rose(ctx.generation().number()));
        self.told.clone()
    }

    #[action]
    async fn panic(&mut self) {
        panic!("on purpose");
    }
}

/// What a life that broke left is there for the first that begins, also when one before it did not.
#[tokio::test(start_paused = true)]
async fn what_a_broken_life_left_outlasts_a_start_that_fails() {
    let registry = TestRegistry::start(|it| it.actor::<Herald>()).await;
    let herald = registry.get_or_create::<Herald>("it");
    herald.tell().await.unwrap();
    let gateway = registry.gateway();
    let request = ConnectRequest {
        encoding: Encoding::Json,
        params: Value::Undefined,
        request: None,
    };
    let actor = herald.actor().await.unwrap();
    let client = gateway.connect(&actor, request).await.unwrap();
    herald.save().await.unwrap();
    let subscribe = ToServer::Subscribe {
        event: "rose".into(),
        subscribe: true,
    };
    let bytes = client::encode(Encoding::Json, &subscribe);
    client.receive(Frame { bytes, text: true }).await.unwrap();
    herald.panic().await.unwrap_err();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(actor.status(), ActorStatus::Crashed, "it did not begin");
    assert_eq!(herald.tell().await.unwrap(), ["panic", "on_wake"]);
    let heard = timeout(Duration::from_secs(1), poll_fn(|cx| client.poll_next(cx)));
    let Ok(Some(Delivery::Frame(heard))) = heard.await else {
        panic!("the client hears nothing");
    };
    let heard = String::from_utf8(heard.bytes.to_vec()).unwrap();
    assert!(heard.contains("rose"), "{heard}");
}

/// Who waits has no part in the fault, and nothing of what was asked for has begun.
#[tokio::test(start_paused = true)]
async fn r2_who_waits_for_an_actor_that_breaks_hears_that_it_stopped() {
    let registry = registry().await;
    let riser = registry.get_or_create::<Riser>("it");
    riser.panic().await.unwrap_err();
    let (panicked, waited) = tokio::join!(riser.panic(), riser.log());
    assert!(panicked.unwrap_err().to_string().contains("panicked"));
    let error = waited.unwrap_err().to_string();
    assert!(
        error.starts_with("guard.actor_stopped_while_waiting"),
        "{error}"
    );
}

//! Actors destroyed from outside: whatever they are doing meanwhile.

use std::{convert::Infallible, time::Duration};

use actor_core::{
    ActorHandle, CallError,
    prelude::*,
    testing::{Fault, TestRegistry},
};
use futures_util::future::join_all;
use tokio::time::sleep;

/// Counts, and may be hard to end.
#[actor(sleep_after = "10s", sleep_grace = "2s", on_wake_timeout = "1s")]
#[derive(Default)]
pub(crate) struct Fragile {
    count: u32,
    ill: bool,
}

#[actor]
impl Fragile {
    #[on_wake]
    async fn wake(&mut self) -> Result<(), ActorError> {
        if self.ill {
            return Err(ActorError::user("ill"));
        }
        Ok(())
    }

    #[on_sleep]
    async fn sleep(&mut self) {
        sleep(Duration::from_millis(500)).await;
    }

    #[on_destroy]
    async fn destroyed(&self, ctx: &Ctx<Self>) {
        ctx.broadcast_named("gone", self.count);
        assert!(self.count < 100, "on purpose");
    }

    #[action]
    async fn add(&mut self, by: u32) -> u32 {
        self.count += by;
        self.count
    }

    #[action]
    async fn fall_ill(&mut self) {
        self.ill = true;
    }

    #[action]
    async fn dawdle(&mut self, ms: u64) -> u32 {
        self.count += 1;
        sleep(Duration::from_millis(ms)).await;
        self.count
    }

    #[action]
    async fn nap(&self, ctx: &Ctx<Self>) {
        ctx.sleep();
    }

    #[action]
    async fn nap_and_burn(&self, ctx: &Ctx<Self>) {
        ctx.sleep();
        ctx.destroy();
        ctx.sleep();
        ctx.destroy();
    }
}

/// Has an action that is called as the handle's own method is.
#[actor]
#[derive(Default)]
pub(crate) struct Own {}

#[actor]
impl Own {
    #[action]
    async fn destroy(&self) -> u32 {
        7
    }
}

async fn fragile() -> (TestRegistry, FragileHandle) {
    let registry = TestRegistry::start(|it| it.actor::<Fragile>().actor::<Own>()).await;
    let actor = registry.get_or_create::<Fragile>("it");
    (registry, actor)
}

fn is_gone(answer: Result<u32, CallError<Infallible>>) -> bool {
    matches!(answer, Err(CallError::Actor(error)) if error.is("actor", "not_found"))
}

#[tokio::test(start_paused = true)]
async fn one_that_is_gone_is_not_found_and_its_key_makes_another() {
    let (registry, actor) = fragile().await;
    actor.add(3).await.unwrap();
    let id = actor.resolve().await.unwrap();
    let by_id = registry.get_for_id::<Fragile>(id);
    let by_key = registry.get::<Fragile>("it");
    assert_eq!(by_id.add(1).await.unwrap(), 4);
    actor.destroy().await.unwrap();
    assert!(is_gone(by_id.add(1).await));
    assert!(is_gone(by_key.add(1).await));
    for error in [
        by_id.destroy().await.unwrap_err(),
        by_key.destroy().await.unwrap_err(),
        actor.destroy().await.unwrap_err(),
        registry.destroy(id).await.unwrap_err(),
    ] {
        assert!(error.is("actor", "not_found"), "{error}");
    }
    // Empty, and another one.
    assert_eq!(actor.add(1).await.unwrap(), 1);
    let next = registry.get::<Fragile>("it").resolve().await.unwrap();
    assert_ne!(next, id);
    registry.destroy(next).await.unwrap();
    assert!(is_gone(registry.get::<Fragile>("it").add(1).await));
}

#[tokio::test(start_paused = true)]
async fn one_destroy_is_enough_for_all_who_want_it() {
    let (registry, actor) = fragile().await;
    actor.add(1).await.unwrap();
    let all = join_all((0..5).map(|_| actor.destroy())).await;
    assert!(all[0].is_ok());
    for it in all {
        assert!(it.is_ok() || it.unwrap_err().is("actor", "not_found"));
    }
    assert_eq!(registry.actors_in_memory(), 0);
}

#[tokio::test(start_paused = true)]
async fn g7_a_destroy_during_the_start_waits_for_it() {
    let (_registry, actor) = fragile().await;
    let (added, destroyed) = tokio::join!(actor.add(1), actor.destroy());
    // Whichever came first.
    assert!(matches!(added, Ok(1)) || added.is_err());
    assert!(destroyed.is_ok() || destroyed.unwrap_err().is("actor", "not_found"));
}

#[tokio::test(start_paused = true)]
async fn g8_a_destroy_overtakes_a_sleep() {
    let (_registry, actor) = fragile().await;
    let id = actor.resolve().await.unwrap();
    actor.add(1).await.unwrap();
    actor.nap().await.unwrap();
    // `on_sleep` is under way.
    sleep(Duration::from_millis(100)).await;
    actor.destroy().await.unwrap();
    assert_eq!(actor.add(1).await.unwrap(), 1);
    assert_ne!(actor.actor().await.unwrap().id(), id);
}

#[tokio::test(start_paused = true)]
async fn g8_stops_asked_for_twice_are_one_and_a_destroy_wins() {
    let (registry, actor) = fragile().await;
    actor.add(1).await.unwrap();
    let id = actor.resolve().await.unwrap();
    actor.nap_and_burn().await.unwrap();
    assert!(is_gone(registry.get_for_id::<Fragile>(id).add(1).await));
}

#[tokio::test(start_paused = true)]
async fn a_turn_under_way_ends_first_and_its_caller_is_answered() {
    let (_registry, actor) = fragile().await;
    actor.add(1).await.unwrap();
    let (dawdled, destroyed) = tokio::join!(actor.dawdle(300), async {
        sleep(Duration::from_millis(50)).await;
        actor.destroy().await
    });
    destroyed.unwrap();
    assert_eq!(dawdled.unwrap(), 2);
    // One that takes longer than the grace is cut short.
    actor.add(1).await.unwrap();
    let (dawdled, destroyed) = tokio::join!(actor.dawdle(60_000), async {
        sleep(Duration::from_millis(50)).await;
        actor.destroy().await
    });
    destroyed.unwrap();
    dawdled.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_start_can_be_destroyed() {
    let (registry, actor) = fragile().await;
    actor.fall_ill().await.unwrap();
    registry.hibernate(&actor).await;
    let id = actor.resolve().await.unwrap();
    assert!(actor.add(1).await.unwrap_err().to_string().contains("ill"));
    actor.destroy().await.unwrap();
    assert!(is_gone(registry.get_for_id::<Fragile>(id).add(1).await));
    assert_eq!(actor.add(1).await.unwrap(), 1, "the next one is well");
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_panics_saves_nobody() {
    let (_registry, actor) = fragile().await;
    actor.add(100).await.unwrap();
    actor.destroy().await.unwrap();
    assert_eq!(actor.add(1).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn storage_that_refuses_is_owned_up_to_and_the_actor_stays() {
    let (registry, actor) = fragile().await;
    actor.add(1).await.unwrap();
    registry.storage().script([Some(Fault::Refuse)]);
    let error = actor.destroy().await.unwrap_err();
    assert!(error.is("actor", "storage_failed"), "{error}");
    assert_eq!(actor.add(1).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_action_of_the_same_name_goes_before() {
    let (registry, _actor) = fragile().await;
    let own = registry.get_or_create::<Own>("it");
    assert_eq!(own.destroy().await.unwrap(), 7);
    ActorHandle::destroy(&own).await.unwrap();
    let found = registry.get::<Own>("it").resolve().await;
    assert!(found.unwrap_err().is("actor", "not_found"));
}

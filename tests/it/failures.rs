//! What `on_error` is told, and when.

use std::time::Duration;

use actor_core::{
    Failure,
    prelude::*,
    queue::QueueError,
    request::{Body, Request, Response},
    testing::{Fault, TestRegistry},
};
use tokio::time::sleep;

#[derive(Clone, Debug, thiserror::Error, ActionError)]
pub(crate) enum Refusal {
    #[error("no room")]
    NoRoom,
    #[error("the disk is gone")]
    #[action_error(internal)]
    Disk,
}

#[derive(Debug, Queue)]
pub(crate) enum Post {
    Letters(String),
}

/// Keeps a list of what it was told.
#[actor(params = String, queue = Post, action_timeout = "1s", sleep_after = "10s")]
#[derive(Default)]
pub(crate) struct Patient {
    told: Vec<String>,
    tired_in: u64,
}

#[actor]
impl Patient {
    #[on_wake]
    async fn wake(&self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
        if self.tired_in == ctx.generation().number() {
            return Err(ActorError::internal("tired"));
        }
        Ok(())
    }

    #[on_error]
    async fn failed(&mut self, failure: Failure) -> Result<(), ActorError> {
        let Failure {
            handler,
            kind,
            error,
            ..
        } = failure;
        let shown = if error.is_public() { "shown" } else { "hidden" };
        self.told
            .push(format!("{handler} {kind:?} {}, {shown}", error.message()));
        if handler == "giveUp" {
            panic!("on_error on purpose");
        }
        if handler == "refuseHidden" {
            return Err(ActorError::internal("on_error fails too"));
        }
        Ok(())
    }

    #[on_before_connect]
    async fn admit(&self, name: String) -> Result<(), ActorError> {
        if name == "stranger" {
            return Err(ActorError::forbidden());
        }
        Ok(())
    }

    #[on_disconnect]
    async fn left(&self) -> Result<(), ActorError> {
        Err(ActorError::internal("left"))
    }

    #[on_sleep]
    async fn sleep(&self) -> Result<(), ActorError> {
        Err(ActorError::internal("not tired"))
    }

    #[on_request]
    async fn fetch(&self) -> Result<Response, ActorError> {
        Err(ActorError::user("nothing here"))
    }

    #[can_publish]
    async fn may_send(&self) -> Result<bool, ActorError> {
        Err(ActorError::user("closed"))
    }

    #[action]
    async fn refuse(&mut self) -> Result<(), Refusal> {
        Err(Refusal::NoRoom)
    }

    #[action]
    async fn refuse_hidden(&self) -> Result<(), Refusal> {
        Err(Refusal::Disk)
    }

    #[action]
    async fn refuse_beside(_ctx: &TaskCtx<Self>) -> Result<(), Refusal> {
        Err(Refusal::NoRoom)
    }

    #[action]
    async fn panic(&mut self) {
        self.told.push("half-way".into());
        panic!("on purpose");
    }

    #[action]
    async fn panic_reading(&self) {
        panic!("on purpose");
    }

    #[action]
    async fn hang(&self) {
        sleep(Duration::from_secs(5)).await;
    }

    #[action]
    async fn give_up(&self) -> Result<(), Refusal> {
        Err(Refusal::NoRoom)
    }

    #[action]
    async fn leave_behind(&self, ctx: &Ctx<Self>) {
        let fails = |_| async { Err::<(), _>(ActorError::internal("left behind")) };
        ctx.wait_until(fails).unwrap();
        ctx.keep_awake_while(|ctx| async move {
            assert!(ctx.key().to_string().is_empty(), "on purpose")
        })
        .unwrap();
    }

    #[action]
    async fn panic_writing(ctx: &TaskCtx<Self>) {
        ctx.write(|_| panic!("on purpose")).await
    }

    #[action]
    async fn tire(&mut self, ctx: &Ctx<Self>) {
        self.tired_in = ctx.generation().number() + 1;
    }

    #[action]
    async fn told(&self) -> Vec<String> {
        self.told.clone()
    }

    #[action]
    async fn waiting(&self, ctx: &Ctx<Self>) -> Result<usize, QueueError> {
        ctx.queue().count().await
    }
}

async fn patient() -> (TestRegistry, PatientHandle) {
    let registry = TestRegistry::start(|it| it.actor::<Patient>()).await;
    let actor = registry.get_or_create::<Patient>("it");
    (registry, actor)
}

#[tokio::test(start_paused = true)]
async fn it_is_told_of_errors_panics_and_timeouts_of_actions() {
    let (registry, actor) = patient().await;
    actor.refuse().await.unwrap_err();
    actor.refuse_hidden().await.unwrap_err();
    actor.refuse_beside().await.unwrap_err();
    actor.panic_reading().await.unwrap_err();
    actor.hang().await.unwrap_err();
    registry.advance(Duration::from_millis(1)).await;
    assert_eq!(
        actor.told().await.unwrap(),
        [
            "refuse Error no room, shown",
            "refuseHidden Error the disk is gone, hidden",
            "refuseBeside Error no room, shown",
            "panicReading Panic `panicReading` panicked: on purpose, hidden",
            "hang Timeout Action timed out: `hang` took longer than 1000 ms, shown",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_next_life_is_told_of_what_broke_the_last() {
    let (registry, actor) = patient().await;
    actor.panic().await.unwrap_err();
    registry.advance(Duration::from_millis(1)).await;
    assert_eq!(
        actor.told().await.unwrap(),
        ["panic Panic `panic` panicked: on purpose, hidden"]
    );
    actor.panic_writing().await.unwrap_err();
    registry.advance(Duration::from_millis(1)).await;
    assert_eq!(
        actor.told().await.unwrap()[1..],
        ["TaskCtx::write Panic `TaskCtx::write` panicked: on purpose, hidden"]
    );
    // Nothing failed of its own when storage did.
    registry.storage().script([Some(Fault::Refuse)]);
    actor.tire().await.unwrap_err();
    assert_eq!(actor.told().await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_failed_is_told_of_by_the_one_that_did_not() {
    let (registry, actor) = patient().await;
    actor.tire().await.unwrap();
    registry.hibernate(&actor).await;
    actor.told().await.unwrap_err();
    actor.refuse().await.unwrap_err();
    registry.advance(Duration::from_millis(1)).await;
    assert_eq!(
        actor.told().await.unwrap(),
        [
            "on_sleep Error not tired, hidden",
            "on_wake Error tired, hidden",
            "refuse Error no room, shown",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn it_is_told_of_hooks() {
    let (registry, actor) = patient().await;
    actor.connect("stranger".into()).await.unwrap_err();
    drop(actor.connect("ann".into()).await.unwrap());
    let request = Request::get("/").body(Body::empty()).unwrap();
    actor.fetch("ann".into(), request).await.unwrap_err();
    registry.advance(Duration::from_millis(1)).await;
    registry.hibernate(&actor).await;
    assert_eq!(
        actor.told().await.unwrap(),
        [
            "on_before_connect Error this is not allowed, shown",
            "on_disconnect Error left, hidden",
            "on_request Error nothing here, shown",
            "on_disconnect Error left, hidden",
            "on_sleep Error not tired, hidden",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn it_is_told_of_work_left_behind() {
    let (registry, actor) = patient().await;
    actor.leave_behind().await.unwrap();
    registry.advance(Duration::from_millis(1)).await;
    let mut told = actor.told().await.unwrap();
    told.sort();
    assert_eq!(
        told,
        [
            "keep_awake Panic `keep_awake` panicked: on purpose, hidden",
            "wait_until Error left behind, hidden",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn its_own_failures_are_only_logged() {
    let (registry, actor) = patient().await;
    actor.refuse_hidden().await.unwrap_err();
    registry.advance(Duration::from_millis(1)).await;
    assert_eq!(actor.told().await.unwrap().len(), 1);
    actor.give_up().await.unwrap_err();
    registry.advance(Duration::from_millis(1)).await;
    // It panicked as any other turn does: what it changed is gone, and it is not told of itself.
    assert_eq!(actor.told().await.unwrap().len(), 1);
}

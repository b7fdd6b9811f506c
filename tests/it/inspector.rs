//! The inspector: what it shows, what it changes, and whom it lets in.

use std::time::Duration;

use actor_core::{inspector::Inspector, prelude::*, testing::TestRegistry};
use futures_util::poll;
use tokio::time::sleep;

use crate::registry;

#[derive(Debug, Event)]
pub(crate) enum Rung {
    Rung(u32),
}

#[actor(params = Option<String>, conn = u32, event = Rung, sleep_after = "1s")]
#[derive(Default)]
pub(crate) struct Bell {
    rings: u32,
    loud: f64,
    #[actor(transient)]
    wakes: u32,
}

#[actor]
impl Bell {
    #[on_wake]
    async fn wake(&mut self) {
        self.wakes += 1;
    }

    #[action]
    async fn ring(&mut self, ctx: &Ctx<Self>) -> u32 {
        self.rings += 1;
        ctx.broadcast(Rung::Rung(self.rings));
        self.rings
    }

    #[action]
    async fn state(&self) -> (u32, f64, u32) {
        (self.rings, self.loud, self.wakes)
    }

    #[action(name = "calm.down")]
    async fn calm_down(&mut self) {
        self.loud = 0.0;
    }
}

async fn bell() -> (Registry, Inspector, BellHandle) {
    let registry = registry(|it| it.actor::<Bell>().inspector("open sesame")).await;
    let inspector = registry.inspector("open sesame").unwrap();
    let bell = registry.get_or_create::<Bell>("b");
    (registry, inspector, bell)
}

#[tokio::test(start_paused = true)]
async fn only_who_knows_the_token_gets_in() {
    let (open, ..) = bell().await;
    let off = registry(|it| it.actor::<Bell>()).await;
    let blank = registry(|it| it.actor::<Bell>().inspector("")).await;
    for (registry, token) in [
        (&open, ""),
        (&open, "open sesam"),
        (&open, "open sesame "),
        (&off, ""),
        (&off, "open sesame"),
        (&blank, ""),
    ] {
        let error = registry.inspector(token).unwrap_err();
        assert!(error.is("inspector", "unauthorized"), "{token:?}: {error}");
        assert_eq!(error.status(), 401);
    }
}

#[tokio::test(start_paused = true)]
async fn it_shows_state_connections_and_actions() {
    let (_registry, inspector, bell) = bell().await;
    let conn = bell.connect(Some("ann".into())).await.unwrap();
    conn.ring().await.unwrap();
    let id = bell.resolve().await.unwrap();
    let seen = inspector.snapshot(id).await.unwrap();
    let stored = Value::object([("rings", Value::from(1)), ("loud", Value::from(0.0))]);
    assert_eq!(seen.state, stored);
    let [one] = &seen.connections[..] else {
        panic!("{seen:?}")
    };
    assert_eq!(
        (one.id, one.kind, one.is_hibernatable),
        (conn.id(), "local", true)
    );
    assert_eq!((&one.params, &one.state), (&"ann".into(), &0.into()));
    let actions = inspector.actions(id).await.unwrap();
    assert_eq!(actions, ["ring", "state", "calm.down"]);
}

/// P2: who is told that the state was replaced finds it so, and what is transient is not touched.
#[tokio::test(start_paused = true)]
async fn p2_a_replaced_state_is_durable_when_it_is_answered() {
    let registry = TestRegistry::start(|it| it.actor::<Bell>().inspector("t")).await;
    let faults = registry.storage();
    let inspector = registry.inspector("t").unwrap();
    let bell = registry.get_or_create::<Bell>("b");
    bell.ring().await.unwrap();
    let id = bell.resolve().await.unwrap();

    // A whole number where the state has a float, as JavaScript sends it.
    let new = Value::object([("rings", 7), ("loud", 3)]);
    faults.hold();
    let mut replaced = Box::pin(inspector.replace_state(id, new));
    assert!(poll!(&mut replaced).is_pending());
    sleep(Duration::from_millis(1)).await;
    assert!(poll!(&mut replaced).is_pending());
    faults.release();
    replaced.await.unwrap();
    assert_eq!(bell.state().await.unwrap(), (7, 3.0, 1));
    sleep(Duration::from_secs(10)).await;
    assert_eq!(bell.state().await.unwrap(), (7, 3.0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_state_that_does_not_fit_changes_nothing_and_saves_nothing() {
    let registry = TestRegistry::start(|it| it.actor::<Bell>().inspector("t")).await;
    let faults = registry.storage();
    let inspector = registry.inspector("t").unwrap();
    let bell = registry.get_or_create::<Bell>("b");
    bell.ring().await.unwrap();
    let id = bell.resolve().await.unwrap();
    let writes = faults.writes();
    for wrong in [
        Value::Null,
        Value::from("rings"),
        Value::object([("rings", 7)]),
        Value::object([("rings", "seven"), ("loud", "1")]),
    ] {
        let error = inspector.replace_state(id, wrong).await.unwrap_err();
        assert!(error.is("actor", "invalid_request"), "{error}");
        assert_eq!(error.status(), 400);
    }
    sleep(Duration::from_millis(1)).await;
    assert_eq!(faults.writes(), writes);
    assert_eq!(bell.state().await.unwrap(), (1, 0.0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_look_wakes_and_finds_nobody_for_what_is_gone() {
    let (registry, inspector, bell) = bell().await;
    bell.ring().await.unwrap();
    let id = bell.resolve().await.unwrap();
    sleep(Duration::from_secs(10)).await;
    let seen = inspector.snapshot(id).await.unwrap();
    assert_eq!(seen.state.member("rings"), Some(&1.into()));
    registry.shutdown().await;
    let error = inspector.snapshot(id).await.unwrap_err();
    assert!(error.is("actor", "stopping"), "{error}");
}

#[derive(Debug, Queue)]
pub(crate) enum Errands {
    #[queue(reply = String)]
    Fetch(String),
}

#[actor(queue = Errands, sleep_after = "1s", max_queue_size = 3)]
#[derive(Default)]
pub(crate) struct Runner;

#[actor]
impl Runner {
    #[action]
    async fn take(ctx: &TaskCtx<Self>) -> Result<Option<u64>, ActorError> {
        let taken = ctx.queue().try_message().await?;
        let Some(ErrandsMessage::Fetch(it)) = taken else {
            return Ok(None);
        };
        let id = it.id();
        Ok(it.complete("done".into()).is_ok().then_some(id))
    }

    #[action]
    async fn hold(ctx: &TaskCtx<Self>) -> Result<bool, ActorError> {
        let Some(ErrandsMessage::Fetch(it)) = ctx.queue().try_message().await? else {
            return Ok(false);
        };
        sleep(Duration::from_secs(10)).await;
        Ok(it.complete("too late".into()).is_ok())
    }
}

async fn runner() -> (Registry, Inspector, RunnerHandle, actor_core::ActorId) {
    let registry = registry(|it| it.actor::<Runner>().inspector("t")).await;
    let inspector = registry.inspector("t").unwrap();
    let runner = registry.get_or_create::<Runner>("r");
    let id = runner.resolve().await.unwrap();
    (registry, inspector, runner, id)
}

#[tokio::test(start_paused = true)]
async fn what_it_puts_into_a_queue_is_durable_and_offered() {
    let (_registry, inspector, runner, id) = runner().await;
    let sent = inspector.send(id, "fetch", &"milk".into()).await.unwrap();
    assert_eq!((sent.id, &*sent.queue), (1, "fetch"));
    // A queue that nobody reads: kept, counted, and in nobody's way.
    inspector.send(id, "gone", &Value::Null).await.unwrap();
    for life in 0..2 {
        let seen = inspector.queue(id, 1).await.unwrap();
        assert_eq!((seen.size, seen.max_size), (2, 3), "life {life}");
        assert_eq!(seen.messages, std::slice::from_ref(&sent));
        sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(runner.take().await.unwrap(), Some(1));
    assert_eq!(runner.take().await.unwrap(), None);
    assert_eq!(inspector.queue(id, 9).await.unwrap().size, 1);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_it_clears_is_empty_for_everybody() {
    let (_registry, inspector, runner, id) = runner().await;
    let ask = Errands::fetch("milk".into());
    let waiting = runner.send_and_wait(ask, Duration::from_secs(60));
    let mut waiting = Box::pin(waiting);
    assert!(poll!(&mut waiting).is_pending());
    let mut holding = Box::pin(runner.hold());
    assert!(poll!(&mut holding).is_pending());
    sleep(Duration::from_millis(1)).await;
    assert_eq!(inspector.clear_queue(id).await.unwrap(), 1);
    let error = waiting.await.unwrap_err();
    assert!(error.is("queue", "not_completed"), "{error}");
    assert!(!holding.await.unwrap());
    assert_eq!(inspector.queue(id, 9).await.unwrap().size, 0);
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_full_for_it_too() {
    let (_registry, inspector, _runner, id) = runner().await;
    for _ in 0..3 {
        inspector.send(id, "fetch", &"milk".into()).await.unwrap();
    }
    let error = inspector.send(id, "fetch", &"milk".into()).await;
    assert!(error.unwrap_err().is("queue", "full"));
    let error = inspector.send(id, "", &Value::Null).await.unwrap_err();
    assert!(error.is("actor", "invalid_request"), "{error}");
}

//! Which hooks run when, cell by cell of one table.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use actor_core::{
    ActorId, Failure, Message, Socket, prelude::*, schedule::ScheduleError, testing::TestRegistry,
};

/// What ran, for each actor: an actor's own state would not survive its end.
static RAN: Mutex<BTreeMap<ActorId, Vec<String>>> = Mutex::new(BTreeMap::new());

fn ran(id: ActorId, what: impl Into<String>) {
    let mut ran = RAN.lock().unwrap_or_else(PoisonError::into_inner);
    ran.entry(id).or_default().push(what.into());
}

/// What ran since this was asked last.
fn since(id: ActorId) -> Vec<String> {
    let mut ran = RAN.lock().unwrap_or_else(PoisonError::into_inner);
    mem::take(ran.entry(id).or_default())
}

/// Has every hook, and says which of them run.
#[actor(hibernate_websockets, sleep_after = "10s")]
pub(crate) struct Everything {
    n: u32,
}

#[actor]
impl Everything {
    #[on_migrate]
    async fn migrate(ctx: &Ctx<Self>, is_new: bool) {
        ran(ctx.id(), format!("migrate {is_new}"));
    }

    #[on_create]
    async fn create(ctx: &Ctx<Self>) -> Self {
        ran(ctx.id(), "create");
        Self { n: 0 }
    }

    #[on_wake]
    async fn wake(&self, ctx: &Ctx<Self>) {
        ran(ctx.id(), "wake");
    }

    #[run]
    async fn run(ctx: &TaskCtx<Self>) {
        ran(ctx.id(), "run");
    }

    #[on_state_change]
    async fn changed(&self, ctx: &Ctx<Self>) {
        ran(ctx.id(), format!("changed {}", self.n));
    }

    #[on_before_connect]
    async fn admit(&self, ctx: &Ctx<Self>) {
        ran(ctx.id(), "before_connect");
    }

    #[on_connect]
    async fn joined(&self, ctx: &Ctx<Self>) {
        ran(ctx.id(), "connect");
    }

    #[on_disconnect]
    async fn left(&self, ctx: &Ctx<Self>) {
        ran(ctx.id(), "disconnect");
    }

    #[on_websocket]
    async fn opened(&self, ctx: &Ctx<Self>) {
        ran(ctx.id(), "websocket");
    }

    #[on_message]
    async fn message(&self, ctx: &Ctx<Self>, socket: &Socket<Self>, message: Message) {
        ran(ctx.id(), "message");
        socket.send(message);
    }

    #[on_close]
    async fn closed(&self, ctx: &Ctx<Self>) {
        ran(ctx.id(), "close");
    }

    #[on_error]
    async fn failed(&self, ctx: &Ctx<Self>, failure: Failure) {
        ran(ctx.id(), format!("error in {}", failure.handler));
    }

    #[on_sleep]
    async fn sleep(&self, ctx: &Ctx<Self>) {
        ran(ctx.id(), "sleep");
    }

    #[on_destroy]
    async fn destroyed(&self, ctx: &Ctx<Self>) {
        ran(ctx.id(), "destroy");
    }

    #[action]
    async fn look(&self) -> u32 {
        self.n
    }

    #[action]
    async fn add(&mut self) -> u32 {
        self.n += 1;
        self.n
    }

    #[action]
    async fn plan(&self, ctx: &Ctx<Self>, seconds: u64) -> Result<(), ScheduleError> {
        ctx.after(Duration::from_secs(seconds)).remind()?;
        Ok(())
    }

    #[scheduled]
    async fn remind(&self, ctx: &Ctx<Self>) {
        ran(ctx.id(), "remind");
    }

    #[action]
    async fn crash(&mut self) {
        panic!("on purpose");
    }
}

/// A registry and an actor that is awake, of which nothing has been said yet.
async fn awake() -> (TestRegistry, EverythingHandle, ActorId) {
    let registry = TestRegistry::start(|it| it.actor::<Everything>()).await;
    let actor = registry.get_or_create::<Everything>("it");
    let id = actor.resolve().await.unwrap();
    assert_eq!(since(id), [""; 0], "resolving wakes nobody");
    assert_eq!(actor.look().await.unwrap(), 0);
    registry.advance(Duration::from_millis(1)).await;
    (registry, actor, id)
}

const CREATED: [&str; 4] = ["migrate true", "create", "wake", "run"];
const WOKEN: [&str; 3] = ["migrate false", "wake", "run"];

#[tokio::test(start_paused = true)]
async fn create() {
    let (registry, actor, id) = awake().await;
    assert_eq!(since(id), CREATED);
    // Not for the state that it begins with, and once for each turn that may have changed it.
    actor.add().await.unwrap();
    actor.look().await.unwrap();
    registry.advance(Duration::from_millis(1)).await;
    assert_eq!(since(id), ["changed 1"]);
}

#[tokio::test(start_paused = true)]
async fn wake_after_sleep() {
    let (registry, actor, id) = awake().await;
    since(id);
    registry.advance(Duration::from_secs(11)).await;
    assert_eq!(since(id), ["sleep"]);
    actor.look().await.unwrap();
    registry.advance(Duration::from_millis(1)).await;
    assert_eq!(since(id), WOKEN);
}

#[tokio::test(start_paused = true)]
async fn wake_after_a_crash_of_the_process() {
    let (mut registry, _actor, id) = awake().await;
    since(id);
    registry.crash().await;
    let actor = registry.get_for_id::<Everything>(id);
    actor.look().await.unwrap();
    registry.advance(Duration::from_millis(1)).await;
    assert_eq!(since(id), WOKEN, "no `on_sleep` before it");
}

#[tokio::test(start_paused = true)]
async fn wake_after_a_panic() {
    let (registry, actor, id) = awake().await;
    since(id);
    actor.crash().await.unwrap_err();
    registry.advance(Duration::from_millis(1)).await;
    assert_eq!(
        since(id),
        ["migrate false", "wake", "error in crash", "run"]
    );
}

#[tokio::test(start_paused = true)]
async fn wake_after_an_upgrade() {
    let (mut registry, _actor, id) = awake().await;
    since(id);
    registry.restart().await;
    assert_eq!(since(id), ["sleep"]);
    registry.get_for_id::<Everything>(id).look().await.unwrap();
    registry.advance(Duration::from_millis(1)).await;
    assert_eq!(since(id), WOKEN);
}

#[tokio::test(start_paused = true)]
async fn connect_and_disconnect() {
    let (registry, actor, id) = awake().await;
    since(id);
    let conn = actor.connect(Value::Undefined).await.unwrap();
    assert_eq!(since(id), ["before_connect", "connect"]);
    drop(conn);
    registry.advance(Duration::from_millis(1)).await;
    assert_eq!(since(id), ["disconnect"]);
}

#[tokio::test(start_paused = true)]
async fn socket_restored_on_wake() {
    let (registry, actor, id) = awake().await;
    let conn = actor.connect(Value::Undefined).await.unwrap();
    let mut socket = actor.open_websocket("", Value::Undefined).await.unwrap();
    since(id);
    registry.hibernate(&actor).await;
    assert_eq!(since(id), ["sleep"]);
    // Neither of its clients is connected again, and neither is gone.
    socket.send(Message::Text("ping".into())).await.unwrap();
    assert!(matches!(socket.next().await, Some(Message::Text(text)) if text == "ping"));
    registry.advance(Duration::from_millis(1)).await;
    assert_eq!(since(id), ["migrate false", "wake", "message", "run"]);
    assert_eq!(conn.look().await.unwrap(), 0);
    assert_eq!(since(id), [""; 0]);
    // One that left meanwhile is told of.
    registry.hibernate(&actor).await;
    since(id);
    drop(conn);
    registry.advance(Duration::from_millis(1)).await;
    assert_eq!(since(id), ["migrate false", "wake", "disconnect", "run"]);
}

#[tokio::test(start_paused = true)]
async fn scheduled_call() {
    let (registry, actor, id) = awake().await;
    since(id);
    actor.plan(5).await.unwrap();
    registry.advance(Duration::from_secs(6)).await;
    assert_eq!(since(id), ["remind"], "a schedule has no connection");
    actor.plan(60).await.unwrap();
    registry.advance(Duration::from_secs(30)).await;
    assert_eq!(since(id), ["sleep"]);
    registry.advance(Duration::from_secs(31)).await;
    let all = since(id);
    assert_eq!(all[..2], WOKEN[..2]);
    assert_eq!(all.iter().filter(|it| *it == "remind").count(), 1);
    assert_eq!(all.len(), 4, "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn destroy() {
    let (registry, actor, id) = awake().await;
    let _conn = actor.connect(Value::Undefined).await.unwrap();
    since(id);
    actor.destroy().await.unwrap();
    let mut all = since(id);
    all.sort();
    assert_eq!(all, ["destroy", "disconnect"], "and no `on_sleep`");
    // One that sleeps is woken for it.
    actor.look().await.unwrap();
    let next = actor.actor().await.unwrap().id();
    registry.advance(Duration::from_secs(20)).await;
    since(next);
    actor.destroy().await.unwrap();
    let all = since(next);
    assert_eq!(all.first().map(String::as_str), Some("migrate false"));
    assert_eq!(all.last().map(String::as_str), Some("destroy"));
    assert!(!all.iter().any(|it| it == "sleep"), "{all:?}");
}

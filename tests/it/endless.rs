//! Options that a program writes by hand may be as long as a duration can be: that is as good as never, and
//! no deadline overflows.

use std::{ops::Deref, time::Duration};

use actor_core::{
    ActorHandle,
    actor::{ActorType, NoEvent, StateError, decode_state, encode_state},
    config::{ActorOptions, Durability, Liveness},
    prelude::*,
    queue::NoQueue,
    testing::TestRegistry,
};
use serde::{Deserialize, Serialize};

/// What `#[actor]` on a struct writes, which cannot say how long the longest time is.
#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Endless {
    lines: Vec<String>,
}

impl ActorType for Endless {
    type Input = Value;
    type Params = Value;
    type ConnState = ();
    type Event = NoEvent;
    type Queue = NoQueue;

    const NAME: &'static str = "endless";
    const VERSION: u32 = 1;

    fn options() -> ActorOptions {
        let mut options = ActorOptions::default();
        options.durability = Durability::Relaxed;
        options.sleep_after = Some(Duration::MAX);
        for time in [
            &mut options.sleep_grace,
            &mut options.save_interval,
            &mut options.action_timeout,
            &mut options.on_create_timeout,
            &mut options.on_migrate_timeout,
            &mut options.on_wake_timeout,
            &mut options.on_before_connect_timeout,
            &mut options.on_connect_timeout,
            &mut options.on_disconnect_timeout,
            &mut options.on_state_change_timeout,
            &mut options.on_error_timeout,
        ] {
            *time = Duration::MAX;
        }
        options
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), StateError> {
        encode_state(self, out)
    }

    fn decode(version: u32, bytes: &[u8]) -> Result<Self, StateError> {
        decode_state(version, Self::VERSION, bytes, None)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct EndlessHandle(ActorHandle<Endless>);

impl From<ActorHandle<Endless>> for EndlessHandle {
    fn from(handle: ActorHandle<Endless>) -> Self {
        Self(handle)
    }
}

impl Deref for EndlessHandle {
    type Target = ActorHandle<Endless>;

    fn deref(&self) -> &ActorHandle<Endless> {
        &self.0
    }
}

/// Every hook suspends, so that each has a deadline to be reckoned.
#[actor]
impl Endless {
    #[on_migrate]
    async fn migrate() {
        tokio::task::yield_now().await;
    }

    #[on_create]
    async fn create() -> Self {
        tokio::task::yield_now().await;
        Self::default()
    }

    #[on_wake]
    async fn wake(&mut self) {
        self.note("wake").await;
    }

    #[on_before_connect]
    async fn admit(&self) {
        tokio::task::yield_now().await;
    }

    #[on_connect]
    async fn connected(&mut self) {
        self.note("connect").await;
    }

    #[on_disconnect]
    async fn left(&mut self) {
        self.note("disconnect").await;
    }

    #[on_state_change]
    async fn changed(&self) {}

    #[on_error]
    async fn failed(&mut self) {
        self.note("error").await;
    }

    #[on_sleep]
    async fn sleep(&mut self) {
        self.note("sleep").await;
    }

    #[action]
    async fn fail(&mut self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
        self.note("fail").await;
        ctx.save_within(Duration::MAX);
        Err(ActorError::internal("on purpose"))
    }

    #[action]
    async fn lines(&self) -> Vec<String> {
        self.lines.clone()
    }
}

impl Endless {
    async fn note(&mut self, line: &str) {
        tokio::task::yield_now().await;
        self.lines.push(line.to_owned());
    }
}

#[tokio::test(start_paused = true)]
async fn no_deadline_overflows() {
    let registry = TestRegistry::start(|it| {
        let longest = Liveness::new(Duration::MAX, Duration::MAX);
        it.actor::<Endless>().liveness(longest)
    })
    .await;
    let endless = registry.get_or_create::<Endless>("one");
    let conn = endless.connect(Value::Undefined).await.unwrap();
    conn.fail().await.unwrap_err();
    drop(conn);
    // Nobody sends it to sleep in a year.
    registry.advance(Duration::from_secs(31_536_000)).await;
    assert!(registry.is_awake(&endless).await);
    registry.hibernate(&endless).await;
    let lines = endless.lines().await.unwrap();
    let expected = [
        "wake",
        "connect",
        "fail",
        "error",
        "disconnect",
        "sleep",
        "wake",
    ];
    assert_eq!(lines, expected);
}

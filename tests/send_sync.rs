//! Handles cross threads, and so do the futures of public async functions: whoever holds one may
//! spawn it.

use std::future::Future;

use actor_core::{
    ActorError, ActorHandle, ActorId, ActorKey, CallError, Conn, ConnId, Connection, Ctx, Registry,
    TaskCtx, Value,
    gateway::{Gateway, Handled},
    prelude::*,
    registry::RegistryBuilder,
    storage::{Memory, Sqlite, faults::Faults},
};

#[actor(input = String, params = u32, conn = Vec<u8>, event = Tick)]
#[derive(Default)]
struct Clock {
    ticks: u32,
}

#[derive(Event)]
enum Tick {
    Tick(u32),
}

#[derive(Debug, thiserror::Error, ActionError)]
enum ClockError {
    #[error("the spring is broken")]
    Broken,
}

#[actor]
impl Clock {
    #[on_create]
    async fn create(_input: String) -> Self {
        Self::default()
    }

    #[action]
    async fn tick(&mut self, ctx: &Ctx<Self>, by: u32) -> Result<u32, ClockError> {
        if by == 0 {
            return Err(ClockError::Broken);
        }
        self.ticks += by;
        ctx.broadcast(Tick::Tick(self.ticks));
        Ok(self.ticks)
    }

    #[action]
    async fn read(&self) -> u32 {
        self.ticks
    }

    #[action]
    async fn wait(ctx: &TaskCtx<Self>) -> u32 {
        ctx.write(|it| it.ticks += 1).await;
        ctx.read(|it| it.ticks).await
    }
}

fn shared<T: Send + Sync + 'static>() {}
fn spawnable<F: Future + Send>(_: impl FnOnce() -> F) {}

#[test]
fn values_are_send_and_sync() {
    shared::<Registry>();
    shared::<RegistryBuilder>();
    shared::<Gateway>();
    shared::<<Clock as Handled>::Handle>();
    shared::<ActorHandle<Clock>>();
    shared::<Connection<Clock>>();
    shared::<Conn<Clock>>();
    shared::<Ctx<Clock>>();
    shared::<TaskCtx<Clock>>();
    shared::<(ActorId, ConnId, ActorKey, Value)>();
    shared::<(ActorError, CallError<ClockError>)>();
    shared::<(Memory, Sqlite, Faults<Memory>)>();
    shared::<(actor_axum::ActorRouter, actor_axum::Cors, actor_axum::Error)>();
    shared::<actor_axum::TargetLayer>();
}

#[tokio::test]
async fn futures_are_send() {
    let registry = Registry::builder().actor::<Clock>().build().await.unwrap();
    let input = "grandfather".to_owned();
    let clock = registry
        .get_or_create_with::<Clock>("hall", &input)
        .unwrap();
    let mut connection = clock.connect(1).await.unwrap();

    spawnable(|| Registry::builder().actor::<Clock>().build());
    spawnable(|| registry.create::<Clock>("kitchen", &input));
    spawnable(|| clock.resolve());
    spawnable(|| clock.connect(2));
    spawnable(|| clock.tick(1));
    spawnable(|| clock.read());
    spawnable(|| clock.wait());
    spawnable(|| connection.tick(1));
    spawnable(|| connection.next());
    spawnable(|| registry.shutdown());
}

//! What comes due while a handler waits in the middle, by the receivers of both (P1, T2).

use std::time::Duration;

use actor_core::{
    clock::{Clock as _, Timestamp},
    prelude::*,
    queue::{QueueError, SendOptions},
    schedule::ScheduleError,
    testing::TestRegistry,
};
use tokio::time::sleep;

#[derive(Queue)]
pub(crate) enum Post {
    Letter,
}

#[actor(queue = Post, sleep_after = "1s")]
#[derive(Default)]
pub(crate) struct Waiter {
    began: Option<Timestamp>,
}

#[actor]
impl Waiter {
    #[action]
    async fn wait_alone(&mut self) {
        sleep(LONG).await;
    }

    #[action]
    async fn wait_beside(&self) {
        sleep(LONG).await;
    }

    #[action]
    async fn wait_free(_ctx: &TaskCtx<Self>) {
        sleep(LONG).await;
    }

    #[action]
    async fn plan(&self, ctx: &Ctx<Self>, of: String) -> Result<(), ScheduleError> {
        ctx.after(SOON).call(&of, ())?;
        Ok(())
    }

    #[scheduled]
    async fn alone(&mut self, ctx: &Ctx<Self>) {
        self.began = Some(ctx.now());
    }

    #[scheduled]
    async fn beside(&self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
        note(ctx)
    }

    #[scheduled]
    async fn free(ctx: &TaskCtx<Self>) -> Result<(), ActorError> {
        note(ctx)
    }

    #[action]
    async fn began(&self, ctx: &Ctx<Self>) -> Option<Timestamp> {
        let noted: Option<u64> = ctx.kv().get("began").await.unwrap();
        noted.map(Timestamp::from_millis).or(self.began)
    }

    #[action]
    async fn delay(&self, ctx: &Ctx<Self>) -> Result<(), QueueError> {
        let later = SendOptions::new().delay(SOON);
        ctx.queue().send_with(Post::Letter, later).await?;
        Ok(())
    }

    #[action]
    async fn receive(ctx: &TaskCtx<Self>) -> Result<Timestamp, QueueError> {
        ctx.queue().next().await?;
        Ok(ctx.now())
    }
}

/// Notes the time, without the state.
fn note(ctx: &Ctx<Waiter>) -> Result<(), ActorError> {
    let put = ctx.kv().put("began", &ctx.now().as_millis());
    Ok(put?)
}

const SOON: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn p1_t2_what_is_due_waits_for_who_is_in_its_way_and_for_nobody_else() {
    for (waits, due, after) in [
        ("waitFree", "alone", SOON),
        ("waitFree", "beside", SOON),
        ("waitFree", "free", SOON),
        ("waitBeside", "alone", LONG),
        ("waitBeside", "beside", SOON),
        ("waitBeside", "free", SOON),
        // Nothing can be stored in the middle of a change, and so nothing begins.
        ("waitAlone", "alone", LONG),
        ("waitAlone", "beside", LONG),
        ("waitAlone", "free", LONG),
    ] {
        let registry = TestRegistry::start(|it| it.actor::<Waiter>()).await;
        let waiter = registry.get_or_create::<Waiter>("one");
        let start = registry.clock().now();
        waiter.plan(due.into()).await.unwrap();
        let waited = match waits {
            "waitAlone" => waiter.wait_alone().await,
            "waitBeside" => waiter.wait_beside().await,
            _ => waiter.wait_free().await,
        };
        waited.unwrap();
        registry.advance(SOON).await;
        let began = waiter.began().await.unwrap().unwrap();
        assert_eq!(began.since(start), after, "{due} while {waits}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delayed_message_is_offered_while_readers_wait() {
    let registry = TestRegistry::start(|it| it.actor::<Waiter>()).await;
    let waiter = registry.get_or_create::<Waiter>("one");
    let start = registry.clock().now();
    waiter.delay().await.unwrap();
    let (received, waited) = tokio::join!(waiter.receive(), waiter.wait_beside());
    waited.unwrap();
    assert_eq!(received.unwrap().since(start), SOON);
    assert_eq!(registry.clock().now().since(start), LONG);
}

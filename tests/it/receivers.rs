//! P1: the receiver of a handler is its concurrency rule.

use std::{sync::Arc, time::Duration};

use actor_core::prelude::*;
use tokio::time::{Instant, sleep, timeout};

use crate::registry;

#[actor]
#[derive(Default)]
pub(crate) struct Room {
    log: Vec<String>,
}

#[actor]
impl Room {
    #[action]
    async fn alone(&mut self, ms: u64, name: String) {
        self.log.push(format!("start {name}"));
        sleep(Duration::from_millis(ms)).await;
        self.log.push(format!("end {name}"));
    }

    #[action]
    async fn beside(&self, ms: u64) -> usize {
        sleep(Duration::from_millis(ms)).await;
        self.log.len()
    }

    #[action]
    async fn free(ctx: &TaskCtx<Self>, ms: u64, name: String) -> usize {
        let line = format!("start {name}");
        ctx.write(|room| room.log.push(line)).await;
        sleep(Duration::from_millis(ms)).await;
        let line = format!("end {name}");
        ctx.write(|room| room.log.push(line)).await;
        ctx.read(|room| room.log.len()).await
    }

    /// Leaves something behind that the actor's task tracker knows nothing of.
    #[action]
    async fn leave_behind(&self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
        ctx.wait_until(|ctx| async move {
            tokio::spawn(async move {
                for _ in 0..20 {
                    sleep(Duration::from_secs(10)).await;
                    let late = ctx.write(|room| room.log.push("late".into()));
                    let _ = timeout(Duration::from_secs(1), late).await;
                }
            });
        })
    }

    #[action]
    async fn log(&self) -> Vec<String> {
        self.log.clone()
    }
}

async fn room() -> Arc<RoomHandle> {
    Arc::new(
        registry(|it| it.actor::<Room>())
            .await
            .get_or_create::<Room>("one"),
    )
}

#[tokio::test(start_paused = true)]
async fn p1_exclusive_handlers_run_one_at_a_time() {
    let room = room().await;
    let start = Instant::now();
    let (a, b) = tokio::join!(room.alone(100, "a".into()), room.alone(100, "b".into()));
    a.unwrap();
    b.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(200));
    assert_eq!(
        room.log().await.unwrap(),
        ["start a", "end a", "start b", "end b"]
    );
}

#[tokio::test(start_paused = true)]
async fn p1_shared_handlers_run_beside_each_other() {
    let room = room().await;
    let start = Instant::now();
    let all = futures_util::future::join_all((0..50).map(|_| room.beside(100))).await;
    assert!(all.into_iter().all(|it| it.unwrap() == 0));
    assert_eq!(start.elapsed(), Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn p1_an_exclusive_handler_waits_for_the_readers_before_it() {
    let room = room().await;
    let start = Instant::now();
    let (read, written, later) = tokio::join!(
        room.beside(100),
        room.alone(10, "w".into()),
        room.beside(10)
    );
    assert_eq!((read.unwrap(), later.unwrap()), (0, 2));
    written.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(120));
}

#[tokio::test(start_paused = true)]
async fn p1_free_handlers_run_beside_everything() {
    let room = room().await;
    let start = Instant::now();
    let (slow, fast, alone) = tokio::join!(
        room.free(150, "slow".into()),
        room.free(0, "fast".into()),
        room.alone(20, "alone".into()),
    );
    slow.unwrap();
    fast.unwrap();
    alone.unwrap();
    // The first write of each waits for the turn of `alone`, nothing else does.
    assert_eq!(start.elapsed(), Duration::from_millis(170));
    let log = room.log().await.unwrap();
    assert_eq!(log.last().unwrap(), "end slow");
    assert_eq!(log.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn p1_a_free_handler_starts_while_an_exclusive_one_waits() {
    let room = room().await;
    let alone = tokio::spawn({
        let room = Arc::clone(&room);
        async move { room.alone(500, "alone".into()).await }
    });
    sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    // Its first write has to wait for the turn, its start does not.
    room.free(0, "free".into()).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(400));
    alone.await.unwrap().unwrap();
}

/// A context belongs to its life: what an author's own task does with it afterwards touches no other.
#[tokio::test(start_paused = true)]
async fn k6_a_turn_of_a_life_that_is_over_never_runs() {
    let room = room().await;
    room.leave_behind().await.unwrap();
    // Its own life ends in between, and two more begin and end.
    for _ in 0..3 {
        sleep(Duration::from_secs(55)).await;
        let log = room.log().await.unwrap();
        assert!(log.len() <= 5, "{log:?}");
        room.actor().await.unwrap().sleep();
    }
    let log = room.log().await.unwrap();
    assert!(log.len() <= 3, "{log:?}");
}

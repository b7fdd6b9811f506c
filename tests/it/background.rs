//! Work beside the turns: `run`, guards and futures that keep awake, futures that a stop waits for,
//! timers, and the signal that all of them are told by.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use actor_core::{Registry, actor::KeepAwake, prelude::*};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use crate::registry;

/// What the workers of a test did, in order; and the way to tell them something.
#[derive(Clone, Debug, Default)]
struct Board {
    log: Arc<Mutex<Vec<String>>>,
    bell: Arc<Notify>,
    orders: Arc<AtomicU32>,
}

impl Board {
    fn note(&self, text: impl Into<String>) {
        self.log.lock().unwrap().push(text.into());
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

/// Each test has a board, which its workers find by their key.
static BOARDS: Mutex<Vec<(String, Board)>> = Mutex::new(Vec::new());

fn board(key: &str) -> Board {
    let mut boards = BOARDS.lock().unwrap();
    if let Some((_, board)) = boards.iter().find(|it| it.0 == key) {
        return board.clone();
    }
    boards.push((key.to_owned(), Board::default()));
    boards.last().unwrap().1.clone()
}

#[actor(sleep_after = "10s", sleep_grace = "2s")]
#[derive(Default)]
pub(crate) struct Worker {
    wakes: u32,
    done: u32,
    #[actor(transient)]
    awake: Option<KeepAwake>,
}

const LEAVES: u32 = 1;
const FAILS: u32 = 2;
const PANICS: u32 = 3;
const TICKS: u32 = 4;
const IGNORES_THE_SIGNAL: u32 = 5;
const PARKS: u32 = 6;

fn of(ctx: &Ctx<Worker>) -> Board {
    board(&ctx.key().to_string())
}

#[actor]
impl Worker {
    #[on_wake]
    async fn wake(&mut self, ctx: &Ctx<Self>) {
        self.wakes += 1;
        of(ctx).note("wake");
    }

    #[run]
    async fn run(ctx: &TaskCtx<Self>) -> Result<(), ActorError> {
        let board = of(ctx);
        board.note("run");
        match board.orders.load(Ordering::Relaxed) {
            LEAVES => sleep(Duration::from_secs(1)).await,
            FAILS => return Err(ActorError::internal("on purpose")),
            PANICS => panic!("on purpose"),
            TICKS => {
                let stop = ctx.stopping();
                while stop
                    .run_until_cancelled(sleep(Duration::from_secs(1)))
                    .await
                    .is_some()
                {
                    ctx.write(|it| it.done += 1).await;
                }
                ctx.write(|it| it.done += 1000).await;
                board.note("stopped");
            }
            IGNORES_THE_SIGNAL => std::future::pending().await,
            PARKS => {
                while ctx.park(board.bell.notified()).await.is_some() {
                    ctx.write(|it| it.done += 1).await;
                }
                board.note("parked no more");
            }
            _ => {}
        }
        Ok(())
    }

    #[on_sleep]
    async fn sleep(&mut self, ctx: &Ctx<Self>) {
        assert!(ctx.stopping().is_cancelled(), "G6");
        of(ctx).note("sleep");
        if of(ctx).log().iter().any(|it| it == "late work") {
            ctx.wait_until(|ctx| async move {
                sleep(Duration::from_secs(1)).await;
                ctx.write(|it| it.done += 1).await;
                of(&ctx).note("late work done");
            })
            .unwrap();
        }
    }

    #[on_destroy]
    async fn destroyed(ctx: &TaskCtx<Self>) {
        assert!(ctx.stopping().is_cancelled(), "G6");
        of(ctx).note("destroy");
    }

    #[action]
    async fn seen(&self) -> (u32, u32) {
        (self.wakes, self.done)
    }

    #[action]
    async fn hold(&mut self, ctx: &Ctx<Self>) {
        self.awake = Some(ctx.keep_awake());
    }

    #[action]
    async fn let_go(&mut self) {
        self.awake = None;
    }

    /// In the background for so long, then counts.
    #[action]
    async fn keep_awake(&self, ctx: &Ctx<Self>, seconds: u64) -> Result<(), ActorError> {
        ctx.keep_awake_while(move |ctx| async move {
            sleep(Duration::from_secs(seconds)).await;
            ctx.write(|it| it.done += 1).await;
        })
    }

    #[action]
    async fn wait_until(&mut self, ctx: &Ctx<Self>, ms: u64) -> Result<(), ActorError> {
        ctx.wait_until(move |ctx| async move {
            sleep(Duration::from_millis(ms)).await;
            ctx.write(|it| it.done += 1).await;
            of(&ctx).note("waited");
        })
    }

    /// Writes all the time, in the background.
    #[action]
    async fn chatter(&self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
        ctx.wait_until(|ctx| async move {
            let stop = ctx.stopping();
            while stop
                .run_until_cancelled(sleep(Duration::from_millis(700)))
                .await
                .is_some()
            {
                ctx.write(|it| it.done += 1).await;
            }
        })
    }

    /// Waits inside its turn for work that it started.
    #[action]
    async fn wait_for_own_work(&mut self, ctx: &Ctx<Self>) -> Result<u32, ActorError> {
        let (to, answer) = tokio::sync::oneshot::channel();
        ctx.wait_until(|_| async move {
            let _ = to.send(7);
        })?;
        Ok(answer.await.unwrap())
    }

    #[action]
    async fn fail_in_the_background(&self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
        ctx.wait_until(|_| async { Err::<(), _>(ActorError::internal("on purpose")) })?;
        ctx.wait_until(|_| async { assert!(std::thread::panicking(), "on purpose") })
    }

    #[action]
    async fn set_timer(&self, ctx: &Ctx<Self>, ms: u64, cancelled: bool) -> Result<(), ActorError> {
        let timer = ctx.timer(Duration::from_millis(ms), |ctx| async move {
            ctx.write(|it| it.done += 1).await;
            sleep(Duration::from_secs(15)).await;
            of(&ctx).note("timer");
        })?;
        if cancelled {
            timer.cancel();
        }
        Ok(())
    }

    #[action]
    async fn flood(&self, ctx: &Ctx<Self>) -> u32 {
        let mut taken = 0;
        while ctx
            .wait_until(|ctx| async move { ctx.stopping().cancelled().await })
            .is_ok()
        {
            taken += 1;
        }
        taken
    }

    /// Whether the signal is on, before and after asking to stop.
    #[action]
    async fn stop(&mut self, ctx: &Ctx<Self>, destroy: bool) -> (bool, bool) {
        let before = ctx.stopping().is_cancelled();
        if destroy {
            ctx.destroy();
        } else {
            ctx.sleep();
        }
        (before, ctx.stopping().is_cancelled())
    }

    /// Holds the state until told to stop.
    #[action]
    async fn hold_the_turn(&mut self, ctx: &Ctx<Self>) {
        ctx.stopping().cancelled().await;
        of(ctx).note("turn told");
    }
}

async fn worker(key: &str, orders: u32) -> (Registry, WorkerHandle, Board) {
    let board = board(key);
    board.orders.store(orders, Ordering::Relaxed);
    let registry = registry(|it| it.actor::<Worker>()).await;
    let worker = registry.get_or_create::<Worker>(key);
    (registry, worker, board)
}

async fn seconds(n: u64) {
    sleep(Duration::from_secs(n)).await;
}

/// X2: a `run` that ends, fails or panics leaves the actor as it is; it then sleeps when idle, and
/// `run` starts again with each life.
#[tokio::test(start_paused = true)]
async fn x2_run_may_end_and_starts_again_with_each_life() {
    for orders in [LEAVES, FAILS, PANICS] {
        let (_registry, worker, board) = worker(&format!("ends {orders}"), orders).await;
        for round in 1..4 {
            assert_eq!(worker.seen().await.unwrap(), (round, 0), "{orders}");
            seconds(12).await;
        }
        assert_eq!(board.log(), ["wake", "run", "sleep"].repeat(3), "{orders}");
    }
}

#[tokio::test(start_paused = true)]
async fn b1_run_keeps_the_actor_awake_until_it_is_told_to_stop() {
    let (_registry, worker, board) = worker("ticks", TICKS).await;
    assert_eq!(worker.seen().await.unwrap(), (1, 0));
    sleep(Duration::from_millis(60_500)).await;
    assert_eq!(worker.seen().await.unwrap(), (1, 60));
    worker.stop(false).await.unwrap();
    // What it wrote when it was told is saved.
    assert_eq!(worker.seen().await.unwrap(), (2, 1060));
    assert_eq!(board.log()[..4], ["wake", "run", "sleep", "stopped"]);
}

#[tokio::test(start_paused = true)]
async fn g3_a_run_that_ignores_the_signal_is_aborted_and_a_destroy_does_not_wait_for_it() {
    let (_registry, worker, board) = worker("ignores", IGNORES_THE_SIGNAL).await;
    worker.seen().await.unwrap();
    let start = Instant::now();
    worker.stop(false).await.unwrap();
    assert_eq!(worker.seen().await.unwrap(), (2, 0));
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    worker.stop(true).await.unwrap();
    assert_eq!(worker.seen().await.unwrap(), (1, 0), "a new actor");
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    let log = board.log();
    assert_eq!(log.iter().filter(|it| *it == "destroy").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn b1_a_parked_run_lets_the_actor_sleep_and_its_wait_ends() {
    let (_registry, worker, board) = worker("parks", PARKS).await;
    assert_eq!(worker.seen().await.unwrap(), (1, 0));
    board.bell.notify_one();
    seconds(1).await;
    assert_eq!(worker.seen().await.unwrap(), (1, 1));
    seconds(12).await;
    assert_eq!(board.log(), ["wake", "run", "sleep", "parked no more"]);
    assert_eq!(worker.seen().await.unwrap(), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn b2_a_guard_keeps_awake_and_the_idle_time_starts_at_its_end() {
    let (_registry, worker, board) = worker("guard", LEAVES).await;
    worker.hold().await.unwrap();
    seconds(100).await;
    assert_eq!(board.log(), ["wake", "run"]);
    worker.let_go().await.unwrap();
    seconds(9).await;
    assert_eq!(board.log(), ["wake", "run"]);
    seconds(2).await;
    assert_eq!(board.log(), ["wake", "run", "sleep"]);
}

#[tokio::test(start_paused = true)]
async fn b2_work_that_keeps_awake_does_so_until_it_is_over() {
    let (_registry, worker, board) = worker("keep awake", LEAVES).await;
    worker.keep_awake(30).await.unwrap();
    seconds(39).await;
    assert_eq!(board.log(), ["wake", "run"]);
    seconds(2).await;
    assert_eq!(board.log(), ["wake", "run", "sleep"]);
    assert_eq!(worker.seen().await.unwrap(), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn b3_wait_until_keeps_nobody_awake_and_the_stop_waits_for_it() {
    let (_registry, worker, board) = worker("wait until", 0).await;
    worker.wait_until(11_000).await.unwrap();
    sleep(Duration::from_millis(10_500)).await;
    assert_eq!(
        board.log(),
        ["wake", "run", "sleep"],
        "it is going to sleep"
    );
    // A call that comes meanwhile is held for the next life.
    assert_eq!(worker.seen().await.unwrap(), (2, 1));
    assert_eq!(board.log()[..4], ["wake", "run", "sleep", "waited"]);
}

#[tokio::test(start_paused = true)]
async fn b3_what_the_background_does_is_no_activity() {
    let (_registry, worker, board) = worker("chatter", 0).await;
    worker.chatter().await.unwrap();
    sleep(Duration::from_millis(10_100)).await;
    assert_eq!(board.log(), ["wake", "run", "sleep"]);
    assert_eq!(worker.seen().await.unwrap(), (2, 14));
}

#[tokio::test(start_paused = true)]
async fn g3_wait_until_is_aborted_when_the_grace_is_over() {
    let (_registry, worker, board) = worker("waits too long", 0).await;
    worker.wait_until(60_000).await.unwrap();
    let start = Instant::now();
    worker.stop(false).await.unwrap();
    assert_eq!(worker.seen().await.unwrap(), (2, 0));
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    seconds(70).await;
    assert!(!board.log().iter().any(|it| it == "waited"));
}

#[tokio::test(start_paused = true)]
async fn g2_work_may_begin_while_the_actor_stops() {
    let (_registry, worker, board) = worker("late", 0).await;
    board.note("late work");
    worker.seen().await.unwrap();
    worker.stop(false).await.unwrap();
    assert_eq!(worker.seen().await.unwrap(), (2, 1));
    let log = board.log();
    assert_eq!(log[1..5], ["wake", "run", "sleep", "late work done"]);
}

#[tokio::test(start_paused = true)]
async fn p7_work_that_fails_hurts_nobody() {
    let (_registry, worker, _) = worker("fails", 0).await;
    worker.fail_in_the_background().await.unwrap();
    seconds(1).await;
    assert_eq!(worker.seen().await.unwrap(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_turn_may_wait_for_work_that_it_started() {
    let (_registry, worker, _) = worker("own work", 0).await;
    assert_eq!(worker.wait_for_own_work().await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn p6_the_background_is_bounded() {
    let (_registry, worker, _) = worker("flood", 0).await;
    worker.seen().await.unwrap();
    assert_eq!(worker.flood().await.unwrap(), 1024);
    seconds(12).await;
    assert_eq!(worker.seen().await.unwrap().0, 2, "it does sleep");
    assert_eq!(worker.flood().await.unwrap(), 1024);
}

#[tokio::test(start_paused = true)]
async fn b3_a_timer_belongs_to_one_life_and_keeps_awake_once_it_has_fired() {
    let (_registry, worker, board) = worker("timer", 0).await;
    worker.set_timer(9000, false).await.unwrap();
    worker.set_timer(1000, true).await.unwrap();
    sleep(Duration::from_millis(23_500)).await;
    assert_eq!(board.log(), ["wake", "run"], "its work keeps awake");
    seconds(1).await;
    assert_eq!(board.log(), ["wake", "run", "timer"]);
    seconds(10).await;
    assert_eq!(worker.seen().await.unwrap(), (2, 1));

    // Due after the sleep: gone with this life, and holding nothing up.
    worker.set_timer(11_000, false).await.unwrap();
    let start = Instant::now();
    worker.stop(false).await.unwrap();
    assert_eq!(worker.seen().await.unwrap(), (3, 1));
    assert_eq!(start.elapsed(), Duration::ZERO);
    seconds(30).await;
    assert_eq!(worker.seen().await.unwrap().1, 1);
}

#[tokio::test(start_paused = true)]
async fn g6_asking_to_stop_is_not_the_signal_yet() {
    for destroy in [false, true] {
        let (_registry, worker, _) = worker(&format!("asks {destroy}"), 0).await;
        assert_eq!(worker.stop(destroy).await.unwrap(), (false, false));
    }
}

#[tokio::test(start_paused = true)]
async fn g1_a_turn_that_waits_is_told_too() {
    let (_registry, worker, board) = worker("turn", 0).await;
    worker.seen().await.unwrap();
    let (held, ()) = tokio::join!(worker.hold_the_turn(), async {
        sleep(Duration::from_millis(100)).await;
        _registry.shutdown().await;
    });
    held.unwrap();
    assert_eq!(board.log(), ["wake", "run", "turn told", "sleep"]);
}

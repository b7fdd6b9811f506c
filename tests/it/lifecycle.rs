//! Create, wake, sleep, destroy, shut down: which hooks run when, and what survives.

use std::time::Duration;

use actor_core::{prelude::*, testing::TestRegistry};
use tokio::time::{Instant, sleep};

#[derive(Debug, Event, PartialEq)]
pub(crate) enum Note {
    Noted(u32),
}

#[actor(input = String, params = String, conn = u32, event = Note, sleep_after = "10s",
        sleep_grace = "2s", on_wake_timeout = "1s")]
pub(crate) struct Diary {
    owner: String,
    log: Vec<String>,
    #[actor(transient)]
    scratch: u32,
}

#[actor]
impl Diary {
    #[on_create]
    async fn create(ctx: &Ctx<Self>, owner: String) -> Result<Self, ActorError> {
        if owner == "nobody" {
            return Err(ActorError::user("nobody keeps no diary").with_code("nobody"));
        }
        let log = vec![format!("create {} {}", ctx.name(), ctx.key())];
        Ok(Self {
            owner,
            log,
            scratch: 0,
        })
    }

    #[on_wake]
    async fn wake(&mut self) {
        if self.owner == "heavy sleeper" {
            std::future::pending::<()>().await;
        }
        self.log.push("wake".into());
    }

    #[on_sleep]
    async fn sleep(&mut self) {
        self.log.push("sleep".into());
        assert!(self.owner != "restless", "on purpose");
    }

    #[on_destroy]
    async fn destroy(&mut self) {
        self.log.push("destroy".into());
    }

    #[on_connect]
    async fn joined(&mut self, conn: &Conn<Self>) {
        self.log.push(format!("joined {}", conn.params()));
    }

    #[on_disconnect]
    async fn left(&mut self, conn: &Conn<Self>) {
        self.log.push(format!("left {}", conn.params()));
    }

    #[action]
    async fn note(&mut self, ctx: &Ctx<Self>) -> u32 {
        self.scratch += 1;
        ctx.broadcast(Note::Noted(self.scratch));
        self.scratch
    }

    #[action]
    async fn count(&self, ctx: &Ctx<Self>) -> Result<u32, ActorError> {
        Ok(ctx.require_conn()?.write(|it| {
            *it += 1;
            *it
        }))
    }

    #[action]
    async fn log(&self) -> Vec<String> {
        self.log.clone()
    }

    #[action]
    async fn nap(&self, ctx: &Ctx<Self>) {
        ctx.sleep();
    }

    #[action]
    async fn burn(&mut self, ctx: &Ctx<Self>) {
        ctx.destroy();
    }

    #[action]
    async fn linger(ctx: &TaskCtx<Self>, ms: u64) -> String {
        sleep(Duration::from_millis(ms)).await;
        ctx.read(|it| it.owner.clone()).await
    }
}

async fn open() -> TestRegistry {
    TestRegistry::start(|it| it.actor::<Diary>()).await
}

async fn diary() -> (TestRegistry, DiaryHandle) {
    let registry = open().await;
    let diary = registry
        .get_or_create_with::<Diary>("mine", &"ann".into())
        .unwrap();
    (registry, diary)
}

#[tokio::test(start_paused = true)]
async fn hooks_of_create_and_wake_follow_the_table() {
    let (_registry, diary) = diary().await;
    assert_eq!(diary.log().await.unwrap(), ["create diary mine", "wake"]);
    assert_eq!(diary.note().await.unwrap(), 1);
    sleep(Duration::from_secs(11)).await;
    assert_eq!(
        diary.log().await.unwrap(),
        ["create diary mine", "wake", "sleep", "wake"]
    );
    // Transient fields start anew, stored ones do not.
    assert_eq!(diary.note().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn b2_every_call_restarts_the_idle_time() {
    let (_registry, diary) = diary().await;
    for _ in 0..5 {
        sleep(Duration::from_secs(9)).await;
        diary.note().await.unwrap();
    }
    assert_eq!(diary.note().await.unwrap(), 6);
}

#[tokio::test(start_paused = true)]
async fn b4_a_free_handler_keeps_the_actor_awake() {
    let (_registry, diary) = diary().await;
    diary.note().await.unwrap();
    assert_eq!(diary.linger(50_000).await.unwrap(), "ann");
    assert_eq!(diary.note().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn p4_connections_outlive_sleep_and_no_hook_of_connecting_runs_again() {
    let (_registry, diary) = diary().await;
    let mut ann = diary.connect("ann".into()).await.unwrap();
    assert_eq!(ann.count().await.unwrap(), 1);
    for round in 2..5 {
        sleep(Duration::from_secs(20)).await;
        assert_eq!(ann.count().await.unwrap(), round);
        assert_eq!(diary.note().await.unwrap(), 1, "it did sleep");
        assert_eq!(*ann.next().await.unwrap(), Note::Noted(1));
    }
    let log = diary.log().await.unwrap();
    assert_eq!(log.iter().filter(|it| it.starts_with("joined")).count(), 1);
    assert_eq!(log.iter().filter(|it| it.starts_with("left")).count(), 0);
    assert_eq!(log.iter().filter(|it| *it == "wake").count(), 4);
}

#[tokio::test(start_paused = true)]
async fn h3_leaving_a_sleeping_actor_wakes_it_for_on_disconnect() {
    let (_registry, diary) = diary().await;
    let ann = diary.connect("ann".into()).await.unwrap();
    sleep(Duration::from_secs(20)).await;
    drop(ann);
    sleep(Duration::from_secs(1)).await;
    let log = diary.log().await.unwrap();
    assert_eq!(log[log.len() - 3..], ["sleep", "wake", "left ann"]);
}

#[tokio::test(start_paused = true)]
async fn h12_a_row_without_a_client_gets_its_disconnect_on_the_next_wake() {
    let mut registry = open().await;
    let diary = registry
        .get_or_create_with::<Diary>("mine", &"ann".into())
        .unwrap();
    let ann = diary.connect("ann".into()).await.unwrap();
    // The process is gone, its rows are not.
    registry.crash().await;
    drop(ann);
    let diary = registry.get::<Diary>("mine");
    diary.note().await.unwrap();
    let log = diary.log().await.unwrap();
    assert_eq!(log.last().unwrap(), "left ann");
    sleep(Duration::from_secs(20)).await;
    let log = diary.log().await.unwrap();
    assert_eq!(log.iter().filter(|it| *it == "left ann").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn sleep_on_request_holds_calls_for_the_next_life() {
    let (_registry, diary) = diary().await;
    diary.note().await.unwrap();
    let (nap, note) = tokio::join!(diary.nap(), diary.note());
    nap.unwrap();
    assert_eq!(note.unwrap(), 1, "served by the next life");
}

#[tokio::test(start_paused = true)]
async fn b6_asking_to_sleep_lets_running_handlers_finish() {
    let (_registry, diary) = diary().await;
    let (owner, ()) = tokio::join!(diary.linger(1500), async {
        sleep(Duration::from_millis(100)).await;
        diary.nap().await.unwrap();
    });
    assert_eq!(owner.unwrap(), "ann");
}

#[tokio::test(start_paused = true)]
async fn g3_the_grace_deadline_aborts_what_still_runs() {
    let (_registry, diary) = diary().await;
    let start = Instant::now();
    let (lingering, ()) = tokio::join!(diary.linger(60_000), async {
        sleep(Duration::from_millis(100)).await;
        diary.nap().await.unwrap();
    });
    let error = lingering.unwrap_err().to_actor_error();
    assert!(error.is("actor", "aborted"), "{error}");
    assert_eq!(start.elapsed(), Duration::from_millis(2100));
    assert_eq!(diary.note().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_on_sleep_does_not_stop_the_sleep() {
    let registry = open().await;
    let diary = registry
        .get_or_create_with::<Diary>("mine", &"restless".into())
        .unwrap();
    diary.note().await.unwrap();
    sleep(Duration::from_secs(20)).await;
    assert_eq!(
        diary.log().await.unwrap(),
        ["create diary mine", "wake", "wake"]
    );
    assert_eq!(diary.note().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn p5_a_start_that_takes_too_long_names_its_hook() {
    let registry = open().await;
    let diary = registry
        .get_or_create_with::<Diary>("mine", &"heavy sleeper".into())
        .unwrap();
    let start = Instant::now();
    let error = diary.log().await.unwrap_err().to_actor_error();
    assert!(error.is("actor", "callback_timed_out"), "{error}");
    assert!(
        error.message().contains("on_wake") && error.message().contains("1000 ms"),
        "{error}"
    );
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn s7_a_create_that_fails_is_tried_again_with_the_same_input() {
    let registry = open().await;
    let diary = registry
        .get_or_create_with::<Diary>("mine", &"nobody".into())
        .unwrap();
    for _ in 0..2 {
        let error = diary.log().await.unwrap_err().to_actor_error();
        assert!(error.is("user", "nobody"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn destroy_frees_the_key_for_a_new_actor() {
    let (registry, diary) = diary().await;
    diary.note().await.unwrap();
    let first = diary.resolve().await.unwrap();
    let mut ann = diary.connect("ann".into()).await.unwrap();
    // Who is answered finds it gone, and its key free.
    diary.burn().await.unwrap();
    assert!(ann.next().await.is_none());
    let again = registry
        .get_or_create_with::<Diary>("mine", &"bob".into())
        .unwrap();
    assert_eq!(again.log().await.unwrap(), ["create diary mine", "wake"]);
    assert_ne!(again.resolve().await.unwrap(), first);
    let error = registry
        .get_for_id::<Diary>(first)
        .log()
        .await
        .unwrap_err()
        .to_actor_error();
    assert!(error.is("actor", "not_found"), "{error}");
    // An older handle by key finds the new actor (K3).
    assert_eq!(diary.log().await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn shutdown_takes_every_actor_through_its_sleep_path() {
    let registry = open().await;
    for i in 0..20 {
        let key = format!("d{i}");
        let diary = registry
            .get_or_create_with::<Diary>(key, &"ann".into())
            .unwrap();
        diary.note().await.unwrap();
    }
    let late = registry.get::<Diary>("d0");
    registry.shutdown().await;
    let error = late.log().await.unwrap_err().to_actor_error();
    assert!(
        error.is("actor", "stopping") || error.is("actor", "storage_failed"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_nobody_holds_leaves_memory_when_it_sleeps() {
    let registry = open().await;
    for i in 0..10 {
        let key = format!("d{i}");
        registry
            .get_or_create_with::<Diary>(key, &"ann".into())
            .unwrap()
            .note()
            .await
            .unwrap();
    }
    assert_eq!(registry.actors_in_memory(), 10);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(registry.actors_in_memory(), 0);
}

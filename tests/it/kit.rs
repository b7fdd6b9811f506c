//! The kit for tests of actors: what it says happens, happens.

use std::{cell::Cell, time::Duration};

use actor_core::{
    clock::{Clock as _, Timestamp},
    prelude::*,
    testing::{Fault, TestRegistry},
};

thread_local! {
    /// How often `on_sleep` ran in this test, which has its thread to itself.
    static SLEPT: Cell<u32> = const { Cell::new(0) };
}

#[actor(event = Heard, durability = "relaxed", save_interval = "10s", sleep_after = "1m")]
#[derive(Default)]
pub(crate) struct Diary {
    lines: Vec<String>,
}

#[derive(Clone, Event)]
pub(crate) enum Heard {
    Line(String),
}

#[actor]
impl Diary {
    #[on_sleep]
    async fn sleep(&mut self) {
        SLEPT.set(SLEPT.get() + 1);
        self.lines.push("slept".into());
    }

    #[action]
    async fn write(&mut self, ctx: &Ctx<Self>, line: String) -> Timestamp {
        self.lines.push(line.clone());
        ctx.broadcast(Heard::Line(line));
        ctx.now()
    }

    #[action(durability = "acked")]
    async fn write_surely(&mut self, line: String) {
        self.lines.push(line);
    }

    #[action]
    async fn lines(&self) -> Vec<String> {
        self.lines.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_runs_no_hook_saves_nothing_and_cuts_connections() {
    let mut registry = TestRegistry::start(|it| it.actor::<Diary>()).await;
    let diary = registry.get_or_create::<Diary>("one");
    let mut conn = diary.connect(Value::Undefined).await.unwrap();
    conn.write_surely("kept".into()).await.unwrap();
    conn.write("lost".into()).await.unwrap();
    registry.crash().await;
    while conn.next().await.is_some() {}
    // Whatever the dead process still does has its time.
    registry.advance(Duration::from_secs(3_600)).await;
    assert_eq!(SLEPT.get(), 0);
    let lines = registry.get_or_create::<Diary>("one").lines().await;
    assert_eq!(lines.unwrap(), ["kept"]);
    // The dead process answers nobody who asks it to remember.
    diary.write_surely("to the dead".into()).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_restart_and_a_hibernation_save_what_they_should() {
    let mut registry = TestRegistry::start(|it| it.actor::<Diary>()).await;
    let diary = registry.get_or_create::<Diary>("one");
    let mut conn = diary.connect(Value::Undefined).await.unwrap();
    conn.write("first".into()).await.unwrap();
    registry.hibernate(&diary).await;
    assert!(!registry.is_awake(&diary).await);
    conn.write("second".into()).await.unwrap();
    assert!(registry.is_awake(&diary).await);
    for expected in ["first", "second"] {
        let Some(Heard::Line(line)) = conn.next().await.as_deref().cloned() else {
            panic!("no event");
        };
        assert_eq!(line, expected);
    }
    registry.restart().await;
    let lines = registry.get_or_create::<Diary>("one").lines().await;
    assert_eq!(lines.unwrap(), ["first", "slept", "second", "slept"]);
    assert_eq!(SLEPT.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_actor_wakes_without_a_message() {
    let registry = TestRegistry::start(|it| it.actor::<Diary>()).await;
    let diary = registry.get_or_create::<Diary>("one");
    diary.write_surely("a".into()).await.unwrap();
    registry.hibernate(&diary).await;
    let actor = diary.actor().await.unwrap();
    let before = actor.generation();
    // One that is awake is not woken again.
    for _ in 0..2 {
        registry.wake(&diary).await.unwrap();
        assert!(actor.is_awake());
        assert_eq!(actor.generation(), before + 1);
    }
    // Nothing keeps it: it is idle from then on.
    registry.advance(Duration::from_secs(61)).await;
    assert!(!actor.is_awake());
    registry.storage().fail_reads(1);
    let error = registry.wake(&diary).await.unwrap_err();
    assert!(error.is("actor", "storage_failed"), "{error}");
    registry.wake(&diary).await.unwrap();
    assert_eq!(diary.lines().await.unwrap(), ["a", "slept", "slept"]);
}

#[tokio::test(start_paused = true)]
async fn the_clock_passes_with_the_runtimes_and_jumps_when_told() {
    let registry = TestRegistry::start(|it| it.actor::<Diary>()).await;
    let diary = registry.get_or_create::<Diary>("one");
    let first = diary.write("a".into()).await.unwrap();
    registry.advance(Duration::from_secs(3_600)).await;
    let second = diary.write("b".into()).await.unwrap();
    assert_eq!(second.since(first), Duration::from_secs(3_600));
    registry.clock().jump_back(Duration::from_secs(7_200));
    assert!(diary.write("c".into()).await.unwrap() < first);
    registry.clock().set(Timestamp::from_millis(5));
    assert_eq!(registry.clock().now(), Timestamp::from_millis(5));
    registry.clock().jump_ahead(Duration::from_millis(2));
    assert_eq!(diary.write("d".into()).await.unwrap().as_millis(), 7);
}

#[tokio::test(start_paused = true)]
async fn storage_fails_when_told() {
    let registry = TestRegistry::start(|it| it.actor::<Diary>()).await;
    let diary = registry.get_or_create::<Diary>("one");
    diary.write_surely("a".into()).await.unwrap();
    registry.storage().script([Some(Fault::Refuse)]);
    diary.write_surely("b".into()).await.unwrap_err();
    assert_eq!(diary.lines().await.unwrap(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn time_passes_while_the_process_is_down() {
    let mut registry = TestRegistry::start(|it| it.actor::<Diary>()).await;
    let diary = registry.get_or_create::<Diary>("one");
    let first = diary.write("a".into()).await.unwrap();
    let down = Duration::from_secs(3_600);
    registry.crash_for(down).await;
    let diary = registry.get_or_create::<Diary>("one");
    let second = diary.write("b".into()).await.unwrap();
    assert_eq!(second.since(first), down);
}

/// Another program's diary, with the same stored form.
mod later {
    use super::*;

    #[actor(name = "diary")]
    #[derive(Default)]
    pub(crate) struct Memoir {
        lines: Vec<String>,
    }

    #[actor]
    impl Memoir {
        #[action]
        async fn first(&self) -> Option<String> {
            self.lines.first().cloned()
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_program_finds_what_the_first_left() {
    let mut registry = TestRegistry::start(|it| it.actor::<Diary>()).await;
    let diary = registry.get_or_create::<Diary>("one");
    diary.write("a".into()).await.unwrap();
    registry.upgrade(|it| it.actor::<later::Memoir>()).await;
    assert_eq!(SLEPT.get(), 1);
    let memoir = registry.get_or_create::<later::Memoir>("one");
    assert_eq!(memoir.first().await.unwrap().as_deref(), Some("a"));
    assert_eq!(registry.actor_names(), ["diary"]);
    // And goes on finding it.
    registry.crash().await;
    let memoir = registry.get_or_create::<later::Memoir>("one");
    assert_eq!(memoir.first().await.unwrap().as_deref(), Some("a"));
}

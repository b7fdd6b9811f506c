//! Messages that are delayed wake their actor when they are due, as schedules do (T7): it has one alarm
//! for all of them.

use std::{cell::RefCell, time::Duration};

use actor_core::{
    Registry,
    clock::{Clock as _, Timestamp},
    prelude::*,
    queue::{QueueError, SendOptions},
    schedule::ScheduleError,
    storage::{Driver as _, Sqlite},
    testing::{Fault, TestRegistry},
};
use tokio::{sync::mpsc, time::timeout};

#[derive(Debug, PartialEq, Queue)]
pub(crate) enum Post {
    Letter(u32),
}

thread_local! {
    /// Who is told what was read in this test, which has its thread to itself.
    static READ: RefCell<Option<mpsc::UnboundedSender<u32>>> = const { RefCell::new(None) };
}

/// Takes each message as soon as it is there.
#[actor(queue = Post, sleep_after = "1s")]
#[derive(Default)]
pub(crate) struct Reader {
    wakes: u32,
    read: Vec<(u32, Timestamp)>,
}

#[actor]
impl Reader {
    #[on_wake]
    async fn wake(&mut self) {
        self.wakes += 1;
    }

    #[run]
    async fn run(ctx: &TaskCtx<Self>) {
        while let Ok(Post::Letter(n)) = ctx.queue().next().await {
            let now = ctx.now();
            ctx.write(move |it| it.read.push((n, now))).await;
            READ.with_borrow(|it| it.as_ref().map(|it| it.send(n)));
        }
    }

    #[action]
    async fn read(&self) -> (u32, Vec<(u32, Timestamp)>) {
        (self.wakes, self.read.clone())
    }
}

/// Takes a message when it is asked to.
#[actor(queue = Post, sleep_after = "1s", max_queue_size = 4)]
#[derive(Default)]
pub(crate) struct Shelf {
    wakes: u32,
    ran: u32,
}

#[actor]
impl Shelf {
    #[on_wake]
    async fn wake(&mut self) {
        self.wakes += 1;
    }

    #[action]
    async fn wakes(&self) -> (u32, u32) {
        (self.wakes, self.ran)
    }

    #[action]
    async fn put(&mut self, ctx: &Ctx<Self>, delay: u64, fails: bool) -> Result<(), QueueError> {
        let later = SendOptions::new().delay(Duration::from_secs(delay));
        ctx.queue().send_with(Post::Letter(1), later).await?;
        assert!(!fails, "as asked");
        Ok(())
    }

    #[action]
    async fn take(&mut self, ctx: &Ctx<Self>) -> Result<bool, QueueError> {
        Ok(ctx.queue().try_next().await?.is_some())
    }

    /// Does something for schedules, and nothing for queues.
    #[action]
    async fn plan(&mut self, ctx: &Ctx<Self>, after: u64) -> Result<(), ScheduleError> {
        ctx.after(Duration::from_secs(after)).tick()?;
        Ok(())
    }

    #[scheduled]
    async fn tick(&mut self) {
        self.ran += 1;
    }

    #[action]
    async fn destroy(&self, ctx: &Ctx<Self>) {
        ctx.destroy();
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn later(delay: Duration) -> SendOptions {
    SendOptions::new().delay(delay)
}

async fn start() -> TestRegistry {
    TestRegistry::start(|it| it.actor::<Reader>().actor::<Shelf>()).await
}

/// Seconds from now until somebody is due, as storage has it.
async fn alarm(registry: &TestRegistry) -> Option<u64> {
    let next = registry.storage().next_alarm().await.unwrap();
    next.map(|it| it.since(registry.clock().now()).as_secs())
}

#[tokio::test(start_paused = true)]
async fn t7_a_delayed_message_wakes_the_sleeper_when_it_is_due() {
    let registry = start().await;
    let reader = registry.get_or_create::<Reader>("one");
    let sent = registry.clock().now();
    for (n, delay) in [(1, 60), (2, 30), (3, 30)] {
        reader
            .send_with(Post::Letter(n), later(delay * SECOND))
            .await
            .unwrap();
    }
    registry.advance(29 * SECOND).await;
    assert!(!registry.is_awake(&reader).await);
    registry.advance(61 * SECOND).await;
    assert!(!registry.is_awake(&reader).await);
    let (wakes, read) = reader.read().await.unwrap();
    let at = |seconds: u32| sent.after(seconds * SECOND);
    // Once for those of 30 s, once for the one of 60 s, and once for the question.
    assert_eq!(read, [(2, at(30)), (3, at(30)), (1, at(60))]);
    assert_eq!(wakes, 4);
    assert_eq!(alarm(&registry).await, None);
}

#[tokio::test(start_paused = true)]
async fn t7_a_delayed_message_outlives_the_process_and_a_missed_one_comes_right_after() {
    for crashes in [true, false] {
        let mut registry = start().await;
        let reader = registry.get_or_create::<Reader>("one");
        reader
            .send_with(Post::Letter(1), later(60 * SECOND))
            .await
            .unwrap();
        reader
            .send_with(Post::Letter(2), later(600 * SECOND))
            .await
            .unwrap();
        // One process dies awake, the other stops.
        if crashes {
            registry.crash().await;
        } else {
            registry.restart().await;
        }
        let sent = registry.clock().now();
        registry.advance(30 * SECOND).await;
        registry.clock().jump_ahead(300 * SECOND);
        registry.restart().await;
        registry.advance(SECOND).await;
        let reader = registry.get_or_create::<Reader>("one");
        let (_, read) = reader.read().await.unwrap();
        assert_eq!(read, [(1, sent.after(330 * SECOND))], "{crashes}");
        registry.advance(400 * SECOND).await;
        let (_, read) = reader.read().await.unwrap();
        assert_eq!(read.last(), Some(&(2, sent.after(600 * SECOND))));
    }
}

#[tokio::test(start_paused = true)]
async fn t7_one_alarm_serves_schedules_and_messages() {
    let mut registry = start().await;
    let shelf = registry.get_or_create::<Shelf>("one");
    shelf.put(100, false).await.unwrap();
    assert_eq!(alarm(&registry).await, Some(100));
    registry.restart().await;
    let shelf = registry.get_or_create::<Shelf>("one");
    // This life reads no queue, and still knows.
    shelf.plan(200).await.unwrap();
    assert_eq!(alarm(&registry).await, Some(100));
    shelf.plan(50).await.unwrap();
    assert_eq!(alarm(&registry).await, Some(50));
    registry.advance(60 * SECOND).await;
    assert_eq!(alarm(&registry).await, Some(40));
    // A sooner one, in a life that has read them.
    shelf.put(10, false).await.unwrap();
    assert_eq!(alarm(&registry).await, Some(10));
    registry.advance(20 * SECOND).await;
    assert_eq!(alarm(&registry).await, Some(20));
    // Both are due and nobody takes them: the actor was woken for each, and no more often.
    registry.advance(60 * SECOND).await;
    assert_eq!(alarm(&registry).await, Some(60));
    registry.advance(600 * SECOND).await;
    assert_eq!(alarm(&registry).await, None);
    // Four lives for calls, this one among them, and one for each that was due.
    let (wakes, ran) = shelf.wakes().await.unwrap();
    assert_eq!((wakes, ran), (8, 2));
    assert!(shelf.take().await.unwrap() && shelf.take().await.unwrap());
    assert!(!shelf.take().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_not_there_any_more_rings_no_alarm() {
    let registry = start().await;
    let shelf = registry.get_or_create::<Shelf>("one");
    // What a turn that failed has sent never was.
    shelf.put(100, true).await.unwrap_err();
    assert_eq!(alarm(&registry).await, None);
    shelf.put(100, false).await.unwrap();
    // What is refused was never sent.
    for _ in 0..3 {
        shelf.put(200, false).await.unwrap();
    }
    shelf.put(50, false).await.unwrap_err();
    assert_eq!(alarm(&registry).await, Some(100));
    shelf.destroy().await.unwrap();
    assert_eq!(alarm(&registry).await, None);
    // One that is pointless before it is due wakes once, and is gone.
    let shelf = registry.get_or_create::<Shelf>("one");
    let brief = later(20 * SECOND).ttl(10 * SECOND);
    shelf.send_with(Post::Letter(1), brief).await.unwrap();
    registry.advance(60 * SECOND).await;
    assert_eq!(alarm(&registry).await, None);
    assert!(!shelf.take().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn p2_a_message_that_was_not_stored_rings_no_alarm_and_one_that_was_does() {
    let registry = start().await;
    let shelf = registry.get_or_create::<Shelf>("one");
    assert_eq!(shelf.wakes().await.unwrap(), (1, 0));
    registry.storage().script([Some(Fault::Refuse)]);
    shelf.put(100, false).await.unwrap_err();
    assert_eq!(alarm(&registry).await, None);
    assert_eq!(shelf.wakes().await.unwrap(), (2, 0));
    registry.storage().script([Some(Fault::Tear)]);
    shelf.put(100, false).await.unwrap_err();
    assert_eq!(alarm(&registry).await, Some(100));
    assert_eq!(shelf.wakes().await.unwrap(), (3, 0));
    registry.advance(200 * SECOND).await;
    assert_eq!(shelf.wakes().await.unwrap(), (5, 0));
}

/// However far it got before storage failed: the look for who is due, the wake, the queues.
#[tokio::test(start_paused = true)]
async fn t10_queues_that_cannot_be_read_are_tried_again() {
    for reads in 1..8 {
        let registry = start().await;
        let shelf = registry.get_or_create::<Shelf>("one");
        shelf.put(30, false).await.unwrap();
        registry.advance(10 * SECOND).await;
        assert!(!registry.is_awake(&shelf).await);
        registry.storage().fail_reads(reads);
        registry.advance(25 * SECOND).await;
        registry.advance(300 * SECOND).await;
        let due = alarm(&registry).await;
        assert_eq!(due, None, "{reads}: nobody is due any more");
        let (wakes, _) = shelf.wakes().await.unwrap();
        assert!(3 <= wakes, "{reads}: by the call, by the message, and now");
        assert!(shelf.take().await.unwrap());
    }
}

/// In real time: the storage's thread does not stop a paused clock.
#[tokio::test]
async fn t7_a_delayed_message_wakes_the_sleeper_over_sqlite_too() {
    let (told, mut heard) = mpsc::unbounded_channel();
    READ.set(Some(told));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("posts.db");
    let registry = over_file(&path).await;
    let reader = registry.get_or_create::<Reader>("one");
    reader
        .send_with(Post::Letter(1), later(50 * MILLI))
        .await
        .unwrap();
    let actor = reader.actor().await.unwrap();
    actor.sleep();
    assert_eq!(timeout(60 * SECOND, heard.recv()).await.unwrap(), Some(1));
    reader
        .send_with(Post::Letter(2), later(300 * MILLI))
        .await
        .unwrap();
    registry.shutdown().await;
    assert!(heard.is_empty());
    // Nobody asks the new process for the actor.
    let registry = over_file(&path).await;
    assert_eq!(timeout(60 * SECOND, heard.recv()).await.unwrap(), Some(2));
    registry.shutdown().await;
}

const MILLI: Duration = Duration::from_millis(1);

async fn over_file(path: &std::path::Path) -> Registry {
    // By hand: what is on a disk is what is looked at.
    let builder = Registry::builder().actor::<Reader>();
    let builder = builder.storage(Sqlite::open(path).unwrap());
    builder.build().await.unwrap()
}

//! Queues: in order, durable, at least once, bounded, and asleep while nothing comes.

use std::time::Duration;

use actor_core::{
    ActorHandle,
    prelude::*,
    queue::{Letter, QueueError, SendOptions},
    testing::{Fault, TestRegistry},
};
use futures_util::{StreamExt as _, future::join_all};
use tokio::time::{Instant, sleep, timeout};

use crate::registry;

#[derive(Debug, PartialEq, Queue)]
pub(crate) enum Jobs {
    Add(u32),
    #[queue(reply = u32)]
    Double(u32),
    #[queue(max_attempts = 2, dead_letter = Failed)]
    Hard(u32),
    Failed(u32),
    #[queue(name = "short", ttl = "1s")]
    Brief,
}

/// Takes messages only when it is told to.
#[actor(queue = Jobs, sleep_after = "5s", max_queue_size = 8, max_queue_message_size = 256)]
#[derive(Default)]
pub(crate) struct Desk {
    sent: Vec<u64>,
    sum: u32,
}

#[actor]
impl Desk {
    #[action]
    async fn post(&mut self, ctx: &Ctx<Self>, n: u32, fails: bool) -> Result<u64, QueueError> {
        let id = ctx.queue().send(Jobs::Add(n)).await?;
        self.sent.push(id);
        // Suspended in the middle, when it is not offered yet.
        sleep(Duration::from_millis(1)).await;
        assert_eq!(ctx.queue().try_next().await?, None);
        assert!(!fails, "as asked");
        Ok(id)
    }

    /// Takes one message into the state, in one turn.
    #[action]
    async fn take(&mut self, ctx: &Ctx<Self>, fails: bool) -> Result<u32, QueueError> {
        if let Some(Jobs::Add(n)) = ctx.queue().try_next().await? {
            self.sum += n;
        }
        assert!(!fails, "as asked");
        Ok(self.sum)
    }

    #[action]
    async fn seen(&self, ctx: &Ctx<Self>) -> Result<(Vec<u64>, u32, usize), QueueError> {
        Ok((self.sent.clone(), self.sum, ctx.queue().count().await?))
    }

    #[action]
    async fn next(
        ctx: &TaskCtx<Self>,
        names: Vec<String>,
        millis: u64,
    ) -> Result<Option<(String, Value)>, QueueError> {
        let inbox = ctx.queue().only(names).raw();
        let found = inbox.next_within(Duration::from_millis(millis)).await?;
        Ok(found.map(|Letter { queue, body }| (queue, body)))
    }

    #[action]
    async fn post_slowly(&mut self, ctx: &Ctx<Self>, n: u32) -> Result<u64, QueueError> {
        let id = ctx.queue().send(Jobs::Add(n)).await?;
        sleep(Duration::from_millis(1)).await;
        Ok(id)
    }

    #[action]
    async fn post_beside(ctx: &TaskCtx<Self>, n: u32) -> Result<u64, QueueError> {
        ctx.queue().send(Jobs::Add(n)).await
    }

    #[action]
    async fn batch(ctx: &TaskCtx<Self>, most: usize) -> Result<Vec<(String, Value)>, QueueError> {
        let found = ctx.queue().raw().batch(most, Duration::ZERO).await?;
        Ok(found.into_iter().map(|it| (it.queue, it.body)).collect())
    }

    #[action]
    async fn wait_for_ever(ctx: &TaskCtx<Self>) -> Result<(), QueueError> {
        ctx.queue().next().await.map(|_| ())
    }

    /// What comes, until the actor stops.
    #[action]
    async fn stream_to_the_end(ctx: &TaskCtx<Self>) -> Vec<String> {
        let inbox = ctx.queue();
        let found = inbox.stream().map(|it| format!("{:?}", it.unwrap()));
        found.collect().await
    }

    #[action]
    async fn batch_within(
        ctx: &TaskCtx<Self>,
        most: usize,
        millis: u64,
    ) -> Result<usize, QueueError> {
        let within = Duration::from_millis(millis);
        Ok(ctx.queue().batch(most, within).await?.len())
    }

    #[action]
    async fn message_within(ctx: &TaskCtx<Self>, millis: u64) -> Result<bool, QueueError> {
        let within = Duration::from_millis(millis);
        Ok(ctx.queue().message_within(within).await?.is_some())
    }

    /// In one turn: as many as are asked for, and one to be completed.
    #[action]
    async fn work_off(&mut self, ctx: &Ctx<Self>, most: usize) -> Result<String, QueueError> {
        let taken = ctx.queue().only(["add"]).try_batch(most).await?;
        for job in &taken {
            if let Jobs::Add(n) = job {
                self.sum += n;
            }
        }
        let double = ctx.queue().only(["double"]).try_message().await?;
        let completed = match double {
            Some(JobsMessage::Double(double)) => {
                let twice = *double * 2;
                double.complete(twice)?;
                Some(twice)
            }
            _ => None,
        };
        Ok(format!("{taken:?} {completed:?}"))
    }

    /// Answers a message, or lets go of it.
    #[action]
    async fn answer(ctx: &TaskCtx<Self>, completes: bool) -> Result<u32, QueueError> {
        let message = ctx.queue().message().await?;
        let tries = match message {
            JobsMessage::Double(double) => {
                let (tries, twice) = (double.attempts(), *double * 2);
                if completes {
                    double.complete(twice)?;
                }
                tries
            }
            JobsMessage::Hard(hard) => hard.attempts(),
            other => panic!("{other:?}"),
        };
        Ok(tries)
    }

    #[action]
    async fn answer_and_panic(ctx: &TaskCtx<Self>) -> Result<(), QueueError> {
        let _message = ctx.queue().message().await?;
        panic!("as asked")
    }

    /// Two at a time, and one twice.
    #[action]
    async fn misuse(ctx: &TaskCtx<Self>) -> Result<(String, String), QueueError> {
        let first = ctx.queue().raw().message().await?;
        let second = ctx.queue().try_next().await.unwrap_err();
        ctx.queue().complete(first.id(), 1).await?;
        let again = first.complete(Value::Int(2)).unwrap_err();
        Ok((second.to_string(), again.to_string()))
    }

    #[action]
    async fn destroy(&self, ctx: &Ctx<Self>) {
        ctx.destroy();
    }

    #[action]
    async fn go_to_sleep(&self, ctx: &Ctx<Self>) {
        ctx.sleep();
    }
}

/// Consumes its queue in the background.
#[actor(queue = Jobs, sleep_after = "1s")]
#[derive(Default)]
pub(crate) struct Worker {
    lives: u32,
    done: Vec<u32>,
}

#[actor]
impl Worker {
    #[on_wake]
    async fn wake(&mut self) {
        self.lives += 1;
    }

    #[run]
    async fn run(ctx: &TaskCtx<Self>) -> Result<(), QueueError> {
        loop {
            match ctx.queue().message().await? {
                JobsMessage::Double(double) => {
                    let n = *double;
                    sleep(Duration::from_millis(u64::from(n))).await;
                    ctx.write(move |it| it.done.push(n)).await;
                    double.complete(n * 2)?;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[action]
    async fn seen(&self) -> (u32, Vec<u32>) {
        (self.lives, self.done.clone())
    }
}

/// The time of day, as far as the paused clock has come.
async fn open() -> TestRegistry {
    TestRegistry::start(|it| it.actor::<Desk>().actor::<Worker>()).await
}

async fn desk() -> (TestRegistry, DeskHandle) {
    let registry = open().await;
    let desk = registry.get_or_create::<Desk>("one");
    (registry, desk)
}

fn is(error: &ActorError, code: &str) -> bool {
    error.is("queue", code)
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn q1_messages_come_in_order_over_the_queues_selected() {
    let (_registry, desk) = desk().await;
    let sent = [Jobs::Add(1), Jobs::Double(2), Jobs::Add(3), Jobs::Hard(4)];
    for (job, id) in sent.into_iter().zip(1..) {
        assert_eq!(desk.send(job).await.unwrap(), id);
    }
    let next = async |names: &[&str]| {
        let names = names.iter().map(|it| (*it).to_owned()).collect();
        desk.next(names, 0).await.unwrap()
    };
    let letter = |queue: &str, n: i128| Some((queue.to_owned(), Value::Int(n)));
    assert_eq!(next(&["double", "hard"]).await, letter("double", 2));
    assert_eq!(next(&[]).await, letter("add", 1));
    let all = desk.batch(5).await.unwrap();
    let all: Vec<_> = all.into_iter().map(Some).collect();
    assert_eq!(all, [letter("add", 3), letter("hard", 4)]);
    assert_eq!(next(&[]).await, None);
    assert_eq!(desk.batch(5).await.unwrap(), []);
    assert_eq!(desk.send(Jobs::Brief).await.unwrap(), 5);
    let error = desk.next(vec!["nowhere".into()], 0).await.unwrap_err();
    assert!(is(&error.to_actor_error(), "not_defined"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn q1_ids_go_on_after_a_sleep_with_nothing_left() {
    let (_registry, desk) = desk().await;
    desk.send(Jobs::Add(1)).await.unwrap();
    desk.next(Vec::new(), 0).await.unwrap().unwrap();
    desk.go_to_sleep().await.unwrap();
    sleep(SECOND).await;
    assert_eq!(desk.send(Jobs::Add(2)).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn q1_ids_go_on_though_a_turn_ended_later_than_what_was_sent_beside_it() {
    let (_registry, desk) = desk().await;
    let (turn, beside) = tokio::join!(desk.post_slowly(1), desk.post_beside(2));
    assert_eq!((turn.unwrap(), beside.unwrap()), (1, 2));
    assert_eq!(desk.batch(9).await.unwrap().len(), 2);
    desk.go_to_sleep().await.unwrap();
    sleep(SECOND).await;
    assert_eq!(desk.send(Jobs::Add(3)).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn q2_a_wait_ends_with_its_time_and_with_its_actor() {
    let (_registry, desk) = desk().await;
    let before = Instant::now();
    assert_eq!(desk.next(Vec::new(), 700).await.unwrap(), None);
    assert_eq!(before.elapsed().as_millis(), 700);
    let (waits, streams) = (desk.clone(), desk.clone());
    let waits = tokio::spawn(async move { waits.wait_for_ever().await });
    let streams = tokio::spawn(async move { streams.stream_to_the_end().await });
    sleep(SECOND).await;
    desk.destroy().await.unwrap();
    let error = waits.await.unwrap().unwrap_err().to_actor_error();
    assert!(error.is("actor", "aborted") && error.is_public(), "{error}");
    assert_eq!(streams.await.unwrap().unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn q2_a_stream_has_what_comes_until_its_actor_stops() {
    let (_registry, desk) = desk().await;
    desk.send(Jobs::Add(1)).await.unwrap();
    let streams = desk.clone();
    let streams = tokio::spawn(async move { streams.stream_to_the_end().await });
    sleep(SECOND).await;
    for job in [Jobs::Add(2), Jobs::Double(3)] {
        desk.send(job).await.unwrap();
    }
    sleep(SECOND).await;
    desk.go_to_sleep().await.unwrap();
    let all = streams.await.unwrap().unwrap();
    assert_eq!(all, ["Add(1)", "Add(2)", "Double(3)"]);
    assert_eq!(desk.seen().await.unwrap().2, 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_waits_for_its_first_and_takes_what_is_there_then() {
    let (_registry, desk) = desk().await;
    let before = Instant::now();
    assert_eq!(desk.batch_within(5, 300).await.unwrap(), 0);
    assert!(!desk.message_within(400).await.unwrap());
    assert_eq!(before.elapsed().as_millis(), 700);
    for n in 0..3 {
        desk.send(Jobs::Add(n)).await.unwrap();
    }
    assert_eq!(desk.batch_within(2, 60_000).await.unwrap(), 2);
    let waits = desk.clone();
    let waits = tokio::spawn(async move { waits.batch_within(2, 60_000).await });
    assert_eq!(waits.await.unwrap().unwrap(), 1);
    let waits = desk.clone();
    let waits = tokio::spawn(async move { waits.message_within(60_000).await });
    sleep(SECOND).await;
    desk.send(Jobs::Add(4)).await.unwrap();
    assert!(waits.await.unwrap().unwrap());
    // It did not wait for more, and none of these took its whole time.
    assert_eq!(before.elapsed().as_millis(), 1_700);
}

/// A turn takes what is there without waiting, and what it takes goes with what it does (P3).
#[tokio::test(start_paused = true)]
async fn p3_a_turn_works_off_what_is_there() {
    let mut registry = open().await;
    let desk = registry.get_or_create::<Desk>("one");
    assert_eq!(desk.work_off(9).await.unwrap(), "[] None");
    for n in 1..4 {
        desk.send(Jobs::Add(n)).await.unwrap();
    }
    let asks = desk.clone();
    let asks = tokio::spawn(async move { asks.send_and_wait(Jobs::double(4), 60 * SECOND).await });
    sleep(SECOND).await;
    assert_eq!(desk.work_off(2).await.unwrap(), "[Add(1), Add(2)] Some(8)");
    assert_eq!(asks.await.unwrap().unwrap(), Some(8));
    registry.storage().script([Some(Fault::Refuse)]);
    let error = desk.work_off(2).await.unwrap_err().to_actor_error();
    assert!(error.is("actor", "storage_failed"), "{error}");
    registry.crash().await;
    let desk = registry.get_or_create::<Desk>("one");
    assert_eq!(desk.seen().await.unwrap(), (vec![], 3, 1));
    assert_eq!(desk.work_off(2).await.unwrap(), "[Add(3)] None");
}

/// No time is too long, and none too short.
#[tokio::test(start_paused = true)]
async fn times_beyond_reason_are_as_good_as_never() {
    let (_registry, desk) = desk().await;
    let longest = SendOptions::new().delay(Duration::MAX).ttl(Duration::MAX);
    desk.send_with(Jobs::Add(1), longest).await.unwrap();
    let kept = SendOptions::new().ttl(Duration::MAX);
    desk.send_with(Jobs::Add(2), kept).await.unwrap();
    let gone = SendOptions::new().delay(Duration::ZERO).ttl(Duration::ZERO);
    desk.send_with(Jobs::Add(3), gone).await.unwrap();
    assert_eq!(
        desk.batch(9).await.unwrap(),
        [("add".to_owned(), Value::Int(2))]
    );
    assert_eq!(desk.seen().await.unwrap().2, 1, "the first is not due yet");
    let waiting = desk.clone();
    let waiting = tokio::spawn(async move {
        let double = Jobs::double(1);
        waiting.send_and_wait(double, Duration::MAX).await
    });
    sleep(SECOND).await;
    assert_eq!(desk.answer(true).await.unwrap(), 1);
    assert_eq!(waiting.await.unwrap().unwrap(), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_leaves_passes_its_call_on() {
    let (_registry, desk) = desk().await;
    let waiters: Vec<_> = (0..4_u64)
        .map(|it| {
            let desk = desk.clone();
            tokio::spawn(async move { desk.next(Vec::new(), 100 + it).await.unwrap() })
        })
        .collect();
    // The first give up just when messages come.
    sleep(Duration::from_millis(101)).await;
    for n in 0..2 {
        desk.send(Jobs::Add(n)).await.unwrap();
    }
    let found = join_all(waiters).await;
    let found = found.into_iter().filter_map(Result::unwrap).count();
    let (.., left) = desk.seen().await.unwrap();
    assert_eq!((found + left, left < 2), (2, true));
}

#[tokio::test(start_paused = true)]
async fn q3_a_message_that_is_not_completed_is_offered_again() {
    let (_registry, desk) = desk().await;
    let waiting = desk.clone();
    let waiting = tokio::spawn(async move {
        let ask = Jobs::double(21);
        waiting.send_and_wait(ask, 60 * SECOND).await
    });
    assert_eq!(desk.answer(false).await.unwrap(), 1);
    desk.answer_and_panic().await.unwrap_err();
    // Completed in another life than it was sent in.
    desk.go_to_sleep().await.unwrap();
    sleep(SECOND).await;
    assert_eq!(desk.answer(true).await.unwrap(), 3);
    assert_eq!(waiting.await.unwrap().unwrap(), Some(42));
    assert_eq!(desk.seen().await.unwrap().2, 0);
}

#[tokio::test(start_paused = true)]
async fn q3_one_message_at_a_time_and_each_completed_once() {
    let (_registry, desk) = desk().await;
    desk.send(Jobs::Double(1)).await.unwrap();
    let (second, again) = desk.misuse().await.unwrap();
    assert_eq!(second, QueueError::PreviousMessageNotCompleted.to_string());
    assert_eq!(again, QueueError::AlreadyCompleted.to_string());
    assert_eq!(desk.seen().await.unwrap().2, 0);
}

#[tokio::test(start_paused = true)]
async fn q5_who_waits_hears_of_completion_or_of_time() {
    let (_registry, desk) = desk().await;
    let late = desk.send_and_wait(Jobs::double(1), SECOND).await.unwrap();
    assert_eq!(late, None);
    // It stays, and is completed though nobody waits any more.
    assert_eq!(desk.answer(true).await.unwrap(), 1);
    // One that goes with its actor will never be completed.
    let waiting = desk.clone();
    let waiting =
        tokio::spawn(async move { waiting.send_and_wait(Jobs::double(1), 9 * SECOND).await });
    sleep(SECOND).await;
    desk.destroy().await.unwrap();
    let error = waiting.await.unwrap().unwrap_err();
    assert!(is(&error, "not_completed"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn q6_a_send_is_confirmed_once_it_is_durable() {
    let mut registry = open().await;
    let desk = registry.get_or_create::<Desk>("one");
    desk.send(Jobs::Add(1)).await.unwrap();
    registry.storage().script([Some(Fault::Refuse)]);
    let error = desk.send(Jobs::Add(2)).await.unwrap_err();
    assert!(error.is("actor", "storage_failed"), "{error}");
    // The counters are as they were.
    assert_eq!(desk.send(Jobs::Add(3)).await.unwrap(), 2);
    registry.crash().await;
    let desk = registry.get_or_create::<Desk>("one");
    let left = desk.batch(9).await.unwrap();
    let left: Vec<_> = left.into_iter().map(|it| it.1).collect();
    assert_eq!(left, [Value::Int(1), Value::Int(3)]);
}

#[tokio::test(start_paused = true)]
async fn p3_a_message_shares_the_fate_of_its_turn() {
    let (_registry, desk) = desk().await;
    assert_eq!(desk.post(1, false).await.unwrap(), 1);
    desk.post(2, true).await.unwrap_err();
    assert_eq!(desk.seen().await.unwrap(), (vec![1], 0, 1));
    // Received in a turn that fails: it is there again.
    desk.take(true).await.unwrap_err();
    assert_eq!(desk.take(false).await.unwrap(), 1);
    assert_eq!(desk.seen().await.unwrap(), (vec![1], 1, 0));
}

#[tokio::test(start_paused = true)]
async fn p3_messages_and_state_agree_after_every_crash() {
    for seed in 0..40 {
        let mut registry = open().await;
        registry.storage().seeded(seed, 4);
        registry
            .storage()
            .crash_after(usize::try_from(seed % 20).unwrap() + 2);
        let desk = registry.get_or_create::<Desk>("one");
        let mut acked = 0;
        for _ in 0..6 {
            acked += u32::from(desk.post(1, false).await.is_ok());
            let _ = desk.take(false).await;
            acked += u32::from(desk.send(Jobs::Add(1)).await.is_ok());
        }
        registry.crash().await;
        let desk = registry.get_or_create::<Desk>("one");
        let (sent, sum, left) = desk.seen().await.unwrap();
        let left = u32::try_from(left).unwrap();
        assert!(acked <= sum + left, "seed {seed}: {acked} {sum} {left}");
        assert!(sent.is_sorted_by(|a, b| a < b), "seed {seed}");
        for n in 1..=left {
            assert_eq!(desk.take(false).await.unwrap(), sum + n, "seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p6_what_is_too_much_is_refused_and_says_so() {
    let (_registry, desk) = desk().await;
    for n in 0..8 {
        desk.send(Jobs::Add(n)).await.unwrap();
    }
    let error = desk.send(Jobs::Add(8)).await.unwrap_err();
    assert!(is(&error, "full") && error.status() == 400, "{error}");
    assert_eq!(error.message(), "Queue is full. Limit is 8 messages.");
    assert_eq!(error.metadata().unwrap().member("limit"), Some(&8.into()));
    let registry = registry(|it| it.actor::<Loose>()).await;
    let loose = registry.get_or_create::<Loose>("one");
    let error = loose.send(Any::Text("x".repeat(99))).await.unwrap_err();
    assert!(is(&error, "message_too_large"), "{error}");
    let size = error.metadata().unwrap().member("size").unwrap();
    assert!((99..130).contains(&size.as_integer().unwrap()));
    loose.send(Any::Text("x".repeat(40))).await.unwrap();
}

#[derive(Queue)]
pub(crate) enum Any {
    Text(String),
}

#[actor(queue = Any, max_queue_message_size = 64)]
#[derive(Default)]
pub(crate) struct Loose {}

#[actor]
impl Loose {}

#[tokio::test(start_paused = true)]
async fn q8_a_worker_sleeps_in_its_wait_and_wakes_with_a_message() {
    let registry = open().await;
    let worker = registry.get_or_create::<Worker>("one");
    assert_eq!(worker.seen().await.unwrap(), (1, vec![]));
    sleep(3 * SECOND).await;
    // The message wakes it; work that takes longer than `sleep_after` keeps it awake.
    let ask = Jobs::double(5000);
    let doubled = worker.send_and_wait(ask, 60 * SECOND).await.unwrap();
    assert_eq!(doubled, Some(10_000));
    assert_eq!(worker.seen().await.unwrap(), (2, vec![5000]));
    let all = (0..100).map(|_| worker.send_and_wait(Jobs::double(1), 60 * SECOND));
    let all = join_all(all).await;
    assert!(all.into_iter().all(|it| it.unwrap() == Some(2)));
    sleep(3 * SECOND).await;
    assert_eq!(worker.seen().await.unwrap().0, 3);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_message_is_offered_in_time_and_an_expired_one_never() {
    let (_registry, desk) = desk().await;
    let later = SendOptions::new().delay(3 * SECOND);
    desk.send_with(Jobs::Add(1), later).await.unwrap();
    desk.send_with(Jobs::Add(2), SendOptions::new().ttl(SECOND))
        .await
        .unwrap();
    desk.send(Jobs::Brief).await.unwrap();
    sleep(2 * SECOND).await;
    let before = Instant::now();
    let found = desk.next(Vec::new(), 60_000).await.unwrap().unwrap();
    assert_eq!(found.1, Value::Int(1));
    assert!((900..1100).contains(&before.elapsed().as_millis()));
    assert_eq!(desk.seen().await.unwrap().2, 0, "the expired are gone");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_never_completed_goes_to_the_dead_letters() {
    let (_registry, desk) = desk().await;
    desk.send(Jobs::Hard(7)).await.unwrap();
    assert_eq!(desk.answer(false).await.unwrap(), 1);
    // Attempts outlive a life.
    desk.go_to_sleep().await.unwrap();
    sleep(SECOND).await;
    assert_eq!(desk.answer(false).await.unwrap(), 2);
    let found = desk.next(Vec::new(), 0).await.unwrap().unwrap();
    assert_eq!(found, ("failed".to_owned(), Value::Int(7)));
    assert_eq!(desk.seen().await.unwrap().2, 0);
}

#[tokio::test(start_paused = true)]
async fn a_send_wakes_who_waits_at_once() {
    let (_registry, desk) = desk().await;
    let waits = desk.clone();
    let waits = tokio::spawn(async move { waits.next(Vec::new(), 60_000).await });
    sleep(SECOND).await;
    ActorHandle::send(&desk, Jobs::Add(1)).await.unwrap();
    let found = timeout(SECOND, waits).await.unwrap().unwrap().unwrap();
    assert_eq!(found, Some(("add".to_owned(), Value::Int(1))));
}

//! Calls with an idempotency key run once, and are answered as often as they come. The effect and the answer are
//! one commit (P3), and what is kept is bounded (P6).

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use actor_core::{
    ActorId, Address, CallError, IntoActorError,
    clock::{Clock as _, Timestamp},
    gateway::{ActionRequest, ActorHandle, Handled},
    prelude::*,
    protocol::{Encoding, client},
    storage::{
        ActorRecord, Alarm, Batch, Committed, Creation, Driver, Entry, Loaded, Memory, NewActor,
        Op, ScanRange, StorageError,
    },
    testing::{Fault, TestRegistry},
};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::{
    join,
    time::{Instant, sleep},
};

use crate::registry_over;

thread_local! {
    /// How often a handler ran in this test, which has its thread to itself.
    static RUNS: Cell<u32> = const { Cell::new(0) };
    /// When one ran last.
    static LAST: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// What handlers count themselves with, whatever becomes of the state.
fn ran() {
    RUNS.set(RUNS.get() + 1);
    LAST.set(Some(Instant::now()));
}

#[derive(Debug, PartialEq, thiserror::Error, ActionError)]
pub(crate) enum TillError {
    #[error("{cents} cents are too many")]
    #[action_error(status = 402)]
    TooMany { cents: i64 },
    #[error("the safe is behind the picture")]
    #[action_error(internal)]
    Secret,
    #[error("not now")]
    #[action_error(status = 503)]
    NotNow,
}

#[actor(
    sleep_after = "5s",
    action_timeout = "10s",
    max_idempotency_keys = 3,
    max_idempotency_answer = 200
)]
#[derive(Default)]
pub(crate) struct Till {
    cents: i64,
}

#[actor]
impl Till {
    #[action]
    async fn charge(&mut self, cents: i64) -> i64 {
        ran();
        self.cents -= cents;
        self.cents
    }

    #[action]
    async fn refund(&mut self, cents: i64) -> i64 {
        ran();
        self.cents += cents;
        self.cents
    }

    #[action]
    async fn charge_slowly(&mut self, cents: i64) -> i64 {
        ran();
        sleep(Duration::from_secs(1)).await;
        self.cents -= cents;
        self.cents
    }

    /// Beside others.
    #[action]
    async fn look_slowly(&self) -> u32 {
        ran();
        sleep(Duration::from_secs(1)).await;
        RUNS.get()
    }

    /// Charges, and then finds that it was too much.
    #[action]
    async fn try_charge(&mut self, cents: i64) -> Result<i64, TillError> {
        ran();
        self.cents -= cents;
        match cents {
            100.. => Err(TillError::TooMany { cents }),
            13 => Err(TillError::Secret),
            7 => Err(TillError::NotNow),
            _ => Ok(self.cents),
        }
    }

    #[action(atomic)]
    async fn charge_or_not(&mut self, cents: i64) -> Result<i64, TillError> {
        ran();
        self.cents -= cents;
        if 100 <= cents {
            return Err(TillError::TooMany { cents });
        }
        Ok(self.cents)
    }

    #[action(atomic)]
    async fn fail_slowly(&mut self) -> Result<u32, TillError> {
        ran();
        sleep(Duration::from_secs(1)).await;
        assert!(RUNS.get() != 1, "as asked");
        Ok(RUNS.get())
    }

    #[action]
    async fn charge_and_panic(&mut self, cents: i64) {
        ran();
        self.cents -= cents;
        assert!(RUNS.get() != 1, "as asked");
    }

    #[action]
    async fn charge_for_ever(&mut self, cents: i64) {
        ran();
        self.cents -= cents;
        if RUNS.get() == 1 {
            sleep(Duration::from_secs(60)).await;
        }
    }

    /// Passes on what another actor said.
    #[action]
    async fn charge_another(&mut self, ctx: &Ctx<Self>, other: String) -> Result<i64, ActorError> {
        ran();
        let other = ctx.actors().get::<Self>(other);
        Ok(other.idempotency_key("from another").charge(1).await?)
    }

    #[action]
    async fn print(&self, ctx: &Ctx<Self>, lines: usize) -> Result<String, ActorError> {
        ran();
        ctx.kv().put("printed", &lines)?;
        Ok("x".repeat(lines))
    }

    #[action]
    async fn charge_freely(ctx: &TaskCtx<Self>, cents: i64) -> i64 {
        ran();
        ctx.write(move |it| {
            it.cents -= cents;
            it.cents
        })
        .await
    }

    #[action]
    async fn look_freely(_ctx: &TaskCtx<Self>) -> u32 {
        ran();
        RUNS.get()
    }

    #[action]
    async fn sum(&mut self, items: HashMap<String, i64>, by: Option<f64>) -> i64 {
        ran();
        let _ = by;
        items.values().sum()
    }

    #[action]
    async fn cents(&self) -> i64 {
        self.cents
    }
}

async fn start() -> TestRegistry {
    TestRegistry::start(|it| it.actor::<Till>()).await
}

fn till(registry: &Registry) -> TillHandle {
    registry.get_or_create::<Till>("one")
}

fn code<T: std::fmt::Debug, E: IntoActorError>(answer: Result<T, CallError<E>>) -> String {
    match answer {
        Ok(it) => panic!("it answered {it:?}"),
        Err(it) => {
            let error = it.to_actor_error();
            format!("{}.{} {}", error.group(), error.code(), error.status())
        }
    }
}

/// Calls an action of `one` as an HTTP client does.
async fn post(
    registry: &Registry,
    encoding: Encoding,
    name: &str,
    body: Bytes,
    key: &str,
) -> (u16, Bytes) {
    let mut actor = till(registry).actor().await.unwrap();
    let request = ActionRequest {
        name: name.into(),
        encoding,
        body,
        params: Value::Undefined,
        request: None,
        idempotency_key: Some(key.into()),
    };
    let answer = registry.gateway().action(&mut actor, request).await;
    (answer.status, answer.body)
}

/// Rows of the library's own about keys, and answers.
async fn rows<A: Handled>(registry: &TestRegistry, handle: &ActorHandle<A>) -> usize {
    let id = handle.resolve().await.unwrap();
    let range = ScanRange {
        start: vec![5],
        end: Some(vec![6]),
        limit: 1_000,
        reverse: false,
    };
    registry.storage().scan(id, range).await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn a_call_runs_once_and_is_answered_as_often_as_it_comes() {
    let mut registry = start().await;
    let one = till(&registry);
    assert_eq!(one.charge(1).await.unwrap(), -1);
    for _ in 0..2 {
        assert_eq!(one.idempotency_key("a").charge(5).await.unwrap(), -6);
    }
    // Others go on meanwhile, and calls without a key always run.
    assert_eq!(one.charge(5).await.unwrap(), -11);
    assert_eq!(one.idempotency_key("b").charge(5).await.unwrap(), -16);
    assert_eq!(RUNS.get(), 4);

    registry.hibernate(&one).await;
    assert_eq!(one.idempotency_key("a").charge(5).await.unwrap(), -6);
    registry.restart().await;
    let one = till(&registry);
    assert_eq!(one.idempotency_key("b").charge(5).await.unwrap(), -16);
    registry.crash().await;
    let one = till(&registry);
    assert_eq!(one.idempotency_key("a").charge(5).await.unwrap(), -6);
    assert_eq!((one.cents().await.unwrap(), RUNS.get()), (-16, 4));
}

#[tokio::test(start_paused = true)]
async fn a_key_counts_for_one_actor_and_one_action() {
    let registry = start().await;
    let one = till(&registry).idempotency_key("a");
    let other = registry.get_or_create::<Till>("other").idempotency_key("a");
    assert_eq!(one.charge(5).await.unwrap(), -5);
    assert_eq!(one.refund(5).await.unwrap(), 0);
    assert_eq!(other.charge(5).await.unwrap(), -5);
    assert_eq!(one.charge(5).await.unwrap(), -5);
    assert_eq!(RUNS.get(), 3);
    // The key belongs to the handle that was asked for it.
    assert_eq!(till(&registry).charge(5).await.unwrap(), -5);
    assert_eq!(RUNS.get(), 4);
}

/// P3: whatever becomes of the commit, there are both or neither.
#[tokio::test(start_paused = true)]
async fn p3_effect_and_answer_are_one_commit() {
    for (fault, happened) in [
        (Fault::Refuse, false),
        (Fault::Tear, true),
        (Fault::Swallow, false),
        (Fault::Silence, true),
        (Fault::Crash, false),
        (Fault::CrashTorn, true),
    ] {
        RUNS.set(0);
        let mut registry = start().await;
        let one = till(&registry);
        one.refund(100).await.unwrap();
        registry.storage().script([Some(fault)]);
        let failed = one.idempotency_key("a").charge(5).await;
        assert!(failed.is_err(), "{fault:?}");
        if matches!(fault, Fault::Crash | Fault::CrashTorn) {
            registry.crash().await;
        }
        let one = till(&registry);
        let cents = if happened { 95 } else { 100 };
        assert_eq!(one.cents().await.unwrap(), cents, "{fault:?}");
        let again = one.idempotency_key("a").charge(5).await;
        assert_eq!(again.unwrap(), 95, "{fault:?}");
        assert_eq!(one.cents().await.unwrap(), 95, "{fault:?}");
        assert_eq!(RUNS.get(), if happened { 2 } else { 3 }, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replay_waits_until_what_it_rests_on_is_durable() {
    let mut registry = start().await;
    let one = till(&registry);
    one.refund(100).await.unwrap();
    registry.storage().hold();
    let ask = |registry: &TestRegistry| {
        let one = till(registry);
        tokio::spawn(async move { one.idempotency_key("a").charge(5).await })
    };
    let first = ask(&registry);
    registry.advance(Duration::from_secs(1)).await;
    let second = ask(&registry);
    registry.advance(Duration::from_secs(1)).await;
    assert!(!first.is_finished() && !second.is_finished());
    registry.crash().await;
    first.await.unwrap().unwrap_err();
    second.await.unwrap().unwrap_err();
    assert_eq!(till(&registry).cents().await.unwrap(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_comes_while_the_first_runs_is_a_conflict() {
    let registry = start().await;
    let one = till(&registry).idempotency_key("a");
    let later = async || {
        sleep(Duration::from_millis(500)).await;
        one.look_slowly().await
    };
    // Two of them at once, when nothing is known of keys yet.
    let (first, second, third) = join!(one.look_slowly(), one.look_slowly(), later());
    assert_eq!(first.unwrap(), 1);
    assert_eq!(code(second), "idempotency.in_progress 409");
    assert_eq!(code(third), "idempotency.in_progress 409");
    assert_eq!(one.look_slowly().await.unwrap(), 1);
}

/// P1: calls of `&mut self` handlers wait for those before them, with a key or without.
#[tokio::test(start_paused = true)]
async fn p1_a_call_that_runs_alone_waits_for_the_first_and_is_answered_as_it() {
    let registry = start().await;
    let one = till(&registry).idempotency_key("a");
    let later = async || {
        sleep(Duration::from_millis(500)).await;
        one.charge_slowly(5).await
    };
    let http = || {
        let body = "{\"args\":[5]}".into();
        post(&registry, Encoding::Json, "chargeSlowly", body, "a")
    };
    let (first, second, third, fourth, fifth) = join!(
        one.charge_slowly(5),
        one.charge_slowly(5),
        later(),
        http(),
        http()
    );
    for answer in [first, second, third] {
        assert_eq!(answer.unwrap(), -5);
    }
    for answer in [fourth, fifth] {
        assert_eq!(answer, (200, "{\"output\":-5}".into()));
    }
    assert_eq!(RUNS.get(), 1);
    // Should the first come to nothing, the next runs.
    RUNS.set(0);
    let (first, second) = join!(one.fail_slowly(), one.fail_slowly());
    assert_eq!(code(first), "actor.panicked 500");
    assert_eq!((second.unwrap(), RUNS.get()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn other_arguments_are_a_mistake() {
    let mut registry = start().await;
    let one = till(&registry).idempotency_key("a");
    let (first, other) = join!(one.charge_slowly(5), one.charge_slowly(6));
    assert_eq!(first.unwrap(), -5);
    assert_eq!(code(other), "idempotency.key_reused 422");
    registry.crash().await;
    let one = till(&registry).idempotency_key("a");
    assert_eq!(
        code(one.charge_slowly(6).await),
        "idempotency.key_reused 422"
    );
    assert_eq!(one.charge_slowly(5).await.unwrap(), -5);
    assert_eq!(RUNS.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn arguments_are_the_same_in_any_order_of_a_map() {
    let registry = start().await;
    let one = till(&registry).idempotency_key("a");
    for _ in 0..20 {
        // Each has an order of its own.
        let items: HashMap<_, _> = (0..10).map(|it| (it.to_string(), it)).collect();
        assert_eq!(one.sum(items, None).await.unwrap(), 45);
    }
    assert_eq!(RUNS.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_for_its_window_and_no_longer() {
    const WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
    let registry = start().await;
    let one = till(&registry);
    let answered = registry.clock().now();
    assert_eq!(one.idempotency_key("a").charge(5).await.unwrap(), -5);
    registry.hibernate(&one).await;
    let last = answered.after(WINDOW - Duration::from_millis(1));
    registry.clock().set(last);
    assert_eq!(one.idempotency_key("a").charge(5).await.unwrap(), -5);
    assert_eq!(registry.clock().now(), last);
    registry.clock().jump_ahead(Duration::from_millis(1));
    assert_eq!(one.idempotency_key("a").charge(5).await.unwrap(), -10);
    // Of what is over nothing is left, and other arguments are no mistake then.
    assert_eq!(rows(&registry, &one).await, 2);
    registry.clock().jump_ahead(WINDOW);
    assert_eq!(one.idempotency_key("a").charge(6).await.unwrap(), -16);
    assert_eq!((rows(&registry, &one).await, RUNS.get()), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_woken_to_forget_an_answer() {
    let registry = start().await;
    let one = till(&registry);
    one.idempotency_key("a").charge(5).await.unwrap();
    registry.advance(Duration::from_secs(10)).await;
    assert!(!registry.is_awake(&one).await);
    let generation = one.actor().await.unwrap().generation();
    registry.advance(Duration::from_secs(48 * 60 * 60)).await;
    assert_eq!(one.actor().await.unwrap().generation(), generation);
    assert_eq!(rows(&registry, &one).await, 2);
}

#[tokio::test(start_paused = true)]
async fn p6_for_one_too_many_the_oldest_goes() {
    let registry = start().await;
    let one = till(&registry);
    for n in 1..=10 {
        let key = format!("key {n}");
        assert_eq!(one.idempotency_key(key).charge(1).await.unwrap(), -n);
        assert!(rows(&registry, &one).await <= 6);
    }
    registry.hibernate(&one).await;
    for n in 8..=10 {
        let key = format!("key {n}");
        assert_eq!(one.idempotency_key(key).charge(1).await.unwrap(), -n);
    }
    assert_eq!(RUNS.get(), 10);
    assert_eq!(one.idempotency_key("key 7").charge(1).await.unwrap(), -11);
}

#[tokio::test(start_paused = true)]
async fn p6_what_is_over_goes_a_few_at_a_time() {
    #[actor]
    #[derive(Default)]
    struct Many {}

    #[actor]
    impl Many {
        #[action]
        async fn run(&mut self) {
            ran();
        }
    }

    let registry = TestRegistry::start(|it| it.actor::<Many>()).await;
    let many = registry.get_or_create::<Many>("one");
    for n in 0..100 {
        many.idempotency_key(n.to_string()).run().await.unwrap();
    }
    registry
        .clock()
        .jump_ahead(Duration::from_secs(24 * 60 * 60));
    assert_eq!(rows(&registry, &many).await, 200);
    many.idempotency_key("next").run().await.unwrap();
    assert_eq!(rows(&registry, &many).await, 200 - 2 * 8 + 2);
    // However much is still there, what is over is not given.
    many.idempotency_key("99").run().await.unwrap();
    assert_eq!(RUNS.get(), 102);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_too_large_is_lost_and_the_call_is_not() {
    let registry = start().await;
    let one = till(&registry).idempotency_key("a");
    assert_eq!(one.print(201).await.unwrap().len(), 201);
    assert_eq!(code(one.print(201).await), "actor.answer_lost 500");
    assert_eq!(code(one.print(200).await), "idempotency.key_reused 422");
    assert_eq!(RUNS.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_the_action_answered_comes_again() {
    let mut registry = start().await;
    let one = till(&registry);
    let first = one.idempotency_key("a").try_charge(100).await.unwrap_err();
    assert!(matches!(
        first,
        CallError::Action(TillError::TooMany { cents: 100 })
    ));
    let hidden = one.idempotency_key("b").try_charge(13).await.unwrap_err();
    assert!(matches!(hidden, CallError::Action(TillError::Secret)));
    registry.crash().await;
    let one = till(&registry);
    for (key, cents, first) in [("a", 100, first), ("b", 13, hidden)] {
        let again = one.idempotency_key(key).try_charge(cents).await;
        let again = again.unwrap_err();
        assert!(matches!(again, CallError::Actor(_)));
        let (first, again) = (first.to_actor_error(), again.to_actor_error());
        assert_eq!(again.to_string(), first.to_string());
        assert_eq!(again.metadata(), first.metadata());
        assert_eq!(again.status(), first.status());
        assert_eq!(again.is_public(), first.is_public());
    }
    // What they changed before stays, once.
    assert_eq!((one.cents().await.unwrap(), RUNS.get()), (-113, 2));
}

/// A7: nothing of the turn is left but that it was answered.
#[tokio::test(start_paused = true)]
async fn a7_an_atomic_actions_error_comes_again_too() {
    let mut registry = start().await;
    let one = till(&registry);
    let first = one.idempotency_key("a").charge_or_not(100).await;
    assert_eq!(code(first), "user.too_many 402");
    assert_eq!(one.idempotency_key("b").charge_or_not(1).await.unwrap(), -1);
    for _ in 0..2 {
        let one = till(&registry);
        let again = one.idempotency_key("a").charge_or_not(100).await;
        assert_eq!(code(again), "user.too_many 402");
        assert_eq!(one.idempotency_key("b").charge_or_not(1).await.unwrap(), -1);
        registry.crash().await;
    }
    let one = till(&registry);
    assert_eq!((one.cents().await.unwrap(), RUNS.get()), (-1, 2));
}

#[tokio::test(start_paused = true)]
async fn what_the_handler_did_not_answer_is_not_kept() {
    let registry = start().await;
    let (plain, one) = (till(&registry), till(&registry).idempotency_key("a"));
    assert_eq!(code(one.charge_and_panic(5).await), "actor.panicked 500");
    one.charge_and_panic(5).await.unwrap();
    assert_eq!((plain.cents().await.unwrap(), RUNS.get()), (-5, 2));

    RUNS.set(0);
    let timed_out = one.charge_for_ever(5).await;
    assert_eq!(code(timed_out), "actor.action_timed_out 408");
    one.charge_for_ever(5).await.unwrap();
    assert_eq!((plain.cents().await.unwrap(), RUNS.get()), (-10, 2));

    // Nor what says to come again: an error of the library's, or one with that status.
    RUNS.set(0);
    for runs in 1..=2 {
        let answer = one.charge_another("nobody".into()).await;
        assert_eq!(code(answer), "actor.not_found 404");
        assert_eq!(RUNS.get(), runs);
    }
    for runs in 3..=4 {
        assert_eq!(code(one.try_charge(7).await), "user.not_now 503");
        assert_eq!(RUNS.get(), runs);
    }
}

#[tokio::test(start_paused = true)]
async fn keys_have_1_to_255_bytes() {
    let registry = start().await;
    let one = till(&registry);
    for (key, is_fine) in [
        (String::new(), false),
        ("k".into(), true),
        ("k".repeat(255), true),
        ("k".repeat(256), false),
        ("ü".repeat(128), false),
    ] {
        let answer = one.idempotency_key(&*key).charge(1).await;
        if is_fine {
            answer.unwrap();
        } else {
            assert_eq!(code(answer), "idempotency.invalid_key 400");
        }
    }
    assert_eq!(RUNS.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn readers_and_free_handlers_have_keys_too() {
    let mut registry = start().await;
    let one = till(&registry);
    assert_eq!(one.idempotency_key("a").print(3).await.unwrap(), "xxx");
    let charged = one.idempotency_key("a").charge_freely(5).await;
    assert_eq!(charged.unwrap(), -5);
    registry.crash().await;
    let one = till(&registry);
    assert_eq!(one.idempotency_key("a").print(3).await.unwrap(), "xxx");
    let charged = one.idempotency_key("a").charge_freely(5).await;
    assert_eq!((charged.unwrap(), RUNS.get()), (-5, 2));
}

#[tokio::test(start_paused = true)]
async fn p1_keys_change_nothing_about_what_runs_beside_what() {
    let mut registry = start().await;
    // When keys are read already, and when they are not.
    for known in [true, false] {
        let (one, key) = (till(&registry), till(&registry).idempotency_key("a"));
        if known {
            one.idempotency_key("b").charge(1).await.unwrap();
        }
        RUNS.set(0);
        let since = Instant::now();
        let later = async || {
            sleep(Duration::from_millis(100)).await;
            let free = (key.look_freely().await, key.look_freely().await);
            (free.0.unwrap(), free.1.unwrap())
        };
        let (slow, free) = join!(one.charge_slowly(5), later());
        slow.unwrap();
        // Its answer is saved, and so leaves when the turn is over; it ran at once.
        let began = LAST.get().unwrap() - since;
        assert_eq!(
            (free, began),
            ((2, 2), Duration::from_millis(100)),
            "{known}"
        );

        RUNS.set(0);
        let since = Instant::now();
        let later = async || {
            sleep(Duration::from_millis(100)).await;
            let printed = key.print(3).await.map(|it| it.len());
            (printed.unwrap(), since.elapsed())
        };
        let (slow, printed) = join!(one.look_slowly(), later());
        slow.unwrap();
        assert_eq!(printed, (3, Duration::from_millis(100)), "{known}");
        registry.crash().await;
        registry.get::<Till>("one").destroy().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn actors_and_connections_call_with_keys() {
    let registry = start().await;
    let (one, other) = (till(&registry), registry.get_or_create::<Till>("other"));
    other.refund(10).await.unwrap();
    for key in ["a", "b", "a"] {
        let charged = one
            .idempotency_key(key)
            .charge_another("other".into())
            .await;
        assert_eq!(charged.unwrap(), 9);
    }
    assert_eq!(other.cents().await.unwrap(), 9);
    // A circle is found at once, with a key or without.
    let circle = one.idempotency_key("c").charge_another("one".into()).await;
    assert_eq!(code(circle), "actor.call_cycle 508");

    let conn = one.connect(Value::Undefined).await.unwrap();
    let charged = conn.idempotency_key("d").charge(5).await.unwrap();
    assert_eq!(one.idempotency_key("d").charge(5).await.unwrap(), charged);
}

#[tokio::test(start_paused = true)]
async fn keys_are_read_by_the_first_call_that_has_one() {
    let registry = start().await;
    let one = till(&registry);
    one.idempotency_key("a").charge(5).await.unwrap();
    registry.hibernate(&one).await;
    one.charge(1).await.unwrap();
    registry.storage().fail_reads(1);
    let failed = one.idempotency_key("a").charge(5).await;
    assert_eq!(code(failed), "actor.storage_failed 500");
    assert_eq!(one.idempotency_key("b").charge(5).await.unwrap(), -11);
    // From then on a new key needs no storage, and a replay reads its answer.
    registry.storage().fail_reads(1);
    assert_eq!(one.idempotency_key("c").charge(5).await.unwrap(), -16);
    let failed = one.idempotency_key("a").charge(5).await;
    assert_eq!(code(failed), "actor.storage_failed 500");
    assert_eq!(one.idempotency_key("a").charge(5).await.unwrap(), -5);
    assert_eq!(RUNS.get(), 4);
}

/// S6: what is damaged hurts those who ask for it.
#[tokio::test(start_paused = true)]
async fn s6_a_key_whose_answer_is_missing_neither_runs_nor_waits() {
    let registry = start().await;
    let one = till(&registry);
    one.idempotency_key("a").charge(5).await.unwrap();
    registry.hibernate(&one).await;
    let id = one.resolve().await.unwrap();
    let storage = registry.storage();
    let record = storage.record(id).await.unwrap().unwrap();
    let mut batch = Batch::new(id, record.generation, 1);
    let key = [&[5, 2][..], &1_u64.to_be_bytes()].concat();
    batch.ops.push(Op::Delete { key });
    let _ = storage.commit(batch).await.unwrap();
    assert_eq!(rows(&registry, &one).await, 1);
    for _ in 0..2 {
        let answer = one.idempotency_key("a").charge(5).await;
        assert_eq!(code(answer), "protocol.invalid_persisted_data 500");
    }
    assert_eq!(one.idempotency_key("b").charge(5).await.unwrap(), -10);
}

/// Storage that takes its time to read.
#[derive(Debug, Default)]
struct Slow(Memory);

const READ: Duration = Duration::from_millis(20);

#[async_trait]
impl Driver for Slow {
    async fn create(&self, actor: NewActor) -> Result<Creation, StorageError> {
        self.0.create(actor).await
    }

    async fn find(&self, address: &Address) -> Result<Option<ActorRecord>, StorageError> {
        self.0.find(address).await
    }

    async fn record(&self, id: ActorId) -> Result<Option<ActorRecord>, StorageError> {
        self.0.record(id).await
    }

    async fn load(&self, id: ActorId, prefix: &[u8]) -> Result<Option<Loaded>, StorageError> {
        self.0.load(id, prefix).await
    }

    async fn scan(&self, id: ActorId, range: ScanRange) -> Result<Vec<Entry>, StorageError> {
        sleep(READ).await;
        self.0.scan(id, range).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, StorageError> {
        self.0.commit(batch).await
    }

    async fn destroy(&self, id: ActorId) -> Result<(), StorageError> {
        self.0.destroy(id).await
    }

    async fn alarms(&self, until: Timestamp, limit: usize) -> Result<Vec<Alarm>, StorageError> {
        self.0.alarms(until, limit).await
    }

    async fn next_alarm(&self) -> Result<Option<Timestamp>, StorageError> {
        self.0.next_alarm().await
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.0.close().await
    }
}

async fn over_slow_storage() -> Registry {
    let driver: Arc<dyn Driver> = Arc::new(Slow::default());
    // By hand: reads of the kit's storage take no time.
    registry_over(&driver, |it| it.actor::<Till>()).await
}

/// P1: they are read while others run, and the second of two waits for the first's turn.
#[tokio::test(start_paused = true)]
async fn p1_calls_that_wait_for_storage_hold_up_nobody_and_run_once() {
    let registry = over_slow_storage().await;
    let (one, key) = (till(&registry), till(&registry).idempotency_key("a"));
    one.cents().await.unwrap();
    let since = Instant::now();
    let plain = async {
        let cents = one.refund(1).await.unwrap();
        (cents, since.elapsed())
    };
    let (first, second, (cents, took)) = join!(
        key.charge_slowly(5),
        key.charge_slowly(5),
        // Which comes last, and goes before them.
        plain
    );
    assert_eq!((cents, took), (1, Duration::ZERO));
    assert_eq!((first.unwrap(), second.unwrap()), (-4, -4));
    // The keys are read, then what the first was answered.
    let took = 2 * READ + Duration::from_secs(1);
    assert_eq!((since.elapsed(), RUNS.get()), (took, 2));
}

/// What comes while a turn waits is asked for at once.
#[tokio::test(start_paused = true)]
async fn p1_keys_are_read_beside_turns() {
    for beside_reader in [false, true] {
        let registry = over_slow_storage().await;
        let (one, key) = (till(&registry), till(&registry).idempotency_key("a"));
        one.cents().await.unwrap();
        let since = Instant::now();
        let slow = async {
            if beside_reader {
                one.look_slowly().await.map(|_| ()).unwrap();
            } else {
                one.charge_slowly(5).await.map(|_| ()).unwrap();
            }
        };
        let later = async {
            sleep(Duration::from_millis(100)).await;
            if beside_reader {
                key.print(3).await.map(|_| ()).unwrap();
            } else {
                key.look_freely().await.map(|_| ()).unwrap();
            }
        };
        join!(slow, later);
        let began = LAST.get().unwrap() - since;
        assert_eq!(began, Duration::from_millis(100) + READ, "{beside_reader}");
    }
}

/// A process that stops does not leave those in silence who wait for storage.
#[tokio::test(start_paused = true)]
async fn p5_who_waits_for_storage_is_told_when_the_life_ends() {
    let registry = over_slow_storage().await;
    let one = till(&registry);
    one.cents().await.unwrap();
    let key = one.idempotency_key("a");
    let charged = tokio::spawn(async move { key.charge_and_panic(5).await });
    let broken = async {
        sleep(READ / 2).await;
        one.charge_and_panic(1).await
    };
    assert_eq!(code(broken.await), "actor.panicked 500");
    assert_eq!(code(charged.await.unwrap()), "actor.reloaded 500");
    assert_eq!(RUNS.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn calls_without_a_key_write_nothing_of_it() {
    let registry = start().await;
    let one = till(&registry);
    one.charge(5).await.unwrap();
    one.try_charge(100).await.unwrap_err();
    assert_eq!(rows(&registry, &one).await, 0);
}

#[tokio::test(start_paused = true)]
async fn they_go_with_their_actor() {
    let registry = start().await;
    let one = till(&registry);
    one.idempotency_key("a").charge(5).await.unwrap();
    one.destroy().await.unwrap();
    assert_eq!(one.idempotency_key("a").charge(5).await.unwrap(), -5);
    assert_eq!(RUNS.get(), 2);
}

#[actor(durability = "relaxed", save_interval = "10s", sleep_after = "never")]
#[derive(Default)]
pub(crate) struct Relaxed {
    runs: u32,
}

#[actor]
impl Relaxed {
    #[action]
    async fn run(&mut self) -> u32 {
        self.runs += 1;
        self.runs
    }

    #[action]
    async fn runs(&self) -> u32 {
        self.runs
    }
}

#[tokio::test(start_paused = true)]
async fn a_relaxed_answer_is_saved_with_what_it_saw() {
    let mut registry = TestRegistry::start(|it| it.actor::<Relaxed>()).await;
    let one = registry.get_or_create::<Relaxed>("one");
    assert_eq!(one.run().await.unwrap(), 1);
    registry.advance(Duration::from_secs(11)).await;
    assert_eq!(one.idempotency_key("a").run().await.unwrap(), 2);
    assert_eq!(one.idempotency_key("a").run().await.unwrap(), 2);
    // Neither is on disk yet.
    registry.crash().await;
    let one = registry.get_or_create::<Relaxed>("one");
    assert_eq!(one.runs().await.unwrap(), 1);
    assert_eq!(one.idempotency_key("a").run().await.unwrap(), 2);
    // A save that fails is tried again, with both.
    registry.storage().script([Some(Fault::Refuse)]);
    registry.advance(Duration::from_secs(60)).await;
    registry.crash().await;
    let one = registry.get_or_create::<Relaxed>("one");
    assert_eq!(one.runs().await.unwrap(), 2);
    assert_eq!(one.idempotency_key("a").run().await.unwrap(), 2);
}

#[actor(durability = "none", sleep_after = "5s", max_idempotency_keys = 2)]
#[derive(Default)]
pub(crate) struct Fleeting {
    runs: u32,
}

#[actor]
impl Fleeting {
    #[action]
    async fn run(&mut self) -> u32 {
        ran();
        self.runs += 1;
        self.runs
    }
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_stores_nothing_keeps_answers_for_a_life() {
    let registry = TestRegistry::start(|it| it.actor::<Fleeting>()).await;
    let one = registry.get_or_create::<Fleeting>("one");
    for key in ["a", "b", "b", "a"] {
        let run = one.idempotency_key(key).run().await.unwrap();
        assert_eq!(run, if key == "a" { 1 } else { 2 });
    }
    one.idempotency_key("c").run().await.unwrap();
    assert_eq!(one.idempotency_key("a").run().await.unwrap(), 4);
    registry.hibernate(&one).await;
    assert_eq!(one.idempotency_key("a").run().await.unwrap(), 1);
    assert_eq!(RUNS.get(), 5);
}

/// What one client was answered in one encoding, another is in another.
#[tokio::test(start_paused = true)]
async fn an_answer_is_the_same_in_every_encoding() {
    let mut registry = start().await;
    let encodings = [Encoding::Json, Encoding::Cbor, Encoding::Bare];
    for (at, first) in encodings.into_iter().enumerate() {
        RUNS.set(0);
        let key = format!("of {at}");
        let ask = async |encoding: Encoding, registry: &TestRegistry| {
            let items = BTreeMap::from([("a", 1), ("b", 2)]);
            let arguments = Value::from_serialize(&(items, 5)).unwrap();
            let body = client::encode_action(encoding, &arguments);
            let (status, body) = post(registry, encoding, "sum", body, &key).await;
            assert_eq!(status, 200, "{body:?}");
            let output = client::decode_action_output(encoding, &body).unwrap();
            output.deserialize_into::<i64>().unwrap()
        };
        assert_eq!(ask(first, &registry).await, 3);
        registry.crash().await;
        for encoding in encodings {
            assert_eq!(ask(encoding, &registry).await, 3);
        }
        // In the process, where the last argument is a number with a fraction.
        let items = HashMap::from([("b".into(), 2), ("a".into(), 1)]);
        let handle = till(&registry).idempotency_key(&*key);
        assert_eq!(handle.sum(items, Some(5.0)).await.unwrap(), 3);
        assert_eq!(RUNS.get(), 1);
    }
}

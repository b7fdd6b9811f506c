//! Calls that their callers run: handlers that await nothing, of an actor that has nothing to do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actor_core::{prelude::*, testing::TestRegistry};
use futures_util::{future::join_all, poll};
use tokio::{runtime, task, time::sleep};

use crate::registry;

#[derive(Debug, Event, PartialEq)]
pub(crate) enum Mark {
    Marked(u32),
}

#[actor(event = Mark, durability = "none", sleep_after = "10s")]
#[derive(Default)]
pub(crate) struct Tally {
    count: u32,
    inside: bool,
    #[actor(transient)]
    held: Option<Arc<AtomicBool>>,
}

impl Drop for Tally {
    fn drop(&mut self) {
        if let Some(held) = &self.held {
            held.store(false, Ordering::SeqCst);
        }
    }
}

/// Hides a wait from the macro.
macro_rules! info {
    () => {
        task::yield_now().await
    };
}

#[actor]
impl Tally {
    #[on_create]
    async fn create(_ctx: &Ctx<Self>) -> Self {
        Self::default()
    }

    #[action]
    async fn add(&mut self) -> u32 {
        assert!(!self.inside, "one at a time");
        self.count += 1;
        self.count
    }

    #[action]
    async fn add_slowly(&mut self) -> u32 {
        self.inside = true;
        task::yield_now().await;
        self.inside = false;
        self.count += 1;
        self.count
    }

    #[action]
    async fn runs_in(&mut self) -> Option<String> {
        task::try_id().map(|it| it.to_string())
    }

    #[action]
    async fn lives_in(&mut self) -> String {
        runtime::Handle::current().id().to_string()
    }

    #[action]
    async fn mark(&mut self, ctx: &Ctx<Self>) {
        self.count += 1;
        ctx.broadcast(Mark::Marked(self.count));
    }

    #[action]
    async fn remind(&mut self, ctx: &Ctx<Self>) {
        ctx.keep_awake_while(|_| sleep(Duration::from_secs(60)))
            .unwrap();
    }

    #[action]
    async fn hold(&mut self) {
        HELD.with(|it| self.held = Some(Arc::clone(it)));
    }

    #[action]
    async fn wait_all_the_same(&mut self) {
        self.count = 100;
        info!();
    }

    #[action]
    async fn fail(&mut self) {
        self.count = 100;
        panic!("on purpose");
    }

    #[action]
    async fn leave(&mut self, ctx: &Ctx<Self>) {
        ctx.destroy();
    }
}

#[actor(durability = "acked", sleep_after = "1m")]
#[derive(Default)]
pub(crate) struct Savings {
    cents: u32,
}

#[actor]
impl Savings {
    #[action]
    async fn save(&mut self) -> u32 {
        self.cents += 1;
        self.cents
    }
}

#[actor(durability = "acked", sleep_after = "1m", mailbox = 4)]
#[derive(Default)]
pub(crate) struct Few {
    cents: u32,
}

#[actor]
impl Few {
    #[action]
    async fn save(&mut self) {
        self.cents += 1;
    }
}

async fn savings() -> (TestRegistry, SavingsHandle) {
    let registry = TestRegistry::start(|it| it.actor::<Savings>()).await;
    let savings = registry.get_or_create::<Savings>("one");
    savings.save().await.unwrap();
    (registry, savings)
}

thread_local! {
    static HELD: Arc<AtomicBool> = Arc::new(AtomicBool::new(true));
}

async fn tally() -> (TestRegistry, TallyHandle) {
    let registry = TestRegistry::start(|it| it.actor::<Tally>()).await;
    let tally = registry.get_or_create::<Tally>("one");
    tally.add().await.unwrap();
    (registry, tally)
}

/// In a task of the test's, which has an id.
fn own_task() -> Option<String> {
    task::try_id().map(|it| it.to_string())
}

#[tokio::test(start_paused = true)]
async fn the_caller_runs_what_awaits_nothing_while_the_actor_rests() {
    let (_registry, tally) = tally().await;
    task::spawn(async move {
        assert_eq!(tally.runs_in().await.unwrap(), own_task());
        // The task has been woken: it comes first.
        let (slow, here) = tokio::join!(tally.add_slowly(), tally.runs_in());
        assert_eq!(slow.unwrap(), 2);
        assert_ne!(here.unwrap(), own_task());
        assert_eq!(tally.runs_in().await.unwrap(), own_task());
    })
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn b2_a_call_that_its_caller_runs_restarts_the_idle_time() {
    let (registry, tally) = tally().await;
    for count in 2..6 {
        registry.advance(Duration::from_secs(9)).await;
        assert_eq!(tally.add().await.unwrap(), count);
    }
    registry.advance(Duration::from_secs(11)).await;
    assert_eq!(
        tally.add().await.unwrap(),
        1,
        "it slept, and had stored nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn what_such_a_turn_leaves_to_do_is_done() {
    let (registry, tally) = tally().await;
    let mut heard = tally.connect(Value::Undefined).await.unwrap();
    tally.mark().await.unwrap();
    assert_eq!(heard.next().await.as_deref(), Some(&Mark::Marked(2)));
    tally.remind().await.unwrap();
    registry.advance(Duration::from_secs(50)).await;
    assert_eq!(tally.add().await.unwrap(), 3, "kept awake");
    tally.leave().await.unwrap();
    assert!(heard.next().await.is_none());
    assert_eq!(tally.add().await.unwrap(), 1, "a new one");
}

#[tokio::test(start_paused = true)]
async fn p7_a_panic_in_such_a_turn_is_the_actors() {
    let (_registry, tally) = tally().await;
    let error = tally.fail().await.unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
    assert_eq!(tally.add().await.unwrap(), 1, "loaded anew");
}

#[tokio::test(start_paused = true)]
async fn p7_a_handler_that_waits_where_it_said_it_would_not_is_ended() {
    let (_registry, tally) = tally().await;
    let error = tally.wait_all_the_same().await.unwrap_err();
    assert!(error.to_string().contains("had to wait"), "{error}");
    assert_eq!(tally.add().await.unwrap(), 1, "loaded anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn p1_turns_of_many_callers_are_one_at_a_time_and_none_is_lost() {
    const CALLS: u32 = 2_000;
    let registry = registry(|it| it.actor::<Tally>()).await;
    let tally = registry.get_or_create::<Tally>("one");
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let tally = tally.clone();
            task::spawn(async move {
                let mut last = 0;
                for call in 0..CALLS {
                    let count = if (caller + call) % 5 == 0 {
                        tally.add_slowly().await
                    } else {
                        tally.add().await
                    };
                    let count = count.unwrap();
                    assert!(last < count, "{last} before {count}");
                    last = count;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(tally.add().await.unwrap(), 8 * CALLS + 1);
}

#[tokio::test(start_paused = true)]
async fn p2_the_caller_hands_the_commit_of_its_turn_to_storage() {
    let (mut registry, savings) = savings().await;
    let storage = registry.storage();
    storage.hold();
    let mut first = Box::pin(savings.save());
    assert!(poll!(&mut first).is_pending());
    assert_eq!(storage.waiting(), 1, "the task has not run yet");
    // The next turn need not wait for that, and its answer does.
    let mut second = Box::pin(savings.save());
    assert!(poll!(&mut second).is_pending());
    storage.release();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (2, 3));
    registry.crash().await;
    assert_eq!(
        registry
            .get_or_create::<Savings>("one")
            .save()
            .await
            .unwrap(),
        4
    );
}

/// Those whom a commit has answered come back one by one, and are waited for.
#[tokio::test(start_paused = true)]
async fn callers_of_one_actor_share_a_commit() {
    const CALLERS: usize = 16;
    let (registry, savings) = savings().await;
    let storage = registry.storage();
    let round = async || {
        storage.hold();
        let calls = join_all((0..CALLERS).map(|_| savings.save()));
        let release = async {
            sleep(Duration::from_millis(1)).await;
            storage.release();
        };
        let (told, ()) = tokio::join!(calls, release);
        let mut told: Vec<u32> = told.into_iter().map(Result::unwrap).collect();
        told.sort_unstable();
        assert!(
            told.windows(2).all(|pair| pair[0] + 1 == pair[1]),
            "{told:?}"
        );
    };
    // The first does not know of the others, who share the second.
    round().await;
    let before = storage.writes();
    for _ in 0..10 {
        round().await;
    }
    assert_eq!(storage.writes() - before, 10);
}

#[tokio::test(start_paused = true)]
async fn p6_answers_that_wait_for_storage_are_bounded_here_too() {
    let (registry, few) = {
        let registry = TestRegistry::start(|it| it.actor::<Few>()).await;
        let few = registry.get_or_create::<Few>("one");
        few.save().await.unwrap();
        (registry, few)
    };
    registry.storage().hold();
    let calls = join_all((0..20).map(|_| few.save()));
    let release = async {
        sleep(Duration::from_millis(1)).await;
        registry.storage().release();
    };
    let (told, ()) = tokio::join!(calls, release);
    // Four wait for storage, four in the mailbox.
    assert_eq!(told.iter().filter(|it| it.is_ok()).count(), 8);
}

/// What a handler spawns belongs into the runtime in which its actor lives.
#[test]
fn a_caller_in_another_runtime_leaves_the_turn_to_the_task() {
    let runtime = || {
        runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let (home, away) = (runtime(), runtime());
    let (registry, tally) = home.block_on(async {
        let registry = registry(|it| it.actor::<Tally>()).await;
        let tally = registry.get_or_create::<Tally>("one");
        tally.add().await.unwrap();
        (registry, tally)
    });
    let lives_in =
        away.block_on(async move { task::spawn(async move { tally.lives_in().await }).await });
    assert_eq!(lives_in.unwrap().unwrap(), home.handle().id().to_string());
    home.block_on(registry.shutdown());
}

/// The life that lies in the mailbox, and holds on to it, ends with its task.
#[test]
fn a_life_at_rest_ends_with_its_runtime() {
    let held = HELD.with(Arc::clone);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let registry = runtime.block_on(async {
        let registry = registry(|it| it.actor::<Tally>()).await;
        registry.get_or_create::<Tally>("one").hold().await.unwrap();
        task::yield_now().await;
        registry
    });
    assert!(held.load(Ordering::SeqCst));
    drop(runtime);
    assert!(!held.load(Ordering::SeqCst), "the state is gone");
    drop(registry);
}

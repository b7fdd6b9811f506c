//! P2: what was acknowledged is durable, and nothing unsaved is shown.

use std::{sync::Arc, time::Duration};

use actor_core::{
    prelude::*,
    storage::Memory,
    testing::{Faults, TestRegistry},
};
use futures_util::poll;
use tokio::time::{Instant, sleep};

#[derive(Debug, Event, PartialEq)]
pub(crate) enum Rung {
    Rung(u32),
}

#[actor(event = Rung)]
#[derive(Default)]
pub(crate) struct Safe {
    count: u32,
}

#[actor]
impl Safe {
    #[action]
    async fn add(&mut self, ctx: &Ctx<Self>) -> u32 {
        self.count += 1;
        ctx.broadcast(Rung::Rung(self.count));
        self.count
    }

    #[action(durability = "relaxed")]
    async fn add_soon(&mut self) -> u32 {
        self.count += 1;
        self.count
    }

    #[action]
    async fn count(&self) -> u32 {
        self.count
    }

    #[action]
    async fn slow(&mut self) {
        sleep(Duration::from_secs(30)).await;
    }

    #[action]
    async fn stream(ctx: &TaskCtx<Self>) {
        for token in 0..3 {
            ctx.broadcast(Rung::Rung(100 + token));
            sleep(Duration::from_secs(1)).await;
        }
    }
}

#[actor(durability = "relaxed", save_interval = "1s")]
#[derive(Default)]
pub(crate) struct Quick {
    count: u32,
}

#[actor]
impl Quick {
    #[action]
    async fn add(&mut self) -> u32 {
        self.count += 1;
        self.count
    }

    #[action(durability = "acked")]
    async fn add_surely(&mut self) -> u32 {
        self.count += 1;
        self.count
    }

    #[action]
    async fn add_slowly(&mut self) -> u32 {
        tokio::task::yield_now().await;
        self.count += 1;
        self.count
    }
}

#[actor(durability = "none", sleep_after = "10s")]
#[derive(Default)]
pub(crate) struct Fleeting {
    count: u32,
}

#[actor]
impl Fleeting {
    #[action]
    async fn add(&mut self) -> u32 {
        self.count += 1;
        self.count
    }
}

/// A registry over storage whose writes the test holds back.
async fn held() -> (Arc<Faults<Memory>>, TestRegistry) {
    let registry =
        TestRegistry::start(|it| it.actor::<Safe>().actor::<Quick>().actor::<Fleeting>()).await;
    let faults = Arc::clone(registry.storage());
    (faults, registry)
}

/// Lets every task go as far as it can.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn p2_replies_and_events_wait_for_their_commit_and_later_turns_do_not() {
    let (faults, registry) = held().await;
    let safe = registry.get_or_create::<Safe>("one");
    let mut heard = safe.connect(Value::Undefined).await.unwrap();
    settle().await;
    faults.hold();
    let mut first = Box::pin(safe.add());
    let mut second = Box::pin(safe.add());
    let mut read = Box::pin(safe.count());
    assert!(poll!(&mut first).is_pending());
    settle().await;
    assert!(poll!(&mut second).is_pending() && poll!(&mut read).is_pending());
    settle().await;
    assert!(poll!(&mut first).is_pending(), "not saved yet");
    assert!(poll!(&mut read).is_pending(), "saw what is not saved");
    assert_eq!(heard.try_next(), None);
    faults.release();
    assert_eq!(first.await.unwrap(), 1);
    assert_eq!(second.await.unwrap(), 2);
    assert_eq!(
        read.await.unwrap(),
        2,
        "turns went on while the commit was under way"
    );
    assert_eq!(*heard.next().await.unwrap(), Rung::Rung(1));
}

#[tokio::test(start_paused = true)]
async fn p2_an_earlier_reply_never_waits_for_a_later_turn() {
    let (_faults, registry) = held().await;
    let safe = registry.get_or_create::<Safe>("one");
    safe.add().await.unwrap();
    let start = Instant::now();
    let (added, slow) = tokio::join!(safe.add(), safe.slow());
    added.unwrap();
    slow.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    let start = Instant::now();
    let mut slow = Box::pin(safe.slow());
    let added = tokio::select! {
        biased;
        added = safe.add() => added,
        _ = &mut slow => panic!("the slow one came first"),
    };
    assert_eq!((added.unwrap(), start.elapsed()), (3, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn p2_events_of_a_free_handler_flow_while_nothing_is_unsaved() {
    let (_faults, registry) = held().await;
    let safe = registry.get_or_create::<Safe>("one");
    let mut heard = safe.connect(Value::Undefined).await.unwrap();
    let start = Instant::now();
    let mut stream = Box::pin(safe.stream());
    for token in 0..3 {
        let event = tokio::select! {
            biased;
            event = heard.next() => event,
            _ = &mut stream => panic!("the stream ended early"),
        };
        assert_eq!(*event.unwrap(), Rung::Rung(100 + token));
        assert_eq!(start.elapsed(), Duration::from_secs(token.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn relaxed_replies_at_once_and_saves_within_its_interval() {
    let (faults, registry) = held().await;
    let quick = registry.get_or_create::<Quick>("one");
    quick.add().await.unwrap();
    settle().await;
    faults.hold();
    let before = faults.waiting();
    for n in 2..10 {
        assert_eq!(quick.add().await.unwrap(), n);
    }
    assert_eq!(faults.waiting(), before);
    sleep(Duration::from_millis(1100)).await;
    assert_eq!(faults.waiting(), before + 1, "one commit for all of them");
}

#[tokio::test(start_paused = true)]
async fn relaxed_saves_within_its_interval_also_when_it_never_rests() {
    let (faults, registry) = held().await;
    let quick = registry.get_or_create::<Quick>("one");
    quick.add().await.unwrap();
    settle().await;
    let before = faults.writes();
    let all = futures_util::future::join_all((0..1000).map(|_| quick.add_slowly()));
    let clock = async {
        // Runs whenever the actor, which always has more to do, lets others run.
        loop {
            tokio::time::advance(Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        done = all => assert!(done.into_iter().all(|it| it.is_ok())),
        () = clock => {}
    }
    let saves = faults.writes() - before;
    assert!(2 <= saves, "{saves} saves in several seconds");
}

#[tokio::test(start_paused = true)]
async fn durability_is_chosen_per_action() {
    let (faults, registry) = held().await;
    let quick = registry.get_or_create::<Quick>("one");
    quick.add().await.unwrap();
    let safe = registry.get_or_create::<Safe>("one");
    safe.add().await.unwrap();
    settle().await;
    faults.hold();
    let mut surely = Box::pin(quick.add_surely());
    assert!(poll!(&mut surely).is_pending());
    settle().await;
    assert!(poll!(&mut surely).is_pending());
    assert_eq!(safe.add_soon().await.unwrap(), 2);
    faults.release();
    assert_eq!(surely.await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn none_writes_nothing_and_forgets_in_its_sleep() {
    let (faults, registry) = held().await;
    let fleeting = registry.get_or_create::<Fleeting>("one");
    assert_eq!(fleeting.add().await.unwrap(), 1);
    assert_eq!(fleeting.add().await.unwrap(), 2);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(fleeting.add().await.unwrap(), 1);
    assert_eq!(faults.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn many_turns_share_a_commit() {
    let (faults, registry) = held().await;
    let safe = registry.get_or_create::<Safe>("one");
    safe.add().await.unwrap();
    settle().await;
    let before = faults.writes();
    faults.hold();
    let mut all = Box::pin(futures_util::future::join_all((0..500).map(|_| safe.add())));
    assert!(poll!(&mut all).is_pending());
    settle().await;
    faults.release();
    assert!(all.await.into_iter().all(|it| it.is_ok()));
    assert_eq!(
        faults.writes() - before,
        2,
        "the first turns', then one for all the others"
    );
}

/// Saves some time.
#[actor(durability = "relaxed", sleep_after = "10s")]
#[derive(Default)]
pub(crate) struct Procrastinator {
    n: u32,
    #[actor(transient)]
    in_this_life: u32,
}

#[actor]
impl Procrastinator {
    #[action]
    async fn add_and_save_within(&mut self, ctx: &Ctx<Self>, seconds: u64) -> u32 {
        self.n += 1;
        self.in_this_life += 1;
        ctx.save_within(Duration::from_secs(seconds));
        self.in_this_life
    }
}

#[tokio::test(start_paused = true)]
async fn a_save_may_be_wanted_at_the_end_of_time() {
    let registry = crate::registry(|it| it.actor::<Procrastinator>()).await;
    let actor = registry.get_or_create::<Procrastinator>("one");
    assert_eq!(actor.add_and_save_within(u64::MAX).await.unwrap(), 1);
    assert_eq!(actor.add_and_save_within(u64::MAX).await.unwrap(), 2);
}

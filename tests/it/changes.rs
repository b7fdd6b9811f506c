//! What an actor is told of its own state: `on_state_change`, and what it may do then. Saves on
//! request.

use std::{sync::Arc, time::Duration};

use actor_core::{
    actor::Derived,
    prelude::*,
    storage::Memory,
    testing::{Fault, Faults, TestRegistry},
};
use futures_util::poll;
use tokio::time::sleep;

use crate::registry;

#[actor(sleep_after = "10s", on_state_change_timeout = "1s")]
#[derive(Default)]
pub(crate) struct Ledger {
    value: i64,
    told_asleep: u32,
    #[actor(transient)]
    doubled: Derived<i64>,
    #[actor(transient)]
    told: Derived<u32>,
    #[actor(transient)]
    refused: Derived<String>,
}

#[actor]
impl Ledger {
    #[on_state_change]
    async fn changed(&self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
        self.told.update(|it| *it += 1);
        self.doubled.set(self.value * 2);
        match self.value {
            13 => return Err(ActorError::internal("on purpose")),
            14 => std::future::pending().await,
            15 => panic!("on purpose"),
            16 => {
                let refused = ctx.write_later(|it| it.value = 0).unwrap_err();
                self.refused
                    .set(format!("{}.{}", refused.group(), refused.code()));
            }
            _ => {}
        }
        Ok(())
    }

    #[on_sleep]
    async fn sleep(&mut self) {
        self.value += 1;
    }

    #[on_connect]
    async fn connected(&self) {}

    #[action]
    async fn set(&mut self, value: i64) {
        self.value = value;
    }

    #[action]
    async fn set_often(&mut self, times: u32) {
        for _ in 0..times {
            self.value += 1;
            tokio::task::yield_now().await;
        }
    }

    #[action]
    async fn set_in_a_turn(ctx: &TaskCtx<Self>, value: i64) {
        ctx.write(move |it| it.value = value).await;
    }

    #[action]
    async fn set_later(&self, ctx: &Ctx<Self>, value: i64) -> Result<(), ActorError> {
        ctx.write_later(move |it| it.value = value)
    }

    #[action]
    async fn fail(&mut self) {
        self.value = 100;
        panic!("on purpose");
    }

    /// The value, what is derived from it, and how often that was done.
    #[action]
    async fn seen(&self) -> (i64, i64, u32) {
        (self.value, self.doubled.get(), self.told.get())
    }

    #[action]
    async fn refused(&self) -> String {
        self.refused.get()
    }

    #[action]
    async fn set_and_nap(&self, ctx: &Ctx<Self>, value: i64) -> Result<(), ActorError> {
        ctx.sleep();
        ctx.write_later(move |it| it.value = value)
    }
}

async fn ledger() -> (actor_core::Registry, LedgerHandle) {
    let registry = registry(|it| it.actor::<Ledger>()).await;
    let ledger = registry.get_or_create::<Ledger>("a");
    (registry, ledger)
}

#[tokio::test(start_paused = true)]
async fn s8_each_turn_that_may_have_changed_the_state_is_told_of_once() {
    let (_registry, ledger) = ledger().await;
    assert_eq!(ledger.seen().await.unwrap(), (0, 0, 0), "none at creation");
    ledger.set(4).await.unwrap();
    assert_eq!(ledger.seen().await.unwrap(), (4, 8, 1));
    ledger.set_often(5).await.unwrap();
    assert_eq!(ledger.seen().await.unwrap(), (9, 18, 2));
    ledger.set_in_a_turn(1).await.unwrap();
    assert_eq!(ledger.seen().await.unwrap(), (1, 2, 3));
    ledger.set_later(2).await.unwrap();
    assert_eq!(ledger.seen().await.unwrap(), (2, 4, 4));
    // Neither reads nor connections change the state.
    drop(ledger.connect(Value::Undefined).await.unwrap());
    assert_eq!(ledger.seen().await.unwrap(), (2, 4, 4));
}

#[tokio::test(start_paused = true)]
async fn s8_a_call_that_waits_sees_what_the_hook_worked_out() {
    let (_registry, ledger) = ledger().await;
    let (set, seen) = tokio::join!(ledger.set(21), ledger.seen());
    set.unwrap();
    assert_eq!(seen.unwrap(), (21, 42, 1));
}

#[tokio::test(start_paused = true)]
async fn s8_a_hook_that_fails_is_logged_and_nobody_is_hurt() {
    let (_registry, ledger) = ledger().await;
    for value in [13, 14, 15, 16] {
        ledger.set(value).await.unwrap();
        assert_eq!(ledger.seen().await.unwrap().0, value);
    }
    assert_eq!(ledger.seen().await.unwrap(), (16, 32, 4));
    let refused = ledger.refused().await.unwrap();
    assert_eq!(refused, "actor.state_mutation_reentrant");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_failed_is_not_told_of() {
    let (_registry, ledger) = ledger().await;
    ledger.set(3).await.unwrap();
    ledger.fail().await.unwrap_err();
    assert_eq!(ledger.seen().await.unwrap(), (3, 0, 0), "loaded anew");
}

#[tokio::test(start_paused = true)]
async fn what_was_to_be_written_later_is_not_lost_to_a_sleep() {
    let (_registry, ledger) = ledger().await;
    ledger.set_and_nap(30).await.unwrap();
    let (value, ..) = ledger.seen().await.unwrap();
    assert!(value == 30 || value == 31, "{value}");
}

#[actor(durability = "relaxed", save_interval = "60s", sleep_after = "never")]
#[derive(Default)]
pub(crate) struct Lazy {
    value: i64,
}

#[actor]
impl Lazy {
    #[action]
    async fn set(&mut self, ctx: &Ctx<Self>, value: i64, within: Option<u64>) {
        self.value = value;
        if let Some(within) = within {
            ctx.save_within(Duration::from_secs(within));
        }
    }

    #[action]
    async fn set_and_save(ctx: &TaskCtx<Self>, value: i64) -> Result<(), ActorError> {
        ctx.write(move |it| it.value = value).await;
        ctx.save().await
    }
}

/// A lazy actor over storage whose writes the test holds back.
async fn lazy() -> (Arc<Faults<Memory>>, TestRegistry, LazyHandle) {
    let registry = TestRegistry::start(|it| it.actor::<Lazy>()).await;
    let faults = Arc::clone(registry.storage());
    let lazy = registry.get_or_create::<Lazy>("a");
    lazy.set(0, None).await.unwrap();
    sleep(Duration::from_secs(61)).await;
    (faults, registry, lazy)
}

#[tokio::test(start_paused = true)]
async fn s1_a_save_that_is_asked_for_is_durable_when_it_returns() {
    let (faults, _registry, lazy) = lazy().await;
    let before = faults.writes();
    faults.hold();
    let mut saving = Box::pin(lazy.set_and_save(1));
    assert!(poll!(&mut saving).is_pending());
    sleep(Duration::from_millis(1)).await;
    assert!(poll!(&mut saving).is_pending(), "not on disk yet");
    assert_eq!(faults.waiting(), 1);
    faults.release();
    saving.await.unwrap();
    assert_eq!(faults.writes(), before + 1);
    // With nothing to save it asks for nothing.
    lazy.set_and_save(1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s2_a_save_that_fails_says_so() {
    let (faults, _registry, lazy) = lazy().await;
    faults.script([Some(Fault::Refuse)]);
    let error = lazy.set_and_save(1).await.unwrap_err().to_actor_error();
    assert!(
        error.is("actor", "aborted") || error.is("actor", "storage_failed"),
        "{error}"
    );
    lazy.set_and_save(2).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s1_a_save_may_be_asked_for_within_a_time() {
    let (faults, _registry, lazy) = lazy().await;
    let before = faults.writes();
    lazy.set(1, Some(10)).await.unwrap();
    lazy.set(2, Some(20)).await.unwrap();
    sleep(Duration::from_millis(9900)).await;
    assert_eq!(faults.writes(), before);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(faults.writes(), before + 1, "one for both");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(faults.writes(), before + 1);
}

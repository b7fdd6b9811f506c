//! An actor without macros: what `#[actor]`, `#[derive(Event)]` and `#[derive(ActionError)]` write for
//! a counter, written by hand, and the same counter by macro: both do alike.

#![allow(unreachable_pub, reason = "written as in a library")]

use std::time::Duration;

use actor_core::{
    CallError, ScheduleId, prelude::*, schedule::ScheduleError, testing::TestRegistry,
};

/// The counter by hand, which the guide shows.
#[path = "../actor-core/src/docs/by_hand.rs"]
mod by_hand;

/// The same counter by macro.
mod by_macro {
    use super::*;

    #[actor(event = CounterEvent)]
    #[derive(Default)]
    pub struct Counter {
        pub count: i64,
    }

    #[actor]
    impl Counter {
        #[action]
        async fn increment(&mut self, ctx: &Ctx<Self>, by: i64) -> Result<i64, CounterError> {
            let count = self
                .count
                .checked_add(by)
                .ok_or(CounterError::Overflow { by })?;
            self.count = count;
            ctx.broadcast(CounterEvent::NewCount(count));
            Ok(count)
        }

        #[action]
        async fn get(&self) -> i64 {
            self.count
        }

        #[action]
        async fn double(ctx: &TaskCtx<Self>) -> i64 {
            ctx.read(|it| it.count * 2).await
        }

        #[action]
        async fn later(&self, ctx: &Ctx<Self>) -> Result<ScheduleId, ScheduleError> {
            ctx.after(Duration::from_secs(60)).increment(1)
        }
    }

    #[derive(Clone, Debug, Event)]
    pub enum CounterEvent {
        NewCount(i64),
    }

    #[derive(Debug, thiserror::Error, ActionError)]
    pub enum CounterError {
        #[error("the count is too large to add {by}")]
        #[action_error(status = 409)]
        Overflow { by: i64 },
    }
}

/// What both have to do alike.
macro_rules! behaves {
    ($module:ident) => {{
        use $module::{Counter, CounterError, CounterEvent};

        let registry = TestRegistry::start(|it| it.actor::<Counter>()).await;
        let counter = registry.get_or_create::<Counter>("one");
        let mut events = counter.connect(Value::Null).await.unwrap();

        assert_eq!(counter.increment(5).await.unwrap(), 5);
        assert_eq!(counter.get().await.unwrap(), 5);
        assert_eq!(counter.double().await.unwrap(), 10);
        let event = events.next().await.unwrap();
        assert!(matches!(*event, CounterEvent::NewCount(5)), "{event:?}");

        counter.later().await.unwrap();
        registry.advance(Duration::from_secs(61)).await;
        assert_eq!(counter.get().await.unwrap(), 6);

        for _ in 0..2 {
            let keyed = counter.idempotency_key("a");
            assert_eq!(keyed.increment(1).await.unwrap(), 7);
            assert_eq!(keyed.get().await.unwrap(), 7);
        }
        let other = counter.idempotency_key("a").increment(2).await;
        let other = other.unwrap_err().to_actor_error();
        assert!(other.is("idempotency", "key_reused"), "{other}");

        let error = counter.increment(i64::MAX).await.unwrap_err();
        let CallError::Action(CounterError::Overflow { by }) = &error else {
            panic!("{error}")
        };
        assert_eq!(*by, i64::MAX);
        let error = error.to_actor_error();
        assert_eq!(
            (error.group(), error.code(), error.status()),
            ("user", "overflow", 409)
        );
        assert_eq!(error.metadata(), Some(&Value::object([("by", i64::MAX)])));

        let event = CounterEvent::NewCount(5);
        assert_eq!(
            (event.name(), event.args().unwrap()),
            ("newCount", Value::Array(vec![5.into()]))
        );

        let mut stored = Vec::new();
        Counter { count: 5 }.encode(&mut stored).unwrap();
        assert_eq!(Counter::decode(1, &stored).unwrap().count, 5);
        let names = Counter::HANDLERS
            .iter()
            .map(|it| (it.name, it.receiver))
            .collect::<Vec<_>>();
        (Counter::NAME, names, stored)
    }};
}

#[tokio::test(start_paused = true)]
async fn both_behave_alike() {
    use actor_core::actor::{Actor as _, ActorType as _};

    assert_eq!(behaves!(by_hand), behaves!(by_macro));
}

//! Actions: answers, errors, timeouts, panics, full mailboxes.

use std::time::Duration;

use actor_core::{CallError, prelude::*};

use crate::registry;

#[actor(action_timeout = "100ms", mailbox = 4)]
#[derive(Default)]
pub(crate) struct Desk {
    count: i64,
}

#[derive(Debug, thiserror::Error, ActionError)]
pub(crate) enum DeskError {
    #[error("{0} is too much")]
    TooMuch(i64),
}

#[actor]
impl Desk {
    #[action]
    async fn add(&mut self, by: i64) -> Result<i64, DeskError> {
        self.count += by;
        if 100 < by {
            return Err(DeskError::TooMuch(by));
        }
        Ok(self.count)
    }

    #[action]
    async fn count(&self) -> i64 {
        self.count
    }

    #[action]
    async fn change_and_hang(&mut self) {
        self.count = -1;
        std::future::pending().await
    }

    #[action]
    async fn change_and_panic(&mut self) {
        self.count = -1;
        panic!("on purpose");
    }

    #[action]
    async fn read_and_panic(&self) -> i64 {
        panic!("on purpose");
    }

    #[action]
    async fn wait(&mut self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

async fn desk() -> DeskHandle {
    registry(|it| it.actor::<Desk>())
        .await
        .get_or_create::<Desk>("one")
}

fn code<T: std::fmt::Debug, E: actor_core::IntoActorError + std::fmt::Debug>(
    result: Result<T, CallError<E>>,
) -> String {
    let error = result.unwrap_err().to_actor_error();
    format!("{}.{}", error.group(), error.code())
}

#[tokio::test(start_paused = true)]
async fn an_error_is_an_answer_and_keeps_what_was_changed_before_it() {
    let desk = desk().await;
    assert_eq!(desk.add(1).await.unwrap(), 1);
    let error = desk.add(101).await.unwrap_err();
    assert!(matches!(error, CallError::Action(DeskError::TooMuch(101))));
    assert_eq!(desk.count().await.unwrap(), 102);
}

#[tokio::test(start_paused = true)]
async fn a_panic_drops_its_changes_and_hurts_nobody_else() {
    let desk = desk().await;
    desk.add(5).await.unwrap();
    assert_eq!(code(desk.change_and_panic().await), "actor.panicked");
    assert_eq!(desk.count().await.unwrap(), 5);
    assert_eq!(code(desk.read_and_panic().await), "actor.panicked");
    assert_eq!(desk.count().await.unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn a2_a_timeout_drops_its_changes() {
    let desk = desk().await;
    desk.add(5).await.unwrap();
    let before = tokio::time::Instant::now();
    assert_eq!(code(desk.change_and_hang().await), "actor.action_timed_out");
    assert_eq!(before.elapsed(), Duration::from_millis(100));
    assert_eq!(desk.count().await.unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_refuses_and_recovers() {
    let desk = desk().await;
    desk.count().await.unwrap();
    let blocked = tokio::spawn({
        let desk = desk.clone();
        async move { desk.wait(50).await }
    });
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    let calls: Vec<_> = (0..10).map(|_| desk.count()).collect();
    let answers = futures_util::future::join_all(calls).await;
    let refused = answers.iter().filter(|it| it.is_err()).count();
    assert!(0 < refused && refused < 10, "{refused} of 10 refused");
    for answer in answers.into_iter().filter(Result::is_err) {
        assert_eq!(code(answer), "actor.overloaded");
    }
    blocked.await.unwrap().unwrap();
    assert_eq!(desk.count().await.unwrap(), 0);
}

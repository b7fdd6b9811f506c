//! Atomic turns: one that fails leaves nothing behind. Its outputs and its writes are staged as those of
//! any exclusive turn, the state is put back from a copy.

use super::{
    guard::{Fault, guard_now},
    job::Job,
    live::Cell,
    persist, slot,
};
use crate::{
    actor::{Actor, Handler},
    error::ActorError,
};

/// Whether any handler is atomic, asked by the compiler: who has none pays nothing.
pub(super) const fn has_atomic(handlers: &[Handler]) -> bool {
    let mut at = 0;
    while at < handlers.len() {
        if handlers[at].atomic {
            return true;
        }
        at += 1;
    }
    false
}

impl<A: Actor> Cell<A> {
    /// Whether a job is to leave nothing behind should it fail.
    pub(super) fn is_atomic(job: &Job<A>) -> bool {
        let any = const { has_atomic(A::HANDLERS) };
        any && A::HANDLERS[A::handler(&job.call)].atomic
    }

    /// As an exclusive turn, undone unless it answers well.
    pub(super) async fn run_atomic(&mut self, state: &mut A, mut job: Job<A>) {
        // Serializing is user code too.
        let before = match guard_now(|| persist::encode_state(state, 0)) {
            Ok(Ok(before)) => before,
            Ok(Err(error)) => {
                let error = ActorError::internal(format!("not begun: {error}"));
                return self.fault(job, &Fault::Broken(error));
            }
            Err(fault) => return self.fault(job, &fault),
        };
        self.hub.begin_atomic();
        let mut outcome = self.run_exclusive(state, &mut job).await;
        if self.slot.host.is_aborted() {
            // As in a crash, nothing more is saved.
            outcome = outcome.and(Err(Fault::Broken(slot::stopping())));
        }
        let mut has_failed = outcome.is_err() || A::reply(&mut job.call).has_failed();
        if let Err(error) = self.end_sql(!has_failed).await
            && !has_failed
        {
            has_failed = true;
            outcome = Err(Fault::Broken(error));
        }
        if !has_failed {
            self.hub.keep_atomic();
            return self.end_exclusive(job, outcome);
        }
        self.hub.drop_atomic();
        let restored = guard_now(|| {
            let read = persist::decode_state::<A>(&before)?;
            state.take_on(read);
            Ok::<_, crate::actor::StateError>(())
        });
        let unrestored = match restored {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("reading the state panicked".to_owned()),
        };
        if let Some(error) = unrestored {
            // What no copy brings back, the last commit does.
            tracing::error!(actor = %self.slot.about.address, %error, "a turn cannot be undone");
            let fault = outcome.err();
            let fault = fault.unwrap_or_else(|| Fault::Broken(ActorError::internal(error)));
            return self.end_exclusive(job, Err(fault));
        }
        self.hub.discard_turn();
        match outcome {
            // Its answer, an error, rests on what is there without the turn.
            Ok(()) => self.finish(job, false),
            Err(fault) => self.fault(job, &fault),
        }
    }

    /// Ends the transaction of the turn, with all else going on meanwhile.
    async fn end_sql(&mut self, keep: bool) -> Result<(), ActorError> {
        #[cfg(feature = "sqlite")]
        {
            use crate::error::IntoActorError as _;
            use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

            let hub = Arc::clone(&self.hub);
            let mut ending = pin!(hub.end_atomic_sql(keep));
            let ended = poll_fn(|cx| match ending.as_mut().poll(cx) {
                Poll::Ready(ended) => Poll::Ready(ended),
                Poll::Pending => {
                    self.poll_side(cx);
                    Poll::Pending
                }
            });
            ended.await.map_err(|error| error.to_actor_error())
        }
        #[cfg(not(feature = "sqlite"))]
        {
            let _ = keep;
            Ok(())
        }
    }
}

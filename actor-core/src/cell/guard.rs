//! Runs user code. The only place where it may panic or take too long (P7).

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{FutureExt as _, future::CatchUnwind};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

use super::frame::{Keeper, Who};
use crate::{actor::FailureKind, error::ActorError};

/// Why a handler did not return.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    Panicked(String),
    TimedOut(Duration),
    /// It was cut short because its life cannot go on, or is over.
    Broken(ActorError),
}

impl Fault {
    pub(super) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .map(|it| (*it).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned());
        Self::Panicked(text.unwrap_or_else(|| "no message".to_owned()))
    }

    /// How the handler failed; none for what befell its life.
    pub(super) fn kind(&self) -> Option<FailureKind> {
        match self {
            Self::Panicked(_) => Some(FailureKind::Panic),
            Self::TimedOut(_) => Some(FailureKind::Timeout),
            Self::Broken(_) => None,
        }
    }

    /// As the caller of an action is told, or who sent a raw request.
    pub(super) fn of_call(&self, name: &str) -> ActorError {
        match self {
            Self::Panicked(text) => panicked(name, text),
            Self::Broken(error) => error.clone(),
            Self::TimedOut(after) => ActorError::new(
                "actor",
                "action_timed_out",
                format!(
                    "Action timed out: `{name}` took longer than {} ms",
                    after.as_millis()
                ),
            ),
        }
    }

    /// As those who wait for a hook are told (P5: which hook, and the time spent).
    pub(super) fn of_hook(&self, name: &str) -> ActorError {
        match self {
            Self::Panicked(text) => panicked(name, text),
            Self::Broken(error) => error.clone(),
            Self::TimedOut(after) => ActorError::new(
                "actor",
                "callback_timed_out",
                format!("`{name}` took longer than {} ms", after.as_millis()),
            ),
        }
    }
}

fn panicked(name: &str, text: &str) -> ActorError {
    ActorError::new("actor", "panicked", format!("`{name}` panicked: {text}"))
}

pin_project! {
    /// Runs a handler to its end, its panic or its timeout. The timer is only made once the handler
    /// has to wait, for most never do. Written out because an `async fn` would hold the handler's
    /// future twice.
    pub(super) struct Guard<'a, F> {
        #[pin]
        handler: CatchUnwind<AssertUnwindSafe<F>>,
        timeout: Duration,
        timer: Option<Pin<Box<Sleep>>>,
        who: Who<'a>,
        frame: Keeper,
    }
}

impl<'a, F: Future> Guard<'a, F> {
    pub(super) fn new(handler: F, timeout: Duration, who: Who<'a>) -> Self {
        Self {
            handler: AssertUnwindSafe(handler).catch_unwind(),
            timeout,
            timer: None,
            who,
            frame: Keeper::default(),
        }
    }
}

impl<F: Future> Future for Guard<'_, F> {
    type Output = Result<F::Output, Fault>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // The timer first: an answer that comes too late is none, however busy the machine is.
        if let Some(timer) = this.timer.as_mut()
            && timer.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(Fault::TimedOut(*this.timeout)));
        }
        let timeout = *this.timeout;
        let until = || match this.timer {
            Some(timer) => timer.deadline(),
            None => Instant::now() + timeout,
        };
        let polled = this.frame.poll(*this.who, until, || this.handler.poll(cx));
        if let Poll::Ready(done) = polled {
            return Poll::Ready(done.map_err(|payload| Fault::panicked(&*payload)));
        }
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
        timer
            .as_mut()
            .poll(cx)
            .map(|()| Err(Fault::TimedOut(timeout)))
    }
}

/// Runs work in the background to its end or its panic: how long it may take is for the one who
/// spawned it.
pub(super) async fn guard_work<T>(work: impl Future<Output = T>) -> Result<T, Fault> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.map_err(|payload| Fault::panicked(&*payload))
}

/// Runs a short turn, which cannot wait.
pub(super) fn guard_now<T>(turn: impl FnOnce() -> T) -> Result<T, Fault> {
    std::panic::catch_unwind(AssertUnwindSafe(turn)).map_err(|payload| Fault::panicked(&*payload))
}

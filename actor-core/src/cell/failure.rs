//! What failed, told to the log, to metrics, and to the actor's `on_error`.

use tokio::sync::oneshot;

use super::{
    background::has_hook,
    guard::Fault,
    job::{Answer, Job, Then, read_answer},
    live::Cell,
};
use crate::{
    actor::{Actor, Failure, FailureKind, Hook, ON_ERROR, Reply},
    error::ActorError,
    lifecycle::{Event, WorkKind},
    metrics,
};

impl<A: Actor> Cell<A> {
    /// Tells `on_error` of a failure, or the next life's where this one cannot go on.
    pub(super) fn report(&mut self, failure: Failure) {
        if !hears_of_failures::<A>() || failure.handler == ON_ERROR {
            return;
        }
        if self.broken.is_some() {
            self.slot.note_failure_of(failure);
            return;
        }
        let (to, answer) = oneshot::channel();
        if let Some(call) = A::hook(Hook::Error(failure, Reply::caller(to))) {
            self.machine.work.begin(WorkKind::Failure);
            self.jobs.push_back(Job::hook(call, Then::Failure(answer)));
        }
    }

    /// `on_error` has run.
    pub(super) fn told_of_failure(&mut self) {
        self.machine.work.end(WorkKind::Failure);
        self.tell(Event::WorkEnded);
    }

    /// A hook failed with an error.
    pub(super) fn hook_failed(&mut self, handler: &'static str, error: &ActorError) {
        if hears_of_failures::<A>() {
            self.report(Failure {
                handler,
                kind: FailureKind::Error,
                error: error.clone(),
            });
        }
    }

    /// A hook is over that nobody waits for: what it failed with is logged.
    pub(super) fn hook_over(&mut self, mut call: A::Call, mut answer: Answer<()>) {
        let hook = A::HANDLERS[A::handler(&call)].name;
        A::reply(&mut call).release();
        if let Err(error) = read_answer(&mut answer) {
            tracing::warn!(actor = %self.slot.about.address, hook, %error, "a hook failed");
            self.hook_failed(hook, &error);
        }
    }

    /// Logs and counts what became of a handler; what its caller is told.
    pub(super) fn note_fault(&mut self, job: &Job<A>, fault: &Fault) -> ActorError {
        let handler = A::HANDLERS[A::handler(&job.call)].name;
        let error = if job.has_caller() {
            fault.of_call(handler)
        } else {
            fault.of_hook(handler)
        };
        self.note_fault_of(handler, fault, error)
    }

    /// As [`note_fault`](Self::note_fault), for what was to be told `error`.
    pub(super) fn note_fault_of(
        &mut self,
        handler: &'static str,
        fault: &Fault,
        error: ActorError,
    ) -> ActorError {
        tracing::error!(actor = %self.slot.about.address, %error, "a handler did not return");
        if let Some(kind) = fault.kind() {
            let counted = match kind {
                FailureKind::Timeout => "timed_out",
                FailureKind::Error | FailureKind::Panic => "panicked",
            };
            metrics::count(&metrics::FAULTS, [&self.slot.info.name, counted]);
            self.report(Failure {
                handler,
                kind,
                error: error.clone(),
            });
        }
        error
    }
}

/// Whether there is an `on_error`, asked by the compiler: who has none pays nothing.
pub(super) const fn hears_of_failures<A: Actor>() -> bool {
    has_hook(A::HANDLERS, A::ACTIONS + A::SCHEDULED, ON_ERROR)
}

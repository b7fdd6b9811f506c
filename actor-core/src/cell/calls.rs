//! Calls become jobs.

use super::{job::Job, live::Cell};
use crate::{
    actor::{Actor, Receiver},
    id::ConnId,
};

impl<A: Actor> Cell<A> {
    /// A call becomes a job; one over a connection that has gone is dropped with it.
    pub(super) fn take_call(&mut self, call: A::Call, conn: Option<&ConnId>) -> Option<Job<A>> {
        let job = self.admit(call, conn)?;
        self.unless_free(job)
    }

    /// A job for a call, unless its connection has gone or may not call.
    pub(super) fn admit(&mut self, mut call: A::Call, conn: Option<&ConnId>) -> Option<Job<A>> {
        let caller = match conn {
            None => None,
            Some(id) => {
                let caller = self.hub.table_with(*id).by_id(*id).cloned();
                if caller.is_none() {
                    // Its connection is closed, and that says why.
                    A::reply(&mut call).forget();
                    return None;
                }
                caller
            }
        };
        let job = Job::call(call, caller);
        if let Err(error) = self.may_call(&job) {
            job.refuse(&error);
            return None;
        }
        Some(job)
    }

    /// Starts a job beside everything else if it needs no turn.
    pub(super) fn unless_free(&mut self, job: Job<A>) -> Option<Job<A>> {
        if job.receiver() == Receiver::Free {
            self.spawn_free(job);
            return None;
        }
        Some(job)
    }
}

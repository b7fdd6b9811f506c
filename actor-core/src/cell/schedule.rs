//! Runs what the actor's schedules say is due.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::oneshot;

use super::{
    job::{Job, Then},
    live::{Broken, Cell, Held},
};
use crate::{
    actor::{Actor, Origin, WireReply, WireTo, callable},
    error::ActorError,
    id::ScheduleId,
    lifecycle::{Event, WorkKind},
    protocol::{Args, Encoding},
    schedule::{Fire, ScheduledRun},
    storage::Op,
};

impl<A: Actor> Cell<A> {
    /// Goes on with the schedules of the last life.
    pub(super) fn resume_schedules(&mut self, failed: &BTreeMap<ScheduleId, ActorError>) {
        let alarmed = self.slot.mailbox().take_alarmed();
        let now = self.hub.clock.now();
        let mut schedules = self.hub.schedules();
        if alarmed {
            // Should nothing be due, the alarm was wrong, and is told again.
            schedules.get_or_insert_default().forget_alarm();
            self.hub.desk().forget_due();
        }
        let ops = schedules.as_mut().map(|it| it.interrupt(now, failed));
        drop(schedules);
        self.store_schedules(ops.unwrap_or_default());
        if alarmed && !self.claim_due() {
            self.connections_changed();
        }
    }

    /// Takes what is due, if something is. It runs once that it has begun is on disk, so that it
    /// begins once however the process ends (T2). Nothing begins while the actor stops (G1).
    pub(super) fn claim_due(&mut self) -> bool {
        if !self.machine.is_started() || self.due.is_none_or(|it| self.hub.clock.now() < it) {
            return false;
        }
        let offered = self.offer_due();
        let now = self.hub.clock.now();
        let claimed = self.hub.schedules().as_mut().map(|it| it.claim(now));
        let Some(claimed) = claimed else {
            self.look_at_schedules();
            return offered;
        };
        self.machine.busy();
        self.store_schedules(claimed.ops);
        let tag = self.saving.version();
        for fire in claimed.fires {
            self.machine.work.begin(WorkKind::Scheduled);
            self.hold(tag, Held::Run(fire));
        }
        true
    }

    /// Begins a run that storage knows of.
    pub(super) fn begin_run(&mut self, fire: Fire) {
        let Fire { run, action, args } = fire;
        let Some(handler) = callable::<A>(&action) else {
            // Renamed, or gone from the program (T8).
            tracing::error!(
                actor = %self.slot.about.address, %action, id = %run.id,
                "a schedule names an action that is not there, and is dropped"
            );
            let ops = self.hub.schedules().as_mut().map(|it| it.orphan(run.id));
            self.store_schedules(ops.unwrap_or_default());
            self.end_work();
            return;
        };
        let (to, outcome) = oneshot::channel();
        let mut reply = Some(WireReply::new(
            Encoding::Json,
            WireTo::Schedule(to),
            Arc::clone(&self.slot.about),
            usize::MAX,
            A::HANDLERS[handler].name,
        ));
        match A::decode_call(handler, Args::from_value(args), &mut reply) {
            Ok(call) => {
                let job = Job::hook(call, Then::Scheduled(run, outcome));
                // Also while a turn waits in the middle.
                let job = self.unless_free(job);
                self.jobs.extend(job);
            }
            Err(error) => {
                drop(reply);
                self.run_ended(&run, Some(&error));
            }
        }
    }

    /// A run is over: its outcome is stored with whatever it changed.
    pub(super) fn run_ended(&mut self, run: &ScheduledRun, failure: Option<&ActorError>) {
        if let Some(error) = failure {
            tracing::warn!(
                actor = %self.slot.about.address, id = %run.id, attempt = run.attempt, %error,
                "a scheduled run failed"
            );
        }
        let now = self.hub.clock.now();
        let ops = self
            .hub
            .schedules()
            .as_mut()
            .map(|it| it.end(run.id, now, failure));
        self.store_schedules(ops.unwrap_or_default());
        self.end_work();
    }

    /// A run did not return. Where its life is given up with it, the next one notes that.
    pub(super) fn run_failed(&mut self, run: &ScheduledRun, error: &ActorError) {
        if self.broken.is_some() || self.tainted {
            self.slot.note_failed(run.id, error.clone());
            self.end_work();
        } else {
            self.run_ended(run, Some(error));
        }
    }

    fn end_work(&mut self) {
        self.machine.work.end(WorkKind::Scheduled);
        self.tell(Event::WorkEnded);
    }

    /// Puts writes of the library's own beside the state into the next commit. There is none for an
    /// actor that stores nothing.
    pub(super) fn write_beside(&mut self, ops: Vec<Op>) {
        if ops.is_empty() || !self.stores() {
            return;
        }
        if let Err(error) = self.hub.write(Origin::Beside, ops) {
            let error = ActorError::new("actor", "storage_failed", error.to_string());
            self.broken = Some(Broken::by_storage(error));
        }
    }

    /// Puts changes of the schedules into the next commit.
    pub(super) fn store_schedules(&mut self, ops: Vec<Op>) {
        if !ops.is_empty() {
            self.write_beside(ops);
            self.connections_changed();
        }
        self.look_at_schedules();
    }
}

//! A context as the place where schedules are made, and the doors to that.

use std::{sync::MutexGuard, time::Duration};

use super::{Actor, ctx::Ctx};
use crate::{
    clock::Timestamp,
    id::ScheduleId,
    schedule::{Agenda, Cadence, Plan, Planned, ScheduledRun, Schedules, Table},
};

/// An actor whose actions are scheduled by methods of their names. `#[actor]` writes this.
pub trait Scheduled: Actor {
    /// One method for each action.
    type Planned<'a>: Planned<'a>;
}

impl<A: Scheduled> Ctx<A> {
    /// Schedules an action to run once, when this much time has passed.
    ///
    /// ```
    /// use actor_core::{prelude::*, schedule::ScheduleError};
    /// use std::time::Duration;
    ///
    /// #[actor]
    /// #[derive(Default)]
    /// pub struct Reminders { told: Vec<String> }
    ///
    /// #[actor]
    /// impl Reminders {
    ///     #[action]
    ///     async fn set(&mut self, ctx: &Ctx<Self>, user: String) -> Result<(), ScheduleError> {
    ///         ctx.after(Duration::from_secs(3600)).remind(user)?;
    ///         Ok(())
    ///     }
    ///
    ///     /// Nobody but a schedule calls this.
    ///     #[scheduled]
    ///     async fn remind(&mut self, user: String) {
    ///         self.told.push(user);
    ///     }
    /// }
    /// ```
    pub fn after(&self, wait: Duration) -> Plan<A::Planned<'_>> {
        Plan::after(self, wait)
    }

    /// Schedules an action to run once, at this time. A time that is over is now (T1).
    pub fn at(&self, at: Timestamp) -> Plan<A::Planned<'_>> {
        Plan::at(self, at)
    }

    /// Schedules an action to run again and again, at first when `interval` has passed. At least 5 s.
    /// Runs that were missed come once, and then the next on the old grid (T3).
    pub fn every(&self, interval: Duration) -> Plan<A::Planned<'_>> {
        Plan::again(self, Cadence::Every(interval))
    }

    /// Schedules an action to run whenever the local time in `zone`, such as `Europe/Berlin`, matches
    /// `expression`: minute, hour, day of month, month, day of week. A local time that the day lacks
    /// when the clocks go forward is skipped; one that it has twice when they go back counts once,
    /// unless minute or hour are `*` or a step of it (T6).
    #[cfg(feature = "cron")]
    pub fn cron(
        &self,
        expression: impl Into<String>,
        zone: impl Into<String>,
    ) -> Plan<A::Planned<'_>> {
        let cadence = Cadence::Cron {
            expression: expression.into(),
            zone: zone.into(),
        };
        Plan::again(self, cadence)
    }
}

impl<A: Actor> Ctx<A> {
    /// What is scheduled, and what has run.
    #[must_use]
    pub fn schedule(&self) -> Schedules<'_> {
        Schedules::new(self)
    }

    /// The schedule by which this handler runs, `None` when somebody called it (A5).
    #[must_use]
    pub fn scheduled(&self) -> Option<&ScheduledRun> {
        self.scheduled.as_deref()
    }
}

impl<A: Actor> Agenda for Ctx<A> {
    fn now(&self) -> Timestamp {
        self.hub.clock.now()
    }

    fn new_id(&self) -> ScheduleId {
        ScheduleId::new(&*self.hub.entropy)
    }

    fn has_action(&self, name: &str) -> bool {
        callable::<A>(name).is_some()
    }

    fn limit(&self) -> usize {
        self.hub.options.max_schedules
    }

    fn table(&self) -> MutexGuard<'_, Option<Box<Table>>> {
        let Some(atomic) = self.hub.atomic(self.origin) else {
            return self.hub.schedules();
        };
        let mut branch = atomic.schedules();
        if branch.is_none() {
            let branched = self.hub.schedules().get_or_insert_default().branch();
            *branch = Some(Box::new(branched));
        }
        branch
    }
}

/// The number of the handler of this name that a schedule may call.
pub(crate) fn callable<A: Actor>(name: &str) -> Option<usize> {
    let known = &A::HANDLERS[..A::ACTIONS + A::SCHEDULED];
    known.iter().position(|it| it.name == name)
}

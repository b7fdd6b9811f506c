//! A schedule on its way into the table: when, under which name, with which options, and at last what.

use std::{fmt, ops::Deref, sync::Arc, time::Duration};

use serde::Serialize;

use super::{Agenda, Cadence, MAX_ARGS, MAX_HISTORY, MAX_NAME, Retry, ScheduleError, row::Row};
use crate::{clock::Timestamp, id::ScheduleId, metrics, protocol::Args, value::Value};

/// A time at which one of the actor's actions is to be called. The action's own method says which, and
/// takes its arguments: `ctx.after(hour).remind(user)?`. Nothing is scheduled before that.
///
/// That call answers the schedule's id, or why it cannot be. The schedule is stored in the commit of
/// the turn that made it (P3); when that turn panics or times out, it was never made.
#[must_use = "nothing is scheduled until an action is named"]
pub struct Plan<S> {
    typed: S,
}

/// A schedule on its way, for what macros write: one method for each action, around this.
pub struct Draft<'a> {
    agenda: &'a dyn Agenda,
    when: When,
    name: Option<String>,
    retry: Option<Retry>,
    keep: Option<u32>,
}

enum When {
    At(Timestamp),
    After(Duration),
    Again(Cadence),
}

/// One method for each action, around a [`Draft`]. `#[actor]` writes this.
pub trait Planned<'a>: From<Draft<'a>> {
    /// What it is around.
    fn draft(&self) -> &Draft<'a>;

    /// What it is around, to be changed.
    fn draft_mut(&mut self) -> &mut Draft<'a>;
}

impl<'a, S: Planned<'a>> Plan<S> {
    fn new(agenda: &'a dyn Agenda, when: When) -> Self {
        let draft = Draft {
            agenda,
            when,
            name: None,
            retry: None,
            keep: None,
        };
        Self {
            typed: draft.into(),
        }
    }

    pub(crate) fn at(agenda: &'a dyn Agenda, at: Timestamp) -> Self {
        Self::new(agenda, When::At(at))
    }

    pub(crate) fn after(agenda: &'a dyn Agenda, wait: Duration) -> Self {
        Self::new(agenda, When::After(wait))
    }

    pub(crate) fn again(agenda: &'a dyn Agenda, cadence: Cadence) -> Self {
        Self::new(agenda, When::Again(cadence))
    }

    /// Gives the schedule a name of 1 to 128 bytes. One that has this name already is replaced: it
    /// keeps its id, and a recurring one its next time if it comes as often as before (T5). A
    /// recurring schedule that is given no name has that of its action, so that saying it again at
    /// every wake changes nothing.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.typed.draft_mut().name = Some(name.into());
        self
    }

    /// Says what becomes of a run that fails. Default: nothing.
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.typed.draft_mut().retry = Some(retry);
        self
    }

    /// How many runs of a recurring schedule are remembered, at most 1,000. Default: 100. Runs of
    /// schedules that come once are remembered together, the last 100 of them.
    pub fn with_history(mut self, runs: u32) -> Self {
        self.typed.draft_mut().keep = Some(runs);
        self
    }

    /// Schedules an action by its name on the wire. `args` is a tuple of its arguments.
    ///
    /// # Errors
    ///
    /// As that of an action's own method, and `schedule.action_not_found`. Whether the arguments fit
    /// shows when it runs.
    pub fn call(&self, action: &str, args: impl Serialize) -> Result<ScheduleId, ScheduleError> {
        let draft = self.typed.draft();
        if !draft.agenda.has_action(action) {
            return Err(ScheduleError::UnknownAction(action.to_owned()));
        }
        let args = Value::from_serialize(&args).map_err(|e| ScheduleError::Encode(e.into()))?;
        draft.submit(action, Args::from_value(args))
    }
}

impl<S> Deref for Plan<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.typed
    }
}

impl Draft<'_> {
    /// Schedules the action of this name.
    ///
    /// # Errors
    ///
    /// When a limit is reached or an option makes no sense. Nothing is scheduled then.
    pub fn submit(&self, action: &str, args: Args) -> Result<ScheduleId, ScheduleError> {
        let agenda = self.agenda;
        if !agenda.is_stored() {
            return Err(ScheduleError::NotStored);
        }
        let now = agenda.now();
        let (first, cadence) = match &self.when {
            When::At(at) => (*at, Cadence::Once),
            When::After(wait) => (now.after(*wait), Cadence::Once),
            When::Again(cadence) => (cadence.first(now)?, cadence.clone()),
        };
        let row = self.row(action, args, &cadence)?;
        let mut table = agenda.table();
        let table = table.get_or_insert_default();
        let placed = table
            .place(agenda.new_id(), row, first, agenda.limit())
            .map_err(|error| metrics::refused("schedule.max_schedules_exceeded", error))?;
        let id = placed.id;
        agenda.write(placed.ops())?;
        table.put(placed);
        Ok(id)
    }

    fn row(&self, action: &str, args: Args, cadence: &Cadence) -> Result<Row, ScheduleError> {
        let args = args.into_value();
        let mut encoded = Vec::new();
        ciborium::into_writer(&args, &mut encoded).map_err(|e| ScheduleError::Encode(e.into()))?;
        if MAX_ARGS < encoded.len() {
            let error = ScheduleError::ArgumentsTooLarge {
                size: encoded.len(),
            };
            return Err(metrics::refused("schedule.arguments_too_large", error));
        }
        let mut row = Row::new(Arc::from(action), args, cadence);
        row.name = match &self.name {
            Some(name) if name.is_empty() || MAX_NAME < name.len() => {
                return Err(ScheduleError::BadName { size: name.len() });
            }
            Some(name) => Some(Arc::from(&**name)),
            None => cadence.is_recurring().then(|| Arc::clone(&row.action)),
        };
        row.retry = self.retry;
        if let Some(keep) = self.keep {
            if MAX_HISTORY < keep {
                return Err(ScheduleError::HistoryTooLong);
            }
            row.keep = keep;
        }
        Ok(row)
    }
}

impl<S> fmt::Debug for Plan<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").finish_non_exhaustive()
    }
}

impl fmt::Debug for Draft<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

//! An actor's schedules: calls of its own actions at a time to come, stored with its state.

mod branch;
mod cadence;
mod cron;
mod draft;
mod error;
mod retry;
mod row;
mod table;

use std::{
    fmt,
    sync::{Arc, MutexGuard},
    time::Duration,
};

pub use self::{
    cadence::Cadence,
    draft::{Draft, Plan, Planned},
    error::ScheduleError,
    retry::Retry,
};
pub(crate) use self::{
    row::{Row, Shelf},
    table::{Fire, Table},
};
use crate::{
    clock::Timestamp,
    error::ActorError,
    id::ScheduleId,
    journal::Ledger,
    storage::{Entry, Op, ScanRange, keys},
    value::Value,
};

/// Longest name of a schedule, in bytes.
const MAX_NAME: usize = 128;
/// Shortest interval.
const MIN_INTERVAL: Duration = Duration::from_secs(5);
/// Most bytes of a call's arguments.
const MAX_ARGS: usize = 64 * 1024;
/// Runs remembered of a schedule that does not say otherwise, and of all that came once together.
const DEFAULT_HISTORY: u32 = 100;
/// Most runs remembered of one schedule.
const MAX_HISTORY: u32 = 1_000;
/// Most runs remembered of all schedules of an actor.
const MAX_REMEMBERED: u64 = 10_000;
/// Most dead letters kept.
const MAX_DEAD: u64 = 1_000;

/// What schedules need of the actor they belong to.
pub(crate) trait Agenda: Ledger {
    fn now(&self) -> Timestamp;

    fn new_id(&self) -> ScheduleId;

    /// Whether the actor has something of this name to run.
    fn has_action(&self, name: &str) -> bool;

    /// How many schedules it may have.
    fn limit(&self) -> usize;

    /// The schedules, `None` for an actor without any. Held while what changes is written, so that
    /// table and rows are committed together.
    fn table(&self) -> MutexGuard<'_, Option<Box<Table>>>;
}

/// An actor's schedules, of [`Ctx::schedule`](crate::Ctx::schedule): what will come, what has run. New
/// ones are made by [`Ctx::after`](crate::Ctx::after), [`Ctx::at`](crate::Ctx::at),
/// [`Ctx::every`](crate::Ctx::every) and [`Ctx::cron`](crate::Ctx::cron).
///
/// ```
/// use actor_core::{prelude::*, schedule::ScheduleError};
/// use std::time::Duration;
///
/// #[actor]
/// #[derive(Default)]
/// pub struct Auction { closed: bool }
///
/// #[actor]
/// impl Auction {
///     /// Each bid keeps the auction open for another minute.
///     #[action]
///     async fn bid(&mut self, ctx: &Ctx<Self>) -> Result<(), ScheduleError> {
///         ctx.after(Duration::from_secs(60)).named("closing").close()?;
///         Ok(())
///     }
///
///     #[action]
///     async fn cancel(&mut self, ctx: &Ctx<Self>) -> bool {
///         let closing = ctx.schedule().find("closing");
///         closing.is_some_and(|it| ctx.schedule().cancel(it.id).is_ok_and(|it| it))
///     }
///
///     #[action]
///     async fn close(&mut self) {
///         self.closed = true;
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let registry = Registry::builder().actor::<Auction>().build().await?;
/// let auction = registry.get_or_create::<Auction>("vase");
/// auction.bid().await?;
/// assert!(auction.cancel().await?);
/// assert!(!auction.cancel().await?);
/// # registry.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct Schedules<'a> {
    agenda: &'a dyn Agenda,
}

impl<'a> Schedules<'a> {
    pub(crate) fn new(agenda: &'a dyn Agenda) -> Self {
        Self { agenda }
    }

    /// All that will come, the next first.
    #[must_use]
    pub fn list(self) -> Vec<Schedule> {
        let table = self.agenda.table();
        table.as_ref().map_or_else(Vec::new, |it| it.list())
    }

    /// The schedule with this id, if it will come.
    #[must_use]
    pub fn get(self, id: ScheduleId) -> Option<Schedule> {
        self.agenda.table().as_ref()?.get(id)
    }

    /// The schedule with this name, if it will come.
    #[must_use]
    pub fn find(self, name: &str) -> Option<Schedule> {
        let table = self.agenda.table();
        let table = table.as_ref()?;
        table.get(table.find(name)?)
    }

    /// Takes a schedule away, with what is remembered of it. A run that has begun goes on. Answers
    /// whether there was one.
    ///
    /// # Errors
    ///
    /// When too much waits to be saved already; the schedule stays then.
    pub fn cancel(self, id: ScheduleId) -> Result<bool, ScheduleError> {
        let mut table = self.agenda.table();
        let Some(table) = table.as_mut() else {
            return Ok(false);
        };
        let Some(ops) = table.removal(id) else {
            return Ok(false);
        };
        self.agenda.write(ops)?;
        table.remove(id);
        Ok(true)
    }

    /// The runs of a recurring schedule that are remembered, the newest first.
    ///
    /// # Errors
    ///
    /// When storage fails.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing has happened.
    pub async fn history(self, id: ScheduleId) -> Result<Vec<Run>, ScheduleError> {
        self.runs(Some(id)).await
    }

    /// The last 100 runs of schedules that came once, the newest first.
    ///
    /// # Errors
    ///
    /// When storage fails.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing has happened.
    pub async fn past(self) -> Result<Vec<Run>, ScheduleError> {
        self.runs(None).await
    }

    async fn runs(self, of: Option<ScheduleId>) -> Result<Vec<Run>, ScheduleError> {
        let prefix = keys::schedule_runs(of);
        let mut found = self.entries(prefix).await?;
        found.reverse();
        found.iter().map(|it| row::decode_run(&it.value)).collect()
    }

    /// Runs whose last try failed, the oldest first: at most the last 1,000 of schedules whose
    /// [`Retry`] says [`dead_letter`](Retry::dead_letter).
    ///
    /// # Errors
    ///
    /// When storage fails.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing has happened.
    pub async fn dead_letters(self) -> Result<Vec<DeadLetter>, ScheduleError> {
        let found = self.entries(keys::DEAD_LETTER.to_vec()).await?;
        found.iter().map(|it| row::decode_dead(&it.value)).collect()
    }

    /// Takes all dead letters of a schedule away, and answers how many there were. To run one again,
    /// schedule its action anew with its arguments.
    ///
    /// # Errors
    ///
    /// When storage fails; they stay then.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing has happened.
    pub async fn discard(self, id: ScheduleId) -> Result<usize, ScheduleError> {
        let mut ops = Vec::new();
        for entry in self.entries(keys::DEAD_LETTER.to_vec()).await? {
            if row::decode_dead(&entry.value)?.id == id {
                ops.push(Op::Delete { key: entry.key });
            }
        }
        let count = ops.len();
        self.agenda.write(ops)?;
        Ok(count)
    }

    async fn entries(self, prefix: Vec<u8>) -> Result<Vec<Entry>, ScheduleError> {
        if !self.agenda.is_stored() {
            return Ok(Vec::new());
        }
        let range = ScanRange {
            end: keys::after_prefix(&prefix),
            start: prefix,
            limit: MAX_HISTORY as usize,
            reverse: false,
        };
        Ok(self.agenda.scan(range).await?)
    }
}

impl fmt::Debug for Schedules<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedules").finish_non_exhaustive()
    }
}

/// Something that will come.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Schedule {
    /// Its id.
    pub id: ScheduleId,
    /// Its name. A recurring one that was given none is named like its action.
    pub name: Option<Arc<str>>,
    /// What is called, as clients name it.
    pub action: Arc<str>,
    /// With which arguments: a list.
    pub args: Value,
    /// How often.
    pub cadence: Cadence,
    /// When next.
    pub due: Timestamp,
    /// How many tries of the run that is due next have failed.
    pub failed: u32,
    /// When the run began that goes on now.
    pub running_since: Option<Timestamp>,
}

/// A run that is over.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Run {
    /// Of which schedule.
    pub schedule: ScheduleId,
    /// What was called.
    pub action: Arc<str>,
    /// When it was due.
    pub due: Timestamp,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Which try this was, counted from one.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a run ended.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// The action answered.
    Done,
    /// The action failed, panicked or took too long; or the actor stopped in the middle, which is
    /// `schedule.interrupted`. For the author's eyes: nothing is masked.
    Failed {
        /// The error's group.
        group: String,
        /// The error's code.
        code: String,
        /// What it says.
        message: String,
    },
    /// The run before it went on still (T4).
    Skipped,
}

impl From<Option<&ActorError>> for Outcome {
    fn from(failure: Option<&ActorError>) -> Self {
        match failure {
            None => Self::Done,
            Some(error) => Self::Failed {
                group: error.group().to_owned(),
                code: error.code().to_owned(),
                message: error.message().to_owned(),
            },
        }
    }
}

/// A run whose last try failed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Of which schedule.
    pub id: ScheduleId,
    /// The schedule's name.
    pub name: Option<Arc<str>>,
    /// What was called.
    pub action: Arc<str>,
    /// With which arguments: a list.
    pub args: Value,
    /// How it was tried again.
    pub retry: Option<Retry>,
    /// When it was due.
    pub due: Timestamp,
    /// When the last try failed.
    pub failed: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// Group, code and message of the last error.
    pub error: (String, String, String),
}

/// What an action that runs by a schedule is told of it, by [`Ctx::scheduled`](crate::Ctx::scheduled).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ScheduledRun {
    /// Of which schedule.
    pub id: ScheduleId,
    /// The schedule's name.
    pub name: Option<Arc<str>>,
    /// When it was due. It may run later: the actor may have been busy, or the process not there.
    pub due: Timestamp,
    /// Which try this is, counted from one.
    pub attempt: u32,
}

//! The stored forms: versioned, and apart from what authors see.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Cadence, DeadLetter, Outcome, Retry, Run, ScheduleError};
use crate::{
    clock::Timestamp,
    id::ScheduleId,
    storage::{Op, keys},
    value::Value,
};

/// Of every form here.
const VERSION: u32 = 1;

/// One schedule, as the table holds it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Row {
    v: u32,
    /// Of those due at the same time, who was there first.
    pub(super) order: u64,
    pub(super) name: Option<Arc<str>>,
    pub(super) action: Arc<str>,
    pub(super) args: Value,
    cadence: StoredCadence,
    pub(super) retry: Option<Retry>,
    /// How many runs are remembered.
    pub(super) keep: u32,
    pub(super) history: Ring,
    /// When it comes next, retries apart.
    pub(super) next: Option<Timestamp>,
    /// A run that failed and waits to be tried again.
    pub(super) again: Option<Again>,
    /// A run that began.
    pub(super) running: Option<Running>,
}

/// A run to be tried again.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Again {
    /// When it was due at first.
    pub(super) due: Timestamp,
    pub(super) at: Timestamp,
    pub(super) attempt: u32,
}

/// A run that began and is not over.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Running {
    pub(super) due: Timestamp,
    pub(super) since: Timestamp,
    pub(super) attempt: u32,
}

/// Which numbered entries there are: from the first up to the next, which is not there yet.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Ring {
    pub(super) first: u64,
    pub(super) next: u64,
}

impl Ring {
    pub(super) fn len(self) -> u64 {
        self.next - self.first
    }

    /// The number of a new entry.
    pub(super) fn push(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// The number of the oldest entry, which is given up.
    pub(super) fn pop(&mut self) -> u64 {
        self.first += 1;
        self.first - 1
    }
}

/// What belongs to all schedules of an actor.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Shelf {
    v: u32,
    /// Runs of schedules that came once.
    pub(super) past: Ring,
    pub(super) dead: Ring,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
enum StoredCadence {
    #[serde(rename = "once")]
    Once,
    #[serde(rename = "every")]
    Every(u64),
    #[serde(rename = "cron")]
    Cron(String, String),
}

impl Row {
    /// As it was before it was placed, without what it went on with of another.
    pub(super) fn anew(mut self) -> Self {
        (self.again, self.running) = (None, None);
        self.history = Ring::default();
        self
    }

    pub(super) fn new(action: Arc<str>, args: Value, cadence: &Cadence) -> Self {
        Self {
            v: VERSION,
            order: 0,
            name: None,
            action,
            args,
            cadence: stored(cadence),
            retry: None,
            keep: super::DEFAULT_HISTORY,
            history: Ring::default(),
            next: None,
            again: None,
            running: None,
        }
    }

    pub(super) fn cadence(&self) -> Cadence {
        match &self.cadence {
            StoredCadence::Once => Cadence::Once,
            StoredCadence::Every(millis) => Cadence::Every(Duration::from_millis(*millis)),
            StoredCadence::Cron(expression, zone) => Cadence::Cron {
                expression: expression.clone(),
                zone: zone.clone(),
            },
        }
    }

    pub(super) fn is_recurring(&self) -> bool {
        self.cadence != StoredCadence::Once
    }

    pub(super) fn has_cadence_of(&self, other: &Self) -> bool {
        self.cadence == other.cadence
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ScheduleError> {
        decode(bytes)
    }
}

fn stored(cadence: &Cadence) -> StoredCadence {
    match cadence {
        Cadence::Once => StoredCadence::Once,
        Cadence::Every(interval) => {
            StoredCadence::Every(u64::try_from(interval.as_millis()).unwrap_or(u64::MAX))
        }
        Cadence::Cron { expression, zone } => StoredCadence::Cron(expression.clone(), zone.clone()),
    }
}

impl Default for Shelf {
    fn default() -> Self {
        Self {
            v: VERSION,
            past: Ring::default(),
            dead: Ring::default(),
        }
    }
}

impl Shelf {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ScheduleError> {
        decode(bytes)
    }
}

/// One run that is over.
#[derive(Deserialize, Serialize)]
struct StoredRun {
    v: u32,
    id: ScheduleId,
    action: Arc<str>,
    due: Timestamp,
    began: Timestamp,
    ended: Timestamp,
    attempt: u32,
    outcome: StoredOutcome,
}

#[derive(Deserialize, Serialize)]
enum StoredOutcome {
    #[serde(rename = "done")]
    Done,
    #[serde(rename = "failed")]
    Failed(String, String, String),
    #[serde(rename = "skipped")]
    Skipped,
}

impl From<&Outcome> for StoredOutcome {
    fn from(outcome: &Outcome) -> Self {
        match outcome.clone() {
            Outcome::Done => Self::Done,
            Outcome::Skipped => Self::Skipped,
            Outcome::Failed {
                group,
                code,
                message,
            } => Self::Failed(group, code, message),
        }
    }
}

pub(super) fn encode_run(run: &Run) -> Bytes {
    encode(&StoredRun {
        v: VERSION,
        id: run.schedule,
        action: Arc::clone(&run.action),
        due: run.due,
        began: run.began,
        ended: run.ended,
        attempt: run.attempt,
        outcome: (&run.outcome).into(),
    })
}

pub(super) fn decode_run(bytes: &[u8]) -> Result<Run, ScheduleError> {
    let stored: StoredRun = decode(bytes)?;
    let outcome = match stored.outcome {
        StoredOutcome::Done => Outcome::Done,
        StoredOutcome::Skipped => Outcome::Skipped,
        StoredOutcome::Failed(group, code, message) => Outcome::Failed {
            group,
            code,
            message,
        },
    };
    Ok(Run {
        schedule: stored.id,
        action: stored.action,
        due: stored.due,
        began: stored.began,
        ended: stored.ended,
        attempt: stored.attempt,
        outcome,
    })
}

/// A run that failed for good.
#[derive(Deserialize, Serialize)]
struct StoredDead {
    v: u32,
    id: ScheduleId,
    name: Option<Arc<str>>,
    action: Arc<str>,
    args: Value,
    retry: Option<Retry>,
    due: Timestamp,
    failed: Timestamp,
    attempts: u32,
    error: (String, String, String),
}

pub(super) fn encode_dead(dead: &DeadLetter) -> Bytes {
    encode(&StoredDead {
        v: VERSION,
        id: dead.id,
        name: dead.name.clone(),
        action: Arc::clone(&dead.action),
        args: dead.args.clone(),
        retry: dead.retry,
        due: dead.due,
        failed: dead.failed,
        attempts: dead.attempts,
        error: dead.error.clone(),
    })
}

pub(super) fn decode_dead(bytes: &[u8]) -> Result<DeadLetter, ScheduleError> {
    let stored: StoredDead = decode(bytes)?;
    Ok(DeadLetter {
        id: stored.id,
        name: stored.name,
        action: stored.action,
        args: stored.args,
        retry: stored.retry,
        due: stored.due,
        failed: stored.failed,
        attempts: stored.attempts,
        error: stored.error,
    })
}

pub(super) fn encode(it: &impl Serialize) -> Bytes {
    let mut out = Vec::new();
    // All of it is plain data: numbers, texts, and arguments that were encoded once before.
    if let Err(error) = ciborium::into_writer(it, &mut out) {
        tracing::error!(%error, "a schedule does not serialize");
    }
    out.into()
}

/// What all forms have.
#[derive(Deserialize)]
struct Version {
    v: u32,
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ScheduleError> {
    let unreadable = |e: ciborium::de::Error<_>| ScheduleError::Decode(e.into());
    let version: Version = ciborium::from_reader(bytes).map_err(unreadable)?;
    if VERSION < version.v {
        let text = format!("it has version {}, this program knows {VERSION}", version.v);
        return Err(ScheduleError::Decode(text.into()));
    }
    ciborium::from_reader(bytes).map_err(unreadable)
}

pub(super) fn put_row(id: ScheduleId, row: &Row) -> Op {
    Op::Put {
        key: keys::schedule(id),
        value: encode(row),
    }
}

pub(super) fn put_shelf(shelf: &Shelf) -> Op {
    Op::Put {
        key: keys::schedule_shelf(),
        value: encode(shelf),
    }
}

pub(super) fn remove_row(id: ScheduleId, row: &Row) -> Vec<Op> {
    let key = keys::schedule(id);
    let mut ops = vec![Op::Delete { key }];
    ops.extend(remove_runs(id, row.history));
    ops
}

pub(super) fn remove_runs(id: ScheduleId, Ring { first, next }: Ring) -> impl Iterator<Item = Op> {
    (first..next).map(move |it| Op::Delete {
        key: keys::schedule_run(Some(id), it),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s6_a_newer_form_is_not_guessed_at() {
        let mut row = Row::new("act".into(), Value::Null, &Cadence::Once);
        assert_eq!(Row::decode(&encode(&row)).unwrap(), row);
        row.v = 2;
        let error = Row::decode(&encode(&row)).unwrap_err();
        assert!(matches!(error, ScheduleError::Decode(_)), "{error}");
        assert!(Row::decode(b"").is_err());
    }

    #[test]
    fn every_cadence_is_stored() {
        let cron = Cadence::Cron {
            expression: "0 9 * * *".into(),
            zone: "Europe/Berlin".into(),
        };
        for cadence in [Cadence::Once, Cadence::Every(Duration::from_secs(7)), cron] {
            let row = Row::new("act".into(), Value::Null, &cadence);
            assert_eq!(Row::decode(&encode(&row)).unwrap().cadence(), cadence);
        }
    }
}

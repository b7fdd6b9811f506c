//! What work of one life there is beside its turns: counted, with its age and where it was begun.

use std::{
    collections::BTreeMap,
    panic::Location,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::lifecycle::{Blocker, BlockerKind, Work, WorkKind};

/// All work of one life. Few lives have any, so the first use makes it.
#[derive(Debug, Default)]
pub(super) struct Background {
    ledger: Mutex<Ledger>,
    changed: AtomicBool,
    pub(super) stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Ledger {
    next: u64,
    held: BTreeMap<u64, Held>,
    counts: Work,
    parked: u32,
    /// Whether work that keeps awake began or ended since the last look.
    activity: bool,
}

/// One entry among the work of a life.
#[derive(Clone, Copy, Debug)]
struct Held {
    kind: WorkKind,
    since: Instant,
    place: Place,
}

/// Where in the author's code work was begun, if it was there.
pub(crate) type Place = Option<&'static Location<'static>>;

/// What the cell is told about work.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) counts: Work,
    pub(crate) activity: bool,
}

impl Background {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.ledger().held.len()
    }

    pub(super) fn hold(&self, kind: WorkKind, place: Place) -> u64 {
        let mut ledger = self.ledger();
        let id = ledger.next;
        ledger.next += 1;
        let held = Held {
            kind,
            since: Instant::now(),
            place,
        };
        ledger.held.insert(id, held);
        ledger.begin(kind);
        drop(ledger);
        self.changed.store(true, Ordering::Release);
        id
    }

    pub(super) fn release(&self, id: u64) {
        let mut ledger = self.ledger();
        if let Some(held) = ledger.held.remove(&id) {
            ledger.end(held.kind);
        }
        drop(ledger);
        self.changed.store(true, Ordering::Release);
    }

    pub(super) fn becomes(&self, id: u64, kind: WorkKind) {
        let mut ledger = self.ledger();
        if let Some(held) = ledger.held.get_mut(&id) {
            let was = std::mem::replace(&mut held.kind, kind);
            held.since = Instant::now();
            ledger.end(was);
            ledger.begin(kind);
        }
        drop(ledger);
        self.changed.store(true, Ordering::Release);
    }

    pub(super) fn park(&self) {
        let mut ledger = self.ledger();
        ledger.parked += 1;
        if ledger.parked == 1 {
            ledger.end(WorkKind::Run);
            ledger.begin(WorkKind::ParkedRun);
        }
        drop(ledger);
        self.changed.store(true, Ordering::Release);
    }

    pub(super) fn unpark(&self) {
        let mut ledger = self.ledger();
        ledger.parked -= 1;
        if ledger.parked == 0 {
            ledger.end(WorkKind::ParkedRun);
            ledger.begin(WorkKind::Run);
        }
        drop(ledger);
        self.changed.store(true, Ordering::Release);
    }

    /// Adds the work of which `counts` says yes to `all`.
    pub(super) fn list(
        &self,
        now: Instant,
        counts: impl Fn(WorkKind) -> bool,
        all: &mut Vec<Blocker>,
    ) {
        let ledger = self.ledger();
        let held: Vec<_> = ledger.held.values().copied().collect();
        let is_parked = 0 < ledger.parked;
        drop(ledger);
        for held in held {
            let kind = match held.kind {
                WorkKind::Run if is_parked => WorkKind::ParkedRun,
                kind => kind,
            };
            if counts(kind)
                && let Some(named) = BlockerKind::of(kind)
            {
                let blocker = Blocker {
                    age: now.saturating_duration_since(held.since),
                    location: held.place,
                    ..Blocker::new(named)
                };
                blocker.join(all);
            }
        }
    }

    pub(super) fn take_tally(&self) -> Option<Tally> {
        if !self.changed.swap(false, Ordering::AcqRel) {
            return None;
        }
        let mut ledger = self.ledger();
        let activity = std::mem::take(&mut ledger.activity);
        Some(Tally {
            counts: ledger.counts,
            activity,
        })
    }
}

impl Ledger {
    fn begin(&mut self, kind: WorkKind) {
        self.counts.begin(kind);
        self.activity |= kind.keeps_awake();
    }

    fn end(&mut self, kind: WorkKind) {
        self.counts.end(kind);
        self.activity |= kind.keeps_awake();
    }
}

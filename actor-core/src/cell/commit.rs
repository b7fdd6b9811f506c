//! Makes what turns changed durable: one commit in flight per actor, the next gathers meanwhile.

use std::{
    collections::BTreeSet,
    future::Future,
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::{
    task::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

use super::persist;
use crate::{
    actor::{Actor, Gone, Hub, Inner, StateError},
    id::{ActorId, ConnId, Generation},
    metrics::Stopwatch,
    storage::{ActorRecord, Batch, Committed, Driver, Op, StorageError, keys},
};

/// How long storage may take to answer (P5).
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// A commit that storage has not answered yet.
struct InFlight {
    since: Stopwatch,
    answer: Pin<Box<dyn Future<Output = Result<Committed, StorageError>> + Send>>,
}

/// The end of the wait for an answer.
struct Patience {
    ends: Instant,
    /// Kept from one commit to the next. It fires at `ends` or before, and is set anew then: moving it
    /// for each commit would cost more than all else here.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whom the timer wakes.
    told: Option<Waker>,
}

impl Patience {
    fn new(now: Instant) -> Self {
        Self {
            ends: now,
            timer: None,
            told: None,
        }
    }

    fn begin(&mut self) {
        self.ends = Instant::now() + DEADLINE;
    }

    /// Ready when it is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let ends = self.ends;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(ends)));
        let waker = cx.waker();
        if !timer.is_elapsed() && self.told.as_ref().is_some_and(|it| it.will_wake(waker)) {
            return Poll::Pending;
        }
        self.told = Some(waker.clone());
        // Without tokio's budget, see `Cell::poll_timer`.
        while pin!(unconstrained(timer.as_mut())).poll(cx).is_ready() {
            if ends <= timer.deadline() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(ends);
        }
        Poll::Pending
    }
}

/// When the next commit should start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wanted {
    No,
    /// At the latest then.
    By(Instant),
    Now,
}

/// What is saved, being saved, and to be saved.
#[repr(C)] // What every turn looks at comes first, see `Cell`.
pub(super) struct Saving {
    wanted: Wanted,
    in_flight: Option<InFlight>,
    patience: Patience,
    /// Of the state in memory.
    version: u64,
    /// Of the newest snapshot.
    snapshotted: u64,
    /// Whether the state itself changed since the newest snapshot, and not only connections.
    state_changed: bool,
    driver: Arc<dyn Driver>,
    actor: ActorId,
    generation: Generation,
    /// A snapshot taken while another commit is in flight.
    queued: Option<Box<Batch>>,
    last: Instant,
    size: usize,
    /// Connections whose rows the commits under way remove.
    removing: Vec<Gone>,
    /// The generation of the last commit in storage.
    stored: Generation,
    /// Whether this life has committed anything.
    has_committed: bool,
    /// Whether a commit was not answered, and may happen still.
    is_unsure: bool,
    /// Whether the newest snapshot has more than one turn in it.
    is_crowded: bool,
    /// Whether the commit that is due has waited for others to join.
    has_waited: bool,
    /// How often a commit that was due has waited for the turns behind it, and since when.
    gathered: u32,
    gathers_since: Instant,
}

/// How often a commit that is due may wait for turns that are about to run, and how long.
const GATHER: u32 = 256;
const GATHER_FOR: Duration = Duration::from_micros(200);

impl Saving {
    pub(super) fn new(
        driver: &Arc<dyn Driver>,
        record: &ActorRecord,
        generation: Generation,
        now: Instant,
    ) -> Self {
        Self {
            driver: Arc::clone(driver),
            actor: record.id,
            generation,
            version: 0,
            snapshotted: 0,
            state_changed: false,
            in_flight: None,
            patience: Patience::new(now),
            queued: None,
            wanted: Wanted::No,
            last: now,
            size: 0,
            removing: Vec::new(),
            stored: record.generation,
            has_committed: false,
            is_unsure: false,
            gathered: 0,
            gathers_since: now,
            is_crowded: false,
            has_waited: false,
        }
    }

    /// The version of the state in memory.
    #[inline(never)] // Or the compiler reads it, from memory of its own, before it is known to be asked for.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// The state changed, or might have.
    pub(super) fn state_changed(&mut self) {
        self.version += 1;
        self.state_changed = true;
    }

    /// Connections changed.
    pub(super) fn connections_changed(&mut self) {
        self.version += 1;
    }

    /// Whether something is not in any snapshot yet.
    pub(super) fn is_dirty(&self) -> bool {
        self.snapshotted < self.version
    }

    /// Somebody waits for the present version.
    pub(super) fn want_now(&mut self) {
        if self.is_dirty() {
            self.wanted = Wanted::Now;
        }
    }

    /// The present version should be saved within `interval` of the last save (S1).
    pub(super) fn want_within(&mut self, interval: Duration) {
        if self.is_dirty() && self.wanted == Wanted::No {
            self.wanted = Wanted::By(self.last + interval);
        }
    }

    /// The present version should be saved before `max` is over.
    pub(super) fn want_before(&mut self, max: Duration) {
        // Past the end of time is never.
        if let Some(at) = Instant::now().checked_add(max) {
            self.want_by(at);
        }
    }

    fn want_by(&mut self, at: Instant) {
        let is_later = match self.wanted {
            Wanted::No => false,
            Wanted::By(sooner) => sooner <= at,
            Wanted::Now => true,
        };
        if self.is_dirty() && !is_later {
            self.wanted = Wanted::By(at);
        }
    }

    /// When a commit is due that is not due yet.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self.wanted {
            Wanted::By(at) if self.in_flight.is_none() => Some(at),
            Wanted::By(_) | Wanted::No | Wanted::Now => None,
        }
    }

    /// Notices that a deadline of [`next_deadline`](Self::next_deadline) has come, also when nobody
    /// rests long enough for a timer.
    pub(super) fn look_at_clock(&mut self) {
        if matches!(self.wanted, Wanted::By(at) if at <= Instant::now()) {
            self.wanted = Wanted::Now;
        }
    }

    /// Whether a snapshot should be taken and a commit started now.
    pub(super) fn is_due(&self) -> bool {
        self.wanted == Wanted::Now && self.in_flight.is_none()
    }

    /// Whether a commit that is due shall wait for a turn that is about to run, so that both need only
    /// one. Many short turns may join, but none that takes as long as a commit.
    pub(super) fn gathers(&mut self) -> bool {
        if self.gathered == 0 {
            self.gathers_since = Instant::now();
        }
        self.gathered += 1;
        // The clock is not read each time, for that takes as long as a short turn.
        self.gathered < GATHER
            && (!self.gathered.is_multiple_of(8) || self.gathers_since.elapsed() < GATHER_FOR)
    }

    /// Whether several turns most likely share the next commit: those whom the last one answered come
    /// back.
    pub(super) fn is_crowded(&self) -> bool {
        self.is_crowded
    }

    /// A commit that is due waits, and the task runs again for it. True once for each commit.
    pub(super) fn waits_once(&mut self) -> bool {
        !mem::replace(&mut self.has_waited, true)
    }

    /// Whether a commit is due of which the task does not know.
    pub(super) fn is_news(&self) -> bool {
        self.is_due() && !self.has_waited
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Snapshots what is dirty and commits it, behind the commit in flight if there is one.
    ///
    /// # Errors
    ///
    /// When the state or a connection does not serialize; nothing is committed then.
    pub(super) fn start<A: Actor>(&mut self, state: &A, hub: &Hub<A>) -> Result<(), StateError> {
        if !self.is_dirty() {
            self.wanted = Wanted::No;
            return Ok(());
        }
        let batch = self.snapshot(state, hub)?;
        match (&mut self.queued, &self.in_flight) {
            (Some(queued), _) => {
                queued.version = batch.version;
                // A newer value of a key makes the older one pointless to write, and to hold.
                let newer: BTreeSet<_> = batch.ops.iter().map(key_of).collect();
                queued.ops.retain(|op| !newer.contains(key_of(op)));
                drop(newer);
                queued.ops.extend(batch.ops);
                queued.alarm = batch.alarm.or(queued.alarm);
            }
            (None, Some(_)) => self.queued = Some(Box::new(batch)),
            (None, None) => self.launch(batch),
        }
        Ok(())
    }

    fn snapshot<A: Actor>(&mut self, state: &A, hub: &Hub<A>) -> Result<Batch, StateError> {
        let mut batch = Batch::new(self.actor, self.generation, self.version);
        if self.state_changed {
            let value = persist::encode_state(state, self.size)?;
            // Room for some growth, so that the next encoding rarely reallocates.
            self.size = value.len() + value.len() / 8;
            batch.ops.push(Op::Put {
                key: keys::state(),
                value,
            });
        }
        let changes = hub.seen_of_table().take_changes(self.version);
        for (conn, hears) in changes.written {
            let value = persist::encode_conn(&conn, &hears)?;
            batch.ops.push(Op::Put {
                key: keys::connection(conn.id),
                value,
            });
        }
        for conn in changes.taken {
            batch.ops.extend(taken(&conn)?);
        }
        for gone in changes.removed {
            self.removing.push(gone);
            batch.ops.push(Op::Delete {
                key: keys::connection(gone.id),
            });
            if gone.has_taken {
                batch.ops.push(Op::Delete {
                    key: keys::taken(gone.id),
                });
            }
        }
        let (written, alarm) = hub.take_written(self.version);
        batch.ops.extend(written);
        batch.alarm = alarm;
        self.is_crowded = self.snapshotted + 1 < self.version;
        self.has_waited = false;
        self.snapshotted = self.version;
        self.state_changed = false;
        self.wanted = Wanted::No;
        self.gathered = 0;
        Ok(batch)
    }

    /// A commit failed that nobody waits for: everything it said is to be said again.
    pub(super) fn try_again<A: Actor>(&mut self, hub: &Hub<A>, interval: Duration) {
        self.queued = None;
        let mut table = hub.seen_of_table();
        table.mark_all_dirty();
        for gone in mem::take(&mut self.removing) {
            table.forget_row(gone);
        }
        drop(table);
        hub.retake_written();
        self.state_changed();
        self.wanted = Wanted::By(Instant::now() + interval);
    }

    /// As the table says it, of those whose rows the commits under way would have removed.
    pub(super) fn spared(&self) -> Vec<ConnId> {
        let spared = self.removing.iter().filter(|it| it.is_spared);
        spared.map(|it| it.id).collect()
    }

    /// Nothing more is to be saved in this life.
    pub(super) fn give_up(&mut self) {
        self.wanted = Wanted::No;
        self.snapshotted = self.version;
    }

    /// Gives up what waits behind the commit in flight.
    pub(super) fn drop_queued(&mut self) {
        self.queued = None;
    }

    /// Whether this life has committed anything, so that the next may fare better.
    pub(super) fn has_committed(&self) -> bool {
        self.has_committed
    }

    /// The generation of the last commit in storage, of which an error says nothing.
    pub(super) fn stored(&self) -> Generation {
        self.stored
    }

    /// Whether a commit of this life may still happen when it is over.
    pub(super) fn is_unsure(&self) -> bool {
        self.is_unsure || self.is_in_flight()
    }

    fn launch(&mut self, batch: Batch) {
        self.patience.begin();
        self.in_flight = Some(InFlight {
            since: Stopwatch::start(),
            answer: Arc::clone(&self.driver).hand_in(batch),
        });
    }

    /// Ready when the commit in flight is over; the one behind it is started.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<(Stopwatch, Result<Committed, StorageError>)> {
        let Some(in_flight) = &mut self.in_flight else {
            return Poll::Pending;
        };
        let result = match in_flight.answer.as_mut().poll(cx) {
            Poll::Ready(result) => result,
            Poll::Pending => {
                ready!(self.patience.poll(cx));
                self.is_unsure = true;
                Err(StorageError::Failed("no answer within 30 s".into()))
            }
        };
        let since = in_flight.since;
        self.in_flight = None;
        if result.is_ok() {
            self.last = Instant::now();
            self.has_committed = true;
            self.stored = self.generation;
            match self.queued.take() {
                Some(batch) => self.launch(*batch),
                None => self.removing = Vec::new(),
            }
        }
        Poll::Ready((since, result))
    }
}

/// The messages that a connection has taken and that may come again.
fn taken<A: Actor>(conn: &Inner<A>) -> Result<Option<Op>, StateError> {
    let oldest = conn.listener.outbox().and_then(|it| it.inbox().oldest());
    let mut taken = conn.taken();
    match oldest {
        Some(oldest) => taken.numbers = taken.numbers.split_off(&oldest),
        None => taken.numbers.clear(),
    }
    if taken.numbers.is_empty() && !taken.is_stored {
        return Ok(None);
    }
    taken.is_stored = true;
    let value = persist::encode_taken(&taken.numbers)?;
    Ok(Some(Op::Put {
        key: keys::taken(conn.id),
        value,
    }))
}

fn key_of(op: &Op) -> &[u8] {
    match op {
        Op::Put { key, .. } | Op::Delete { key } => key,
    }
}

//! All schedules of one actor as a plain value: what is due, what was missed, what comes of a run. It
//! is told the time and what happened, and answers what to run and what to store. Nothing in here
//! waits, locks or reads a clock.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    DEFAULT_HISTORY, DeadLetter, MAX_DEAD, MAX_REMEMBERED, Outcome, Run, Schedule, ScheduleError,
    ScheduledRun,
    branch::Step,
    row::{
        Again, Ring, Row, Running, Shelf, encode_dead, encode_run, put_row, put_shelf, remove_row,
        remove_runs,
    },
};
use crate::{
    clock::Timestamp,
    error::ActorError,
    id::ScheduleId,
    storage::{Op, keys},
    value::Value,
};

/// The schedules.
#[derive(Debug)]
pub(crate) struct Table {
    pub(super) rows: BTreeMap<ScheduleId, Row>,
    pub(super) shelf: Shelf,
    /// How many schedules there ever were.
    pub(super) orders: u64,
    /// How many runs are remembered.
    pub(super) remembered: u64,
    /// The alarm that storage has or is being given, `None` when that is not known.
    pub(super) told: Option<Option<Timestamp>>,
    /// What its author did, if this is a [branch](Self::branch).
    pub(super) steps: Option<Vec<Step>>,
}

/// What is to run now.
#[derive(Debug)]
pub(crate) struct Fire {
    pub(crate) run: Arc<ScheduledRun>,
    pub(crate) action: Arc<str>,
    pub(crate) args: Value,
}

/// What [`Table::claim`] found.
#[derive(Debug, Default)]
pub(crate) struct Claimed {
    pub(crate) fires: Vec<Fire>,
    pub(crate) ops: Vec<Op>,
}

/// A schedule about to be put into the table.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) id: ScheduleId,
    pub(super) row: Row,
    first: Timestamp,
    /// What the one that it replaces remembered and this one does not go on with.
    forgotten: Ring,
}

impl Placed {
    /// Takes the place of another.
    fn replace(&mut self, id: ScheduleId, old: &Row) {
        let row = &mut self.row;
        self.id = id;
        row.order = old.order;
        row.running = old.running;
        if row.is_recurring() {
            row.history = old.history;
        } else {
            self.forgotten = old.history;
        }
        if row.is_recurring() && row.has_cadence_of(old) {
            row.next = old.next.or(row.next);
            row.again = old.again;
        }
    }

    /// What to store of it.
    pub(super) fn ops(&self) -> Vec<Op> {
        let mut ops = vec![put_row(self.id, &self.row)];
        ops.extend(remove_runs(self.id, self.forgotten));
        ops
    }
}

impl Default for Table {
    /// The table of an actor that has never had one.
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            shelf: Shelf::default(),
            orders: 0,
            remembered: 0,
            told: Some(None),
            steps: None,
        }
    }
}

impl Table {
    /// The table as it is stored.
    pub(crate) fn load(rows: BTreeMap<ScheduleId, Row>, shelf: Option<Shelf>) -> Self {
        let shelf = shelf.unwrap_or_default();
        let remembered = rows.values().map(|it| it.history.len()).sum::<u64>() + shelf.past.len();
        let orders = rows.values().map(|it| it.order + 1).max().unwrap_or(0);
        let mut table = Self {
            rows,
            shelf,
            orders,
            remembered,
            told: None,
            steps: None,
        };
        // The alarm is always committed with the rows.
        table.told = Some(table.alarm());
        table
    }

    /// Where a schedule goes that is due at `first`. One of the same name is replaced: it keeps its
    /// id, and its next time if it comes as often as before (T5).
    pub(super) fn place(
        &self,
        id: ScheduleId,
        mut row: Row,
        first: Timestamp,
        limit: usize,
    ) -> Result<Placed, ScheduleError> {
        row.next = Some(first);
        row.order = self.orders;
        let same_name = row.name.as_deref().and_then(|it| self.find(it));
        let old = same_name.and_then(|it| self.rows.get_key_value(&it));
        let pending = || self.rows.values().filter(|it| is_pending(it)).count();
        if !old.is_some_and(|(_, it)| is_pending(it)) && limit <= pending() {
            return Err(ScheduleError::TooManySchedules { limit });
        }
        let mut placed = Placed {
            id,
            row,
            first,
            forgotten: Ring::default(),
        };
        if let Some((id, old)) = old {
            placed.replace(*id, old);
        }
        Ok(placed)
    }

    pub(super) fn put(&mut self, placed: Placed) {
        self.orders = self.orders.max(placed.row.order + 1);
        self.remembered -= placed.forgotten.len();
        if let Some(steps) = &mut self.steps {
            steps.push(Step::Place {
                id: placed.id,
                row: Box::new(placed.row.clone()),
                first: placed.first,
            });
        }
        self.rows.insert(placed.id, placed.row);
    }

    /// What to store so that a schedule is gone; `None` when there is none to take away.
    pub(super) fn removal(&self, id: ScheduleId) -> Option<Vec<Op>> {
        let row = self.rows.get(&id).filter(|it| is_pending(it))?;
        Some(remove_row(id, row))
    }

    pub(super) fn remove(&mut self, id: ScheduleId) {
        if let Some(steps) = &mut self.steps {
            steps.push(Step::Remove(id));
        }
        if let Some(row) = self.rows.remove(&id) {
            self.remembered -= row.history.len();
        }
    }

    /// The schedule of this name, if it is there.
    pub(super) fn find(&self, name: &str) -> Option<ScheduleId> {
        let mut named = self.rows.iter();
        named
            .find(|(_, it)| it.name.as_deref() == Some(name))
            .map(|(id, _)| *id)
    }

    pub(super) fn get(&self, id: ScheduleId) -> Option<Schedule> {
        let row = self.rows.get(&id)?;
        is_pending(row).then(|| shown(id, row))
    }

    /// All that will come, the next first.
    pub(super) fn list(&self) -> Vec<Schedule> {
        let pending = self.rows.iter().filter(|(_, it)| is_pending(it));
        let mut all: Vec<_> = pending
            .map(|(id, row)| (row.order, shown(*id, row)))
            .collect();
        all.sort_by_key(|(order, it)| (it.due, *order));
        all.into_iter().map(|(_, it)| it).collect()
    }

    /// When [`claim`](Self::claim) next has something to do.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.rows.values().filter_map(due).min()
    }

    /// When the actor has to be awake at the latest. A run that is to be tried again should the
    /// process die counts from its beginning.
    pub(crate) fn alarm(&self) -> Option<Timestamp> {
        let tried = self.rows.values().filter(|it| it.retry.is_some());
        let begun = tried.filter_map(|it| Some(it.running?.since));
        begun.chain(self.rows.values().filter_map(comes)).min()
    }

    /// The alarm to be stored, if it is another than storage has.
    pub(crate) fn take_alarm(&mut self) -> Option<Option<Timestamp>> {
        let alarm = self.alarm();
        if self.told == Some(alarm) {
            return None;
        }
        self.told = Some(alarm);
        Some(alarm)
    }

    /// What storage has of the alarm is not known: it is told again.
    pub(crate) fn forget_alarm(&mut self) {
        self.told = None;
    }

    /// Takes what is due. Each is marked as begun and moved to its next time; once that is stored it
    /// may run (T2). What comes again while its last run goes on is skipped if it recurs (T4), and
    /// otherwise waits for the end of that run.
    pub(crate) fn claim(&mut self, now: Timestamp) -> Claimed {
        let mut claimed = Claimed::default();
        loop {
            let due = |(id, row): (&ScheduleId, &Row)| Some((due(row)?, row.order, *id));
            let mut ready: Vec<_> = self.rows.iter().filter_map(due).collect();
            ready.retain(|(due, ..)| *due <= now);
            if ready.is_empty() {
                return claimed;
            }
            ready.sort_unstable();
            for (_, _, id) in ready {
                self.claim_one(id, now, &mut claimed);
            }
        }
    }

    fn claim_one(&mut self, id: ScheduleId, now: Timestamp, claimed: &mut Claimed) {
        let Some(row) = self.rows.get_mut(&id) else {
            return;
        };
        let (due, attempt) = match row.again.take_if(|it| it.at <= now) {
            Some(again) => (again.due, again.attempt),
            None => match row.next {
                Some(next) => {
                    row.next = row.cadence().after(next, now);
                    (next, 1)
                }
                None => return,
            },
        };
        if row.running.is_some() {
            let run = Run {
                schedule: id,
                action: Arc::clone(&row.action),
                due,
                began: now,
                ended: now,
                attempt,
                outcome: Outcome::Skipped,
            };
            self.remember(&run, &mut claimed.ops);
        } else {
            row.running = Some(Running {
                due,
                since: now,
                attempt,
            });
            claimed.fires.push(Fire {
                run: Arc::new(ScheduledRun {
                    id,
                    name: row.name.clone(),
                    due,
                    attempt,
                }),
                action: Arc::clone(&row.action),
                args: row.args.clone(),
            });
        }
        self.store(id, &mut claimed.ops);
    }

    /// A run is over. It is remembered, tried again, or put aside; a schedule that will not come
    /// again is gone.
    pub(crate) fn end(
        &mut self,
        id: ScheduleId,
        now: Timestamp,
        failure: Option<&ActorError>,
    ) -> Vec<Op> {
        let mut ops = Vec::new();
        let Some(row) = self.rows.get_mut(&id) else {
            return ops;
        };
        let Some(run) = row.running.take() else {
            return ops;
        };
        if let (Some(error), Some(retry)) = (failure, row.retry) {
            let at = retry.wait(run.attempt).map(|it| now.after(it));
            // A try gives way to the next time itself.
            row.again = at
                .filter(|at| row.next.is_none_or(|next| *at < next))
                .map(|at| Again {
                    due: run.due,
                    at,
                    attempt: run.attempt + 1,
                });
            if row.again.is_none() && retry.buries() {
                let dead = dead_letter(id, row, run, now, error);
                self.bury(&dead, &mut ops);
            }
        }
        let run = Run {
            schedule: id,
            action: self.rows[&id].action.clone(),
            due: run.due,
            began: run.since,
            ended: now,
            attempt: run.attempt,
            outcome: failure.into(),
        };
        self.remember(&run, &mut ops);
        self.store(id, &mut ops);
        ops
    }

    /// The action of a schedule is not there any more: nothing of it will ever run (T8).
    pub(crate) fn orphan(&mut self, id: ScheduleId) -> Vec<Op> {
        let Some(row) = self.rows.get(&id) else {
            return Vec::new();
        };
        let ops = remove_row(id, row);
        self.remove(id);
        ops
    }

    /// Ends the runs that a life left behind: as `failed` says, or because its process died (T4).
    pub(crate) fn interrupt(
        &mut self,
        now: Timestamp,
        failed: &BTreeMap<ScheduleId, ActorError>,
    ) -> Vec<Op> {
        let begun = self.rows.iter().filter(|(_, it)| it.running.is_some());
        let begun: Vec<_> = begun.map(|(id, _)| *id).collect();
        let text = "the actor stopped in the middle of the run";
        let error = ActorError::new("schedule", "interrupted", text);
        begun
            .into_iter()
            .flat_map(|id| self.end(id, now, Some(failed.get(&id).unwrap_or(&error))))
            .collect()
    }

    /// Puts a schedule's row on its way to disk, or takes it away when it is of no more use.
    fn store(&mut self, id: ScheduleId, ops: &mut Vec<Op>) {
        let Some(row) = self.rows.get(&id) else {
            return;
        };
        if is_pending(row) || row.running.is_some() {
            ops.push(put_row(id, row));
        } else {
            ops.extend(remove_row(id, row));
            self.remove(id);
        }
    }

    fn remember(&mut self, run: &Run, ops: &mut Vec<Op>) {
        let id = run.schedule;
        let (ring, keep, of) = match self.rows.get_mut(&id) {
            Some(row) if row.is_recurring() => (&mut row.history, row.keep, Some(id)),
            Some(_) | None => (&mut self.shelf.past, DEFAULT_HISTORY, None),
        };
        if keep == 0 {
            return;
        }
        let key = keys::schedule_run(of, ring.push());
        let value = encode_run(run);
        ops.push(Op::Put { key, value });
        self.remembered += 1;
        while u64::from(keep) < ring.len() {
            let key = keys::schedule_run(of, ring.pop());
            ops.push(Op::Delete { key });
            self.remembered -= 1;
        }
        if of.is_none() {
            ops.push(put_shelf(&self.shelf));
        }
        while MAX_REMEMBERED < self.remembered {
            self.forget_one(ops);
        }
    }

    /// Gives up the oldest run of the longest history (P6).
    fn forget_one(&mut self, ops: &mut Vec<Op>) {
        let longest = self.rows.iter_mut().max_by_key(|(_, it)| it.history.len());
        let key = match longest {
            Some((id, row)) if self.shelf.past.len() < row.history.len() => {
                let key = keys::schedule_run(Some(*id), row.history.pop());
                ops.push(put_row(*id, row));
                key
            }
            Some(_) | None => {
                let key = keys::schedule_run(None, self.shelf.past.pop());
                ops.push(put_shelf(&self.shelf));
                key
            }
        };
        ops.push(Op::Delete { key });
        self.remembered -= 1;
    }

    fn bury(&mut self, dead: &DeadLetter, ops: &mut Vec<Op>) {
        let key = keys::dead_letter(self.shelf.dead.push());
        let value = encode_dead(dead);
        ops.push(Op::Put { key, value });
        if MAX_DEAD < self.shelf.dead.len() {
            let key = keys::dead_letter(self.shelf.dead.pop());
            ops.push(Op::Delete { key });
        }
        ops.push(put_shelf(&self.shelf));
    }
}

/// When a row comes next: at its next time, or with a try before it.
fn comes(row: &Row) -> Option<Timestamp> {
    let again = row.again.map(|it| it.at);
    row.next.into_iter().chain(again).min()
}

/// When a row has something to do.
fn due(row: &Row) -> Option<Timestamp> {
    comes(row).filter(|_| row.is_recurring() || row.running.is_none())
}

/// Whether a schedule will come, for all that its author knows: one that comes once is gone with the
/// beginning of its only run (T2).
fn is_pending(row: &Row) -> bool {
    comes(row).is_some() || row.running.is_some() && row.retry.is_some()
}

fn shown(id: ScheduleId, row: &Row) -> Schedule {
    let running = row.running;
    Schedule {
        id,
        name: row.name.clone(),
        action: Arc::clone(&row.action),
        args: row.args.clone(),
        cadence: row.cadence(),
        due: comes(row).or(running.map(|it| it.due)).unwrap_or_default(),
        failed: row.again.map_or(0, |it| it.attempt - 1),
        running_since: running.map(|it| it.since),
    }
}

fn dead_letter(
    id: ScheduleId,
    row: &Row,
    run: Running,
    now: Timestamp,
    error: &ActorError,
) -> DeadLetter {
    let text = |it: &str| it.to_owned();
    DeadLetter {
        id,
        name: row.name.clone(),
        action: Arc::clone(&row.action),
        args: row.args.clone(),
        retry: row.retry,
        due: run.due,
        failed: now,
        attempts: run.attempt,
        error: (
            text(error.group()),
            text(error.code()),
            text(error.message()),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use proptest::prelude::*;

    use super::*;
    use crate::schedule::{Cadence, Retry};

    const LIMIT: usize = 6;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn id(number: u64) -> ScheduleId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        bytes[15] = 1;
        ScheduleId::from_bytes(bytes)
    }

    fn once(name: Option<&str>, retry: Option<Retry>) -> Row {
        let mut row = Row::new("act".into(), Value::Null, &Cadence::Once);
        (row.name, row.retry) = (name.map(Arc::from), retry);
        row
    }

    fn every(millis: u64, name: &str, keep: u32) -> Row {
        let cadence = Cadence::Every(Duration::from_millis(millis));
        let mut row = Row::new("act".into(), Value::Null, &cadence);
        (row.name, row.keep) = (Some(Arc::from(name)), keep);
        row
    }

    type Stored = BTreeMap<Vec<u8>, bytes::Bytes>;

    fn apply(stored: &mut Stored, ops: Vec<Op>) {
        for op in ops {
            match op {
                Op::Put { key, value } => stored.insert(key, value),
                Op::Delete { key } => stored.remove(&key),
            };
        }
    }

    /// The table that a start finds.
    fn reload(stored: &Stored) -> Table {
        let (mut rows, mut shelf) = (BTreeMap::new(), None);
        for (key, value) in stored {
            match keys::read(key) {
                keys::WakeKey::Schedule(id) => {
                    rows.insert(id, Row::decode(value).unwrap());
                }
                keys::WakeKey::ScheduleShelf => shelf = Some(Shelf::decode(value).unwrap()),
                _ => {}
            }
        }
        Table::load(rows, shelf)
    }

    fn put(table: &mut Table, stored: &mut Stored, number: u64, row: Row, first: u64) -> bool {
        let Ok(placed) = table.place(id(number), row, at(first), LIMIT) else {
            return false;
        };
        apply(stored, placed.ops());
        table.put(placed);
        true
    }

    #[derive(Clone, Debug)]
    enum Step {
        Once {
            wait: u64,
            name: Option<u8>,
            retries: Option<u32>,
        },
        Every {
            interval: u64,
            name: u8,
        },
        Cancel(usize),
        Wait(u64),
        End {
            which: usize,
            succeeds: bool,
        },
        /// The process dies and starts again.
        Die,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let name = || prop::option::of(0..3_u8);
        let step = prop_oneof![
            3 => (0..50_u64, name(), prop::option::of(0..3_u32))
                .prop_map(|(wait, name, retries)| Step::Once { wait, name, retries }),
            1 => (5..40_u64, 0..3_u8).prop_map(|(interval, name)| Step::Every { interval, name }),
            1 => any::<usize>().prop_map(Step::Cancel),
            4 => (0..60_u64).prop_map(Step::Wait),
            4 => (any::<usize>(), any::<bool>())
                .prop_map(|(which, succeeds)| Step::End { which, succeeds }),
            1 => Just(Step::Die),
        ];
        prop::collection::vec(step, 0..80)
    }

    proptest! {
        /// Whatever happens in whatever order: nothing runs before its time or twice at once; a run
        /// without retries begins once (T2); what is stored is what is in memory; the alarm is never
        /// later than the next due; no more schedules than allowed (T9); and what is over leaves
        /// nothing behind but what is to be remembered.
        #[test]
        fn schedules_behave(steps in steps()) {
            let mut table = Table::default();
            let mut stored = Stored::new();
            let (mut now, mut next_id) = (1_000_u64, 1);
            let mut running: Vec<ScheduleId> = Vec::new();
            let mut begun: BTreeSet<(ScheduleId, Timestamp, u32)> = BTreeSet::new();
            let error = ActorError::user("no");
            for step in steps {
                match step {
                    Step::Once { wait, name, retries } => {
                        let name = name.map(|it| it.to_string());
                        let retry = retries.map(|it| {
                            Retry::times(it)
                                .backoff(Duration::from_millis(3), Duration::from_millis(9))
                                .dead_letter()
                        });
                        let row = once(name.as_deref(), retry);
                        // Each its own millisecond, so that no two runs look alike.
                        now += 1;
                        put(&mut table, &mut stored, next_id, row, now + wait);
                        next_id += 1;
                    }
                    Step::Every { interval, name } => {
                        let row = every(interval, &name.to_string(), 2);
                        put(&mut table, &mut stored, next_id, row, now + interval);
                        next_id += 1;
                    }
                    Step::Cancel(which) => {
                        let all = table.list();
                        if !all.is_empty() {
                            let id = all[which % all.len()].id;
                            apply(&mut stored, table.removal(id).unwrap());
                            table.remove(id);
                            running.retain(|it| *it != id);
                            prop_assert!(table.removal(id).is_none());
                        }
                    }
                    Step::Wait(millis) => {
                        now += millis;
                        let expected = table.next_due();
                        let claimed = table.claim(at(now));
                        prop_assert_eq!(
                            claimed.ops.is_empty(),
                            expected.is_none_or(|it| at(now) < it)
                        );
                        apply(&mut stored, claimed.ops);
                        let dues: Vec<_> = claimed.fires.iter().map(|it| it.run.due).collect();
                        for fire in claimed.fires {
                            prop_assert!(fire.run.due <= at(now));
                            prop_assert!(!running.contains(&fire.run.id), "overlap");
                            let run = (fire.run.id, fire.run.due, fire.run.attempt);
                            prop_assert!(begun.insert(run), "{run:?} began twice");
                            running.push(fire.run.id);
                        }
                        if table.rows.values().all(|it| it.retry.is_none()) {
                            prop_assert!(dues.is_sorted(), "in order");
                        }
                        prop_assert!(table.next_due().is_none_or(|it| at(now) < it));
                    }
                    Step::End { which, succeeds } => {
                        if !running.is_empty() {
                            let id = running.remove(which % running.len());
                            let failure = (!succeeds).then_some(&error);
                            apply(&mut stored, table.end(id, at(now), failure));
                        }
                    }
                    Step::Die => {
                        table = reload(&stored);
                        apply(&mut stored, table.interrupt(at(now), &BTreeMap::new()));
                        running.clear();
                    }
                }
                prop_assert_eq!(&reload(&stored).rows, &table.rows);
                prop_assert_eq!(reload(&stored).shelf, table.shelf);
                prop_assert_eq!(reload(&stored).remembered, table.remembered);
                prop_assert!(table.list().len() <= LIMIT);
                let (alarm, due) = (table.alarm(), table.next_due());
                prop_assert!(due.is_none() || alarm.is_some_and(|it| Some(it) <= due));
            }
            for id in table.list().into_iter().map(|it| it.id) {
                apply(&mut stored, table.removal(id).unwrap());
                table.remove(id);
            }
            for id in running {
                apply(&mut stored, table.end(id, at(now), None));
            }
            prop_assert!(table.rows.is_empty());
            let left = stored.len() as u64;
            let shelf = u64::from(stored.contains_key(&keys::schedule_shelf()));
            prop_assert_eq!(left, shelf + table.remembered + table.shelf.dead.len());
        }
    }

    #[test]
    fn t5_the_same_cadence_keeps_the_next_time() {
        let (mut table, mut stored) = (Table::default(), Stored::new());
        assert!(put(&mut table, &mut stored, 1, every(10, "beat", 5), 10));
        assert!(put(&mut table, &mut stored, 2, every(10, "beat", 5), 17));
        assert_eq!(table.next_due(), Some(at(10)));
        assert!(put(&mut table, &mut stored, 3, every(20, "beat", 5), 27));
        assert_eq!(table.next_due(), Some(at(27)));
        assert_eq!(table.list()[0].id, id(1));
    }

    #[test]
    fn t9_the_limit_counts_what_will_come_and_a_name_is_always_replaced() {
        let (mut table, mut stored) = (Table::default(), Stored::new());
        for number in 0..LIMIT as u64 {
            let name = number.to_string();
            assert!(put(
                &mut table,
                &mut stored,
                number,
                once(Some(&name), None),
                10
            ));
        }
        assert!(!put(&mut table, &mut stored, 50, once(None, None), 10));
        assert!(put(&mut table, &mut stored, 51, once(Some("0"), None), 20));
        // One that runs may schedule its successor (T2).
        assert_eq!(table.claim(at(10)).fires.len(), LIMIT - 1);
        assert!(put(&mut table, &mut stored, 52, once(None, None), 30));
    }

    #[test]
    fn p6_what_is_remembered_is_bounded() {
        let (mut table, mut stored) = (Table::default(), Stored::new());
        assert!(put(&mut table, &mut stored, 1, every(1, "beat", 3), 1));
        for now in 1..=9 {
            let claimed = table.claim(at(now));
            apply(&mut stored, claimed.ops);
            apply(&mut stored, table.end(id(1), at(now), None));
        }
        assert_eq!((table.remembered, stored.len()), (3, 1 + 3));
        table.remembered += MAX_REMEMBERED;
        apply(&mut stored, table.claim(at(10)).ops);
        apply(&mut stored, table.end(id(1), at(10), None));
        assert_eq!(table.rows[&id(1)].history.len(), 0, "all of it is given up");
    }

    #[test]
    fn a_try_gives_way_to_the_next_time() {
        let (mut table, mut stored) = (Table::default(), Stored::new());
        let mut row = every(10, "beat", 3);
        row.retry = Some(
            Retry::times(9)
                .backoff(Duration::from_millis(4), Duration::from_secs(1))
                .dead_letter(),
        );
        assert!(put(&mut table, &mut stored, 1, row, 10));
        let error = ActorError::user("no");
        let mut seen = Vec::new();
        for now in 10..30 {
            for fire in table.claim(at(now)).fires {
                seen.push((now, fire.run.due.as_millis(), fire.run.attempt));
                let _ = table.end(id(1), at(now), Some(&error));
            }
        }
        // 4 ms after the first try; the third would come 8 ms later, at 22.
        assert_eq!(seen, [(10, 10, 1), (14, 10, 2), (20, 20, 1), (24, 20, 2)]);
        assert_eq!(table.shelf.dead.len(), 2);
    }

    #[test]
    fn t10_an_alarm_that_was_not_stored_is_told_again() {
        let (mut table, mut stored) = (Table::default(), Stored::new());
        assert_eq!(table.take_alarm(), None);
        put(&mut table, &mut stored, 1, once(None, None), 10);
        assert_eq!(table.take_alarm(), Some(Some(at(10))));
        assert_eq!(table.take_alarm(), None);
        table.forget_alarm();
        assert_eq!(table.take_alarm(), Some(Some(at(10))));
        let claimed = table.claim(at(10));
        assert_eq!(claimed.fires.len(), 1);
        assert_eq!(table.take_alarm(), Some(None));
        assert_eq!(reload(&stored).take_alarm(), None);
    }
}

//! The keys of one actor, and which of them run. A plain value: it is told the time, and gives what to write.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;

use super::{IdempotencyError, row};
use crate::{
    clock::Timestamp,
    storage::{Op, keys},
};

/// What a call with a key is known by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mark {
    name: Arc<Name>,
    /// Of its arguments.
    pub(crate) print: u64,
}

/// A key counts for one action.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Name {
    action: Arc<str>,
    key: Arc<str>,
}

impl Mark {
    pub(crate) fn new(action: Arc<str>, key: Arc<str>, print: u64) -> Self {
        let name = Arc::new(Name { action, key });
        Self { name, print }
    }

    pub(super) fn action(&self) -> &str {
        &self.name.action
    }

    pub(super) fn key(&self) -> &str {
        &self.name.key
    }
}

/// A call that was answered.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(super) mark: Mark,
    /// When it was answered.
    pub(super) at: Timestamp,
    /// Its answer, where there is no storage that has it.
    pub(super) answer: Option<Bytes>,
}

/// What may be kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) window: Duration,
    pub(crate) keys: usize,
    pub(crate) bytes: usize,
}

/// What is known of a key.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing: the call is the first, and runs while this is held.
    New(FirstCall),
    /// The call was answered, and storage has that under this number.
    Kept(u64),
    /// The call was answered by this.
    Held(Bytes),
}

/// Calls that run.
type Underway = Arc<Mutex<BTreeMap<Arc<Name>, u64>>>;

/// A call that runs, of which nobody has heard before. Once this is dropped none with its key does.
pub(crate) struct FirstCall {
    mark: Mark,
    underway: Underway,
}

impl Drop for FirstCall {
    fn drop(&mut self) {
        lock(&self.underway).remove(&self.mark.name);
    }
}

impl fmt::Debug for FirstCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FirstCall").field(&self.mark).finish()
    }
}

/// What is to be written for an answer that is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) ops: Vec<Op>,
    /// How many answers had to go before their time.
    pub(crate) dropped: usize,
}

/// Most answers that go for one that comes, so that a call costs the same however many are over.
const SWEEP: usize = 8;

/// The keys of an actor, in one life.
#[derive(Debug)]
pub(crate) struct Table {
    by_name: BTreeMap<Arc<Name>, u64>,
    /// By number, which is the order in which they were answered.
    entries: BTreeMap<u64, Entry>,
    next: u64,
    underway: Underway,
}

impl Default for Table {
    fn default() -> Self {
        Self::new(1, [])
    }
}

impl Table {
    /// What storage has; `next` is a number that none of it has, nor has had in this life.
    pub(super) fn new(next: u64, rows: impl IntoIterator<Item = (u64, Entry)>) -> Self {
        let entries: BTreeMap<_, _> = rows.into_iter().collect();
        let names = entries.iter();
        let by_name = names.map(|(number, it)| (Arc::clone(&it.mark.name), *number));
        Self {
            by_name: by_name.collect(),
            entries,
            next,
            underway: Underway::default(),
        }
    }

    /// What is known of the key of a call.
    pub(crate) fn find(
        &self,
        mark: &Mark,
        now: Timestamp,
        limits: Limits,
    ) -> Result<Found, IdempotencyError> {
        let same = |print| {
            if print == mark.print {
                Ok(())
            } else {
                Err(IdempotencyError::KeyReused)
            }
        };
        let mut underway = lock(&self.underway);
        if let Some(print) = underway.get(&mark.name) {
            same(*print)?;
            return Err(IdempotencyError::InProgress);
        }
        let number = self.by_name.get(&mark.name).copied();
        let kept = number.and_then(|it| Some((it, self.entries.get(&it)?)));
        if let Some((number, entry)) = kept.filter(|(_, it)| !is_over(it, now, limits)) {
            same(entry.mark.print)?;
            return Ok(match &entry.answer {
                Some(answer) => Found::Held(answer.clone()),
                None => Found::Kept(number),
            });
        }
        underway.insert(Arc::clone(&mark.name), mark.print);
        drop(underway);
        Ok(Found::New(FirstCall {
            mark: mark.clone(),
            underway: Arc::clone(&self.underway),
        }))
    }

    /// Whether a call with this key runs.
    pub(crate) fn is_underway(&self, mark: &Mark) -> bool {
        lock(&self.underway).contains_key(&mark.name)
    }

    /// Whether the answer of this number is to be there.
    pub(crate) fn has(&self, number: u64) -> bool {
        self.entries.contains_key(&number)
    }

    /// Keeps the answer to a call, as [`write_answer`](super::write_answer) wrote it. `is_stored` says
    /// that there is storage to have it.
    pub(crate) fn keep(
        &mut self,
        first: FirstCall,
        answer: Bytes,
        now: Timestamp,
        limits: Limits,
        is_stored: bool,
    ) -> Kept {
        let mark = first.mark.clone();
        let number = self.next;
        self.next += 1;
        let mut ops = Vec::new();
        if let Some(old) = self.by_name.insert(Arc::clone(&mark.name), number) {
            // Its time was over.
            self.entries.remove(&old);
            ops.extend(delete(old));
        }
        let dropped = self.sweep(now, limits, &mut ops);
        ops.push(Op::Put {
            key: keys::idempotency_key(number),
            value: row::write_key(&mark, now),
        });
        ops.push(Op::Put {
            key: keys::idempotency_answer(number),
            value: answer.clone(),
        });
        let answer = (!is_stored).then_some(answer);
        let entry = Entry {
            mark,
            at: now,
            answer,
        };
        self.entries.insert(number, entry);
        // Its call is over.
        drop(first);
        Kept { ops, dropped }
    }

    /// Lets go of the oldest: those whose time is over, and as many as there is no room for with one more.
    fn sweep(&mut self, now: Timestamp, limits: Limits, ops: &mut Vec<Op>) -> usize {
        let mut dropped = 0;
        for _ in 0..SWEEP {
            let Some(oldest) = self.entries.first_entry() else {
                break;
            };
            let is_over = is_over(oldest.get(), now, limits);
            if !is_over && self.entries.len() < limits.keys {
                break;
            }
            if let Some((number, entry)) = self.entries.pop_first() {
                self.by_name.remove(&entry.mark.name);
                ops.extend(delete(number));
                dropped += usize::from(!is_over);
            }
        }
        dropped
    }
}

/// Whether an answer is not given any more.
fn is_over(entry: &Entry, now: Timestamp, limits: Limits) -> bool {
    entry.at.after(limits.window) <= now
}

fn delete(number: u64) -> [Op; 2] {
    [
        keys::idempotency_key(number),
        keys::idempotency_answer(number),
    ]
    .map(|key| Op::Delete { key })
}

fn lock(underway: &Underway) -> MutexGuard<'_, BTreeMap<Arc<Name>, u64>> {
    underway.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        /// A call with this key and these arguments.
        Call(u8, u64),
        /// A call that runs is answered, or comes to nothing.
        End(u8, bool),
        Pass(u64),
        /// Another life reads what is stored.
        Reload,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            8 => (0..6_u8, 0..2_u64).prop_map(|(key, print)| Step::Call(key, print)),
            6 => (0..6_u8, any::<bool>()).prop_map(|(key, well)| Step::End(key, well)),
            2 => (1..15_u64).prop_map(Step::Pass),
            1 => Just(Step::Reload),
        ];
        prop::collection::vec(step, 0..80)
    }

    const LIMITS: Limits = Limits {
        window: Duration::from_millis(20),
        keys: 3,
        bytes: 100,
    };

    fn mark(key: u8, print: u64) -> Mark {
        Mark::new("run".into(), key.to_string().into(), print)
    }

    type Stored = BTreeMap<Vec<u8>, Bytes>;

    fn apply(stored: &mut Stored, ops: Vec<Op>) {
        for op in ops {
            match op {
                Op::Put { key, value } => stored.insert(key, value),
                Op::Delete { key } => stored.remove(&key),
            };
        }
    }

    fn reload(stored: &Stored) -> Table {
        let numbered = |(key, row): (&Vec<u8>, &Bytes)| {
            let number = keys::read_idempotency_key(key)?;
            Some((number, row::read_key(row).unwrap()))
        };
        let rows: Vec<_> = stored.iter().filter_map(numbered).collect();
        let next = rows.last().map_or(1, |(number, _)| number + 1);
        Table::new(next, rows)
    }

    proptest! {
        /// P6, and each call is answered as the newest with its key was.
        #[test]
        fn p6_what_is_known_of_keys_is_bounded_and_true(steps in steps()) {
            let mut table = Table::default();
            let mut stored = Stored::new();
            let mut now = 0;
            let mut running: BTreeMap<u8, (u64, FirstCall)> = BTreeMap::new();
            // In the order in which they were answered: key, arguments, when.
            let mut answered: Vec<(u8, u64, u64)> = Vec::new();
            for (at, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Call(key, print) => {
                        let found = table.find(&mark(key, print), Timestamp::from_millis(now), LIMITS);
                        let before = answered.iter().rfind(|it| it.0 == key && now < it.2 + 20);
                        match (running.get(&key), before, found) {
                            (Some((first, _)), _, Err(error)) => prop_assert_eq!(
                                error == IdempotencyError::InProgress,
                                *first == print
                            ),
                            (None, Some(it), Err(IdempotencyError::KeyReused)) => {
                                prop_assert_ne!(it.1, print);
                            }
                            (None, Some(it), Ok(Found::Kept(number))) => {
                                prop_assert_eq!(it.1, print);
                                let answer = &stored[&keys::idempotency_answer(number)];
                                prop_assert_eq!(&answer[..], &[it.0, u8::try_from(it.2).unwrap()]);
                            }
                            (None, None, Ok(Found::New(first))) => {
                                running.insert(key, (print, first));
                            }
                            (_, before, found) => {
                                return Err(TestCaseError::fail(format!("{at}: {before:?} {found:?}")));
                            }
                        }
                    }
                    Step::End(key, well) => {
                        let Some((print, first)) = running.remove(&key) else { continue };
                        if !well {
                            drop(first);
                            continue;
                        }
                        answered.retain(|it| it.0 != key);
                        let crowd = answered.len().saturating_sub(2);
                        let over = answered.iter().take_while(|it| it.2 + 20 <= now).count();
                        answered.drain(..crowd.max(over));
                        answered.push((key, print, now));
                        let answer = Bytes::from(vec![key, u8::try_from(now).unwrap()]);
                        let now = Timestamp::from_millis(now);
                        let kept = table.keep(first, answer, now, LIMITS, true);
                        prop_assert_eq!(kept.dropped, crowd.saturating_sub(over));
                        prop_assert!(kept.ops.len() <= 2 * (SWEEP + 2));
                        apply(&mut stored, kept.ops);
                        prop_assert!(stored.len() <= 2 * LIMITS.keys);
                        prop_assert_eq!(stored.len(), 2 * answered.len());
                    }
                    Step::Pass(millis) => now = (now + millis).min(250),
                    Step::Reload => {
                        running.clear();
                        table = reload(&stored);
                    }
                }
                prop_assert_eq!(table.entries.len(), table.by_name.len());
                prop_assert_eq!(lock(&table.underway).len(), running.len());
            }
        }
    }
}

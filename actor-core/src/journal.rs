//! What handlers wrote beside the state, from the moment they wrote it until it is on disk: reads look
//! here first, and the next commit takes it along with the state (P3).

use std::{collections::BTreeMap, mem, ops::Bound};

use async_trait::async_trait;
use bytes::Bytes;

use crate::storage::{Entry, Op, ScanRange, StorageError};

/// Where a handler's writes beside the state go, and where it reads them back. What is built on it
/// neither knows the actor's type nor when a commit is due.
#[async_trait]
pub(crate) trait Ledger: Send + Sync {
    /// Whether the actor is stored at all.
    fn is_stored(&self) -> bool;

    /// Notes writes for the next commit, all of them or none. Reads see them at once.
    fn write(&self, ops: Vec<Op>) -> Result<(), TooMuchPending>;

    /// The value of a key, as last written.
    async fn fetch(&self, key: Vec<u8>) -> Result<Option<Bytes>, StorageError>;

    /// A stretch of keys, as last written.
    async fn scan(&self, range: ScanRange) -> Result<Vec<Entry>, StorageError>;
}

/// Most bytes that may wait for a commit (P6).
const MAX_PENDING: usize = 64 * 1024 * 1024;

/// Writes on their way to disk.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// Those that the next commit takes, or that commits under way have taken.
    pending: BTreeMap<Vec<u8>, Pending>,
    /// Those of the exclusive turn that runs, which count only if it succeeds.
    turn: BTreeMap<Vec<u8>, Option<Bytes>>,
    /// Keys and values in both.
    bytes: usize,
    /// Whether something in `pending` is in no commit yet.
    is_dirty: bool,
}

/// A key's new value, or `None` for its removal.
#[derive(Debug)]
struct Pending {
    value: Option<Bytes>,
    /// The version of the commit that takes it, `None` while none has.
    taken: Option<u64>,
}

/// Too much waits for storage already.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("{MAX_PENDING} bytes wait to be saved already")]
pub(crate) struct TooMuchPending;

impl Journal {
    /// Notes writes, in order; all or none.
    pub(crate) fn write(&mut self, in_turn: bool, ops: Vec<Op>) -> Result<(), TooMuchPending> {
        let more: usize = ops.iter().map(size).sum();
        if MAX_PENDING < self.bytes + more {
            return Err(TooMuchPending);
        }
        for op in ops {
            let (key, value) = key_and_value(op);
            self.bytes += weight(&key, value.as_ref());
            let old = if in_turn {
                let len = key.len();
                self.turn.insert(key, value).map(|old| (len, old))
            } else {
                self.is_dirty = true;
                self.put_pending(key, value)
            };
            self.bytes -= old.map_or(0, |(len, old)| len + old.map_or(0, |it| it.len()));
        }
        Ok(())
    }

    fn put_pending(
        &mut self,
        key: Vec<u8>,
        value: Option<Bytes>,
    ) -> Option<(usize, Option<Bytes>)> {
        let len = key.len();
        let new = Pending { value, taken: None };
        self.pending.insert(key, new).map(|old| (len, old.value))
    }

    /// The exclusive turn succeeded: what it wrote counts.
    pub(crate) fn keep_turn(&mut self) {
        for (key, value) in mem::take(&mut self.turn) {
            self.is_dirty = true;
            if let Some((len, old)) = self.put_pending(key, value) {
                self.bytes -= len + old.map_or(0, |it| it.len());
            }
        }
    }

    /// As [`keep_turn`](Self::keep_turn), with what `ops` say about some of the keys instead of what the
    /// turn wrote: meanwhile others have written about the same things. The turn wrote as much before, so
    /// there is room.
    pub(crate) fn keep_turn_as(&mut self, ops: Vec<Op>) {
        self.keep_turn();
        for op in ops {
            let (key, value) = key_and_value(op);
            self.is_dirty = true;
            self.bytes += weight(&key, value.as_ref());
            if let Some((len, old)) = self.put_pending(key, value) {
                self.bytes -= len + old.map_or(0, |it| it.len());
            }
        }
    }

    /// The exclusive turn failed: what it wrote never was.
    pub(crate) fn discard_turn(&mut self) {
        for (key, value) in mem::take(&mut self.turn) {
            self.bytes -= weight(&key, value.as_ref());
        }
    }

    /// Whether the exclusive turn that runs has written anything.
    pub(crate) fn has_turn(&self) -> bool {
        !self.turn.is_empty()
    }

    /// Whether the next commit has something to take.
    pub(crate) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// What the commit of `version` takes.
    pub(crate) fn take(&mut self, version: u64) -> Vec<Op> {
        if !mem::take(&mut self.is_dirty) {
            return Vec::new();
        }
        let fresh = self.pending.iter_mut().filter(|(_, it)| it.taken.is_none());
        fresh
            .map(|(key, it)| {
                it.taken = Some(version);
                let key = key.clone();
                match it.value.clone() {
                    Some(value) => Op::Put { key, value },
                    None => Op::Delete { key },
                }
            })
            .collect()
    }

    /// Everything up to `version` is on disk. Whether nothing is left.
    pub(crate) fn settled(&mut self, version: u64) -> bool {
        let bytes = &mut self.bytes;
        self.pending.retain(|key, it| {
            let stays = it.taken.is_none_or(|taken| version < taken);
            if !stays {
                *bytes -= weight(key, it.value.as_ref());
            }
            stays
        });
        self.pending.is_empty() && self.turn.is_empty()
    }

    /// A commit failed that will be tried again: the next takes all.
    pub(crate) fn retake(&mut self) {
        for it in self.pending.values_mut() {
            it.taken = None;
        }
        self.is_dirty = !self.pending.is_empty();
    }

    /// What a key was given, if it was: `Some(None)` for a removal. By the exclusive turn that runs too, if
    /// `sees_turn` says so.
    pub(crate) fn look_up(&self, key: &[u8], sees_turn: bool) -> Option<Option<Bytes>> {
        if let Some(value) = self.turn.get(key).filter(|_| sees_turn) {
            return Some(value.clone());
        }
        Some(self.pending.get(key)?.value.clone())
    }

    /// What the keys of a range were given, whatever its limit. By the exclusive turn that runs too, if
    /// `sees_turn` says so.
    pub(crate) fn within(
        &self,
        range: &ScanRange,
        sees_turn: bool,
    ) -> BTreeMap<Vec<u8>, Option<Bytes>> {
        let start = Bound::Included(range.start.as_slice());
        let end = match &range.end {
            Some(end) if end <= &range.start => return BTreeMap::new(),
            Some(end) => Bound::Excluded(end.as_slice()),
            None => Bound::Unbounded,
        };
        let pending = self.pending.range::<[u8], _>((start, end));
        let turn = self.turn.range::<[u8], _>((start, end));
        let turn = turn.filter(|_| sees_turn);
        pending
            .map(|(key, it)| (key.clone(), it.value.clone()))
            .chain(turn.map(|(key, value)| (key.clone(), value.clone())))
            .collect()
    }
}

/// Lays what was written over a page of what is stored, in the range's order, and takes those writes
/// away. `is_last` says that storage has no more of the range behind the page.
pub(crate) fn overlay(
    page: Vec<Entry>,
    is_last: bool,
    reverse: bool,
    written: &mut BTreeMap<Vec<u8>, Option<Bytes>>,
) -> Vec<Entry> {
    let here = match page.last().map(|it| it.key.clone()) {
        _ if is_last => mem::take(written),
        None => BTreeMap::new(),
        Some(last) if reverse => written.split_off(&last),
        Some(mut last) => {
            last.push(0);
            let behind = written.split_off(&last);
            mem::replace(written, behind)
        }
    };
    let stored = page.into_iter().map(|it| (it.key, it.value));
    let mut all: BTreeMap<Vec<u8>, Bytes> = stored.collect();
    for (key, value) in here {
        match value {
            Some(value) => all.insert(key, value),
            None => all.remove(&key),
        };
    }
    let entries = all.into_iter().map(|(key, value)| Entry { key, value });
    if reverse {
        entries.rev().collect()
    } else {
        entries.collect()
    }
}

fn key_and_value(op: Op) -> (Vec<u8>, Option<Bytes>) {
    match op {
        Op::Put { key, value } => (key, Some(value)),
        Op::Delete { key } => (key, None),
    }
}

fn size(op: &Op) -> usize {
    match op {
        Op::Put { key, value } => weight(key, Some(value)),
        Op::Delete { key } => key.len(),
    }
}

fn weight(key: &[u8], value: Option<&Bytes>) -> usize {
    key.len() + value.map_or(0, Bytes::len)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Write {
            key: u8,
            value: Option<u8>,
            in_turn: bool,
        },
        EndTurn {
            succeeds: bool,
        },
        Commit,
        /// The oldest commit under way is over.
        Settle,
        Fail,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            8 => (0..6_u8, any::<Option<u8>>(), any::<bool>())
                .prop_map(|(key, value, in_turn)| Step::Write { key, value, in_turn }),
            2 => any::<bool>().prop_map(|succeeds| Step::EndTurn { succeeds }),
            2 => Just(Step::Commit),
            2 => Just(Step::Settle),
            1 => Just(Step::Fail),
        ];
        prop::collection::vec(step, 0..60)
    }

    type Map = BTreeMap<Vec<u8>, Bytes>;

    fn apply(map: &mut Map, ops: &[Op]) {
        for op in ops {
            match op.clone() {
                Op::Put { key, value } => map.insert(key, value),
                Op::Delete { key } => map.remove(&key),
            };
        }
    }

    /// What reads answer: the journal over the storage.
    fn read(journal: &Journal, stored: &Map) -> Map {
        let mut seen = stored.clone();
        for key in (0..6).map(|it| vec![it]) {
            match journal.look_up(&key, true) {
                Some(Some(value)) => seen.insert(key, value),
                Some(None) => seen.remove(&key),
                None => None,
            };
        }
        seen
    }

    proptest! {
        /// Reads see what was written, whatever is under way; and once all is settled, the storage
        /// has it and the journal is empty.
        #[test]
        fn nothing_is_lost_between_memory_and_disk(steps in steps()) {
            let (mut journal, mut stored) = (Journal::default(), Map::new());
            let (mut kept, mut turn) = (Map::new(), Vec::new());
            let mut under_way: Vec<(u64, Vec<Op>)> = Vec::new();
            let mut version = 0;
            for step in steps {
                match step {
                    Step::Write { key, value, in_turn } => {
                        let op = match value {
                            Some(value) => Op::Put { key: vec![key], value: vec![value].into() },
                            None => Op::Delete { key: vec![key] },
                        };
                        journal.write(in_turn, vec![op.clone()]).unwrap();
                        if in_turn {
                            turn.push(op);
                        } else {
                            apply(&mut kept, &[op]);
                        }
                    }
                    Step::EndTurn { succeeds } => {
                        if succeeds {
                            apply(&mut kept, &turn);
                            journal.keep_turn();
                        } else {
                            journal.discard_turn();
                        }
                        turn.clear();
                    }
                    Step::Commit => {
                        version += 1;
                        under_way.push((version, journal.take(version)));
                        prop_assert!(!journal.is_dirty());
                    }
                    Step::Settle => {
                        if !under_way.is_empty() {
                            let (version, ops) = under_way.remove(0);
                            apply(&mut stored, &ops);
                            journal.settled(version);
                        }
                    }
                    Step::Fail => {
                        under_way.clear();
                        journal.retake();
                    }
                }
                let mut expected = kept.clone();
                apply(&mut expected, &turn);
                prop_assert_eq!(read(&journal, &stored), expected);
            }
            journal.discard_turn();
            journal.retake();
            apply(&mut stored, &journal.take(version + 1));
            prop_assert!(journal.settled(version + 1));
            prop_assert_eq!(journal.bytes, 0);
            prop_assert_eq!(stored, kept);
        }

        /// Reading in pages answers what reading at once would.
        #[test]
        fn pages_are_overlaid_whole(
            stored in prop::collection::btree_map(0..20_u8, 0..9_u8, 0..20),
            written in prop::collection::btree_map(0..20_u8, any::<Option<u8>>(), 0..20),
            page in 1..5_usize,
            reverse: bool,
        ) {
            let entry = |(key, value): (u8, u8)| Entry { key: vec![key], value: vec![value].into() };
            let mut left: Vec<_> = stored.clone().into_iter().map(entry).collect();
            let mut expected = stored;
            for (key, value) in &written {
                match value {
                    Some(value) => expected.insert(*key, *value),
                    None => expected.remove(key),
                };
            }
            let mut expected: Vec<_> = expected.into_iter().map(entry).collect();
            if reverse {
                left.reverse();
                expected.reverse();
            }
            let mut written: BTreeMap<_, _> = written
                .into_iter()
                .map(|(key, value)| (vec![key], value.map(|it| Bytes::from(vec![it]))))
                .collect();
            let mut found = Vec::new();
            loop {
                let rest = left.split_off(page.min(left.len()));
                let is_last = left.len() < page;
                found.extend(overlay(left, is_last, reverse, &mut written));
                left = rest;
                if is_last {
                    break;
                }
            }
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn p6_what_waits_is_bounded() {
        let mut journal = Journal::default();
        let big = |key: u8| Op::Put {
            key: vec![key],
            value: vec![0; MAX_PENDING / 2].into(),
        };
        journal.write(false, vec![big(1)]).unwrap();
        assert_eq!(
            journal.write(true, vec![big(2), big(3)]),
            Err(TooMuchPending)
        );
        let keys: BTreeSet<_> = (0..4)
            .filter(|it| journal.look_up(&[*it], true).is_some())
            .collect();
        assert_eq!(keys, [1].into());
        let _ = journal.take(1);
        assert!(journal.settled(1));
        journal.write(true, vec![big(2)]).unwrap();
    }
}

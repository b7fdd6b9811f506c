//! Events kept for clients who were away: a ring of the last of each kind, numbered, and what a client
//! says it saw last. Pure.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    str::FromStr,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    id::{ActorId, Generation},
    storage::{Op, keys},
    value::Value,
};

/// The member of a client's params that says what it saw last of each event, and that it wants to know
/// where each new one stands.
pub(crate) const SEEN: &str = "$seen";

/// The event that says that a client cannot be brought up to date by events.
pub(crate) const RESYNC: &str = "$resync";

/// What a client saw last, by event.
pub(crate) type Seen = BTreeMap<String, String>;

/// Takes what the client saw last out of its params. Who says nothing else has no params.
pub(crate) fn take_seen(params: Value) -> (Value, Option<Seen>) {
    let Value::Map(mut members) = params else {
        return (params, None);
    };
    let at = members
        .iter()
        .position(|(key, _)| key.as_str() == Some(SEEN));
    let Some(at) = at else {
        return (Value::Map(members), None);
    };
    let (_, seen) = members.remove(at);
    let mut by_event = Seen::new();
    if let Value::Map(seen) = seen {
        for (event, position) in seen {
            if let (Value::Text(event), Value::Text(position)) = (event, position) {
                by_event.insert(event, position);
            }
        }
    }
    let rest = if members.is_empty() {
        Value::Undefined
    } else {
        Value::Map(members)
    };
    (rest, Some(by_event))
}

/// Where an event stands among all of its kind. The same number may mean another event after a life
/// that lost some, and after the actor was created again: it stands there together with both.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Position {
    actor: u32,
    generation: u64,
    number: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            actor,
            generation,
            number,
        } = self;
        write!(f, "{actor:08x}.{generation}.{number}")
    }
}

impl FromStr for Position {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or(Unreadable);
        Ok(Self {
            actor: u32::from_str_radix(part()?, 16).map_err(|_| Unreadable)?,
            generation: part()?.parse().map_err(|_| Unreadable)?,
            number: part()?.parse().map_err(|_| Unreadable)?,
        })
    }
}

/// A client's position is none of ours.
#[derive(Debug)]
pub(crate) struct Unreadable;

/// The rings of one actor, in one life.
#[derive(Debug)]
pub(crate) struct Rings {
    actor: u32,
    generation: u64,
    /// Most bytes of one ring (P6).
    limit: usize,
    rings: BTreeMap<String, Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    /// Oldest first.
    kept: VecDeque<Kept>,
    bytes: usize,
}

/// An event that is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    generation: u64,
    number: u64,
    /// Of its row.
    bytes: usize,
    pub(crate) args: Value,
    /// The version of the state that has it.
    pub(crate) version: u64,
}

/// A row, first version.
#[derive(Deserialize, Serialize)]
struct Row<V> {
    v: u32,
    generation: u64,
    args: V,
}

const ROW_VERSION: u32 = 1;

/// An event that got its number.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) position: Position,
    pub(crate) ops: Vec<Op>,
}

impl Rings {
    pub(crate) fn new(actor: ActorId, generation: Generation, limit: usize) -> Self {
        let [a, b, c, d, ..] = *actor.as_bytes();
        Self {
            actor: u32::from_be_bytes([a, b, c, d]),
            generation: generation.number(),
            limit,
            rings: BTreeMap::new(),
        }
    }

    /// Takes a row of an earlier life back. They come in order.
    ///
    /// # Errors
    ///
    /// When it is none, or was written by a newer program.
    pub(crate) fn restore(&mut self, event: &str, number: u64, row: &Bytes) -> Result<(), String> {
        let read: Row<Value> = ciborium::from_reader(&**row).map_err(|it| it.to_string())?;
        if ROW_VERSION < read.v {
            return Err(format!("a kept event has version {}", read.v));
        }
        let kept = Kept {
            generation: read.generation,
            number,
            bytes: row.len(),
            args: read.args,
            version: 0,
        };
        self.rings.entry(event.to_owned()).or_default().push(kept);
        Ok(())
    }

    /// Forgets what the program does not keep any more: `keeps` says how many of an event.
    pub(crate) fn trim(&mut self, keeps: impl Fn(&str) -> usize) -> Vec<Op> {
        let mut ops = Vec::new();
        self.rings.retain(|event, ring| {
            let most = keeps(event);
            let room = if most == 0 { 0 } else { most + 1 };
            ring.shrink(event, room, self.limit, &mut ops);
            most != 0
        });
        ops
    }

    /// Gives an event its number and keeps it, and as many before it as are to be kept: one more than
    /// `keep`, so that who saw that one last lacks no other. `version` is that of the state that has
    /// it.
    ///
    /// # Errors
    ///
    /// When it does not serialize.
    pub(crate) fn record(
        &mut self,
        event: &str,
        keep: usize,
        args: &Value,
        version: u64,
    ) -> Result<Recorded, String> {
        let row = Row {
            v: ROW_VERSION,
            generation: self.generation,
            args,
        };
        let mut value = Vec::new();
        ciborium::into_writer(&row, &mut value).map_err(|it| it.to_string())?;
        let number = self.last(event).number + 1;
        let ring = self.rings.entry(event.to_owned()).or_default();
        ring.push(Kept {
            generation: self.generation,
            number,
            bytes: value.len(),
            args: args.clone(),
            version,
        });
        let mut ops = vec![Op::Put {
            key: keys::kept_event(event, number),
            value: value.into(),
        }];
        ring.shrink(event, keep + 1, self.limit, &mut ops);
        Ok(Recorded {
            position: self.last(event),
            ops,
        })
    }

    /// Where the newest event of a kind stands; before the first, a place before it.
    pub(crate) fn last(&self, event: &str) -> Position {
        let newest = self.rings.get(event).and_then(|it| it.kept.back());
        self.position(newest.map_or((0, 0), |it| (it.generation, it.number)))
    }

    /// What a client missed who saw `seen` last, with where each stands. `None` when that cannot be
    /// said.
    pub(crate) fn since(&self, event: &str, seen: &str) -> Option<Vec<(Position, &Kept)>> {
        let seen: Position = seen.parse().ok()?;
        let kept = self.rings.get(event).map(|it| &it.kept);
        let mut all = kept.into_iter().flatten();
        if seen == self.position((0, 0)) {
            // Everything, as long as the first is there.
            let is_whole = all.clone().next().is_none_or(|it| it.number == 1);
            return is_whole.then(|| self.places(all));
        }
        all.find(|it| self.position((it.generation, it.number)) == seen)?;
        Some(self.places(all))
    }

    fn places<'a>(&self, kept: impl Iterator<Item = &'a Kept>) -> Vec<(Position, &'a Kept)> {
        kept.map(|it| (self.position((it.generation, it.number)), it))
            .collect()
    }

    fn position(&self, (generation, number): (u64, u64)) -> Position {
        Position {
            actor: self.actor,
            generation,
            number,
        }
    }
}

impl Ring {
    fn push(&mut self, kept: Kept) {
        self.bytes += kept.bytes;
        self.kept.push_back(kept);
    }

    /// Drops the oldest until no more than `most` are left, in no more than `limit` bytes. The newest
    /// stays, whatever its size, because the next number follows from it.
    fn shrink(&mut self, event: &str, most: usize, limit: usize, ops: &mut Vec<Op>) {
        while most < self.kept.len() || (1 < self.kept.len() && limit < self.bytes) {
            let Some(old) = self.kept.pop_front() else {
                return;
            };
            self.bytes -= old.bytes;
            ops.push(Op::Delete {
                key: keys::kept_event(event, old.number),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rings(generation: u64) -> Rings {
        let id = ActorId::from_bytes([0xab; 16]);
        Rings::new(id, Generation::from_number(generation), 1000)
    }

    fn numbers(missed: Option<Vec<(Position, &Kept)>>) -> Option<Vec<u64>> {
        missed.map(|it| it.into_iter().map(|(_, kept)| kept.number).collect())
    }

    #[test]
    fn positions_read_back() {
        let text = rings(7).last("any").to_string();
        assert_eq!(text, "abababab.0.0");
        assert_eq!(text.parse::<Position>().unwrap(), rings(9).last("any"));
        for bad in [
            "", "1", "1.2", "x.1.1", "1.x.1", "1.1.x", "1.1.1.1", "-1.1.1",
        ] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }

    #[test]
    fn params_keep_what_is_not_ours() {
        let seen = |position: Value| Value::object([("line", position), ("n", 1.into())]);
        let own = ("name".into(), "ann".into());
        let (rest, found) = take_seen(Value::Map(vec![
            own.clone(),
            (SEEN.into(), seen("x".into())),
        ]));
        assert_eq!(rest, Value::Map(vec![own]));
        assert_eq!(
            found.unwrap().into_iter().collect::<Vec<_>>(),
            [("line".into(), "x".into())]
        );
        let (rest, found) = take_seen(Value::Map(vec![(SEEN.into(), Value::Null)]));
        assert_eq!((rest, found), (Value::Undefined, Some(Seen::new())));
        assert_eq!(take_seen(Value::Int(5)), (Value::Int(5), None));
    }

    #[test]
    fn a_ring_is_bounded_in_bytes_and_keeps_its_newest() {
        let mut rings = rings(1);
        let big = Value::Text("x".repeat(600));
        for _ in 0..3 {
            let _ = rings.record("a", 10, &big, 0).unwrap();
        }
        assert_eq!(rings.rings["a"].kept.len(), 1);
        let huge = Value::Text("x".repeat(5000));
        let last = rings.record("a", 10, &huge, 0).unwrap().position;
        assert_eq!((last.number, rings.last("a")), (4, last));
    }

    proptest! {
        /// Whatever happens: who names what it saw last gets exactly what came after it, or is told that
        /// this cannot be; and the rows on disk are the ring.
        #[test]
        fn who_was_away_gets_what_it_missed(
            steps in prop::collection::vec((0..4_u8, 0..30_usize), 1..80),
            keep in 1..6_usize,
        ) {
            let mut now = rings(1);
            let mut rows: BTreeMap<Vec<u8>, Bytes> = BTreeMap::new();
            // Every event that happened, and where it stood.
            let mut history = vec![now.last("a")];
            let mut lost = Vec::new();
            let mut undo = Vec::new();
            for (step, which) in steps {
                match step {
                    0..=1 => {
                        let recorded = now.record("a", keep, &Value::Int(5), 0).unwrap();
                        history.push(recorded.position);
                        undo.clear();
                        for op in recorded.ops {
                            let (key, value) = match op {
                                Op::Put { key, value } => (key, Some(value)),
                                Op::Delete { key } => (key, None),
                            };
                            let old = match value {
                                Some(value) => rows.insert(key.clone(), value),
                                None => rows.remove(&key),
                            };
                            undo.push((key, old));
                        }
                    }
                    2 => {
                        // A life that broke, and may have lost its last commit.
                        if which % 2 == 0 && !undo.is_empty() {
                            lost.extend(history.pop());
                            for (key, old) in undo.drain(..).rev() {
                                match old {
                                    Some(value) => rows.insert(key, value),
                                    None => rows.remove(&key),
                                };
                            }
                        }
                        let generation = now.generation + 1;
                        now = rings(generation);
                        for (key, row) in &rows {
                            let (event, number) = keys::read_kept_event(key).unwrap();
                            now.restore(event, number, row).unwrap();
                        }
                    }
                    _ => {
                        let at = which % history.len();
                        let missed = numbers(now.since("a", &history[at].to_string()));
                        let away = history.len() - 1 - at;
                        if away <= keep {
                            let expected: Vec<_> = history[at + 1..].iter().map(|it| it.number).collect();
                            prop_assert_eq!(missed, Some(expected));
                        } else {
                            prop_assert!(missed.is_none() || at == 0);
                        }
                        for it in &lost {
                            prop_assert_eq!(numbers(now.since("a", &it.to_string())), None);
                        }
                    }
                }
                prop_assert!(rows.len() <= keep + 1);
            }
        }
    }
}

//! What was promised, and whether it was kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    actors::{Book, Counted, KEPT, Numbers},
    child::{Ack, Ask, Found, Name, Record},
    process::Said,
};

/// How late a relaxed save may be: its interval of 30 ms, the commit, and a machine that is busy with
/// other things.
const SOON: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Model {
    actors: BTreeMap<Name, Promises>,
    /// Calls with a key that the last process made, each caller's newest to an actor, and what they were
    /// answered if that was heard.
    asked: BTreeMap<Ask, Option<Counted>>,
    tally: Tally,
    /// Relaxed acknowledgements heard before this moment are on disk.
    saved_before: Option<Instant>,
    /// Whether the last process ended in good order.
    ended: bool,
}

/// What was promised of one actor.
#[derive(Debug, Default)]
struct Promises {
    /// What was found last and has been on disk since.
    kept: Book,
    /// Acknowledged since, and when.
    acks: Vec<(Instant, Ack)>,
    /// Connections acknowledged since.
    connections: BTreeSet<u64>,
}

/// How much was tried.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) acked: u64,
    relaxed: u64,
    relaxed_lost: u64,
    unacked_kept: u64,
    connections: u64,
    left: u64,
    /// Asked again because no answer was heard.
    pub(crate) again: u64,
    /// Of those, had run before the kill.
    again_known: u64,
    /// Asked again although an answer was heard.
    replayed: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} acknowledged on disk, {} acknowledged relaxed, {} of them lost; {} kept that were \
             not acknowledged; {} connections acknowledged, {} came and went; {} calls cut off and \
             asked again, {} of them had run; {} answered ones asked again",
            self.acked,
            self.relaxed,
            self.relaxed_lost,
            self.unacked_kept,
            self.connections,
            self.left,
            self.again,
            self.again_known,
            self.replayed
        )
    }
}

impl Model {
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// Notes a promise.
    pub(crate) fn hear(&mut self, (at, record): Said) -> Result<(), String> {
        match record {
            Record::Asked(ask) => {
                let older = |it: &Ask| it.till == ask.till && it.caller == ask.caller;
                self.asked.retain(|it, _| !older(it));
                self.asked.insert(ask, None);
            }
            Record::Counted(name, ack) => {
                if let Name::Till(till) = &name {
                    let (till, Ack { caller, n, .. }) = (till.clone(), ack);
                    self.asked
                        .insert(Ask { till, caller, n }, Some(ack.counted));
                }
                let promises = self.actors.entry(name).or_default();
                promises.acks.push((at, ack));
            }
            Record::Connected(name, conn) => {
                let promises = self.actors.entry(name).or_default();
                promises.connections.insert(conn);
            }
            Record::Failed(what) => return Err(what),
            other => return Err(format!("{other:?} during the load")),
        }
        Ok(())
    }

    /// The calls with a key to ask again: those cut off, and of those answered the ones whose answer
    /// is kept still.
    pub(crate) fn to_ask_again(&self) -> Vec<Ask> {
        let mut newest = BTreeMap::<&str, u64>::new();
        for (ask, counted) in &self.asked {
            let place = newest.entry(&ask.till).or_default();
            *place = counted.map_or(*place, |it| it.place.max(*place));
        }
        let is_kept = |(ask, counted): &(&Ask, &Option<Counted>)| {
            counted.is_none_or(|it| newest[&*ask.till] < it.place + KEPT / 2)
        };
        let asked = self.asked.iter().filter(is_kept);
        asked.map(|(ask, _)| ask.clone()).collect()
    }

    /// A call was asked again. What it did when it ran first was found before.
    pub(crate) fn answered_again(&mut self, ask: &Ask, counted: Counted) -> Result<(), String> {
        let heard = self.asked.remove(ask).flatten();
        let promises = self.actors.entry(Name::Till(ask.till.clone())).or_default();
        let book = &promises.kept;
        let numbers = book.counted.get(&ask.caller);
        let had_run = numbers.is_some_and(|it| it.has(ask.n));
        if had_run != (counted.place <= book.total) {
            return Err(format!(
                "{ask:?} was there: {had_run}, and is {counted:?} now"
            ));
        }
        match heard {
            Some(heard) if heard != counted => {
                return Err(format!("{ask:?} was answered {heard:?}, now {counted:?}"));
            }
            Some(_) => self.tally.replayed += 1,
            None => {
                self.tally.again += 1;
                self.tally.again_known += u64::from(had_run);
            }
        }
        if had_run && counted.born != book.born {
            return Err(format!("{ask:?} is of another creation: {counted:?}"));
        }
        if !had_run {
            let Ask { caller, n, .. } = *ask;
            let ack = Ack {
                caller,
                n,
                counted,
                sure: true,
            };
            promises.acks.push((Instant::now(), ack));
        }
        Ok(())
    }

    /// The process was killed.
    pub(crate) fn killed(&mut self, at: Instant) {
        self.saved_before = at.checked_sub(SOON);
        self.ended = false;
    }

    /// The process ended in good order.
    pub(crate) fn ended(&mut self) {
        self.ended = true;
    }

    /// Holds what was found of an actor against what was promised.
    pub(crate) fn check(&mut self, name: &Name, found: Option<Found>) -> Result<(), String> {
        let promises = self.actors.entry(name.clone()).or_default();
        let whose = |what: String| format!("{name:?}: {what}");
        let Some(Found { book, entries }) = found else {
            let empty = Found {
                book: Book::default(),
                entries: 1,
            };
            return promises
                .check(&empty, self.saved_before, self.ended)
                .map_err(whose);
        };
        // Of each call with a key there are two rows, for as many as are kept (P3).
        let calls = match name {
            Name::Till(_) => book.total.min(KEPT),
            Name::Ledger(_) | Name::Draft(_) | Name::Archive(_) => 0,
        };
        let entries = entries.saturating_sub(2 * usize::try_from(calls).unwrap());
        let found = Found { book, entries };
        promises
            .check(&found, self.saved_before, self.ended)
            .map_err(whose)?;
        promises.count(&found.book, &mut self.tally);
        promises.kept = found.book;
        promises.acks.clear();
        promises.connections.clear();
        Ok(())
    }
}

impl Promises {
    fn check(
        &self,
        found: &Found,
        saved_before: Option<Instant>,
        ended: bool,
    ) -> Result<(), String> {
        let Found { book, entries } = found;
        self.is_sound(book)?;
        if *entries != 1 {
            return Err(format!("{entries} entries, not only the state"));
        }
        for (at, ack) in &self.acks {
            let Ack {
                caller, n, counted, ..
            } = *ack;
            let there = book.counted.get(&caller).is_some_and(|it| it.has(n));
            let saved = saved_before.is_some_and(|it| *at < it);
            if !there && (ack.sure || saved || ended) {
                return Err(format!("{ack:?} was acknowledged and is missing: {book:?}"));
            }
            // The state is one that was: all up to a moment and nothing after it.
            if there != (counted.place <= book.total) {
                return Err(format!("{ack:?} of {} is out of order", book.total));
            }
            if there && counted.born != book.born {
                return Err(format!("{ack:?} was of another creation: {}", book.born));
            }
        }
        for conn in &self.connections {
            if !book.left.has(*conn) {
                return Err(format!("connection {conn} came and never left: {book:?}"));
            }
        }
        Ok(())
    }

    /// What holds of every actor that is found, whatever was promised.
    fn is_sound(&self, book: &Book) -> Result<(), String> {
        if !book.twice.is_empty() {
            return Err(format!("counted twice: {:?}", book.twice));
        }
        let total: u64 = book.counted.values().map(Numbers::len).sum();
        if total != book.total {
            return Err(format!("{total} ids and a total of {}", book.total));
        }
        if !book.odd.is_empty() {
            return Err(format!("hooks of connections: {:?}", book.odd));
        }
        if !book.present.is_empty() {
            return Err(format!("still connected: {:?}", book.present));
        }
        let kept = &self.kept;
        if kept.born != 0 && kept.born != book.born {
            return Err(format!("created again: {} then {}", kept.born, book.born));
        }
        for (caller, numbers) in &kept.counted {
            let now = book.counted.get(caller);
            if let Some(n) = numbers.iter().find(|n| !now.is_some_and(|it| it.has(*n))) {
                return Err(format!("{caller}/{n} was there and is missing: {book:?}"));
            }
        }
        match kept.left.iter().find(|it| !book.left.has(*it)) {
            Some(conn) => Err(format!("connection {conn} is forgotten")),
            None => Ok(()),
        }
    }

    fn count(&self, book: &Book, tally: &mut Tally) {
        let has = |ack: &Ack| {
            let numbers = book.counted.get(&ack.caller);
            numbers.is_some_and(|it| it.has(ack.n))
        };
        let there = self.acks.iter().filter(|(_, ack)| has(ack)).count() as u64;
        let sure = self.acks.iter().filter(|(_, ack)| ack.sure).count() as u64;
        let acks = self.acks.len() as u64;
        tally.acked += sure;
        tally.relaxed += acks - sure;
        tally.relaxed_lost += acks - there;
        tally.unacked_kept += book.total - self.kept.total - there;
        tally.connections += self.connections.len() as u64;
        tally.left += book.left.len() - self.kept.left.len();
    }
}

//! When the next delayed message of an actor is to be offered, as one who has not read its queues knows
//! it: an actor that sleeps has to be awake by then.

use std::sync::{MutexGuard, PoisonError};

use bytes::Bytes;

use super::{
    desk::{Desk, Surroundings, advance, lock},
    write::number,
};
use crate::{
    clock::Timestamp,
    storage::{Op, keys},
};

/// What waking read of that, and what storage has of it. Pure.
#[derive(Debug)]
pub(super) struct Due {
    /// What waking read. The queues themselves know better, once they are read.
    read: Option<Timestamp>,
    /// What storage has or is being given, `None` when that is not known.
    told: Option<Option<Timestamp>>,
    /// Whether the queues are being read because it is time, or cannot be in this life.
    is_begun: bool,
}

impl Default for Due {
    /// Of an actor without delayed messages.
    fn default() -> Self {
        Self {
            read: None,
            told: Some(None),
            is_begun: false,
        }
    }
}

impl Due {
    /// Waking read this.
    pub(super) fn resume(&mut self, read: Timestamp) {
        self.read = Some(read);
        self.told = Some(self.read);
    }

    /// When the actor has to be awake. `open` is what queues say that are read.
    pub(super) fn alarm(&self, open: Option<Option<Timestamp>>) -> Option<Timestamp> {
        open.unwrap_or(self.read)
    }

    /// When something is to be done, see [`alarm`](Self::alarm).
    pub(super) fn next(&self, open: Option<Option<Timestamp>>) -> Option<Timestamp> {
        open.unwrap_or(self.read.filter(|_| !self.is_begun))
    }

    /// The queues are about to be read because it is time.
    pub(super) fn begin(&mut self) {
        self.is_begun = true;
    }

    /// What storage is to be told, if it is another than it has.
    pub(super) fn take(&mut self, open: Option<Option<Timestamp>>) -> Option<Option<Timestamp>> {
        let alarm = self.alarm(open);
        if self.told == Some(alarm) {
            return None;
        }
        self.told = Some(alarm);
        Some(alarm)
    }

    /// What storage has is not known: it is told again.
    pub(super) fn forget(&mut self) {
        self.told = None;
    }
}

impl Desk {
    /// Waking read that a delayed message is to be offered then.
    pub(crate) fn resume(&self, due: Timestamp) {
        self.due().resume(due);
    }

    /// When a delayed message is to be offered next, and so the actor has to be awake.
    pub(crate) fn alarm(&self) -> Option<Timestamp> {
        let open = self.with(|table| table.next_due());
        self.due().alarm(open)
    }

    /// When [`offer_due`](Self::offer_due) next has something to do, or [`open`](Self::open) before it.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let open = self.with(|table| table.next_due());
        self.due().next(open)
    }

    /// The table is about to be read because a message is due.
    pub(crate) fn begin_due(&self) {
        self.due().begin();
    }

    /// Offers what is due by now, if the table is there.
    pub(crate) fn offer_due(&self, life: &dyn Surroundings) {
        self.with(|table| advance(life, table));
    }

    /// Takes what is written for the next commit, and when the next message is due by then.
    pub(crate) fn take_written(&self, take: impl FnOnce() -> Vec<Op>) -> Written {
        // Held over both: who changes the table holds it while writing.
        let table = self.table.get().map(lock);
        let mut ops = take();
        let open = table.as_ref().map(|it| it.next_due());
        let mut due = self.due();
        let told = due.take(open);
        ops.extend(told.map(put_due));
        Written {
            ops,
            alarm: due.alarm(open),
            is_told: told.is_some(),
        }
    }

    /// A commit failed: what storage has of the time is not known.
    pub(crate) fn forget_due(&self) {
        self.due().forget();
    }

    fn due(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a commit takes of queues.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) ops: Vec<Op>,
    /// When the actor has to be awake.
    pub(crate) alarm: Option<Timestamp>,
    /// Whether storage has another alarm so far.
    pub(crate) is_told: bool,
}

fn put_due(due: Option<Timestamp>) -> Op {
    let key = keys::queue_due();
    match due {
        Some(due) => {
            let value = Bytes::copy_from_slice(&due.as_millis().to_be_bytes());
            Op::Put { key, value }
        }
        None => Op::Delete { key },
    }
}

/// Reads back what [`Desk::take_written`] has stored of the time.
pub(crate) fn read_due(value: &[u8]) -> Option<Timestamp> {
    number(value).map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn t7_storage_is_told_what_it_does_not_have() {
        let mut due = Due::default();
        assert_eq!((due.next(None), due.take(None)), (None, None));
        due.resume(at(5));
        assert_eq!((due.next(None), due.take(None)), (Some(at(5)), None));
        due.begin();
        assert_eq!((due.next(None), due.alarm(None)), (None, Some(at(5))));
        // What is read counts from then on.
        let later = Some(at(9));
        let open = Some(later);
        assert_eq!((due.next(open), due.alarm(open)), (later, later));
        assert_eq!((due.take(open), due.take(open)), (open, None));
        due.forget();
        assert_eq!((due.take(open), due.take(Some(None))), (open, Some(None)));
        assert_eq!(due.take(Some(None)), None);
    }
}

//! Connections that nobody has asked for since their actor woke. What a life leaves of them to the next
//! in the same process is as it is on disk, so waking reads none of them, and each is read when it is
//! asked for: the first message to an actor with hundreds of sockets waits for one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, MutexGuard},
};

use bytes::Bytes;

use super::{
    ActorType,
    conn::Inner,
    hub::{Hub, Origin},
    table::{Gone, Table},
};
use crate::id::ConnId;

/// The connections of a life that went to sleep.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    /// The seat of whoever comes next.
    pub(super) next: u64,
    pub(super) rows: BTreeMap<ConnId, Folded>,
}

/// One of them: what storage has of it too.
#[derive(Clone, Debug)]
pub(crate) struct Folded {
    pub(crate) seat: u64,
    pub(crate) row: Bytes,
    pub(crate) taken: Option<BTreeSet<u64>>,
}

impl Fold {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// This one if it is among them, or all.
    pub(super) fn some(&self, id: Option<ConnId>) -> Vec<(ConnId, Folded)> {
        match id {
            Some(id) => {
                let folded = self.rows.get(&id).cloned();
                folded.map(|it| (id, it)).into_iter().collect()
            }
            None => self.rows.iter().map(|(id, it)| (*id, it.clone())).collect(),
        }
    }
}

impl<A: ActorType> Hub<A> {
    /// Who is connected, all of them.
    pub(crate) fn table(&self) -> MutexGuard<'_, Table<A>> {
        self.table_of(None)
    }

    /// Who is connected, `id` at least: what is asked of others is not to be believed.
    pub(crate) fn table_with(&self, id: ConnId) -> MutexGuard<'_, Table<A>> {
        self.table_of(Some(id))
    }

    fn table_of(&self, id: Option<ConnId>) -> MutexGuard<'_, Table<A>> {
        loop {
            let table = self.seen_of_table();
            let folded = table.folded(id);
            if folded.is_empty() {
                return table;
            }
            drop(table);
            // A life folds nobody before its end, so this is done once.
            self.unfold(folded);
        }
    }

    /// Reads connections and lists them, each whole or not at all (H14). To read is user code, which may
    /// itself ask who is connected, so it runs without the lock, and somebody else may read the same
    /// meanwhile: who lists one first has it.
    fn unfold(&self, folded: Vec<(ConnId, Folded)>) {
        let mut read = Vec::with_capacity(folded.len());
        for (id, folded) in folded {
            let seat = folded.seat;
            let gone = Gone {
                id,
                has_taken: folded.taken.is_some(),
                is_spared: false,
            };
            read.push((seat, gone, self.doorbell.unfold(id, folded)));
        }
        let (mut lost, mut late) = (Vec::new(), Vec::new());
        let mut table = self.seen_of_table();
        for (seat, gone, row) in read {
            match row {
                _ if !table.take_folded(gone.id) => late.extend(row),
                Some(row) => table.unfold(seat, row),
                None => {
                    table.forget_row(gone);
                    lost.push(gone.id);
                }
            }
        }
        drop(table);
        // User code too, without the lock.
        drop(late);
        for id in lost {
            self.doorbell.lose(id);
            self.touch(Origin::Beside);
        }
    }
}

/// A connection and what it hears.
pub(crate) type Row<A> = (Arc<Inner<A>>, Vec<Arc<str>>);

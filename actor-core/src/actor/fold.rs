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
#[derive(Debug)]
pub(crate) struct Folded {
    pub(crate) seat: u64,
    pub(crate) row: Bytes,
    pub(crate) taken: Option<BTreeSet<u64>>,
}

impl Fold {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }
}

impl<A: ActorType> Hub<A> {
    /// Who is connected, all of them.
    pub(crate) fn table(&self) -> MutexGuard<'_, Table<A>> {
        let mut table = self.seen_of_table();
        if table.has_folded() {
            while let Some((id, folded)) = table.take_folded(None) {
                self.unfold(&mut table, id, folded);
            }
        }
        table
    }

    /// Who is connected, `id` at least: what is asked of others is not to be believed.
    pub(crate) fn table_with(&self, id: ConnId) -> MutexGuard<'_, Table<A>> {
        let mut table = self.seen_of_table();
        if table.has_folded()
            && let Some((id, folded)) = table.take_folded(Some(id))
        {
            self.unfold(&mut table, id, folded);
        }
        table
    }

    /// Whole or not at all (H14): nobody else sees the table meanwhile.
    fn unfold(&self, table: &mut Table<A>, id: ConnId, folded: Folded) {
        let seat = folded.seat;
        let gone = Gone {
            id,
            has_taken: folded.taken.is_some(),
            is_spared: false,
        };
        match self.doorbell.unfold(id, folded) {
            Some(row) => table.unfold(seat, row),
            None => {
                table.forget_row(gone);
                self.touch(Origin::Beside);
            }
        }
    }
}

/// A connection and what it hears.
pub(crate) type Row<A> = (Arc<Inner<A>>, Vec<Arc<str>>);

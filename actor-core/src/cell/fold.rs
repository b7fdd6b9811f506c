//! Between two lives in one process: what waking need not read of connections, because the life before
//! left it. Only a life that saved all it had and went to sleep leaves anything; whatever came in between
//! shows by its generation (K6).

use super::{live::Cell, persist, restore, slot::Slot};
use crate::{
    actor::{Actor, Fold, Folded, Row},
    connection::CloseFrame,
    id::{ConnId, Generation},
    metrics,
};

/// What a life leaves of its connections.
#[derive(Debug)]
pub(super) struct Kept {
    /// Of storage at its end.
    pub(super) generation: Generation,
    pub(super) fold: Box<Fold>,
}

impl<A: Actor> Cell<A> {
    /// Everything is saved, and the actor goes to sleep.
    pub(super) fn fold_connections(&self) {
        let Some(listed) = self.hub.seen_of_table().to_fold(MOST) else {
            return;
        };
        // Encoding is user code, which may ask who is connected, so it runs without the lock. What it
        // does not write down now was written before.
        let row = |(conn, hears): &Row<A>| {
            let row = super::guard::guard_now(|| persist::encode_conn(conn, hears));
            let row = row.ok()?.ok()?;
            (row.len() <= LONGEST_ROW).then_some((conn.id, row))
        };
        let rows: Option<Vec<_>> = listed.iter().map(row).collect();
        let fold = rows.and_then(|it| self.hub.seen_of_table().fold(it));
        let sockets = self.slot.sockets().len();
        if let Some(fold) = fold.filter(|it| it.len() == sockets) {
            let generation = self.saving.stored();
            self.slot.keep_fold(Kept { generation, fold });
        }
    }
}

impl<A: Actor> Slot<A> {
    /// Reads a connection that was not asked for in this life until now.
    pub(super) fn unfold_conn(&self, id: ConnId, folded: Folded) -> Option<Row<A>> {
        let listener = self.sockets().get(&id).cloned()?;
        let mut conn = restore::read_again(self, id, &folded.row)?;
        conn.seat = Some(folded.seat);
        conn.taken = folded.taken;
        let hears = std::mem::take(&mut conn.hears);
        Some((conn.restore(listener), hears))
    }

    /// Closes a connection that could not be read.
    pub(super) fn lose_conn(&self, id: ConnId) {
        let listener = self.sockets().remove(&id);
        if let Some(listener) = listener {
            metrics::count(&metrics::RESTORES, [&*self.info.name, "failed"]);
            listener.close(CloseFrame::new(1011, "ws.restore_error"));
        }
    }
}

/// Most connections that are left. Whoever wants all of them waits for all in one go, and holds up its
/// thread: not longer than half a millisecond.
const MOST: usize = 512;
/// Longer rows are not worth the memory while the actor sleeps, in bytes.
const LONGEST_ROW: usize = 1024;

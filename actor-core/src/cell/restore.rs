//! The connections of the last life come back (H12): what waking read of each, joined with the sockets
//! that are still there. Nobody sees one that is not whole (H14): user code runs only after all of it.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use tokio::task::{JoinSet, yield_now};

use super::{
    guard::guard_now,
    persist::{self, StoredConn},
    slot::{Hears, Slot},
};
use crate::{
    actor::{Actor, Fold, Gone, Listener, StateError, Table},
    connection::CloseFrame,
    id::ConnId,
    metrics,
};

/// What waking read of one connection.
#[derive(Default)]
pub(super) struct Stored {
    pub(super) row: Option<Bytes>,
    pub(super) taken: Option<Bytes>,
}

/// The rows of all connections.
pub(super) struct Rows<A: Actor> {
    read: HashMap<ConnId, StoredConn<A>>,
    /// Those that cannot be read. They go in the first commit: their sockets are closed, and there is
    /// nobody to run a hook for.
    failed: HashMap<ConnId, Gone>,
}

/// How a row fared.
type Read<A> = (ConnId, Result<StoredConn<A>, Unread>);

enum Unread {
    /// A newer program wrote it, and so the state too.
    Newer(StateError),
    Damaged {
        error: String,
        has_taken: bool,
    },
}

/// Reads the rows: many of them side by side, and so that nobody else waits for it.
///
/// # Errors
///
/// When a newer program wrote one.
pub(super) async fn read<A: Actor>(
    slot: &Slot<A>,
    stored: BTreeMap<ConnId, Stored>,
) -> Result<Rows<A>, StateError> {
    let mut rows = Rows {
        read: HashMap::with_capacity(stored.len()),
        failed: HashMap::new(),
    };
    let mut stored = stored.into_iter();
    let mut readers = JoinSet::new();
    loop {
        let chunk: Vec<_> = stored.by_ref().take(CHUNK).collect();
        let is_last = chunk.len() < CHUNK;
        if is_last && readers.is_empty() {
            // Most actors have few, which are not worth a task.
            rows.take(slot, read_all(chunk))?;
            return Ok(rows);
        }
        if !chunk.is_empty() {
            readers.spawn(async { read_all::<A>(chunk) });
        }
        while is_last && !readers.is_empty() || readers.len() == READERS {
            // What could panic in there is guarded.
            if let Some(Ok(read)) = readers.join_next().await {
                rows.take(slot, read)?;
            }
        }
        if is_last {
            return Ok(rows);
        }
    }
}

/// Reads the row of a connection that this process has written.
pub(super) fn read_again<A: Actor>(
    slot: &Slot<A>,
    id: ConnId,
    row: &Bytes,
) -> Option<StoredConn<A>> {
    let error = match read_one(id, row, None) {
        Ok(conn) => return Some(conn),
        Err(Unread::Newer(error)) => error.to_string(),
        Err(Unread::Damaged { error, .. }) => error,
    };
    slot.tell_of_damage(id, &error);
    None
}

fn read_all<A: Actor>(stored: Vec<(ConnId, Stored)>) -> Vec<Read<A>> {
    let stored = stored.into_iter();
    let rows = stored.filter_map(|(id, it)| Some((id, it.row?, it.taken)));
    rows.map(|(id, row, taken)| (id, read_one(id, &row, taken.as_ref())))
        .collect()
}

fn read_one<A: Actor>(
    id: ConnId,
    row: &Bytes,
    taken: Option<&Bytes>,
) -> Result<StoredConn<A>, Unread> {
    // Reading params and state back is user code.
    let read = guard_now(|| {
        let mut conn = persist::decode_conn::<A>(id, row)?;
        conn.taken = taken.map(|it| persist::decode_taken(it)).transpose()?;
        Ok(conn)
    });
    let damaged = |error| Unread::Damaged {
        error,
        has_taken: taken.is_some(),
    };
    match read {
        Ok(Ok(conn)) => Ok(conn),
        Ok(Err(error @ StateError::Newer { .. })) => Err(Unread::Newer(error)),
        Ok(Err(error)) => Err(damaged(error.to_string())),
        Err(fault) => Err(damaged(fault.of_hook("deserialize").to_string())),
    }
}

impl<A: Actor> Rows<A> {
    fn take(&mut self, slot: &Slot<A>, read: Vec<Read<A>>) -> Result<(), StateError> {
        for (id, read) in read {
            match read {
                Ok(conn) => {
                    self.read.insert(id, conn);
                }
                Err(Unread::Newer(error)) => return Err(error),
                Err(Unread::Damaged { error, has_taken }) => {
                    slot.tell_of_damage(id, &error);
                    let gone = Gone {
                        id,
                        has_taken,
                        is_spared: false,
                    };
                    self.failed.insert(id, gone);
                }
            }
        }
        Ok(())
    }

    /// Joins the rows with the sockets. Lists those who are there, answers those whose client has gone; a
    /// socket without a row, or with one that cannot be read, is closed, and that row forgotten.
    pub(super) async fn join(
        mut self,
        slot: &Slot<A>,
        mut kept: Hears,
    ) -> (Table<A>, Vec<StoredConn<A>>) {
        let mut table = Table::default();
        // Nobody adds to them or takes from them while the actor starts.
        let sockets: Vec<ConnId> = slot.sockets().keys().copied().collect();
        let mut counted = Counted::default();
        for chunk in sockets.chunks(CHUNK) {
            self.join_some(slot, chunk, &mut kept, &mut table, &mut counted);
            if chunk.len() == CHUNK {
                yield_now().await;
            }
        }
        for id in self.read.keys() {
            table.leaves(*id);
        }
        counted.stale = self.read.len();
        counted.failed = self.failed.len();
        for gone in self.failed.into_values() {
            table.forget_row(gone);
        }
        counted.tell(&slot.info.name);
        let mut stale: Vec<_> = self.read.into_values().collect();
        // Oldest first; rows without a seat are older than all that have one.
        stale.sort_by_key(|it| (it.seat, it.id));
        (table, stale)
    }

    fn join_some(
        &mut self,
        slot: &Slot<A>,
        some: &[ConnId],
        kept: &mut Hears,
        table: &mut Table<A>,
        counted: &mut Counted,
    ) {
        let mut sockets = slot.sockets();
        for id in some {
            let mut join = |it: &Listener<A>| self.join_one(*id, it, kept, table, counted);
            if !sockets.get(id).is_some_and(&mut join) {
                sockets.remove(id);
            }
        }
    }

    /// Whether the socket stays.
    fn join_one(
        &mut self,
        id: ConnId,
        listener: &Listener<A>,
        kept: &mut Hears,
        table: &mut Table<A>,
        counted: &mut Counted,
    ) -> bool {
        if self.failed.contains_key(&id) {
            listener.close(CloseFrame::new(1011, "ws.restore_error"));
            return false;
        }
        let row = self.read.remove(&id);
        if let Listener::Nobody = listener {
            // Its `on_disconnect` did not return.
            if let Some(row) = row {
                table.forget_row(Gone {
                    id,
                    has_taken: row.taken.is_some(),
                    is_spared: true,
                });
            }
            return false;
        }
        let Some(mut row) = row else {
            counted.not_stored += 1;
            listener.close(CloseFrame::new(1000, "ws.meta_not_found_during_restore"));
            return false;
        };
        counted.restored += 1;
        let stored = std::mem::take(&mut row.hears);
        match kept.remove(&id) {
            Some(hears) if hears != stored => {
                table.restore(row.restore(listener.clone()), hears);
                table.mark_dirty(id);
            }
            _ => table.restore(row.restore(listener.clone()), stored),
        }
        true
    }
}

impl<A: Actor> Slot<A> {
    fn tell_of_damage(&self, conn: ConnId, error: &str) {
        let actor = &self.about.address;
        tracing::error!(%actor, %conn, error, "a connection cannot be read back");
    }
}

/// The connections that the last life has left as they are on disk.
pub(super) fn lay_out<A: Actor>(slot: &Slot<A>, fold: Box<Fold>) -> Table<A> {
    let restored = Counted {
        restored: fold.len(),
        ..Counted::default()
    };
    restored.tell(&slot.info.name);
    Table::of_fold(fold)
}

/// How the connections of one wake fared.
#[derive(Default)]
struct Counted {
    restored: usize,
    not_stored: usize,
    stale: usize,
    failed: usize,
}

impl Counted {
    fn tell(&self, actor: &str) {
        for (outcome, times) in [
            ("restored", self.restored),
            ("not_stored", self.not_stored),
            ("stale", self.stale),
            ("failed", self.failed),
        ] {
            metrics::count_many(&metrics::RESTORES, [actor, outcome], times);
        }
    }
}

/// How a socket was closed that nobody saw close.
pub(super) fn stale_metadata() -> CloseFrame {
    CloseFrame::new(1000, "ws.stale_metadata")
}

/// Rows that are read in a row: a few hundred microseconds.
const CHUNK: usize = 64;
/// Most tasks that read rows of one actor at a time.
const READERS: usize = 4;

//! What an atomic turn does to its surroundings, kept apart until it is known whether it counts. Its
//! handler sees it at once, everybody else only then.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    ActorType,
    conn::Inner,
    hub::{Hub, Origin, Turn},
    table::TooManyTags,
};
use crate::{
    id::ConnId,
    schedule::Table as Schedules,
    value::{Value, ValueError},
};

/// The surroundings as an atomic turn sees them. What goes through the journal, the queues and the
/// outputs is staged there, as that of every exclusive turn.
pub(crate) struct Atomic<A: ActorType> {
    runs: AtomicBool,
    /// The schedules, once it asks for them.
    pub(super) schedules: Mutex<Option<Box<Schedules>>>,
    staged: Mutex<Staged<A>>,
    #[cfg(feature = "sqlite")]
    pub(super) sql: Mutex<Option<crate::sql::Within>>,
}

struct Staged<A: ActorType> {
    conns: BTreeMap<ConnId, Written<A>>,
    tags: BTreeMap<(ConnId, Arc<str>), Tagged<A>>,
    turns: Vec<Turn<A>>,
}

/// The state of a connection, as the turn wrote it.
struct Written<A: ActorType> {
    conn: Arc<Inner<A>>,
    /// Behind a lock of its own: who reads one connection may read another meanwhile.
    state: Arc<Mutex<A::ConnState>>,
}

/// A connection that the turn put into a group, or took out of it.
struct Tagged<A: ActorType> {
    conn: Arc<Inner<A>>,
    is_in: bool,
}

impl<A: ActorType> Default for Staged<A> {
    fn default() -> Self {
        Self {
            conns: BTreeMap::new(),
            tags: BTreeMap::new(),
            turns: Vec::new(),
        }
    }
}

impl<A: ActorType> Default for Atomic<A> {
    fn default() -> Self {
        Self {
            runs: AtomicBool::new(false),
            schedules: Mutex::default(),
            staged: Mutex::default(),
            #[cfg(feature = "sqlite")]
            sql: Mutex::default(),
        }
    }
}

impl<A: ActorType> Atomic<A> {
    fn staged(&self) -> MutexGuard<'_, Staged<A>> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the turn remembers of a connection, copied from what all remember when `write` says so.
    pub(super) fn conn_state(
        &self,
        conn: &Arc<Inner<A>>,
        write: bool,
    ) -> Result<Option<Arc<Mutex<A::ConnState>>>, ValueError> {
        let mut staged = self.staged();
        if let Some(written) = staged.conns.get(&conn.id) {
            return Ok(Some(Arc::clone(&written.state)));
        }
        if !write {
            return Ok(None);
        }
        let copy = Value::from_serialize(&*conn.lock_state())?.deserialize_into()?;
        let state = Arc::new(Mutex::new(copy));
        let written = Written {
            conn: Arc::clone(conn),
            state: Arc::clone(&state),
        };
        staged.conns.insert(conn.id, written);
        Ok(Some(state))
    }

    /// Whether the turn has put anything into a group, or taken out of one.
    pub(super) fn has_tags(&self) -> bool {
        !self.staged().tags.is_empty()
    }

    /// The groups of a connection as the turn sees them.
    pub(super) fn tags(&self, conn: &Inner<A>) -> super::Tags {
        let mut tags = conn.tags().as_deref().cloned().unwrap_or_default();
        let staged = self.staged();
        let said = staged.tags.iter().filter(|((id, _), _)| *id == conn.id);
        for ((_, tag), it) in said {
            if it.is_in {
                tags.insert(Arc::clone(tag));
            } else {
                tags.remove(tag);
            }
        }
        tags
    }

    /// Puts a connection into a group, or takes it out; whether that changed anything.
    pub(super) fn tag(
        &self,
        conn: &Arc<Inner<A>>,
        tag: &str,
        is_in: bool,
    ) -> Result<bool, TooManyTags> {
        let tags = self.tags(conn);
        if tags.contains(tag) == is_in {
            return Ok(false);
        }
        if is_in && super::table::MAX_TAGS <= tags.len() {
            return Err(TooManyTags);
        }
        let tagged = Tagged {
            conn: Arc::clone(conn),
            is_in,
        };
        self.staged().tags.insert((conn.id, tag.into()), tagged);
        Ok(true)
    }

    /// Keeps a short turn back, unless `limit` of them are kept back already.
    pub(super) fn turn(&self, turn: Turn<A>, limit: usize) -> bool {
        let mut staged = self.staged();
        let has_room = staged.turns.len() < limit;
        if has_room {
            staged.turns.push(turn);
        }
        has_room
    }

    pub(super) fn schedules(&self) -> MutexGuard<'_, Option<Box<Schedules>>> {
        self.schedules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The actor's database, in the transaction of the turn.
    #[cfg(feature = "sqlite")]
    pub(super) fn within(&self, sql: &crate::sql::Sql) -> crate::sql::Sql {
        let mut within = self.sql();
        let within = within.get_or_insert_with(|| crate::sql::Within::of(sql));
        sql.within(within)
    }

    #[cfg(feature = "sqlite")]
    fn sql(&self) -> MutexGuard<'_, Option<crate::sql::Within>> {
        self.sql.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: ActorType> Hub<A> {
    /// An exclusive turn is about to begin of which all counts or nothing.
    pub(crate) fn begin_atomic(&self) {
        let atomic = self.atomic.get_or_init(Box::default);
        atomic.runs.store(true, Ordering::Release);
    }

    /// What the atomic turn that runs sees of its surroundings, asked by that turn itself.
    pub(super) fn atomic(&self, origin: Origin) -> Option<&Atomic<A>> {
        let atomic = self.atomic.get()?;
        let runs = atomic.runs.load(Ordering::Acquire);
        (runs && self.effective(origin) == Origin::Turn).then_some(&**atomic)
    }

    /// Whether who asks must not see what a turn that runs has written.
    pub(super) fn is_outside_atomic(&self, origin: Origin) -> bool {
        let atomic = self.atomic.get();
        atomic.is_some_and(|it| it.runs.load(Ordering::Acquire))
            && self.effective(origin) != Origin::Turn
    }

    /// The SQL of the atomic turn becomes durable, or is undone.
    #[cfg(feature = "sqlite")]
    pub(crate) async fn end_atomic_sql(&self, keep: bool) -> Result<(), crate::sql::SqlError> {
        let within = self.atomic.get().and_then(|it| it.sql().take());
        match within {
            Some(within) => within.end(keep).await,
            None => Ok(()),
        }
    }

    /// The atomic turn succeeded: what it did to its surroundings holds.
    pub(crate) fn keep_atomic(&self) {
        let Some(atomic) = self.atomic.get() else {
            return;
        };
        atomic.runs.store(false, Ordering::Release);
        let staged = std::mem::take(&mut *atomic.staged());
        for written in staged.conns.into_values() {
            let Written { conn, state } = written;
            let Some(state) = Arc::into_inner(state) else {
                continue;
            };
            *conn.lock_state() = state.into_inner().unwrap_or_else(PoisonError::into_inner);
            if conn.transport.is_stored() {
                self.seen_of_table().mark_dirty(conn.id);
            }
        }
        for ((_, tag), Tagged { conn, is_in }) in staged.tags {
            let mut table = self.seen_of_table();
            if !is_in {
                table.untag(&conn, &tag);
            } else if table.tag(&conn, &tag).is_err() {
                tracing::warn!(conn = %conn.id, %tag, "a handler beside the turn used up its tags");
            }
        }
        if let Some(branch) = atomic.schedules().take() {
            // Held over both: who takes the next commit takes both or none.
            let mut schedules = self.schedules();
            let ops = schedules.get_or_insert_default().merge(*branch);
            self.journal().get_or_insert_default().keep_turn_as(ops);
        }
        for turn in staged.turns {
            self.turn(turn);
        }
        self.touch(Origin::Turn);
    }

    /// The atomic turn failed: what it did to its surroundings never was.
    pub(crate) fn drop_atomic(&self) {
        if let Some(atomic) = self.atomic.get() {
            atomic.runs.store(false, Ordering::Release);
            let staged = std::mem::take(&mut *atomic.staged());
            drop((staged, atomic.schedules().take()));
        }
    }
}

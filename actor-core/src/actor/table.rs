//! Who is connected to one actor, in the order they came, and what each listens to.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{ActorType, conn::Inner};
use crate::id::ConnId;

/// The connections of one actor.
pub(crate) struct Table<A: ActorType> {
    next: u64,
    by_id: HashMap<ConnId, u64>,
    listed: BTreeMap<u64, Arc<Inner<A>>>,
    /// Event name to those who asked for it.
    subscribers: BTreeMap<Arc<str>, BTreeSet<u64>>,
    /// Hibernatable connections whose row on disk is out of date.
    dirty: HashSet<ConnId>,
    /// Connections whose row on disk has to go.
    removed: Vec<ConnId>,
}

impl<A: ActorType> Default for Table<A> {
    fn default() -> Self {
        Self {
            next: 0,
            by_id: HashMap::new(),
            listed: BTreeMap::new(),
            subscribers: BTreeMap::new(),
            dirty: HashSet::new(),
            removed: Vec::new(),
        }
    }
}

/// What the next commit says about connections.
pub(crate) struct Changes<A: ActorType> {
    pub(crate) written: Vec<(Arc<Inner<A>>, Vec<Arc<str>>)>,
    pub(crate) removed: Vec<ConnId>,
}

impl<A: ActorType> Table<A> {
    /// Lists a new connection.
    pub(crate) fn insert(&mut self, conn: Arc<Inner<A>>) {
        if conn.transport.is_hibernatable() {
            self.dirty.insert(conn.id);
        }
        self.restore(conn, &[]);
    }

    /// Lists a connection that was there before a sleep.
    pub(crate) fn restore(&mut self, conn: Arc<Inner<A>>, subscriptions: &[Arc<str>]) {
        let seat = self.next;
        self.next += 1;
        for name in subscriptions {
            self.subscribers.entry(Arc::clone(name)).or_default().insert(seat);
        }
        self.by_id.insert(conn.id, seat);
        self.listed.insert(seat, conn);
    }

    /// Takes a connection off the list. `None` when it is not on it: whoever removes it first has it.
    pub(crate) fn remove(&mut self, id: ConnId) -> Option<Arc<Inner<A>>> {
        let seat = self.by_id.remove(&id)?;
        let conn = self.listed.remove(&seat)?;
        self.subscribers.retain(|_, seats| {
            seats.remove(&seat);
            !seats.is_empty()
        });
        self.dirty.remove(&id);
        if conn.transport.is_hibernatable() {
            self.removed.push(id);
        }
        Some(conn)
    }

    /// A row on disk that no live connection belongs to has to go.
    pub(crate) fn forget_row(&mut self, id: ConnId) {
        self.removed.push(id);
    }

    pub(crate) fn by_id(&self, id: ConnId) -> Option<&Arc<Inner<A>>> {
        self.listed.get(self.by_id.get(&id)?)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Inner<A>>> {
        self.listed.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.listed.len()
    }

    /// Those who hear event `name`.
    pub(crate) fn subscribers(&self, name: &str) -> impl Iterator<Item = &Arc<Inner<A>>> {
        let seats = self.subscribers.get(name);
        seats.into_iter().flatten().filter_map(|seat| self.listed.get(seat))
    }

    /// Subscribes or unsubscribes; whether that changed anything.
    pub(crate) fn subscribe(&mut self, id: ConnId, name: &str, on: bool) -> bool {
        let Some(seat) = self.by_id.get(&id) else { return false };
        let changed = if on {
            self.subscribers.entry(Arc::from(name)).or_default().insert(*seat)
        } else if let Some(seats) = self.subscribers.get_mut(name) {
            let was = seats.remove(seat);
            if seats.is_empty() {
                self.subscribers.remove(name);
            }
            was
        } else {
            false
        };
        if changed {
            self.mark_dirty(id);
        }
        changed
    }

    pub(crate) fn mark_dirty(&mut self, id: ConnId) {
        if self.by_id(id).is_some_and(|it| it.transport.is_hibernatable()) {
            self.dirty.insert(id);
        }
    }

    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty() || !self.removed.is_empty()
    }

    /// Takes what the next commit has to say.
    pub(crate) fn take_changes(&mut self) -> Changes<A> {
        let dirty = std::mem::take(&mut self.dirty);
        let mut written = Vec::with_capacity(dirty.len());
        for id in dirty {
            if let Some(seat) = self.by_id.get(&id)
                && let Some(conn) = self.listed.get(seat)
            {
                written.push((Arc::clone(conn), self.subscriptions(*seat)));
            }
        }
        Changes { written, removed: std::mem::take(&mut self.removed) }
    }

    fn subscriptions(&self, seat: u64) -> Vec<Arc<str>> {
        let heard = self.subscribers.iter().filter(|(_, seats)| seats.contains(&seat));
        heard.map(|(name, _)| Arc::clone(name)).collect()
    }
}

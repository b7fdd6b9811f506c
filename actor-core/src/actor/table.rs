//! Who is connected to one actor, in the order they came, and what each listens to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    ActorType,
    conn::Inner,
    fold::{Fold, Folded, Row},
    unstored::Unstored,
};
use crate::id::ConnId;

/// Most groups one connection may be in.
pub(crate) const MAX_TAGS: usize = 100;
/// Most events one connection may listen to.
pub(crate) const MAX_SUBSCRIPTIONS: usize = 1000;

/// The connections of one actor.
pub(crate) struct Table<A: ActorType> {
    next: u64,
    by_id: BTreeMap<ConnId, u64>,
    listed: BTreeMap<u64, Listed<A>>,
    /// Event name to those who asked for it.
    subscribers: BTreeMap<Arc<str>, BTreeSet<u64>>,
    /// Tag to those who have it, while anybody has one.
    #[expect(
        clippy::box_collection,
        reason = "an empty map would take three times the room in every actor"
    )]
    tagged: Option<Box<BTreeMap<Arc<str>, BTreeSet<u64>>>>,
    /// Connections whose row on disk is out of date.
    /// Or, where it says no, which have taken messages since.
    dirty: BTreeMap<ConnId, bool>,
    unstored: Unstored,
    /// Connections whose row on disk has to go.
    removed: Vec<Gone>,
    /// Connections off the list whose row is still on disk, because their hooks are not over.
    #[expect(clippy::box_collection, reason = "as above, and few leave at any time")]
    leaving: Option<Box<BTreeSet<ConnId>>>,
    /// Connections of the last life that nobody has asked for yet, see [`Fold`].
    folded: Option<Box<Fold>>,
}

/// A connection that is no more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    pub(crate) id: ConnId,
    /// Whether storage has numbers of messages that it took.
    pub(crate) has_taken: bool,
    /// Whether its hooks have not returned, and are not to run again.
    pub(crate) is_spared: bool,
}

struct Listed<A: ActorType> {
    conn: Arc<Inner<A>>,
    hears: BTreeSet<Arc<str>>,
    /// Whether `on_connect` is over. Nothing is stored before: who finds a row knows that it ran.
    is_open: bool,
}

impl<A: ActorType> Default for Table<A> {
    fn default() -> Self {
        Self {
            next: 0,
            by_id: BTreeMap::new(),
            listed: BTreeMap::new(),
            subscribers: BTreeMap::new(),
            tagged: None,
            dirty: BTreeMap::new(),
            unstored: Unstored::default(),
            removed: Vec::new(),
            leaving: None,
            folded: None,
        }
    }
}

/// What the next commit says about connections.
pub(crate) struct Changes<A: ActorType> {
    pub(crate) written: Vec<Row<A>>,
    /// Those that have taken messages.
    pub(crate) taken: Vec<Arc<Inner<A>>>,
    pub(crate) removed: Vec<Gone>,
}

/// A connection that wants to hear more events than it may.
#[derive(Debug)]
pub(crate) struct TooManySubscriptions;

/// A connection that wants to be in more groups than it may.
#[derive(Debug)]
pub(crate) struct TooManyTags;

impl<A: ActorType> Table<A> {
    /// Those of the last life, as it left them.
    pub(crate) fn of_fold(fold: Box<Fold>) -> Self {
        Self {
            next: fold.next,
            folded: Some(fold),
            ..Self::default()
        }
    }

    /// Connections that nobody has asked for yet: this one if it is among them, or all.
    pub(super) fn folded(&self, id: Option<ConnId>) -> Vec<(ConnId, Folded)> {
        let fold = self.folded.as_ref();
        fold.map_or_else(Vec::new, |it| it.some(id))
    }

    /// Somebody has asked for a connection; whether nobody had before.
    pub(super) fn take_folded(&mut self, id: ConnId) -> bool {
        let Some(fold) = &mut self.folded else {
            return false;
        };
        let was_folded = fold.rows.remove(&id).is_some();
        if fold.rows.is_empty() {
            self.folded = None;
        }
        was_folded
    }

    /// Lists a connection that was folded, where it was.
    pub(super) fn unfold(&mut self, seat: u64, (conn, hears): Row<A>) {
        self.seat(seat, conn, hears, true);
    }

    /// Those who are to be written down for the next life: all but the folded, who are. `None` where
    /// there is nobody or are more than `most`, or when storage has or is to have other rows than these.
    pub(crate) fn to_fold(&self, most: usize) -> Option<Vec<Row<A>>> {
        let len = self.len();
        if len == 0 || most < len || self.is_dirty() || self.leaving.is_some() {
            return None;
        }
        let listed = self.listed.values();
        listed.map(|it| it.has_row().then(|| row(it))).collect()
    }

    /// Leaves every connection to the next life. `None` where `rows` are not [those who were to be
    /// written down](Self::to_fold), because somebody has asked for one or changed one meanwhile.
    pub(crate) fn fold(&mut self, rows: Vec<(ConnId, Bytes)>) -> Option<Box<Fold>> {
        if rows.len() != self.listed.len() || self.is_dirty() || self.leaving.is_some() {
            return None;
        }
        let mut fold = self.folded.take().unwrap_or_default();
        fold.next = self.next;
        for (id, row) in rows {
            let seat = *self.by_id.get(&id)?;
            let taken = self.listed.get(&seat)?.conn.taken();
            let taken = taken.is_stored.then(|| taken.numbers.clone());
            fold.rows.insert(id, Folded { seat, row, taken });
        }
        Some(fold)
    }

    /// Lists a new connection, which is not open yet.
    pub(crate) fn insert(&mut self, conn: Arc<Inner<A>>) {
        self.list(conn, [], false);
    }

    /// A new connection is open. Whether it is still listed.
    pub(crate) fn open(&mut self, id: ConnId) -> bool {
        let seat = self.by_id.get(&id);
        let Some(listed) = seat.and_then(|it| self.listed.get_mut(it)) else {
            return false;
        };
        listed.is_open = true;
        if listed.has_row() {
            self.unstored.add(id);
        }
        self.mark_dirty(id);
        true
    }

    /// Lists a connection that was there before a sleep.
    pub(crate) fn restore(
        &mut self,
        conn: Arc<Inner<A>>,
        hears: impl IntoIterator<Item = Arc<str>>,
    ) {
        self.list(conn, hears, true);
    }

    fn list(
        &mut self,
        conn: Arc<Inner<A>>,
        hears: impl IntoIterator<Item = Arc<str>>,
        is_open: bool,
    ) {
        // Two have one seat only where somebody else has written rows; then one is a little later.
        let free = (conn.seat..).find(|it| !self.listed.contains_key(it));
        let seat = free.unwrap_or(conn.seat);
        self.next = self.next.max(seat.saturating_add(1));
        self.seat(seat, conn, hears, is_open);
    }

    /// The next seat, behind all others.
    pub(crate) fn take_seat(&mut self) -> u64 {
        let seat = self.next;
        self.next = seat.saturating_add(1);
        seat
    }

    fn seat(
        &mut self,
        seat: u64,
        conn: Arc<Inner<A>>,
        hears: impl IntoIterator<Item = Arc<str>>,
        is_open: bool,
    ) {
        let hears: BTreeSet<_> = hears.into_iter().collect();
        for name in &hears {
            self.subscribers
                .entry(Arc::clone(name))
                .or_default()
                .insert(seat);
        }
        self.by_id.insert(conn.id, seat);
        if let Some(tags) = conn.tags().as_deref() {
            for tag in tags {
                self.seat_tagged(Arc::clone(tag), seat);
            }
        }
        let listed = Listed {
            conn,
            hears,
            is_open,
        };
        self.listed.insert(seat, listed);
    }

    /// Takes a connection off the list. `None` when it is not on it: whoever removes it first has it.
    /// Its row stays until [`forget_row`](Self::forget_row).
    pub(crate) fn remove(&mut self, id: ConnId) -> Option<Arc<Inner<A>>> {
        let seat = self.by_id.remove(&id)?;
        let listed = self.listed.remove(&seat)?;
        if listed.has_row() {
            self.leaves(id);
        }
        let Listed { conn, hears, .. } = listed;
        for name in &hears {
            self.leave(name, seat);
        }
        for tag in conn.tags().iter().flat_map(|it| it.iter()) {
            self.unseat_tagged(tag, seat);
        }
        self.dirty.remove(&id);
        self.unstored.remove(id);
        Some(conn)
    }

    /// The row of a connection that is not listed stays on disk until its hooks are over.
    pub(crate) fn leaves(&mut self, id: ConnId) {
        self.leaving.get_or_insert_default().insert(id);
    }

    /// A row on disk has to go, because `on_disconnect` is over or will never be.
    pub(crate) fn forget_row(&mut self, gone: Gone) {
        if let Some(leaving) = &mut self.leaving {
            leaving.remove(&gone.id);
        }
        self.leaving.take_if(|it| it.is_empty());
        self.removed.push(gone);
    }

    /// Those whose row is to go, and whose hooks are not to run again should it stay.
    pub(crate) fn spared(&self) -> Vec<ConnId> {
        let spared = self.removed.iter().filter(|it| it.is_spared);
        spared.map(|it| it.id).collect()
    }

    pub(crate) fn by_id(&self, id: ConnId) -> Option<&Arc<Inner<A>>> {
        Some(&self.listed.get(self.by_id.get(&id)?)?.conn)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Inner<A>>> {
        self.listed.values().map(|it| &it.conn)
    }

    pub(crate) fn len(&self) -> usize {
        let folded = self.folded.as_ref().map_or(0, |it| it.rows.len());
        self.listed.len() + folded
    }

    /// Those who hear event `name`.
    pub(crate) fn subscribers(&self, name: &str) -> impl Iterator<Item = &Arc<Inner<A>>> {
        let seats = self.subscribers.get(name);
        seats
            .into_iter()
            .flatten()
            .filter_map(|seat| Some(&self.listed.get(seat)?.conn))
    }

    /// Whether a connection hears event `name`.
    pub(super) fn hears(&self, id: ConnId, name: &str) -> bool {
        let listed = self.by_id.get(&id).and_then(|it| self.listed.get(it));
        listed.is_some_and(|it| it.hears.contains(name))
    }

    /// Those in any of these groups, oldest first.
    pub(super) fn tagged(&self, tags: &[String]) -> Vec<&Arc<Inner<A>>> {
        let groups = tags
            .iter()
            .filter_map(|it| self.tagged.as_ref()?.get(&**it));
        let seats: BTreeSet<_> = groups.flatten().collect();
        let listed = seats.into_iter().filter_map(|it| self.listed.get(it));
        listed.map(|it| &it.conn).collect()
    }

    /// Puts a connection into a group; whether it was not in it.
    pub(super) fn tag(&mut self, conn: &Inner<A>, tag: &str) -> Result<bool, TooManyTags> {
        let tag: Arc<str> = {
            let mut tags = conn.tags();
            let tags = tags.get_or_insert_default();
            if tags.contains(tag) {
                return Ok(false);
            }
            if MAX_TAGS <= tags.len() {
                return Err(TooManyTags);
            }
            let tag = Arc::from(tag);
            tags.insert(Arc::clone(&tag));
            tag
        };
        if let Some(seat) = self.by_id.get(&conn.id).copied() {
            self.seat_tagged(tag, seat);
            self.mark_dirty(conn.id);
        }
        Ok(true)
    }

    /// Takes a connection out of a group; whether it was in it.
    pub(super) fn untag(&mut self, conn: &Inner<A>, tag: &str) -> bool {
        {
            let mut tags = conn.tags();
            if !tags.as_mut().is_some_and(|it| it.remove(tag)) {
                return false;
            }
            tags.take_if(|it| it.is_empty());
        }
        if let Some(seat) = self.by_id.get(&conn.id).copied() {
            self.unseat_tagged(tag, seat);
            self.mark_dirty(conn.id);
        }
        true
    }

    fn seat_tagged(&mut self, tag: Arc<str>, seat: u64) {
        let tagged = self.tagged.get_or_insert_default();
        tagged.entry(tag).or_default().insert(seat);
    }

    fn unseat_tagged(&mut self, tag: &str, seat: u64) {
        let Some(tagged) = &mut self.tagged else {
            return;
        };
        if let Some(seats) = tagged.get_mut(tag) {
            seats.remove(&seat);
            if seats.is_empty() {
                tagged.remove(tag);
            }
        }
        self.tagged.take_if(|it| it.is_empty());
    }

    /// Subscribes or unsubscribes; whether that changed anything.
    pub(crate) fn subscribe(
        &mut self,
        id: ConnId,
        name: &str,
        on: bool,
    ) -> Result<bool, TooManySubscriptions> {
        let Some(seat) = self.by_id.get(&id).copied() else {
            return Ok(false);
        };
        let Some(listed) = self.listed.get_mut(&seat) else {
            return Ok(false);
        };
        let changed = if on {
            if !listed.hears.contains(name) && MAX_SUBSCRIPTIONS <= listed.hears.len() {
                return Err(TooManySubscriptions);
            }
            let name: Arc<str> = Arc::from(name);
            let new = listed.hears.insert(Arc::clone(&name));
            self.subscribers.entry(name).or_default().insert(seat);
            new
        } else {
            let had = listed.hears.remove(name);
            self.leave(name, seat);
            had
        };
        if changed {
            self.mark_dirty(id);
        }
        Ok(changed)
    }

    pub(crate) fn mark_dirty(&mut self, id: ConnId) {
        let listed = self.by_id.get(&id).and_then(|it| self.listed.get(it));
        if listed.is_some_and(Listed::has_row) {
            self.dirty.insert(id, true);
        }
    }

    /// A connection took a message, which is to be stored in one commit with what it did.
    pub(crate) fn mark_taken(&mut self, id: ConnId) {
        let listed = self.by_id.get(&id).and_then(|it| self.listed.get(it));
        if listed.is_some_and(Listed::has_row) {
            self.dirty.entry(id).or_insert(false);
        }
    }

    /// Every row on disk may be out of date.
    pub(crate) fn mark_all_dirty(&mut self) {
        let rows = self.listed.values().filter(|it| it.has_row());
        self.dirty = rows.map(|it| (it.conn.id, true)).collect();
        self.unstored.failed();
    }

    /// Everything up to `version` is on disk.
    pub(crate) fn settled(&mut self, version: u64) {
        self.unstored.settled(version);
    }

    /// Those whose row was never stored.
    pub(crate) fn unstored(&self) -> Vec<ConnId> {
        self.unstored.ids()
    }

    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty() || !self.removed.is_empty()
    }

    /// Takes what the commit of `version` has to say.
    pub(crate) fn take_changes(&mut self, version: u64) -> Changes<A> {
        let dirty = std::mem::take(&mut self.dirty);
        let (mut written, mut taken) = (Vec::new(), Vec::new());
        for (id, whole) in dirty {
            let seat = self.by_id.get(&id);
            let Some(listed) = seat.and_then(|it| self.listed.get(it)) else {
                continue;
            };
            if whole {
                written.push(row(listed));
                self.unstored.written(id, version);
            }
            taken.push(Arc::clone(&listed.conn));
        }
        Changes {
            written,
            taken,
            removed: std::mem::take(&mut self.removed),
        }
    }

    /// Every connection that has a row, with what it hears.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<A>> {
        self.listed.values().filter(|it| it.has_row()).map(row)
    }

    /// Every connection with what it hears, oldest first.
    pub(crate) fn listed(&self) -> Vec<Row<A>> {
        self.listed.values().map(row).collect()
    }

    fn leave(&mut self, name: &str, seat: u64) {
        if let Some(seats) = self.subscribers.get_mut(name) {
            seats.remove(&seat);
            if seats.is_empty() {
                self.subscribers.remove(name);
            }
        }
    }
}

impl<A: ActorType> Listed<A> {
    fn has_row(&self) -> bool {
        self.is_open && self.conn.transport.is_stored()
    }
}

fn row<A: ActorType>(listed: &Listed<A>) -> Row<A> {
    (
        Arc::clone(&listed.conn),
        listed.hears.iter().cloned().collect(),
    )
}

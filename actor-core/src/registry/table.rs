//! Which actors are in memory: one slot for each id under any race.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    marker::PhantomData,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use bytes::Bytes;

use crate::{
    actor::{About, Actor},
    cell::{AnySlot, Host, Roster, Slot, TypeInfo},
    id::{ActorId, IdMap},
    key::Address,
};

/// Slots by id and by address. It holds none of them: a slot lives while a cell, a handle or a
/// socket holds it.
#[derive(Default)]
pub(super) struct Table {
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    by_id: IdMap<Weak<dyn AnySlot>>,
    by_address: HashMap<Address, ActorId>,
}

impl Table {
    /// The slot of an actor, if it is in memory.
    pub(super) fn get(&self, id: ActorId) -> Option<Arc<dyn AnySlot>> {
        self.lock().by_id.get(&id)?.upgrade()
    }

    /// The slot at an address, if it is in memory.
    pub(super) fn at(&self, address: &Address) -> Option<Arc<dyn AnySlot>> {
        let seats = self.lock();
        seats.by_id.get(seats.by_address.get(address)?)?.upgrade()
    }

    /// The slot of an actor, made if there is none. `recorded` says that storage knows the actor: then
    /// its id is right whoever holds the address; otherwise the holder keeps it.
    pub(super) fn seat(
        &self,
        about: &About,
        recorded: bool,
        make: impl FnOnce() -> Arc<dyn AnySlot>,
    ) -> Arc<dyn AnySlot> {
        let mut seats = self.lock();
        let Seats { by_id, by_address } = &mut *seats;
        let seat = by_address.entry(about.address.clone());
        let holder = match &seat {
            Entry::Occupied(holder) if !recorded => *holder.get(),
            Entry::Occupied(_) | Entry::Vacant(_) => about.id,
        };
        if let Some(slot) = by_id.get(&holder).and_then(Weak::upgrade) {
            return slot;
        }
        let slot = make();
        by_id.insert(about.id, Arc::downgrade(&slot));
        seat.insert_entry(about.id);
        slot
    }

    pub(super) fn all(&self) -> Vec<Arc<dyn AnySlot>> {
        self.lock()
            .by_id
            .values()
            .filter_map(Weak::upgrade)
            .collect()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().by_id.len()
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Roster for Table {
    fn forget(&self, about: &About) {
        let mut seats = self.lock();
        // Another slot may have taken the seat already.
        if seats
            .by_id
            .get(&about.id)
            .is_some_and(|it| it.strong_count() == 0)
        {
            seats.by_id.remove(&about.id);
            if seats.by_address.get(&about.address) == Some(&about.id) {
                seats.by_address.remove(&about.address);
            }
        }
    }

    fn strike(&self, about: &About) {
        let mut seats = self.lock();
        seats.by_id.remove(&about.id);
        if seats.by_address.get(&about.address) == Some(&about.id) {
            seats.by_address.remove(&about.address);
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("actors", &self.len())
            .finish()
    }
}

/// Makes slots of one actor type.
pub(super) trait Factory: Send + Sync {
    fn info(&self) -> &Arc<TypeInfo>;
    fn slot(&self, about: Arc<About>, host: Arc<Host>, input: Option<Bytes>) -> Arc<dyn AnySlot>;
}

/// The factory of `A`.
pub(super) struct FactoryOf<A> {
    info: Arc<TypeInfo>,
    makes: PhantomData<fn() -> A>,
}

impl<A: Actor> FactoryOf<A> {
    pub(super) fn new() -> Self {
        Self {
            info: Arc::new(TypeInfo::of::<A>()),
            makes: PhantomData,
        }
    }
}

impl<A: Actor> Factory for FactoryOf<A> {
    fn info(&self) -> &Arc<TypeInfo> {
        &self.info
    }

    fn slot(&self, about: Arc<About>, host: Arc<Host>, input: Option<Bytes>) -> Arc<dyn AnySlot> {
        Arc::new(Slot::<A>::new(about, Arc::clone(&self.info), host, input))
    }
}

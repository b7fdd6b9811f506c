//! Which actors are in memory: one slot for each id under any race.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    marker::PhantomData,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use bytes::Bytes;
use hashbrown::{HashTable, hash_table::Entry};

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
    hasher: RandomState,
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    by_id: IdMap<Weak<dyn AnySlot>>,
    by_address: HashTable<Seat>,
}

/// An address and who has it.
struct Seat {
    hash: Hash,
    about: Arc<About>,
}

/// The hash of an address: found once for each look-up, and not again when the table grows. Clients choose the
/// keys, so it is one by which they cannot make them collide, and not a quick one.
#[derive(Clone, Copy)]
pub(super) struct Hash(u64);

impl Table {
    /// The slot of an actor, if it is in memory.
    pub(super) fn get(&self, id: ActorId) -> Option<Arc<dyn AnySlot>> {
        self.lock().by_id.get(&id)?.upgrade()
    }

    pub(super) fn hash(&self, address: &Address) -> Hash {
        Hash(self.hasher.hash_one(address))
    }

    /// The slot at an address, if it is in memory.
    pub(super) fn at(&self, address: &Address, hash: Hash) -> Option<Arc<dyn AnySlot>> {
        let seats = self.lock();
        let is_it = |seat: &Seat| seat.about.address == *address;
        let seat = seats.by_address.find(hash.0, is_it)?;
        seats.by_id.get(&seat.about.id)?.upgrade()
    }

    /// The slot of an actor, made if there is none. `recorded` says that storage knows the actor: then
    /// its id is right whoever holds the address; otherwise the holder keeps it.
    pub(super) fn seat(
        &self,
        about: &Arc<About>,
        hash: Hash,
        recorded: bool,
        make: impl FnOnce() -> Arc<dyn AnySlot>,
    ) -> Arc<dyn AnySlot> {
        let mut seats = self.lock();
        let Seats { by_id, by_address } = &mut *seats;
        let seat = by_address.entry(
            hash.0,
            |it| it.about.address == about.address,
            |it| it.hash.0,
        );
        let holder = match &seat {
            Entry::Occupied(seat) if !recorded => seat.get().about.id,
            Entry::Occupied(_) | Entry::Vacant(_) => about.id,
        };
        if let Some(slot) = by_id.get(&holder).and_then(Weak::upgrade) {
            return slot;
        }
        let slot = make();
        by_id.insert(about.id, Arc::downgrade(&slot));
        let about = Arc::clone(about);
        seat.insert(Seat { hash, about });
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

impl Seats {
    fn remove(&mut self, about: &About, hash: Hash) {
        self.by_id.remove(&about.id);
        // Another may have the address already.
        let seat = self
            .by_address
            .find_entry(hash.0, |it| it.about.id == about.id);
        if let Ok(seat) = seat {
            seat.remove();
        }
    }
}

impl Roster for Table {
    fn forget(&self, about: &About) {
        let hash = self.hash(&about.address);
        let mut seats = self.lock();
        // Another slot may have taken the seat already.
        if seats
            .by_id
            .get(&about.id)
            .is_some_and(|it| it.strong_count() == 0)
        {
            seats.remove(about, hash);
        }
    }

    fn strike(&self, about: &About) {
        let hash = self.hash(&about.address);
        self.lock().remove(about, hash);
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

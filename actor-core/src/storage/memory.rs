//! The driver that keeps everything in the process's memory. Nothing here outlives the process.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map},
    ops::Bound,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    ActorRecord, Alarm, Batch, Committed, Creation, Databases, Driver, Entry, Loaded, NewActor, Op,
    ScanRange, StorageError,
};
use crate::{
    clock::Timestamp,
    id::{ActorId, Generation},
    key::Address,
};

/// Keeps actors in memory: for tests, and for actors that may be forgotten when the process ends.
///
/// ```
/// use actor_core::storage::{Driver, Memory};
///
/// # async fn run() -> Result<(), actor_core::storage::StorageError> {
/// let memory = Memory::new();
/// assert_eq!(memory.next_alarm().await?, None);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Memory {
    data: Arc<Mutex<Data>>,
    databases: Databases,
    closed: AtomicBool,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// An empty storage.
    #[must_use]
    pub fn new() -> Self {
        Self {
            data: Arc::default(),
            databases: Databases::memory(),
            closed: AtomicBool::new(false),
        }
    }

    /// Another driver over the same data, open even when this one is closed: what a restart sees.
    #[must_use]
    pub fn reopen(&self) -> Self {
        Self {
            data: self.data.clone(),
            databases: self.databases.clone(),
            closed: AtomicBool::new(false),
        }
    }

    /// Nothing waits while the lock is held, so no call is ever slow and none needs a thread.
    fn with<T>(
        &self,
        run: impl FnOnce(&mut Data) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StorageError::Closed);
        }
        // Nothing here panics between two changes that belong together, so poison says nothing.
        run(&mut self.data.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Driver for Memory {
    async fn create(&self, actor: NewActor) -> Result<Creation, StorageError> {
        self.with(|data| data.create(actor))
    }

    async fn find(&self, address: &Address) -> Result<Option<ActorRecord>, StorageError> {
        self.with(|data| {
            let id = data.addresses.get(address);
            Ok(id
                .and_then(|id| data.actors.get(id))
                .map(|it| it.record.clone()))
        })
    }

    async fn record(&self, id: ActorId) -> Result<Option<ActorRecord>, StorageError> {
        self.with(|data| Ok(data.actors.get(&id).map(|it| it.record.clone())))
    }

    async fn load(&self, id: ActorId, prefix: &[u8]) -> Result<Option<Loaded>, StorageError> {
        self.with(|data| Ok(data.actors.get(&id).map(|it| it.load(prefix))))
    }

    async fn scan(&self, id: ActorId, range: ScanRange) -> Result<Vec<Entry>, StorageError> {
        self.with(|data| {
            Ok(data
                .actors
                .get(&id)
                .map_or_else(Vec::new, |it| it.scan(&range)))
        })
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, StorageError> {
        self.with(|data| data.commit(batch))
    }

    async fn destroy(&self, id: ActorId) -> Result<(), StorageError> {
        self.with(|data| {
            data.destroy(id);
            Ok(())
        })?;
        self.databases
            .remove(id)
            .map_err(|err| StorageError::Failed(err.into()))
    }

    async fn alarms(&self, until: Timestamp, limit: usize) -> Result<Vec<Alarm>, StorageError> {
        self.with(|data| {
            let due = data.alarms.iter().take_while(|(at, _)| *at <= until);
            Ok(due.take(limit).map(|&(at, id)| Alarm { at, id }).collect())
        })
    }

    async fn next_alarm(&self) -> Result<Option<Timestamp>, StorageError> {
        self.with(|data| Ok(data.alarms.first().map(|&(at, _)| at)))
    }

    fn databases(&self) -> Databases {
        self.databases.clone()
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.closed.store(true, Ordering::Release);
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Data {
    actors: HashMap<ActorId, Kept>,
    addresses: HashMap<Address, ActorId>,
    alarms: BTreeSet<(Timestamp, ActorId)>,
}

#[derive(Debug)]
struct Kept {
    record: ActorRecord,
    entries: BTreeMap<Vec<u8>, Bytes>,
    alarm: Option<Timestamp>,
}

impl Data {
    fn create(&mut self, actor: NewActor) -> Result<Creation, StorageError> {
        if let Some(first) = self
            .addresses
            .get(&actor.address)
            .and_then(|id| self.actors.get(id))
        {
            return Ok(Creation::Taken(first.record.clone()));
        }
        let hash_map::Entry::Vacant(place) = self.actors.entry(actor.id) else {
            return Err(StorageError::Failed("the id names another actor".into()));
        };
        let record = ActorRecord {
            id: actor.id,
            address: actor.address.clone(),
            created: actor.created,
            generation: Generation::default(),
            input: actor.input,
        };
        place.insert(Kept {
            record: record.clone(),
            entries: BTreeMap::new(),
            alarm: None,
        });
        self.addresses.insert(actor.address, actor.id);
        Ok(Creation::Made(record))
    }

    /// Refuses before it changes anything, and cannot fail after: that is what makes it atomic.
    fn commit(&mut self, batch: Batch) -> Result<Committed, StorageError> {
        let kept = self
            .actors
            .get_mut(&batch.actor)
            .ok_or(StorageError::Missing(batch.actor))?;
        let stored = kept.record.generation;
        if batch.generation < stored {
            return Err(StorageError::Fenced {
                batch: batch.generation,
                stored,
            });
        }
        kept.record.generation = batch.generation;
        kept.record.input = None;
        if let Some(alarm) = batch.alarm {
            if let Some(at) = kept.alarm {
                self.alarms.remove(&(at, batch.actor));
            }
            self.alarms.extend(alarm.map(|at| (at, batch.actor)));
            kept.alarm = alarm;
        }
        let committed = batch.committed();
        for op in batch.ops {
            match op {
                Op::Put { key, value } => kept.entries.insert(key, value),
                Op::Delete { key } => kept.entries.remove(&key),
            };
        }
        Ok(committed)
    }

    fn destroy(&mut self, id: ActorId) {
        let Some(kept) = self.actors.remove(&id) else {
            return;
        };
        self.addresses.remove(&kept.record.address);
        if let Some(at) = kept.alarm {
            self.alarms.remove(&(at, id));
        }
    }
}

impl Kept {
    fn load(&self, prefix: &[u8]) -> Loaded {
        let from = self
            .entries
            .range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
        let entries = from
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(entry)
            .collect();
        Loaded {
            record: self.record.clone(),
            entries,
        }
    }

    fn scan(&self, range: &ScanRange) -> Vec<Entry> {
        // The map panics on a range that ends before it starts.
        if range.end.as_ref().is_some_and(|end| *end <= range.start) {
            return Vec::new();
        }
        let start = Bound::Included(range.start.as_slice());
        let end = range
            .end
            .as_deref()
            .map_or(Bound::Unbounded, Bound::Excluded);
        let found = self.entries.range::<[u8], _>((start, end)).map(entry);
        if range.reverse {
            found.rev().take(range.limit).collect()
        } else {
            found.take(range.limit).collect()
        }
    }
}

fn entry((key, value): (&Vec<u8>, &Bytes)) -> Entry {
    Entry {
        key: key.clone(),
        value: value.clone(),
    }
}

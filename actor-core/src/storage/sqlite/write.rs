//! Carries out the commands of one transaction.

use rusqlite::{CachedStatement, Connection};

use super::{
    super::{ActorRecord, Batch, Committed, Creation, NewActor, Op, StorageError},
    query::{self, Fence},
    worker::{Command, Stop},
};
use crate::id::{ActorId, Generation, IdMap};

/// One transaction.
pub(super) struct Writing<'a> {
    db: &'a Connection,
    /// What the database is known to hold, so that a commit need not ask it.
    fences: &'a mut IdMap<Fence>,
    /// Kept from one row to the next, because most of what a group writes is rows.
    put: Option<CachedStatement<'a>>,
}

impl<'a> Writing<'a> {
    pub(super) fn new(db: &'a Connection, fences: &'a mut IdMap<Fence>) -> Self {
        Self {
            db,
            fences,
            put: None,
        }
    }

    pub(super) fn apply(&mut self, command: &mut Command) -> rusqlite::Result<()> {
        match command {
            Command::Create(job) => job.run(|it| self.create(it)),
            Command::Commit(job) => job.run(|it| self.commit(it)),
            Command::Destroy(job) => job.run(|it| self.destroy(*it)),
        }
    }

    fn create(&mut self, actor: &NewActor) -> Result<Creation, Stop> {
        let Some(row) = query::create(self.db, actor)? else {
            let first = query::find(self.db, &actor.address)?;
            return first.map(Creation::Taken).ok_or_else(|| {
                Stop::Refused(StorageError::Failed("the id names another actor".into()))
            });
        };
        let NewActor {
            id,
            address,
            created,
            input,
        } = actor.clone();
        let generation = Generation::default();
        let has_input = input.is_some();
        self.remember(
            id,
            Fence {
                row,
                generation,
                has_input,
                alarm: None,
            },
        );
        Ok(Creation::Made(ActorRecord {
            id,
            address,
            created,
            generation,
            input,
        }))
    }

    fn commit(&mut self, batch: &Batch) -> Result<Committed, Stop> {
        let known = self.fence(batch.actor)?;
        let Some(mut fence) = known else {
            return Err(Stop::Refused(StorageError::Missing(batch.actor)));
        };
        if batch.generation < fence.generation {
            return Err(Stop::Refused(StorageError::Fenced {
                batch: batch.generation,
                stored: fence.generation,
            }));
        }
        let before = fence;
        if fence.generation < batch.generation || fence.has_input {
            query::advance(self.db, fence.row, batch.generation)?;
            fence.generation = batch.generation;
            fence.has_input = false;
        }
        if let Some(alarm) = batch.alarm {
            let alarm = alarm.map(query::stored_time);
            if alarm != fence.alarm {
                query::set_alarm(self.db, fence.row, alarm)?;
                fence.alarm = alarm;
            }
        }
        if fence != before {
            self.fences.insert(batch.actor, fence);
        }
        for op in &batch.ops {
            match op {
                Op::Put { key, value } => self.put(fence.row, key, value)?,
                Op::Delete { key } => query::delete(self.db, fence.row, key)?,
            }
        }
        Ok(batch.committed())
    }

    fn destroy(&mut self, id: ActorId) -> Result<(), Stop> {
        if let Some(fence) = self.fence(id)? {
            query::destroy(self.db, fence.row)?;
            self.fences.remove(&id);
        }
        Ok(())
    }

    fn fence(&mut self, id: ActorId) -> rusqlite::Result<Option<Fence>> {
        if let Some(known) = self.fences.get(&id) {
            return Ok(Some(*known));
        }
        let found = query::fence(self.db, id)?;
        if let Some(fence) = found {
            self.remember(id, fence);
        }
        Ok(found)
    }

    fn remember(&mut self, id: ActorId, fence: Fence) {
        // Forgetting all is rare, costs a point read for each actor still in use, and needs no order
        // of age.
        if FENCES <= self.fences.len() {
            self.fences.clear();
        }
        self.fences.insert(id, fence);
    }

    fn put(&mut self, row: i64, key: &[u8], value: &[u8]) -> rusqlite::Result<()> {
        let put = match &mut self.put {
            Some(put) => put,
            none => none.insert(query::prepare_put(self.db)?),
        };
        query::put(put, row, key, value)
    }
}

/// Most actors whose fence is kept in memory, about 5 MiB of them.
const FENCES: usize = 1 << 16;

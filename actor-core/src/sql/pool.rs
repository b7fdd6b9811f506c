//! What the databases of all actors share: threads to run on, and places for open files.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, Weak,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{SqlError, database::Database};
use crate::{
    metrics,
    storage::{Databases, Place},
};

/// Shared by the databases of a registry.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(super) databases: Databases,
    threads: Arc<Semaphore>,
    /// How many files are open.
    open: Arc<AtomicUsize>,
    /// Who has one open, or had, in memory too. `None` once none may be opened.
    known: Mutex<Option<Vec<Weak<Database>>>>,
    /// Counts uses, so that the oldest can be told.
    uses: AtomicU64,
}

/// A place for an open file.
#[derive(Debug)]
pub(super) struct Seat {
    open: Arc<AtomicUsize>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Pool {
    pub(crate) fn new(databases: Databases) -> Self {
        // Fewer than files, so that what runs cannot take all places.
        let threads = Arc::new(Semaphore::new(databases.threads.min(databases.max_open)));
        Self {
            databases,
            threads,
            open: Arc::default(),
            known: Mutex::new(Some(Vec::new())),
            uses: AtomicU64::new(0),
        }
    }

    /// Waits for a thread. First come, first served.
    pub(super) async fn thread(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.threads).acquire_owned().await.ok()
    }

    /// A number larger than all before.
    pub(super) fn tick(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }

    /// A place for a file that is about to be opened, if it takes one. Closes the one that was not used
    /// for longest if there is no other.
    pub(super) fn seat(&self) -> Result<Option<Seat>, SqlError> {
        let Place::Directory(_) = self.databases.place else {
            return Ok(None);
        };
        let limit = self.databases.max_open;
        let mut known = self.known();
        if limit <= self.open.load(Ordering::Acquire) {
            let known = known.as_mut().ok_or(SqlError::Closed)?;
            known.retain(is_open);
            known.sort_by_key(|it| it.upgrade().map_or(0, |it| it.last_use()));
            let closed = known
                .iter()
                .filter_map(Weak::upgrade)
                .any(|it| it.close_if_idle());
            if !closed {
                let error = SqlError::TooManyOpen { limit };
                return Err(metrics::refused("sql.too_many_open", error));
            }
        }
        self.open.fetch_add(1, Ordering::AcqRel);
        Ok(Some(Seat {
            open: Arc::clone(&self.open),
        }))
    }

    /// Keeps `database` in mind, which is about to be opened, unless none may be.
    pub(super) fn know(&self, database: &Arc<Database>) -> Result<(), SqlError> {
        let mut known = self.known();
        let known = known.as_mut().ok_or(SqlError::Closed)?;
        if !database.is_known.swap(true, Ordering::Relaxed) {
            if known.len() == known.capacity() {
                known.retain(is_open);
            }
            known.push(Arc::downgrade(database));
        }
        Ok(())
    }

    /// Ends all databases, as a crash of the process would: from now on no statement begins, and those
    /// that run are interrupted. Returns those whose files are open.
    pub(crate) fn abort(&self) -> Vec<Ended> {
        let known = self.known().take().into_iter().flatten();
        let known: Vec<_> = known.filter_map(|it| it.upgrade().map(Ended)).collect();
        for database in &known {
            database.0.refuse();
        }
        known
    }

    fn known(&self) -> MutexGuard<'_, Option<Vec<Weak<Database>>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it is to be kept in mind. Under the lock of those that are.
fn is_open(known: &Weak<Database>) -> bool {
    let Some(database) = known.upgrade() else {
        return false;
    };
    let is_open = database.is_open();
    database.is_known.store(is_open, Ordering::Relaxed);
    is_open
}

/// A database that takes no more statements.
#[derive(Debug)]
pub(crate) struct Ended(Arc<Database>);

#[cfg(feature = "testing")]
impl Ended {
    /// Waits until its file is closed.
    pub(crate) async fn close(self) {
        self.0.close().await;
    }
}

//! What the databases of all actors share: threads to run on, and places for open files.

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
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
    /// Who has one open, or had.
    known: Mutex<Vec<Weak<Database>>>,
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
            known: Mutex::default(),
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

    /// A place for the file that `database` is about to open, if it takes one. Closes the one that
    /// was not used for longest if there is no other.
    pub(super) fn seat(&self, database: &Arc<Database>) -> Result<Option<Seat>, SqlError> {
        let Place::Directory(_) = self.databases.place else {
            return Ok(None);
        };
        let limit = self.databases.max_open;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if limit <= self.open.load(Ordering::Acquire) {
            known.retain(|it| it.upgrade().is_some_and(|it| it.is_open()));
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
        if !known.iter().any(|it| it.as_ptr() == Arc::as_ptr(database)) {
            known.push(Arc::downgrade(database));
        }
        Ok(Some(Seat {
            open: Arc::clone(&self.open),
        }))
    }
}

//! Statements on a disk that fails on purpose. On a real one nothing is asked here: SQLite sees for itself.

use std::{
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rusqlite::Connection;

use super::SqlError;
use crate::storage::{Denied, Disk};

/// What becomes of a call.
pub(super) enum Answer<T> {
    Is(Result<T, SqlError>),
    /// Nobody ever answers.
    Never,
}

/// A call of statements, `run`, if the disk lets it.
pub(super) fn call<T>(disk: Option<&Arc<dyn Disk>>, run: impl FnOnce() -> Answer<T>) -> Answer<T> {
    match disk.and_then(|it| it.call()) {
        None => run(),
        Some(denied) => {
            if denied.happens {
                // How it went is what the caller will never know.
                drop(run());
            }
            denied.into()
        }
    }
}

/// Does `work`, of which each commit asks the disk.
pub(super) fn work<T>(
    disk: Option<&Arc<dyn Disk>>,
    db: &mut Connection,
    stop: &Arc<AtomicBool>,
    work: impl FnOnce(&Connection, &AtomicBool) -> Result<T, SqlError>,
) -> Answer<T> {
    let Some(disk) = disk else {
        return Answer::Is(work(db, stop));
    };
    let met = Arc::new(Mutex::new(None));
    let (disk, meets, stops) = (Arc::clone(disk), Arc::clone(&met), Arc::clone(stop));
    let hook = move || {
        let Some(denied) = disk.commit() else {
            return false;
        };
        // What comes after it in the same call.
        stops.store(true, Ordering::Relaxed);
        let refused = !denied.happens;
        *meets.lock().unwrap_or_else(PoisonError::into_inner) = Some(denied);
        refused
    };
    if let Err(error) = db.commit_hook(Some(hook)) {
        return Answer::Is(Err(error.into()));
    }
    let done = work(db, stop);
    let met = mem::take(&mut *met.lock().unwrap_or_else(PoisonError::into_inner));
    met.map_or(Answer::Is(done), Answer::from)
}

impl<T> From<Denied> for Answer<T> {
    fn from(denied: Denied) -> Self {
        match denied.error {
            Some(error) => Self::Is(Err(error.into())),
            None => Self::Never,
        }
    }
}

//! Where reads happen, beside the writer and never waiting for it: on threads for long ones, and on
//! the thread that asks for short ones. Not what is read.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use rusqlite::{Connection, Result};
use tokio::sync::mpsc;

use super::queue;

/// A question, with its own way to answer.
pub(super) type Read = Box<dyn FnOnce(&Connection) + Send>;

/// Connections for whoever asks to read with, at once and on their own thread.
pub(super) struct Inline(Box<[Mutex<Connection>]>);

impl Inline {
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        Self(connections.into_iter().map(Mutex::new).collect())
    }

    /// Reads on a connection that nobody uses, if there is one. Waits for nothing but the disk.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Option<Result<T>> {
        let db = self.0.iter().find_map(|it| it.try_lock().ok())?;
        Some(read(&db))
    }
}

/// Starts a thread for each connection; all take from one queue, until every sender is gone.
pub(super) fn start(
    connections: Vec<Connection>,
    queue: mpsc::Receiver<Read>,
) -> io::Result<Vec<JoinHandle<()>>> {
    let queue = Arc::new(Mutex::new(queue));
    connections
        .into_iter()
        .enumerate()
        .map(|(i, db)| {
            let queue = queue.clone();
            thread::Builder::new()
                .name(format!("sqlite-reader-{i}"))
                .spawn(move || serve(&db, &queue))
        })
        .collect()
}

fn serve(db: &Connection, queue: &Mutex<mpsc::Receiver<Read>>) {
    loop {
        // The one that holds the lock waits for the next question, the others for the lock.
        let next = {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue::next(&mut queue)
        };
        let Some(read) = next else { return };
        read(db);
    }
}

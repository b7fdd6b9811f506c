//! The threads that read, each on its own connection, so that no read waits for a write.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::queue;

/// A question, with its own way to answer.
pub(super) type Read = Box<dyn FnOnce(&Connection) + Send>;

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

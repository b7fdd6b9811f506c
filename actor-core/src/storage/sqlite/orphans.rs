//! Deletes the databases of actors that are no more, also of those that a crash left behind.

use std::io;

use rusqlite::Connection;
use tokio::task::spawn_blocking;

use super::{super::Databases, query};
use crate::id::ActorId;

/// Deletes the database of an actor that was destroyed. What cannot be deleted now is swept away
/// when the storage is opened next.
pub(super) async fn remove(databases: &Databases, id: ActorId) {
    // Most actors have none, and need no thread for it.
    if !databases.has(id) {
        return;
    }
    let databases = databases.clone();
    let removed = spawn_blocking(move || databases.remove(id)).await;
    if let Err(error) = removed.unwrap_or_else(|it| Err(io::Error::other(it))) {
        tracing::warn!(actor = %id, %error, "a destroyed actor's database stays until the next start");
    }
}

/// Deletes the databases of which there is no actor. A file is older than any that is looked up
/// here, and an actor older than its file, so that none of a new actor is mistaken for an orphan.
pub(super) fn sweep(db: &Connection, databases: &Databases) {
    let owners = match databases.owners() {
        Ok(owners) => owners,
        Err(error) => {
            tracing::warn!(%error, "databases of actors that are gone could not be looked for");
            return;
        }
    };
    for id in owners {
        let swept = match query::row(db, id) {
            Ok(Some(_)) => continue,
            Ok(None) => databases.remove(id),
            Err(error) => Err(io::Error::other(error)),
        };
        if let Err(error) = swept {
            tracing::warn!(actor = %id, %error, "the database of an actor that is gone stays");
        }
    }
}

//! Databases of actors in memory. SQLite frees such a one with its last connection, so one is kept.

use std::collections::HashSet;

#[cfg(feature = "sqlite")]
pub(crate) use self::kept::Keepers;
use crate::id::ActorId;

/// Without SQLite there is nothing to keep.
#[cfg(not(feature = "sqlite"))]
#[derive(Clone, Debug, Default)]
pub(crate) struct Keepers;

#[cfg(not(feature = "sqlite"))]
impl Keepers {
    pub(super) fn forget(&self, _id: ActorId) {}

    pub(super) fn owners(&self) -> HashSet<ActorId> {
        HashSet::new()
    }
}

#[cfg(feature = "sqlite")]
mod kept {
    use std::{
        collections::HashMap,
        fmt,
        sync::{Arc, Mutex, MutexGuard, PoisonError},
    };

    use rusqlite::{Connection, OpenFlags};

    use super::{ActorId, HashSet};

    /// One idle connection for each database.
    #[derive(Clone, Default)]
    pub(crate) struct Keepers {
        kept: Arc<Mutex<HashMap<ActorId, (String, Connection)>>>,
    }

    impl Keepers {
        /// A connection to the database of an actor.
        pub(crate) fn connect(&self, id: ActorId) -> rusqlite::Result<Connection> {
            let mut kept = self.kept();
            if let Some((name, _)) = kept.get(&id) {
                return connect(name);
            }
            // Names are of the whole process. Whoever has a connection holds this map too, so that
            // its address is free again only when they are.
            let name = format!("file:/{:p}/{id}?vfs=memdb", Arc::as_ptr(&self.kept));
            kept.insert(id, (name.clone(), connect(&name)?));
            connect(&name)
        }

        pub(in super::super) fn forget(&self, id: ActorId) {
            self.kept().remove(&id);
        }

        pub(in super::super) fn owners(&self) -> HashSet<ActorId> {
            self.kept().keys().copied().collect()
        }

        fn kept(&self) -> MutexGuard<'_, HashMap<ActorId, (String, Connection)>> {
            self.kept.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl fmt::Debug for Keepers {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Keepers")
                .field("kept", &self.kept().len())
                .finish()
        }
    }

    fn connect(name: &str) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(name, flags)
    }
}

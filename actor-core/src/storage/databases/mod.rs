//! Where the own databases of actors live, those behind `ctx.sql()`: one file for each actor, or
//! memory. Not what is in them, and not how they are opened.

#[cfg(feature = "sqlite")]
mod disk;
mod memory;

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

#[cfg(feature = "sqlite")]
pub(crate) use self::disk::{Denied, Disk};
pub(crate) use self::memory::Keepers;
use crate::id::ActorId;

/// Where a [`Driver`](super::Driver) keeps the databases that actors have for themselves, and how
/// much of the machine they may take.
///
/// ```
/// use actor_core::storage::Databases;
///
/// let databases = Databases::directory("/var/lib/app/actors").max_open(64).threads(2);
/// assert!(databases.is_somewhere());
/// assert!(!Databases::nowhere().is_somewhere());
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(
    not(feature = "sqlite"),
    expect(dead_code, reason = "limits of what only SQLite opens")
)]
#[must_use]
pub struct Databases {
    pub(crate) place: Place,
    pub(crate) max_open: usize,
    pub(crate) threads: usize,
    pub(crate) max_bytes: u64,
    /// The disk, where it is one that fails on purpose.
    #[cfg(feature = "sqlite")]
    pub(crate) disk: Option<Arc<dyn Disk>>,
}

/// Where they live.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Nowhere,
    Memory(Keepers),
    Directory(Arc<Path>),
}

impl Databases {
    /// Nowhere: `ctx.sql()` fails with `sql.unavailable`.
    pub fn nowhere() -> Self {
        Self::at(Place::Nowhere)
    }

    /// In memory, for as long as this value or a clone of it lives. A driver that gives these away
    /// keeps one.
    pub fn memory() -> Self {
        Self::at(Place::Memory(Keepers::default()))
    }

    /// As files `<id>.db` in this directory, which is made when the first of them is.
    ///
    /// Nobody else may use them, nor those whose names begin with `<id>.db`.
    pub fn directory(path: impl Into<PathBuf>) -> Self {
        Self::at(Place::Directory(path.into().into()))
    }

    fn at(place: Place) -> Self {
        Self {
            place,
            max_open: 256,
            threads: 8,
            max_bytes: 10 << 30,
            #[cfg(feature = "sqlite")]
            disk: None,
        }
    }

    /// Most files open at a time: 256 unless told, at least 1. Each takes two descriptors and up to
    /// 1 MiB of cache. One more closes the one that was not used for longest, except while it is in a
    /// transaction; if all are, it fails with `sql.too_many_open`.
    pub fn max_open(self, max_open: usize) -> Self {
        Self {
            max_open: max_open.max(1),
            ..self
        }
    }

    /// Most statements that run at a time, of all actors, each on a thread of tokio's blocking pool:
    /// 8 unless told, at least 1, and no more than may be [open](Self::max_open). The others wait.
    pub fn threads(self, threads: usize) -> Self {
        Self {
            threads: threads.max(1),
            ..self
        }
    }

    /// Most bytes of one database before writes fail with `sql.full`: 10 GiB unless told.
    pub fn max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }

    /// These, on a disk that fails when it likes.
    #[cfg(all(feature = "sqlite", feature = "testing"))]
    pub(super) fn on(self, disk: Arc<dyn Disk>) -> Self {
        Self {
            disk: Some(disk),
            ..self
        }
    }

    /// Whether there are any.
    #[must_use]
    pub fn is_somewhere(&self) -> bool {
        !matches!(self.place, Place::Nowhere)
    }

    /// Whether an actor has one.
    #[cfg(feature = "sqlite")]
    pub(super) fn has(&self, id: ActorId) -> bool {
        match &self.place {
            Place::Nowhere => false,
            Place::Memory(_) => true,
            Place::Directory(directory) => file(directory, id).exists(),
        }
    }

    /// Deletes an actor's database, which nobody has open. Deleting what is not there is `Ok`. Blocks
    /// for as long as the file system takes.
    ///
    /// # Errors
    ///
    /// When the file system refuses.
    pub fn remove(&self, id: ActorId) -> io::Result<()> {
        match &self.place {
            Place::Nowhere => Ok(()),
            Place::Memory(keepers) => {
                keepers.forget(id);
                Ok(())
            }
            Place::Directory(directory) => remove_files(directory, id),
        }
    }

    /// The actors of which there is a database. Blocks for as long as the file system takes.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read. One that is not there is empty.
    pub fn owners(&self) -> io::Result<HashSet<ActorId>> {
        match &self.place {
            Place::Nowhere => Ok(HashSet::new()),
            Place::Memory(keepers) => Ok(keepers.owners()),
            Place::Directory(directory) => owners_in(directory),
        }
    }
}

/// The file of an actor's database.
pub(crate) fn file(directory: &Path, id: ActorId) -> PathBuf {
    directory.join(format!("{id}{SUFFIX}"))
}

/// Deletes a database with what SQLite keeps beside it. The database itself goes last: as long as it
/// is there, a removal that was cut short is seen and done again.
fn remove_files(directory: &Path, id: ActorId) -> io::Result<()> {
    let file = file(directory, id);
    for beside in ["-journal", "-shm", "-wal", ""] {
        let mut name = file.as_os_str().to_owned();
        name.push(beside);
        match fs::remove_file(name) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn owners_in(directory: &Path) -> io::Result<HashSet<ActorId>> {
    let entries = match fs::read_dir(directory) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
        entries => entries?,
    };
    let mut owners = HashSet::new();
    for entry in entries {
        let name = entry?.file_name();
        // What is named otherwise is not ours.
        let stem = name.to_str().and_then(|it| it.strip_suffix(SUFFIX));
        owners.extend(stem.and_then(|it| it.parse::<ActorId>().ok()));
    }
    Ok(owners)
}

/// What comes after the id.
const SUFFIX: &str = ".db";

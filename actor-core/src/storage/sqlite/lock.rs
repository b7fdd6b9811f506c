//! The lock that keeps a second process out. Not SQLite's own locks, which admit any number.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

use super::error::OpenError;

/// Held for as long as it lives. The operating system frees it when the process ends, however it
/// ends; the empty file stays, because removing it would let two processes lock two files.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the database at `path`, which [`resolve`] gave.
    pub(super) fn take(path: &Path) -> Result<Self, OpenError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&name)
            .map_err(|err| OpenError::of_io(path, err))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.into() }),
            Err(TryLockError::Error(err)) => Err(OpenError::of_io(path, err)),
        }
    }
}

/// The one name of a database, so that two links to it find the same lock.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, OpenError> {
    let failed = |err| OpenError::of_io(path, err);
    match path.canonicalize() {
        Ok(found) => Ok(found),
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            let name = path.file_name().ok_or_else(|| failed(err))?;
            let parent = match path.parent() {
                Some(it) if !it.as_os_str().is_empty() => it,
                _ => Path::new("."),
            };
            Ok(parent.canonicalize().map_err(failed)?.join(name))
        }
        Err(err) => Err(failed(err)),
    }
}

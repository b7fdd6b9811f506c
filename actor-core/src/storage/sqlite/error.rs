//! What SQLite's result codes mean to a caller, when opening and later.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::ErrorCode;

use super::super::StorageError;

/// Why a database could not be opened. Nothing was changed by the attempt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another driver in this one, has it open.
    #[error("`{}` is in use by another process", path.display())]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// A newer version of this library made it.
    #[error(
        "`{}` has schema version {found}, but this version knows none after {supported}",
        path.display()
    )]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// The version it has.
        found: i64,
        /// The newest version that can be opened.
        supported: i64,
    },
    /// It, or the directory it lies in, cannot be written.
    #[error("`{}` cannot be written", path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
        /// What the system said, if it was the system that refused.
        source: Option<io::Error>,
    },
    /// The file is not a SQLite database, or one that another application made.
    #[error("`{}` is not a database of actors", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database is damaged.
    #[error("`{}` is damaged", path.display())]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What SQLite found.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The file or its lock could not be reached.
    #[error("`{}` cannot be opened", path.display())]
    Io {
        /// The database.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else.
    #[error("`{}` cannot be opened", path.display())]
    Failed {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl OpenError {
    pub(super) fn of(path: &Path, err: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match err.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Corrupt {
                path,
                source: err.into(),
            },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path, source: None },
            _ => Self::Failed {
                path,
                source: err.into(),
            },
        }
    }

    pub(super) fn of_io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly {
                path,
                source: Some(source),
            },
            _ => Self::Io { path, source },
        }
    }
}

/// An error for each of the many that one failed commit disappoints.
pub(super) fn storage(err: &Arc<rusqlite::Error>) -> StorageError {
    match err.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StorageError::Full(Box::new(err.clone())),
        Some(ErrorCode::ReadOnly) => StorageError::ReadOnly(Box::new(err.clone())),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StorageError::Corrupt(err.to_string())
        }
        None if unreadable(err) => StorageError::Corrupt(err.to_string()),
        _ => StorageError::Failed(Box::new(err.clone())),
    }
}

/// Whether a row holds what we never write.
fn unreadable(err: &rusqlite::Error) -> bool {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error,
    };
    matches!(
        err,
        FromSqlConversionFailure(..)
            | IntegralValueOutOfRange(..)
            | InvalidColumnType(..)
            | Utf8Error(..)
    )
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn result_codes_become_what_a_caller_can_act_on() {
        let of = |code| {
            let err = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            storage(&Arc::new(err))
        };
        assert!(matches!(of(ffi::SQLITE_FULL), StorageError::Full(_)));
        assert!(matches!(
            of(ffi::SQLITE_READONLY),
            StorageError::ReadOnly(_)
        ));
        assert!(matches!(
            of(ffi::SQLITE_READONLY_DBMOVED),
            StorageError::ReadOnly(_)
        ));
        assert!(matches!(of(ffi::SQLITE_CORRUPT), StorageError::Corrupt(_)));
        assert!(matches!(
            of(ffi::SQLITE_IOERR_FSYNC),
            StorageError::Failed(_)
        ));
        assert!(matches!(of(ffi::SQLITE_BUSY), StorageError::Failed(_)));
    }
}

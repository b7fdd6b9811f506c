//! Why a statement or a transaction of an actor's own database failed.

use std::{borrow::Cow, error::Error, time::Duration};

use rusqlite::ErrorCode;

use crate::{
    error::{ActorError, IntoActorError},
    storage::StorageError,
    value::Value,
};

/// What went wrong with an actor's database. Clients see `sql.<code>` in the log's place of a fixed
/// text only: messages of SQLite name tables and values.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// `sql.unavailable`: the registry's storage keeps no databases.
    #[error("the storage of this registry keeps no databases for actors")]
    Unavailable,
    /// `sql.closed`: the life that this handle is of is over.
    #[error("the actor's life is over, and its database is closed")]
    Closed,
    /// `sql.constraint`: a value is there twice, is missing, refers to nothing.
    #[error("{message}")]
    Constraint {
        /// What SQLite says.
        message: String,
    },
    /// `sql.failed`: anything else that SQLite refuses: a syntax error, a table that is not there.
    #[error("{message}")]
    Failed {
        /// What SQLite says.
        message: String,
        /// The error behind it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// `sql.forbidden`: a statement that would leave the actor's own database, or change what its
    /// safety rests on: `ATTACH`, `VACUUM INTO`, `load_extension`, some pragmas.
    #[error("the statement is not allowed in an actor's database: {message}")]
    Forbidden {
        /// What SQLite says.
        message: String,
    },
    /// `sql.full`: the disk, or the database, has no room left.
    #[error("the database is full")]
    Full,
    /// `sql.corrupt`: the file is damaged.
    #[error("the database is damaged: {message}")]
    Corrupt {
        /// What SQLite says.
        message: String,
    },
    /// `sql.interrupted`: nobody waits for the statement any more: its handler timed out, say.
    #[error("the statement was interrupted")]
    Interrupted,
    /// `sql.bad_parameter`: a parameter that SQLite has no type for, or none for a place in the
    /// statement.
    #[error("parameters: {0}")]
    Parameter(String),
    /// `sql.bad_row`: a row is not what was asked for.
    #[error("row: {0}")]
    Row(String),
    /// `sql.no_row`: exactly one row was asked for, and there is none.
    #[error("there is no such row")]
    NoRow,
    /// `sql.statement_too_long`, see [`MAX_STATEMENT`](super::MAX_STATEMENT).
    #[error("the statement has {len} bytes, more than {}", super::MAX_STATEMENT)]
    StatementTooLong {
        /// How many it has.
        len: usize,
    },
    /// `sql.too_many_rows`, see [`MAX_ROWS`](super::MAX_ROWS).
    #[error(
        "the result has more than {} rows: ask for them in parts",
        super::MAX_ROWS
    )]
    TooManyRows,
    /// `sql.result_too_large`, see [`MAX_RESULT`](super::MAX_RESULT).
    #[error(
        "the result has more than {} bytes: ask for it in parts",
        super::MAX_RESULT
    )]
    ResultTooLarge,
    /// `sql.too_many_open`: as many databases as may be open are, and each is in a transaction.
    #[error("{limit} databases are open already, and in transactions")]
    TooManyOpen {
        /// Most that may be.
        limit: usize,
    },
    /// `sql.overloaded`: as many as may wait for the database do.
    #[error("{limit} wait for the database already")]
    Overloaded {
        /// Most that may.
        limit: usize,
    },
    /// `sql.transaction_expired`: the transaction took too long and was rolled back. Told to it, and
    /// to everybody who waited for it: one of them may have been the reason.
    #[error(
        "the transaction expired after {} ms: its timeout is a safety backstop against a deadlock. \
         Inside a transaction use the handle it is given: a nested transaction, or a statement on \
         the outer `db`, waits for the transaction to end",
        after.as_millis()
    )]
    Expired {
        /// How long it might take.
        after: Duration,
    },
    /// `sql.transaction_over`: the handle of a transaction that was committed or rolled back.
    #[error("the transaction was already {how}")]
    Over {
        /// `committed` or `rolled back`, or `ended` with its turn.
        how: &'static str,
    },
    /// `sql.newer_schema`: a later version of the program migrated the database.
    #[error("the database has schema version {found}, this program knows {known}")]
    NewerSchema {
        /// Of the database.
        found: usize,
        /// Of the program.
        known: usize,
    },
}

impl SqlError {
    /// What comes after `sql.` in the code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Closed => "closed",
            Self::Constraint { .. } => "constraint",
            Self::Failed { .. } => "failed",
            Self::Forbidden { .. } => "forbidden",
            Self::Full => "full",
            Self::Corrupt { .. } => "corrupt",
            Self::Interrupted => "interrupted",
            Self::Parameter(_) => "bad_parameter",
            Self::Row(_) => "bad_row",
            Self::NoRow => "no_row",
            Self::StatementTooLong { .. } => "statement_too_long",
            Self::TooManyRows => "too_many_rows",
            Self::ResultTooLarge => "result_too_large",
            Self::TooManyOpen { .. } => "too_many_open",
            Self::Overloaded { .. } => "overloaded",
            Self::Expired { .. } => "transaction_expired",
            Self::Over { .. } => "transaction_over",
            Self::NewerSchema { .. } => "newer_schema",
        }
    }
}

impl From<rusqlite::Error> for SqlError {
    fn from(err: rusqlite::Error) -> Self {
        let message = match &err {
            rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
            rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
            other => other.to_string(),
        };
        match err.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => Self::Constraint { message },
            Some(ErrorCode::AuthorizationForStatementDenied) => Self::Forbidden { message },
            // A function that is not allowed has no code of its own.
            _ if message.starts_with("not authorized") => Self::Forbidden { message },
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::OperationInterrupted) => Self::Interrupted,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt { message },
            Some(ErrorCode::TooBig) => Self::ResultTooLarge,
            _ => Self::Failed {
                message,
                source: err.into(),
            },
        }
    }
}

/// As a disk says it that fails on purpose.
impl From<StorageError> for SqlError {
    fn from(err: StorageError) -> Self {
        match err {
            StorageError::Full(_) => Self::Full,
            StorageError::Closed => Self::Closed,
            err => Self::Failed {
                message: "disk I/O error".to_owned(),
                source: err.into(),
            },
        }
    }
}

#[diagnostic::do_not_recommend]
impl IntoActorError for SqlError {
    fn to_actor_error(&self) -> ActorError {
        let error = ActorError::new("sql", self.code(), Cow::Owned(self.to_string()));
        match self {
            Self::Expired { after } => {
                let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                error.with_metadata(Value::object([("after", Value::Int(after.into()))]))
            }
            _ => error,
        }
    }
}

impl From<SqlError> for ActorError {
    fn from(error: SqlError) -> Self {
        error.to_actor_error()
    }
}

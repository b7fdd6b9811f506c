//! Opens the database of one actor, and keeps its statements inside it.

use std::{
    fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rusqlite::{
    Connection, OpenFlags,
    config::DbConfig,
    hooks::{AuthAction, AuthContext, Authorization},
    limits::Limit,
};

use super::{MAX_PARAMS, MAX_RESULT, MAX_STATEMENT, SqlError};
use crate::{
    id::ActorId,
    storage::{self, Databases, Place},
};

/// A connection to an actor's database.
#[derive(Debug)]
pub(super) struct File {
    pub(super) db: Connection,
    /// Whether it has what would be gone with it: temporary tables, settings.
    pinned: Arc<AtomicBool>,
}

impl File {
    /// The database of an actor. A new actor's begins empty, whatever an attempt to create it left.
    pub(super) fn open(databases: &Databases, id: ActorId, is_new: bool) -> Result<Self, SqlError> {
        if is_new {
            databases.remove(id).map_err(|err| unreachable(&err))?;
        }
        let db = match &databases.place {
            Place::Nowhere => return Err(SqlError::Unavailable),
            Place::Memory(keepers) => keepers.connect(id)?,
            Place::Directory(directory) => in_directory(directory, id)?,
        };
        Self::prepare(db, databases.max_bytes)
    }

    /// A database that is gone when it is closed.
    pub(super) fn unstored(databases: &Databases) -> Result<Self, SqlError> {
        Self::prepare(Connection::open_in_memory()?, databases.max_bytes)
    }

    /// Whether nothing but time is lost when it is closed and opened again.
    pub(super) fn may_be_closed(&self) -> bool {
        self.db.is_autocommit() && !self.pinned.load(Ordering::Relaxed)
    }

    fn prepare(mut db: Connection, max_bytes: u64) -> Result<Self, SqlError> {
        db.execute_batch(EVERY)?;
        let page: u32 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(max_bytes / u64::from(page.max(1))).unwrap_or(i64::MAX);
        db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        for (limit, most) in [
            (Limit::SQLITE_LIMIT_LENGTH, MAX_RESULT),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_STATEMENT),
            (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, MAX_PARAMS),
            (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        ] {
            db.set_limit(limit, i32::try_from(most).unwrap_or(i32::MAX))?;
        }
        db.set_prepared_statement_cache_capacity(STATEMENTS);
        let pinned = Arc::new(AtomicBool::new(false));
        let pins = Arc::clone(&pinned);
        db.authorizer(Some(move |asked: AuthContext<'_>| judge(&asked, &pins)))?;
        Ok(Self { db, pinned })
    }
}

fn in_directory(directory: &Path, id: ActorId) -> Result<Connection, SqlError> {
    if !directory.is_dir() {
        make_directory(directory).map_err(|err| unreachable(&err))?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(storage::database_file(directory, id), flags)?;
    db.execute_batch(ON_DISK)?;
    Ok(db)
}

/// Makes the directory, and its name in the one above durable.
fn make_directory(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    #[cfg(unix)]
    if let Some(above) = directory.parent() {
        let above = if above.as_os_str().is_empty() {
            Path::new(".")
        } else {
            above
        };
        fs::File::open(above)?.sync_all()?;
    }
    Ok(())
}

fn unreachable(err: &io::Error) -> SqlError {
    SqlError::Failed {
        message: format!("the database cannot be reached: {err}"),
        source: io::Error::new(err.kind(), err.to_string()).into(),
    }
}

/// What a statement may do: anything in its own database, nothing out of it. A temporary table or a
/// setting pins the connection, for it would be gone with it.
fn judge(asked: &AuthContext<'_>, pins: &AtomicBool) -> Authorization {
    let allowed = match asked.action {
        // A plain `VACUUM` attaches a nameless file of its own.
        AuthAction::Attach { filename } => filename.is_empty(),
        AuthAction::Detach { database_name } => database_name.starts_with("vacuum_"),
        AuthAction::Function { function_name } => {
            !function_name.eq_ignore_ascii_case("load_extension")
        }
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => may_ask(pragma_name, pragma_value, pins),
        AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. } => {
            pins.store(true, Ordering::Relaxed);
            true
        }
        // Not normally produced, except by an `ATTACH` whose name is no literal.
        AuthAction::Unknown { .. } => false,
        _ => true,
    };
    if allowed {
        Authorization::Allow
    } else {
        Authorization::Deny
    }
}

fn may_ask(name: &str, value: Option<&str>, pins: &AtomicBool) -> bool {
    let is_one_of = |names: &[&str]| names.iter().any(|it| it.eq_ignore_ascii_case(name));
    if is_one_of(LOOKING) {
        return true;
    }
    if is_one_of(SETTING) {
        if value.is_some() {
            pins.store(true, Ordering::Relaxed);
        }
        return true;
    }
    value.is_none() && is_one_of(READING)
}

/// Pragmas that look at the database, keep something in it, or tidy it up. An argument names what to
/// look at.
const LOOKING: &[&str] = &[
    "application_id",
    "collation_list",
    "compile_options",
    "foreign_key_check",
    "foreign_key_list",
    "freelist_count",
    "function_list",
    "incremental_vacuum",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "module_list",
    "optimize",
    "page_count",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
    "wal_checkpoint",
];

/// Pragmas that set something of the connection.
const SETTING: &[&str] = &[
    "analysis_limit",
    "automatic_index",
    "case_sensitive_like",
    "count_changes",
    "defer_foreign_keys",
    "foreign_keys",
    "ignore_check_constraints",
    "legacy_alter_table",
    "query_only",
    "recursive_triggers",
    "reverse_unordered_selects",
    "secure_delete",
];

/// Pragmas whose value may be read and not set.
const READING: &[&str] = &[
    "auto_vacuum",
    "busy_timeout",
    "cache_size",
    "data_version",
    "encoding",
    "journal_mode",
    "locking_mode",
    "max_page_count",
    "page_size",
    "schema_version",
    "synchronous",
    "trusted_schema",
];

/// For files. Nobody else opens them, so the log needs no memory shared with others. `FULL` flushes
/// the log at every commit (P2); the two `fullfsync` make that true on macOS too.
const ON_DISK: &str = "
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA checkpoint_fullfsync = ON;
    PRAGMA journal_size_limit = 4194304;
    PRAGMA mmap_size = 0;";

/// For every connection.
const EVERY: &str = "
    PRAGMA cache_size = -1024;
    PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF;";

/// Statements that a connection remembers.
const STATEMENTS: usize = 32;

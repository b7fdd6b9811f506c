//! The shape of the database and how older ones become it. Forward only: no way back.

use std::path::Path;

use rusqlite::{Connection, Result, TransactionBehavior};

use super::error::OpenError;

/// Written into the file's header, so that another program's database is not taken for ours.
const APPLICATION: i64 = 0x4143_5452;

/// What makes version `n` of version `n - 1`. Never edit an entry; add one.
const MIGRATIONS: &[&str] = &[
    // `row` numbers the actor in `entries`, where 16 bytes of id in every row would cost more than
    // the integer. `input` stands last: it may be 4 MiB, and what stands behind it is slow to read.
    //
    // `entries` keeps its row ids, though it is only ever asked by key. A table without them holds its
    // values in the same tree as its keys, where every step of a search walks over them: measured at
    // 1,000 bytes a put then costs three times as much, at 1 MiB more still. With row ids the index of
    // keys stays small, a value is changed in its place, and where the new one is as long as the old,
    // only the pages that differ are written: a large state with one small change costs little more
    // than the change. Small rows lose nothing by it.
    "CREATE TABLE actors (
        row INTEGER PRIMARY KEY,
        id BLOB NOT NULL UNIQUE,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        key TEXT NOT NULL,
        created INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        alarm INTEGER,
        input BLOB
    ) STRICT;
    CREATE UNIQUE INDEX actors_by_address ON actors (namespace, name, key);
    CREATE INDEX actors_by_alarm ON actors (alarm, id) WHERE alarm IS NOT NULL;
    CREATE TABLE entries (
        actor INTEGER NOT NULL,
        key BLOB NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (actor, key)
    ) STRICT;",
];

/// Looks, without changing anything, whether the file is ours and of a version we know.
pub(super) fn check(db: &Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |err| OpenError::of(path, err);
    let found = version(db).map_err(failed)?;
    let supported = MIGRATIONS.len();
    let application: i64 = db
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(failed)?;
    let tables: i64 = db
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(failed)?;
    if application != APPLICATION && (tables != 0 || found != 0) {
        return Err(OpenError::NotADatabase { path: path.into() });
    }
    if usize::try_from(found).is_ok_and(|it| it <= supported) {
        return Ok(());
    }
    Err(OpenError::NewerSchema {
        path: path.into(),
        found,
        supported: supported as i64,
    })
}

/// Brings the database to the newest version, whole or not at all.
pub(super) fn migrate(db: &mut Connection) -> Result<()> {
    let done = usize::try_from(version(db)?).unwrap_or(0);
    let todo = MIGRATIONS.get(done..).unwrap_or_default();
    if todo.is_empty() {
        return Ok(());
    }
    let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for migration in todo {
        change.execute_batch(migration)?;
    }
    change.pragma_update(None, "application_id", APPLICATION)?;
    change.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    change.commit()
}

fn version(db: &Connection) -> Result<i64> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

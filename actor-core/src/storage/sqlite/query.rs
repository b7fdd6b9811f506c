//! Every SQL statement that runs after opening, with what goes in and comes out. No decisions.

use bytes::Bytes;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Result, Row, params};

use super::super::{ActorRecord, Alarm, Entry, NewActor, ScanRange};
use crate::{
    clock::Timestamp,
    id::{ActorId, Generation},
    key::{ActorKey, Address},
};

/// Most statements one connection runs, so that none is ever prepared twice.
pub(super) const STATEMENTS: usize = 20;

const BEGIN_READ: &str = "BEGIN";
const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";
const CHECKPOINT_WAITING: &str = "PRAGMA wal_checkpoint(RESTART)";
const CHECKPOINT_LAST: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

const FIND: &str = "
    SELECT id, created, generation, input FROM actors
    WHERE namespace = ?1 AND name = ?2 AND key = ?3";
const RECORD: &str = "
    SELECT row, namespace, name, key, created, generation, input FROM actors
    WHERE id = ?1";
const ROW: &str = "SELECT row FROM actors WHERE id = ?1";
const FENCE: &str = "
    SELECT row, generation, input IS NOT NULL, alarm FROM actors
    WHERE id = ?1";
const CREATE: &str = "
    INSERT INTO actors (id, namespace, name, key, created, generation, input)
    VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)
    ON CONFLICT DO NOTHING";
const ADVANCE: &str = "UPDATE actors SET generation = ?2, input = NULL WHERE row = ?1";
const SET_ALARM: &str = "UPDATE actors SET alarm = ?2 WHERE row = ?1";
const FORGET: &str = "DELETE FROM actors WHERE row = ?1";

/// An upsert rather than `REPLACE`, which would delete the row and so write it anew in full.
const PUT: &str = "
    INSERT INTO entries (actor, key, value) VALUES (?1, ?2, ?3)
    ON CONFLICT DO UPDATE SET value = excluded.value";
const DELETE: &str = "DELETE FROM entries WHERE actor = ?1 AND key = ?2";
const CLEAR: &str = "DELETE FROM entries WHERE actor = ?1";
const SCAN: &str = "
    SELECT key, value FROM entries
    WHERE actor = ?1 AND ?2 <= key AND key < ?3
    ORDER BY key LIMIT ?4";
const SCAN_REST: &str = "
    SELECT key, value FROM entries
    WHERE actor = ?1 AND ?2 <= key
    ORDER BY key LIMIT ?3";
const SCAN_BACK: &str = "
    SELECT key, value FROM entries
    WHERE actor = ?1 AND ?2 <= key AND key < ?3
    ORDER BY key DESC LIMIT ?4";
const SCAN_REST_BACK: &str = "
    SELECT key, value FROM entries
    WHERE actor = ?1 AND ?2 <= key
    ORDER BY key DESC LIMIT ?3";

const ALARMS: &str = "
    SELECT alarm, id FROM actors
    WHERE alarm IS NOT NULL AND alarm <= ?1
    ORDER BY alarm, id LIMIT ?2";
const NEXT_ALARM: &str = "
    SELECT alarm FROM actors
    WHERE alarm IS NOT NULL
    ORDER BY alarm LIMIT 1";

/// What the writer must know of an actor to judge a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Fence {
    pub(super) row: i64,
    pub(super) generation: Generation,
    pub(super) has_input: bool,
    pub(super) alarm: Option<i64>,
}

/// How hard a checkpoint tries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Checkpoint {
    /// Moves what no reader still needs.
    Passing,
    /// Waits for readers, so that the log starts over.
    Waiting,
    /// Waits for readers and leaves the log empty.
    Last,
}

pub(super) fn begin_write(db: &Connection) -> Result<()> {
    run(db, BEGIN_WRITE)
}

pub(super) fn commit(db: &Connection) -> Result<()> {
    run(db, COMMIT)
}

pub(super) fn rollback(db: &Connection) -> Result<()> {
    run(db, ROLLBACK)
}

/// Runs `read` on one snapshot.
pub(super) fn snapshot<T>(db: &Connection, read: impl FnOnce() -> Result<T>) -> Result<T> {
    run(db, BEGIN_READ)?;
    let found = read();
    run(db, COMMIT)?;
    found
}

/// Whether nobody stood in the way.
pub(super) fn checkpoint(db: &Connection, how: Checkpoint) -> Result<bool> {
    let sql = match how {
        Checkpoint::Passing => CHECKPOINT,
        Checkpoint::Waiting => CHECKPOINT_WAITING,
        Checkpoint::Last => CHECKPOINT_LAST,
    };
    db.prepare_cached(sql)?
        .query_row([], |row| Ok(!row.get::<_, bool>(0)?))
}

pub(super) fn find(db: &Connection, address: &Address) -> Result<Option<ActorRecord>> {
    let key = address.key.to_string();
    db.prepare_cached(FIND)?
        .query_row(params![address.namespace, address.name, key], |row| {
            Ok(ActorRecord {
                id: ActorId::from_bytes(row.get(0)?),
                address: address.clone(),
                created: timestamp(row, 1)?,
                generation: generation(row, 2)?,
                input: bytes(row, 3)?,
            })
        })
        .optional()
}

/// The record, and the number that the actor's entries carry.
pub(super) fn record(db: &Connection, id: ActorId) -> Result<Option<(i64, ActorRecord)>> {
    db.prepare_cached(RECORD)?
        .query_row([id.as_bytes()], |row| {
            let address = Address {
                namespace: row.get(1)?,
                name: row.get(2)?,
                key: ActorKey::parse(row.get_ref(3)?.as_str()?),
            };
            let record = ActorRecord {
                id,
                address,
                created: timestamp(row, 4)?,
                generation: generation(row, 5)?,
                input: bytes(row, 6)?,
            };
            Ok((row.get(0)?, record))
        })
        .optional()
}

pub(super) fn row(db: &Connection, id: ActorId) -> Result<Option<i64>> {
    db.prepare_cached(ROW)?
        .query_row([id.as_bytes()], |row| row.get(0))
        .optional()
}

pub(super) fn fence(db: &Connection, id: ActorId) -> Result<Option<Fence>> {
    db.prepare_cached(FENCE)?
        .query_row([id.as_bytes()], |row| {
            Ok(Fence {
                row: row.get(0)?,
                generation: generation(row, 1)?,
                has_input: row.get(2)?,
                alarm: row.get(3)?,
            })
        })
        .optional()
}

/// The new actor's number, unless its address or its id is taken.
pub(super) fn create(db: &Connection, actor: &NewActor) -> Result<Option<i64>> {
    let NewActor {
        id,
        address,
        created,
        input,
    } = actor;
    let made = db.prepare_cached(CREATE)?.execute(params![
        id.as_bytes(),
        address.namespace,
        address.name,
        address.key.to_string(),
        stored_time(*created),
        input.as_deref(),
    ])?;
    Ok((made != 0).then(|| db.last_insert_rowid()))
}

/// Notes a commit of `to`, which also makes the input needless.
pub(super) fn advance(db: &Connection, row: i64, to: Generation) -> Result<()> {
    let number = i64::try_from(to.number())
        .map_err(|err| rusqlite::Error::ToSqlConversionFailure(Box::new(err)))?;
    db.prepare_cached(ADVANCE)?.execute(params![row, number])?;
    Ok(())
}

pub(super) fn set_alarm(db: &Connection, row: i64, alarm: Option<i64>) -> Result<()> {
    db.prepare_cached(SET_ALARM)?.execute(params![row, alarm])?;
    Ok(())
}

pub(super) fn prepare_put(db: &Connection) -> Result<CachedStatement<'_>> {
    db.prepare_cached(PUT)
}

pub(super) fn put(
    prepared: &mut CachedStatement<'_>,
    row: i64,
    key: &[u8],
    value: &[u8],
) -> Result<()> {
    prepared.execute(params![row, key, value])?;
    Ok(())
}

pub(super) fn delete(db: &Connection, row: i64, key: &[u8]) -> Result<()> {
    db.prepare_cached(DELETE)?.execute(params![row, key])?;
    Ok(())
}

pub(super) fn destroy(db: &Connection, row: i64) -> Result<()> {
    db.prepare_cached(CLEAR)?.execute([row])?;
    db.prepare_cached(FORGET)?.execute([row])?;
    Ok(())
}

pub(super) fn scan(db: &Connection, row: i64, range: &ScanRange) -> Result<Vec<Entry>> {
    let limit = stored_limit(range.limit);
    let start = range.start.as_slice();
    let sql = match (&range.end, range.reverse) {
        (Some(_), false) => SCAN,
        (Some(_), true) => SCAN_BACK,
        (None, false) => SCAN_REST,
        (None, true) => SCAN_REST_BACK,
    };
    let mut statement = db.prepare_cached(sql)?;
    match range.end.as_deref() {
        Some(end) => statement
            .query_map(params![row, start, end, limit], entry)?
            .collect(),
        None => statement
            .query_map(params![row, start, limit], entry)?
            .collect(),
    }
}

pub(super) fn alarms(db: &Connection, until: Timestamp, limit: usize) -> Result<Vec<Alarm>> {
    db.prepare_cached(ALARMS)?
        .query_map(params![stored_time(until), stored_limit(limit)], |row| {
            Ok(Alarm {
                at: timestamp(row, 0)?,
                id: ActorId::from_bytes(row.get(1)?),
            })
        })?
        .collect()
}

pub(super) fn next_alarm(db: &Connection) -> Result<Option<Timestamp>> {
    db.prepare_cached(NEXT_ALARM)?
        .query_row([], |row| timestamp(row, 0))
        .optional()
}

/// SQLite's integers are signed: a time 290 million years away is kept as a little nearer.
pub(super) fn stored_time(time: Timestamp) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn stored_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn run(db: &Connection, sql: &str) -> Result<()> {
    db.prepare_cached(sql)?.execute([])?;
    Ok(())
}

fn entry(row: &Row<'_>) -> Result<Entry> {
    let value = Bytes::copy_from_slice(row.get_ref(1)?.as_blob()?);
    Ok(Entry {
        key: row.get(0)?,
        value,
    })
}

fn bytes(row: &Row<'_>, column: usize) -> Result<Option<Bytes>> {
    Ok(row
        .get_ref(column)?
        .as_blob_or_null()?
        .map(Bytes::copy_from_slice))
}

fn timestamp(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    number(row, column).map(Timestamp::from_millis)
}

fn generation(row: &Row<'_>, column: usize) -> Result<Generation> {
    number(row, column).map(Generation::from_number)
}

fn number(row: &Row<'_>, column: usize) -> Result<u64> {
    let found: i64 = row.get(column)?;
    u64::try_from(found).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, found))
}

#[cfg(test)]
mod tests {
    use super::{super::schema, *};

    const BY_ID: &[&str] = &["SEARCH actors USING INDEX sqlite_autoindex_actors_1 (id=?)"];
    const BY_ROW: &[&str] = &["SEARCH actors USING INTEGER PRIMARY KEY (rowid=?)"];
    const BY_KEY: &[&str] =
        &["SEARCH entries USING INDEX sqlite_autoindex_entries_1 (actor=? AND key>? AND key<?)"];
    const BY_START: &[&str] =
        &["SEARCH entries USING INDEX sqlite_autoindex_entries_1 (actor=? AND key>?)"];

    const PLANS: &[(&str, &[&str])] = &[
        (
            FIND,
            &["SEARCH actors USING INDEX actors_by_address (namespace=? AND name=? AND key=?)"],
        ),
        (RECORD, BY_ID),
        (
            ROW,
            &["SEARCH actors USING COVERING INDEX sqlite_autoindex_actors_1 (id=?)"],
        ),
        (FENCE, BY_ID),
        (CREATE, &[]),
        (ADVANCE, BY_ROW),
        (SET_ALARM, BY_ROW),
        (FORGET, BY_ROW),
        (PUT, &[]),
        (
            DELETE,
            &["SEARCH entries USING INDEX sqlite_autoindex_entries_1 (actor=? AND key=?)"],
        ),
        (
            CLEAR,
            &["SEARCH entries USING INDEX sqlite_autoindex_entries_1 (actor=?)"],
        ),
        (SCAN, BY_KEY),
        (SCAN_REST, BY_START),
        (SCAN_BACK, BY_KEY),
        (SCAN_REST_BACK, BY_START),
        (
            ALARMS,
            &["SEARCH actors USING COVERING INDEX actors_by_alarm (alarm>? AND alarm<?)"],
        ),
        (
            NEXT_ALARM,
            &["SEARCH actors USING COVERING INDEX actors_by_alarm (alarm>?)"],
        ),
    ];

    /// Statements about the connection, which have no plan.
    const PLANLESS: &[&str] = &[
        BEGIN_READ,
        BEGIN_WRITE,
        COMMIT,
        ROLLBACK,
        CHECKPOINT,
        CHECKPOINT_WAITING,
        CHECKPOINT_LAST,
    ];

    #[test]
    fn every_statement_has_the_plan_it_must_have() {
        let mut db = Connection::open_in_memory().unwrap();
        schema::migrate(&mut db).unwrap();
        for (sql, plan) in PLANS {
            let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            for i in 1..=explain.parameter_count() {
                explain.raw_bind_parameter(i, 1).unwrap();
            }
            let mut rows = explain.raw_query();
            let mut found = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                found.push(row.get::<_, String>("detail").unwrap());
            }
            assert_eq!(found, *plan, "{sql}");
        }
    }

    #[test]
    fn every_statement_is_listed() {
        let source = include_str!("query.rs")
            .split("#[cfg(test)]")
            .next()
            .unwrap();
        let constants = source.matches(": &str = ").count();
        assert_eq!(constants, PLANS.len() + PLANLESS.len());
    }
}

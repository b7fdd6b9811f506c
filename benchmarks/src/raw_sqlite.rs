//! The storage floor: rusqlite alone, writing rows like ours in transactions of a given size.

use std::path::Path;

use anyhow::Result;
use rusqlite::{Connection, params};
use tokio::time::Instant;

use crate::measure::{REPEAT, each, per_second};

/// Rows of the floor; as many as actors in the cells beside it.
pub(crate) const ACTORS: u32 = 1_000;

/// A database of its own, with the pragmas a durable store needs.
pub(crate) struct Raw {
    connection: Connection,
    next: u32,
    writes: u64,
}

impl Raw {
    /// Opens the database and fills in [`ACTORS`] rows.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.execute_batch(
            "create table actors (row integer primary key, id blob not null unique,
                                  address text not null unique) strict;
             create table entries (actor integer not null, key blob not null, value blob not null,
                                   primary key (actor, key)) strict;",
        )?;
        let fill = connection.transaction()?;
        for actor in 0..ACTORS {
            fill.execute(
                "insert into entries values (?, ?, ?)",
                params![actor, KEY, vec![0_u8; SMALL]],
            )?;
        }
        fill.commit()?;
        Ok(Self {
            connection,
            next: 0,
            writes: 0,
        })
    }

    /// Rows per second, so many in one commit: those of actors as far apart as those of as many callers,
    /// each of whom goes through all actors from a place of its own.
    pub(crate) fn rows_per_second(&mut self, in_one: u32) -> Result<f64> {
        let mut value = vec![0; SMALL];
        let start = Instant::now();
        let mut rows = 0;
        while start.elapsed() < REPEAT {
            self.put_next(in_one, &mut value)?;
            rows += u64::from(in_one);
        }
        Ok(per_second(rows, start.elapsed()))
    }

    /// Seconds for one commit of one row of so many bytes.
    pub(crate) fn one_commit(&mut self, bytes: usize) -> Result<f64> {
        let mut value = vec![0; bytes];
        let start = Instant::now();
        let mut commits = 0;
        while start.elapsed() < REPEAT {
            self.put_next(1, &mut value)?;
            commits += 1;
        }
        Ok(each(commits, start.elapsed()))
    }

    /// Seconds to add one actor to the index, in commits of so many.
    pub(crate) fn one_creation(&mut self, in_one: u32) -> Result<f64> {
        let start = Instant::now();
        let mut created = 0;
        while start.elapsed() < REPEAT {
            let transaction = self.connection.transaction()?;
            for _ in 0..in_one {
                self.next += 1;
                transaction
                    .prepare_cached("insert into actors (id, address) values (?, ?)")?
                    .execute(params![id(self.next), format!("counter/{}", self.next)])?;
            }
            transaction.commit()?;
            created += u64::from(in_one);
        }
        Ok(each(created, start.elapsed()))
    }

    /// Reads one actor's row.
    pub(crate) fn read(&mut self) -> Result<Vec<u8>> {
        self.next = (self.next + 1) % ACTORS;
        let mut query = self
            .connection
            .prepare_cached("select value from entries where actor = ? and key = ?")?;
        Ok(query.query_row(params![self.next, KEY], |row| row.get(0))?)
    }

    /// One commit of the row of `actor`, holding `value`, which is made to differ each time.
    pub(crate) fn put(&mut self, actor: u32, value: &mut [u8]) -> Result<()> {
        self.next = actor;
        self.put_next(1, value)
    }

    /// One commit of so many rows holding `value`, spread over all there are.
    fn put_next(&mut self, rows: u32, value: &mut [u8]) -> Result<()> {
        let transaction = self.connection.transaction()?;
        for row in 0..rows {
            let actor = (self.next + row * ACTORS / rows) % ACTORS;
            // SQLite writes nothing, and syncs nothing, when a row stays as it was.
            self.writes += 1;
            value[..8].copy_from_slice(&self.writes.to_be_bytes());
            transaction
                .prepare_cached(
                    "insert into entries values (?, ?, ?)
                     on conflict do update set value = excluded.value",
                )?
                .execute(params![actor, KEY, &*value])?;
        }
        self.next = (self.next + 1) % ACTORS;
        Ok(transaction.commit()?)
    }
}

/// Bytes that a counter's state takes: a small map with one field.
pub(crate) const SMALL: usize = 24;

const KEY: &[u8] = &[1, 1];

/// An id as long as an actor's, spread over the table as random ids are.
fn id(number: u32) -> [u8; 16] {
    let spread = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    spread.to_be_bytes()
}

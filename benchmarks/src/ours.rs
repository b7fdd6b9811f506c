//! Our side of every cell: the actors, and the registries they live in.

use std::path::Path;

use actor_core::{prelude::*, storage::Sqlite};
use anyhow::Result;

use crate::calls::Adder;

/// Counts, and stores nothing.
#[actor(name = "counter", event = Told, durability = "none", sleep_after = "10m")]
#[derive(Default)]
pub(crate) struct Counter {
    count: i64,
}

/// What a counter tells its listeners.
#[derive(Event)]
pub(crate) enum Told {
    /// As `newCount`.
    NewCount(i64),
}

#[actor]
impl Counter {
    /// Adds; what the count is then.
    #[action]
    async fn increment(&mut self, by: i64) -> i64 {
        self.count += by;
        self.count
    }

    /// Tells all listeners.
    #[action]
    async fn broadcast(&self, ctx: &Ctx<Self>, count: i64) {
        ctx.broadcast(Told::NewCount(count));
    }
}

/// Counts, and has told nobody what is not on disk.
#[actor(name = "ledger", durability = "acked", sleep_after = "10m")]
#[derive(Default)]
pub(crate) struct Ledger {
    count: i64,
}

#[actor]
impl Ledger {
    /// Adds; what the count is then.
    #[action]
    async fn increment(&mut self, by: i64) -> i64 {
        self.count += by;
        self.count
    }

    /// The count.
    #[action]
    async fn get(&self) -> i64 {
        self.count
    }
}

impl Adder for CounterHandle {
    async fn add(&self, by: i64) -> Result<i64> {
        Ok(self.increment(by).await?)
    }
}

impl Adder for LedgerHandle {
    async fn add(&self, by: i64) -> Result<i64> {
        Ok(self.increment(by).await?)
    }
}

/// A registry of counters that touches no disk.
pub(crate) async fn in_memory() -> Result<Registry> {
    Ok(Registry::builder().actor::<Counter>().build().await?)
}

/// A registry of both, on a database of its own.
pub(crate) async fn on_disk(path: &Path) -> Result<Registry> {
    let storage = Sqlite::open(path)?;
    let registry = Registry::builder()
        .actor::<Counter>()
        .actor::<Ledger>()
        .storage(storage)
        .build()
        .await?;
    Ok(registry)
}

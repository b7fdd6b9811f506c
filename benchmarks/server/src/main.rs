//! A counter behind a port, for load generators of any kind.
//!
//! ```text
//! PORT=8080 DATABASE=./bench.db cargo run --release -p bench-server
//! ```
//!
//! Actor `counter`, its names in snake case as they stand below.

use std::env;

use actor_core::{prelude::*, storage::Sqlite};
use anyhow::{Context, Result};
use tokio::{
    net::TcpListener,
    signal::{
        ctrl_c,
        unix::{SignalKind, signal},
    },
};
use uuid::Uuid;

/// Counts, and holds a blob of any size beside the count.
#[actor(name = "counter", rename_all = "snake_case", event = Told)]
#[derive(Default)]
struct Counter {
    count: i64,
    /// Changes with each `touch`, however large the blob is.
    touched: u64,
    blob: String,
    #[actor(transient)]
    boot: Boot,
}

/// Tells one life of the actor in memory from the next.
struct Boot(Uuid);

impl Default for Boot {
    fn default() -> Self {
        Self(Uuid::new_v4())
    }
}

/// What a counter tells its listeners.
#[derive(Event)]
enum Told {
    /// As `newCount`.
    NewCount(i64),
}

#[actor]
impl Counter {
    /// Adds; what the count is then. Answered at once, saved soon.
    #[action(durability = "relaxed")]
    async fn increment(&mut self, ctx: &Ctx<Self>, x: i64) -> i64 {
        self.add(ctx, x)
    }

    /// Adds; answered when the new count is on disk.
    #[action(durability = "acked")]
    async fn increment_durable(&mut self, ctx: &Ctx<Self>, x: i64) -> i64 {
        self.add(ctx, x)
    }

    /// The count.
    #[action]
    async fn get(&self) -> i64 {
        self.count
    }

    /// Gives back what it was given.
    #[action]
    async fn echo(&self, x: Value) -> Value {
        x
    }

    /// Makes the state hold so many bytes more; how many.
    #[action]
    async fn set_blob(&mut self, size: usize) -> usize {
        self.blob = "x".repeat(size);
        size
    }

    /// Changes one small field beside the blob; how often that was done. Answered at once.
    #[action(durability = "relaxed")]
    async fn touch(&mut self) -> u64 {
        self.touched += 1;
        self.touched
    }

    /// As `touch`, answered when on disk.
    #[action(durability = "acked")]
    async fn touch_durable(&mut self) -> u64 {
        self.touched += 1;
        self.touched
    }

    /// Tells all listeners `newCount` with `x`.
    #[action]
    async fn broadcast(&self, ctx: &Ctx<Self>, x: i64) -> i64 {
        ctx.broadcast(Told::NewCount(x));
        x
    }

    /// Another after each wake.
    #[action]
    async fn boot_id(&self) -> String {
        self.boot.0.to_string()
    }

    /// Goes to sleep once this is answered.
    #[action]
    async fn sleep_now(&self, ctx: &Ctx<Self>) {
        ctx.sleep();
    }
}

impl Counter {
    fn add(&mut self, ctx: &Ctx<Self>, x: i64) -> i64 {
        self.count += x;
        ctx.broadcast(Told::NewCount(self.count));
        self.count
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let port = match env::var("PORT") {
        Ok(port) => port.parse().context("PORT is not a port")?,
        Err(_) => 8080,
    };
    let database = env::var("DATABASE").unwrap_or_else(|_| "./bench-server.db".into());
    let registry = Registry::builder()
        .actor::<Counter>()
        .storage(Sqlite::open(database)?)
        .build()
        .await?;
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    let app = actor_axum::router(registry.clone());
    actor_axum::serve(listener, app, registry)
        .with_graceful_shutdown(stopped())
        .await?;
    Ok(())
}

/// Completes when the process is asked to stop, by Ctrl-C or by `SIGTERM`.
#[expect(clippy::disallowed_methods, reason = "a program owns its signals")]
async fn stopped() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

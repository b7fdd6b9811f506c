//! A counter that everybody watches: the smallest whole program.
//!
//! ```sh
//! cargo run -p counter
//! curl 'localhost:8080/gateway/counter/action/increment?rvt-namespace=default&rvt-method=getOrCreate&rvt-pool=default&rvt-key=visits' \
//!     --json '{"args":[1]}'
//! ```
//!
//! Or, with the npm package `rivetkit`, live:
//!
//! ```ts
//! const visits = createClient("http://localhost:8080").counter.getOrCreate(["visits"]).connect();
//! visits.on("newCount", (count) => console.log(count));
//! await visits.increment(1);
//! ```
//!
//! `PORT` says where it listens (8080), `DATABASE` in which file counters are kept (`./counter.db`).

#[cfg(test)]
mod tests;

use std::{env, error::Error, path::Path};

use actor_core::{prelude::*, storage::Sqlite};
use axum::Router;
use tokio::net::TcpListener;

/// One number for each key.
#[actor(event = CounterEvent)]
#[derive(Debug, Default)]
struct Counter {
    count: i64,
}

/// What those who are connected to a counter hear.
#[derive(Debug, Event)]
enum CounterEvent {
    /// `newCount`: somebody changed it.
    NewCount(i64),
}

#[actor]
impl Counter {
    /// Adds `by`, and tells everybody. By the time anybody knows, the new count is on disk.
    #[action]
    async fn increment(&mut self, ctx: &Ctx<Self>, by: i64) -> i64 {
        self.count = self.count.saturating_add(by);
        ctx.broadcast(CounterEvent::NewCount(self.count));
        self.count
    }

    /// `&self`: runs beside other readers, and saves nothing.
    #[action]
    async fn get(&self) -> i64 {
        self.count
    }
}

/// The actors, kept in `database`.
async fn actors(database: &Path) -> Result<Registry, Box<dyn Error>> {
    let registry = Registry::builder()
        .actor::<Counter>()
        .storage(Sqlite::open(database)?)
        .build()
        .await?;
    Ok(registry)
}

/// The routes to them. An app of your own merges these into its router.
fn app(registry: &Registry) -> Router {
    actor_axum::router(registry.clone())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let port = env::var("PORT").map_or(Ok(8080), |it| it.parse())?;
    let database = env::var("DATABASE").unwrap_or_else(|_| "./counter.db".into());

    let registry = actors(Path::new(&database)).await?;
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    tracing::info!(port, database, "listening");
    actor_axum::serve(listener, app(&registry), registry)
        .with_graceful_shutdown(stop())
        .await?;
    Ok(())
}

/// Completes on ctrl-c, and on the SIGTERM by which services are stopped.
#[expect(clippy::disallowed_methods, reason = "signals are the program's")]
async fn stop() {
    #[cfg(unix)]
    let terminated = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut it) => it.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<Option<()>>();
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated => {}
    }
}

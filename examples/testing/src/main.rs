//! An actor worth testing, and how: its tests move time, fail the disk and crash the process, in
//! milliseconds and without a server. Read `tests.rs`.
//!
//! ```sh
//! cargo test -p testing
//! cargo run -p testing
//! ```
//!
//! `PORT` says where it listens (8080), `DATABASE` in which file auctions are kept (`./testing.db`).

#[cfg(test)]
mod tests;

use std::{env, error::Error, path::Path, time::Duration};

use actor_core::{prelude::*, registry::RegistryBuilder, schedule::ScheduleError, storage::Sqlite};
use axum::Router;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// How long an auction stays open after each bid.
const OPEN: Duration = Duration::from_secs(60);

/// One auction: the highest bid wins when nobody has bid for a minute.
#[actor(event = News, sleep_after = "10s")]
#[derive(Debug, Default)]
struct Auction {
    highest: Option<Bid>,
    closed: bool,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Bid {
    by: String,
    cents: u64,
}

#[derive(Debug, Event)]
enum News {
    Bid(Bid),
    Sold(Option<Bid>),
}

#[derive(Debug, PartialEq, thiserror::Error, ActionError)]
enum AuctionError {
    #[error("the highest bid is {0} cents")]
    TooLow(u64),
    #[error("the auction is over")]
    #[action_error(status = 410)]
    Closed,
    #[error("the end cannot be scheduled")]
    #[action_error(internal)]
    Schedule(String),
}

impl From<ScheduleError> for AuctionError {
    fn from(error: ScheduleError) -> Self {
        Self::Schedule(error.to_string())
    }
}

#[actor]
impl Auction {
    #[action]
    async fn bid(&mut self, ctx: &Ctx<Self>, by: String, cents: u64) -> Result<(), AuctionError> {
        if self.closed {
            return Err(AuctionError::Closed);
        }
        let highest = self.highest.as_ref().map_or(0, |it| it.cents);
        if cents <= highest {
            return Err(AuctionError::TooLow(highest));
        }
        // The same name again: the end moves.
        ctx.after(OPEN).named("end").close()?;
        let bid = Bid { by, cents };
        self.highest = Some(bid.clone());
        ctx.broadcast(News::Bid(bid));
        Ok(())
    }

    #[scheduled]
    async fn close(&mut self, ctx: &Ctx<Self>) {
        self.closed = true;
        ctx.broadcast(News::Sold(self.highest.clone()));
    }

    #[action]
    async fn highest(&self) -> (Option<Bid>, bool) {
        (self.highest.clone(), self.closed)
    }
}

fn declare(builder: RegistryBuilder) -> RegistryBuilder {
    builder.actor::<Auction>()
}

/// The routes to the actors.
fn app(registry: &Registry) -> Router {
    actor_axum::router(registry.clone())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let port = env::var("PORT").map_or(Ok(8080), |it| it.parse())?;
    let database = env::var("DATABASE").unwrap_or_else(|_| "./testing.db".into());

    let storage = Sqlite::open(Path::new(&database))?;
    let builder = declare(Registry::builder()).storage(storage);
    let registry = builder.build().await?;
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    tracing::info!(port, database, "listening");
    actor_axum::serve(listener, app(&registry), registry)
        .with_graceful_shutdown(async {
            // Without a signal to wait for, the program runs until it is killed.
            if interrupted().await.is_err() {
                std::future::pending().await
            }
        })
        .await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "signals are the program's")]
async fn interrupted() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

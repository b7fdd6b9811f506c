//! Who is on the page, and where their cursors are. Two tabs are one visitor, a reload is nobody's leaving.
//!
//! ```sh
//! cargo run -p cursors     # and open http://localhost:8080?name=ann, and once more as bob
//! ```
//!
//! `PORT` says where it listens (8080), `DATABASE` in which file pages are kept (`./cursors.db`).

#[cfg(test)]
mod tests;

use std::{env, error::Error, path::Path, time::Duration};

use actor_core::{
    Presence, actor::Arrival, prelude::*, registry::RegistryBuilder, schedule::ScheduleError,
    storage::Sqlite,
};
use axum::{Router, response::Html, routing::get};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// One page: its visitors outlive its sleep, where their cursors are does not matter then.
#[actor(params = Visitor, event = Change, sleep_after = "10s")]
#[derive(Debug, Default)]
struct Canvas {
    here: Presence,
}

/// What a client says when it connects.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Visitor {
    name: String,
}

/// What those on the page hear.
#[derive(Debug, Event)]
enum Change {
    /// `here`: all names, whenever somebody comes or goes.
    Here(Vec<String>),
    /// `moved`: a visitor's cursor, from 0 to 1 of the page.
    Moved { name: String, x: f64, y: f64 },
}

#[actor]
impl Canvas {
    /// A name is part of a schedule's name below, which has at most 128 bytes.
    #[on_before_connect]
    async fn admit(visitor: Visitor) -> Result<(), ActorError> {
        match visitor.name.len() {
            1..=64 => Ok(()),
            _ => Err(ActorError::user("a name has 1 to 64 bytes").with_status(400)),
        }
    }

    #[on_connect]
    async fn came(&mut self, ctx: &Ctx<Self>, conn: &Conn<Self>) {
        let name = conn.params().name.clone();
        if self.here.join(conn.id(), name) == Arrival::New {
            ctx.broadcast(Change::Here(self.names()));
        }
    }

    /// A visitor's last tab is closed, or reloads: five seconds will tell. The schedule goes on while
    /// the actor sleeps.
    #[on_disconnect]
    async fn closed(&mut self, ctx: &Ctx<Self>, conn: &Conn<Self>) -> Result<(), ScheduleError> {
        if let Some(name) = self.here.leave(conn.id()) {
            let grace = ctx.after(Duration::from_secs(5));
            grace.named(format!("left {name}")).left(name)?;
        }
        Ok(())
    }

    #[scheduled]
    async fn left(&mut self, ctx: &Ctx<Self>, name: String) {
        if self.here.gone(&name) {
            ctx.broadcast(Change::Here(self.names()));
        }
    }

    /// `&self`: nothing is saved, and the others hear of it at once.
    #[action]
    async fn moved(&self, ctx: &Ctx<Self>, x: f64, y: f64) -> Result<(), ActorError> {
        let own = ctx.require_conn()?;
        let name = own.params().name.clone();
        let others = ctx.everyone().except(&own);
        others.broadcast(Change::Moved { name, x, y });
        Ok(())
    }

    #[action]
    async fn here(&self) -> Vec<String> {
        self.names()
    }
}

impl Canvas {
    fn names(&self) -> Vec<String> {
        self.here.users().cloned().collect()
    }
}

fn declare(builder: RegistryBuilder) -> RegistryBuilder {
    builder.actor::<Canvas>()
}

/// The page, and the routes to the actors.
fn app(registry: &Registry) -> Router {
    let page = get(async || Html(include_str!("page.html")));
    Router::new()
        .route("/", page)
        .merge(actor_axum::router(registry.clone()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let port = env::var("PORT").map_or(Ok(8080), |it| it.parse())?;
    let database = env::var("DATABASE").unwrap_or_else(|_| "./cursors.db".into());

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

//! A game that ticks ten times a second while somebody plays, and costs nothing while nobody does.
//!
//! ```sh
//! cargo run -p game     # and open http://localhost:8080?name=ann, and once more as bob
//! ```
//!
//! With the npm package `rivetkit`: `client.arena.getOrCreate(["a"]).connect({ name: "ann" })`, then
//! `arena.on("frame", draw)` and `arena.steer(1, 0)`.
//! `PORT` says where it listens (8080), `DATABASE` in which file arenas are kept (`./game.db`).

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, env, error::Error, path::Path, sync::Arc, time::Duration};

use actor_core::{prelude::*, registry::RegistryBuilder, storage::Sqlite};
use axum::{Router, response::Html, routing::get};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, sync::Notify, time::sleep};

const TICK: Duration = Duration::from_millis(100);
const SIDE: i32 = 20;
const PAGE: &str = include_str!("page.html");

/// One game. It is saved once a second and not for each frame: a crash costs a second of play.
#[actor(params = Player, event = GameEvent, durability = "relaxed", sleep_after = "2s")]
#[derive(Debug, Default)]
struct Arena {
    players: BTreeMap<String, Body>,
    ticks: u64,
    #[actor(transient)] // tells the loop that somebody plays
    came: Arc<Notify>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Player {
    name: String,
}

/// Where a player is, and where it goes.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
struct Body {
    at: (i32, i32),
    towards: (i32, i32),
}

#[derive(Debug, Event)]
enum GameEvent {
    /// `frame`: everybody's place.
    Frame(BTreeMap<String, Body>),
}

#[actor]
impl Arena {
    #[on_connect]
    async fn joined(&mut self, conn: &Conn<Self>) {
        self.players.entry(conn.params().name.clone()).or_default();
        self.came.notify_one();
    }

    #[on_disconnect]
    async fn left(&mut self, conn: &Conn<Self>) {
        self.players.remove(&conn.params().name);
    }

    /// The loop. Without players it waits for some, parked, so that the actor may sleep; a player who
    /// comes wakes it, and `run` begins anew.
    #[run]
    async fn run(ctx: &TaskCtx<Self>) {
        let came = ctx.read(|it| Arc::clone(&it.came)).await;
        loop {
            if ctx.conns().is_empty() {
                if ctx.park(came.notified()).await.is_none() {
                    return;
                }
                continue;
            }
            sleep(TICK).await;
            let frame = ctx.write(Self::tick).await;
            ctx.broadcast(GameEvent::Frame(frame));
        }
    }

    #[action]
    async fn steer(&mut self, ctx: &Ctx<Self>, x: i32, y: i32) -> Result<(), ActorError> {
        let name = ctx.require_conn()?.params().name.clone();
        self.players.entry(name).or_default().towards = (x.signum(), y.signum());
        Ok(())
    }

    #[action]
    async fn ticks(&self) -> u64 {
        self.ticks
    }
}

impl Arena {
    /// One step of the world: plain code, which a test calls without an actor.
    fn tick(&mut self) -> BTreeMap<String, Body> {
        self.ticks += 1;
        for body in self.players.values_mut() {
            let step = |at: i32, towards: i32| (at + towards).rem_euclid(SIDE);
            body.at = (
                step(body.at.0, body.towards.0),
                step(body.at.1, body.towards.1),
            );
        }
        self.players.clone()
    }
}

fn declare(builder: RegistryBuilder) -> RegistryBuilder {
    builder.actor::<Arena>()
}

/// The page, and the routes to the actors.
fn app(registry: &Registry) -> Router {
    Router::new()
        .route("/", get(async || Html(PAGE)))
        .merge(actor_axum::router(registry.clone()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let port = env::var("PORT").map_or(Ok(8080), |it| it.parse())?;
    let database = env::var("DATABASE").unwrap_or_else(|_| "./game.db".into());

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

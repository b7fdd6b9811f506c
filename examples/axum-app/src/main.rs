//! Actors inside an axum app that has a state, sessions and pages of its own: to-do boards of people
//! who signed in.
//!
//! ```sh
//! cargo run -p axum-app
//! open http://localhost:8080
//! ```
//!
//! What to look at:
//! - [`app`] nests the actors' routes under `/api` and puts the app's session layer around them;
//! - [`pages::board`], a handler as any other, calls a board through an extractor;
//! - [`board`] finds out in `#[on_before_connect]` who is signed in, from the same session.
//!
//! `PORT` says where it listens (8080), `DATABASE` in which file boards are kept (`./axum-app.db`).

mod board;
mod pages;
#[cfg(test)]
mod tests;

use std::{env, error::Error, sync::Arc};

use actor_axum::{ActorRouter, Cors};
use actor_core::{Registry, storage::Sqlite};
use axum::{
    Router,
    extract::FromRef,
    routing::{get, post},
};
use tokio::net::TcpListener;
use tower_sessions::{MemoryStore, SessionManagerLayer};

use self::board::Board;

/// The app's own state.
#[derive(Clone, Debug)]
struct App {
    title: Arc<str>,
    registry: Registry,
}

/// Where the extractor [`actor_axum::Actor`] finds the registry.
impl FromRef<App> for Registry {
    fn from_ref(app: &App) -> Self {
        app.registry.clone()
    }
}

/// The app: its own routes, the actors', and one session layer around both.
fn app(state: App) -> Router {
    // Boards trust the session cookie, so pages of other origins have no business here.
    let actors = ActorRouter::new(state.registry.clone())
        .cors(Cors::off())
        .into_router();
    // Kept in memory: who restarts the process signs everybody out. Cookies travel over plain HTTP,
    // for this runs on localhost.
    let sessions = SessionManagerLayer::new(MemoryStore::default()).with_secure(false);
    Router::new()
        .route("/", get(pages::welcome))
        .route("/sign-in", post(pages::sign_in))
        .route("/boards/{key}", get(pages::board))
        .nest("/api", actors)
        .layer(sessions)
        .with_state(state)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let port = env::var("PORT").map_or(Ok(8080), |it| it.parse())?;
    let database = env::var("DATABASE").unwrap_or_else(|_| "./axum-app.db".into());

    let registry = Registry::builder()
        .actor::<Board>()
        .storage(Sqlite::open(&database)?)
        .build()
        .await?;
    let state = App {
        title: "Boards".into(),
        registry: registry.clone(),
    };
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    tracing::info!(database, "open http://localhost:{port}");
    actor_axum::serve(listener, app(state), registry)
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

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
//! - [`show`], a handler as any other, calls a board through the extractor [`Actor`];
//! - `board.rs` finds out in `#[on_before_connect]` who is signed in, from the same session.
//!
//! `PORT` says where it listens (8080), `DATABASE` in which file boards are kept (`./axum-app.db`).

mod board;
#[cfg(test)]
mod tests;

use std::{env, error::Error, sync::Arc};

use actor_axum::{Actor, ActorRouter, Cors};
use actor_core::{Registry, storage::Sqlite};
use axum::{
    Form, Router,
    extract::{FromRef, Path, State},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tower_sessions::{MemoryStore, Session, SessionManagerLayer};

use self::board::Board;

/// The app's own state.
#[derive(Clone, Debug)]
struct App {
    title: Arc<str>,
    registry: Registry,
}

/// Where the extractor [`Actor`] finds the registry.
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
        .route("/", get(welcome))
        .route("/sign-in", post(sign_in))
        .route("/boards/{key}", get(show))
        .nest("/api", actors)
        .layer(sessions)
        .with_state(state)
}

async fn welcome(State(app): State<App>) -> Html<String> {
    Html(include_str!("../page/welcome.html").replace("{title}", &app.title))
}

#[derive(Debug, Deserialize)]
struct SignIn {
    name: String,
}

async fn sign_in(session: Session, Form(form): Form<SignIn>) -> Result<Redirect, Failure> {
    session.insert(SIGNED_IN_AS, form.name.trim()).await?;
    Ok(Redirect::to("/boards/team"))
}

/// A page with the board's items already in it; from then on the page listens to the board itself.
async fn show(
    State(app): State<App>,
    session: Session,
    Path(key): Path<String>,
    Actor(board): Actor<Board>,
) -> Result<Response, Failure> {
    let Some(user) = session.get::<String>(SIGNED_IN_AS).await? else {
        return Ok(Redirect::to("/").into_response());
    };
    let items = board.items().await.map_err(actor_axum::Error::from)?;
    let data = json!({ "key": key, "user": user, "items": items }).to_string();
    let page = include_str!("../page/board.html")
        .replace("{title}", &app.title)
        // JSON in a page must not close the element it stands in.
        .replace("{data}", &data.replace('<', "\\u003c"));
    Ok(Html(page).into_response())
}

/// Why a handler could not answer.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the session: {0}")]
    Session(#[from] tower_sessions::session::Error),
    #[error("the board: {0}")]
    Board(#[from] actor_axum::Error),
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        tracing::error!(error = %self, "a page failed");
        match self {
            Self::Session(_) => "the sessions are out of order".into_response(),
            Self::Board(error) => error.into_response(),
        }
    }
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

/// The session's entry with the visitor's name.
const SIGNED_IN_AS: &str = "signed-in-as";

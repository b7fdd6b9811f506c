//! Chat rooms in one binary and one file: open the page in two browsers, kill the process, start it
//! again, and every line that anybody saw is still there.
//!
//! ```sh
//! cargo run -p chat
//! open http://localhost:8080
//! ```
//!
//! The actor is in `room.rs`, the page under `page/`; here they become a server. `PORT` says where it
//! listens (8080), `DATABASE` in which file rooms are kept (`./chat.db`). Started by socket activation
//! (`LISTEN_FDS`), it is replaced without any client being refused.

mod page;
mod room;
#[cfg(test)]
mod tests;

use std::{env, error::Error, path::Path};

use actor_core::{Registry, storage::Sqlite};
use axum::Router;
use listenfd::ListenFd;
use tokio::net::TcpListener;

use self::room::ChatRoom;

/// The actors, kept in `database`.
async fn actors(database: &Path) -> Result<Registry, Box<dyn Error>> {
    let registry = Registry::builder()
        .actor::<ChatRoom>()
        .storage(Sqlite::open(database)?)
        .build()
        .await?;
    Ok(registry)
}

/// The page, and the routes to the rooms.
fn app(registry: &Registry) -> Router {
    page::router().merge(actor_axum::router(registry.clone()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let database = env::var("DATABASE").unwrap_or_else(|_| "./chat.db".into());

    let registry = actors(Path::new(&database)).await?;
    let inherited = ListenFd::from_env().take_tcp_listener(0)?;
    let is_inherited = inherited.is_some();
    let listener = match inherited {
        Some(it) => {
            it.set_nonblocking(true)?;
            TcpListener::from_std(it)?
        }
        None => {
            let port = env::var("PORT").map_or(Ok(8080), |it| it.parse())?;
            TcpListener::bind(("0.0.0.0", port)).await?
        }
    };
    let port = listener.local_addr()?.port();
    tracing::info!(database, "open http://localhost:{port}");
    let mut server =
        actor_axum::serve(listener, app(&registry), registry).with_graceful_shutdown(stop());
    if is_inherited {
        server = server.with_handover();
    }
    server.await?;
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

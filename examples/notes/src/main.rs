//! Notes of each user, in a SQLite database of their own: full-text search, tags, migrations.
//!
//! ```sh
//! cargo run -p notes
//! curl 'localhost:8080/gateway/notes/action/add?rvt-namespace=default&rvt-method=getOrCreate&rvt-pool=default&rvt-key=ann' \
//!     --json '{"args":["buy milk", ["home"]]}'
//! ```
//!
//! With the npm package `rivetkit`: `client.notes.getOrCreate(["ann"]).search("milk")`.
//! `PORT` says where it listens (8080), `DATABASE` in which file actors are kept (`./notes.db`).

#[cfg(test)]
mod tests;

use std::{env, error::Error, path::Path};

use actor_core::{
    prelude::*,
    sql::{SqlError, Transaction},
    storage::Sqlite,
};
use axum::Router;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// All notes of the user whom the key names. Nothing of them is state: a wake reads none.
#[actor]
#[derive(Debug, Default)]
struct Notes {}

/// A note, as a row and as clients see it.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Note {
    id: i64,
    text: String,
    tags: String,
}

#[derive(Debug, thiserror::Error, ActionError)]
enum NotesError {
    #[error("a note cannot be empty")]
    Empty,
    #[error("the notes cannot be reached")]
    #[action_error(internal)]
    Sql(#[from] SqlError),
}

#[actor]
impl Notes {
    /// Steps are only ever added.
    #[on_migrate]
    async fn migrate(tx: &Transaction) -> Result<(), SqlError> {
        tx.migrate(&[
            "create virtual table notes using fts5 (text)",
            "create table tags (note integer not null, tag text not null, primary key (note, tag))",
        ])
        .await
    }

    /// Adds a note with its tags: all of it or nothing. On disk once its id is known.
    #[action]
    async fn add(
        &self,
        ctx: &Ctx<Self>,
        text: String,
        #[default] tags: Vec<String>,
    ) -> Result<i64, NotesError> {
        if text.trim().is_empty() {
            return Err(NotesError::Empty);
        }
        ctx.sql()
            .transaction(|tx| async move {
                let added = tx
                    .execute("insert into notes (text) values (?)", text)
                    .await?;
                for tag in tags {
                    let id = added.last_row_id;
                    tx.execute("insert or ignore into tags values (?, ?)", (id, tag))
                        .await?;
                }
                Ok(added.last_row_id)
            })
            .await
    }

    /// Notes with these words, the best first.
    #[action]
    async fn search(&self, ctx: &Ctx<Self>, words: String) -> Result<Vec<Note>, NotesError> {
        // Quoted, so that what a user types is words and not FTS5's language.
        let quoted = format!("\"{}\"", words.replace('"', "\"\""));
        let sql = "select rowid id, text,
                (select coalesce(group_concat(tag, ' '), '') from tags where note = notes.rowid) tags
            from notes where notes match ? order by rank limit 50";
        Ok(ctx.sql().query(sql, quoted).await?)
    }

    /// Removes a note; whether it was there.
    #[action]
    async fn remove(&self, ctx: &Ctx<Self>, id: i64) -> Result<bool, NotesError> {
        let sql =
            "begin; delete from tags where note = ?; delete from notes where rowid = ?; commit";
        let removed = ctx.sql().execute(sql, (id, id)).await?;
        Ok(removed.changes != 0)
    }
}

/// The actors, kept in `database`.
async fn actors(database: &Path) -> Result<Registry, Box<dyn Error>> {
    let builder = Registry::builder().actor::<Notes>();
    Ok(builder.storage(Sqlite::open(database)?).build().await?)
}

/// The routes to them.
fn app(registry: &Registry) -> Router {
    actor_axum::router(registry.clone())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let port = env::var("PORT").map_or(Ok(8080), |it| it.parse())?;
    let database = env::var("DATABASE").unwrap_or_else(|_| "./notes.db".into());

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

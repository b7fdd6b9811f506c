//! A conversation with a model, whose answer is heard word by word while the actor serves others. The model
//! is a local pretence; yours is an HTTP call.
//!
//! ```sh
//! cargo run -p tokens     # and open http://localhost:8080 in two windows
//! ```
//!
//! `PORT` says where it listens (8080), `DATABASE` in which file conversations are kept (`./tokens.db`).

#[cfg(test)]
mod tests;

use std::{env, error::Error, path::Path, time::Duration};

use actor_core::{prelude::*, registry::RegistryBuilder, storage::Sqlite};
use axum::{Router, response::Html, routing::get};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, time::sleep};

/// One conversation. What was said is durable, what is being said is not.
#[actor(event = Spoken, sleep_after = "5s")]
#[derive(Debug, Default)]
struct Agent {
    said: Vec<Turn>,
    #[actor(transient)] // whether an answer is on its way in this life
    speaks: bool,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Turn {
    who: String,
    text: String,
}

/// What everybody in the conversation hears.
#[derive(Debug, Event)]
enum Spoken {
    /// `token`: the next piece of the answer.
    Token(String),
    /// `turn`: somebody has said something, to its end.
    Turn(Turn),
}

#[derive(Debug, thiserror::Error, ActionError)]
enum AgentError {
    #[error("one question at a time")]
    #[action_error(status = 409)]
    Busy,
}

#[actor]
impl Agent {
    /// Without `self` it holds nobody up, and touches the state in short turns only. What it sends while
    /// nothing waits to be saved leaves at once.
    #[action(timeout = "120s")]
    async fn ask(ctx: &TaskCtx<Self>, question: String) -> Result<String, AgentError> {
        let (who, text) = ("you".to_owned(), question.clone());
        let asked = Turn { who, text };
        let turn = asked.clone();
        let was_free = ctx.write(move |it| {
            let is_free = !std::mem::replace(&mut it.speaks, true);
            if is_free {
                it.said.push(turn);
            }
            is_free
        });
        if !was_free.await {
            return Err(AgentError::Busy);
        }
        ctx.broadcast(Spoken::Turn(asked));
        let mut answer = String::new();
        for token in model(&question) {
            sleep(THINKS).await;
            answer.push_str(&token);
            ctx.broadcast(Spoken::Token(token));
        }
        let (who, text) = ("agent".to_owned(), answer.clone());
        let turn = Turn { who, text };
        let said = turn.clone();
        ctx.write(move |it| {
            it.said.push(said);
            it.speaks = false;
        })
        .await;
        ctx.broadcast(Spoken::Turn(turn));
        Ok(answer)
    }

    #[action]
    async fn said(&self) -> Vec<Turn> {
        self.said.clone()
    }
}

/// How long the model takes for a token.
const THINKS: Duration = Duration::from_millis(60);

/// Answers in pieces, and knows little.
fn model(question: &str) -> Vec<String> {
    let words = question.split_whitespace().count();
    let answer = format!(
        "You asked me something in {words} words. I am only a pretence of a model, so let me say it \
         again: {question}"
    );
    answer.split_inclusive(' ').map(str::to_owned).collect()
}

fn declare(builder: RegistryBuilder) -> RegistryBuilder {
    builder.actor::<Agent>()
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
    let database = env::var("DATABASE").unwrap_or_else(|_| "./tokens.db".into());

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

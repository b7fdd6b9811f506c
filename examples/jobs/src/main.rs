//! A queue of jobs for each team: durable, done one after the other, tried again, given up in the end.
//!
//! ```sh
//! cargo run -p jobs
//! curl 'localhost:8080/gateway/jobs/queue/shrink?rvt-namespace=default&rvt-method=getOrCreate&rvt-pool=default&rvt-key=a' \
//!     --json '{"body":{"image":"cat.png","percent":50},"wait":true,"timeout":5000}'
//! ```
//!
//! With the npm package `rivetkit`: `client.jobs.getOrCreate(["a"]).send("shrink", {..}, { wait: true })`.
//! `PORT` says where it listens (8080), `DATABASE` in which file jobs are kept (`./jobs.db`).

#[cfg(test)]
mod tests;

use std::{env, error::Error, path::Path, time::Duration};

use actor_core::{prelude::*, queue::QueueError, registry::RegistryBuilder, storage::Sqlite};
use axum::Router;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, time::sleep};

/// What waits to be done, and what became of it. Asleep while there is nothing to do.
#[actor(queue = Job, sleep_after = "5s")]
#[derive(Debug, Default)]
struct Jobs {
    done: Vec<String>,
}

/// Each variant is a queue.
#[derive(Debug, Queue)]
enum Job {
    /// Whoever waits is told the new name. After three attempts it is nobody's any more.
    #[queue(reply = String, max_attempts = 3, dead_letter = Failed)]
    Shrink(Shrink),
    /// Jobs that were given up.
    Failed(Shrink),
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Shrink {
    image: String,
    percent: u8,
}

#[actor]
impl Jobs {
    /// While it waits for a job the actor may sleep; the next one wakes it, and this begins anew.
    #[run]
    async fn work(ctx: &TaskCtx<Self>) -> Result<(), QueueError> {
        loop {
            let JobMessage::Shrink(job) = ctx.queue().only(["shrink"]).message().await? else {
                continue;
            };
            match shrink(&job).await {
                Ok(name) => {
                    let done = name.clone();
                    ctx.write(move |it| it.done.push(done)).await;
                    job.complete(name)?;
                }
                // Dropped here, and so offered again: the job is in nobody's memory only.
                Err(error) => tracing::warn!(job.image, error, "tried in vain"),
            }
        }
    }

    #[action]
    async fn done(&self) -> Vec<String> {
        self.done.clone()
    }

    /// Takes what was given up, for somebody to look at.
    #[action]
    async fn take_failed(&self, ctx: &Ctx<Self>) -> Result<Vec<Shrink>, QueueError> {
        let failed = ctx.queue().only(["failed"]).try_batch(100).await?;
        let failed = failed.into_iter().filter_map(|it| match it {
            Job::Failed(job) => Some(job),
            Job::Shrink(_) => None,
        });
        Ok(failed.collect())
    }
}

/// Stands for work that takes its time, and fails for some.
async fn shrink(job: &Shrink) -> Result<String, &'static str> {
    sleep(Duration::from_millis(200)).await;
    match job.percent {
        1..=99 => Ok(format!("{}-{}", job.percent, job.image)),
        _ => Err("that is no smaller"),
    }
}

fn declare(builder: RegistryBuilder) -> RegistryBuilder {
    builder.actor::<Jobs>()
}

/// The routes to the actors.
fn app(registry: &Registry) -> Router {
    actor_axum::router(registry.clone())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let port = env::var("PORT").map_or(Ok(8080), |it| it.parse())?;
    let database = env::var("DATABASE").unwrap_or_else(|_| "./jobs.db".into());

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

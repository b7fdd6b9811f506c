//! Reminders that come on time, whether anybody is awake or not: the actor sleeps until then, the
//! process may be stopped and started in between.
//!
//! ```sh
//! cargo run -p reminders     # and open http://localhost:8080
//! ```
//!
//! `PORT` says where it listens (8080), `DATABASE` in which file reminders are kept (`./reminders.db`).

#[cfg(test)]
mod tests;

use std::{env, error::Error, path::Path, time::Duration};

use actor_core::{
    ScheduleId,
    clock::Timestamp,
    prelude::*,
    protocol::Args,
    registry::RegistryBuilder,
    schedule::{Retry, Schedule, ScheduleError},
    storage::Sqlite,
};
use axum::{Router, response::Html, routing::get};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// Everything that one user wants to be told.
#[actor(event = Told, sleep_after = "2s")]
#[derive(Debug, Default)]
struct Reminders {
    told: Vec<String>,
}

/// What those who are connected hear.
#[derive(Debug, Event)]
enum Told {
    /// `due`: it is time.
    Due(String),
}

/// One that is still to come.
#[derive(Debug, Deserialize, Serialize)]
struct Reminder {
    id: ScheduleId,
    text: String,
    due: Timestamp,
}

#[actor]
impl Reminders {
    /// Said at every wake, made once: a recurring schedule is named like its action.
    #[on_wake]
    async fn wake(&mut self, ctx: &Ctx<Self>) -> Result<(), ScheduleError> {
        ctx.cron("0 4 * * *", "Europe/Berlin").forget()?;
        Ok(())
    }

    /// The method after the dot is the action below: rename one, and the other no longer compiles.
    #[action]
    async fn add(
        &self,
        ctx: &Ctx<Self>,
        text: String,
        seconds: u64,
    ) -> Result<ScheduleId, ScheduleError> {
        let patient = Retry::times(3);
        ctx.after(Duration::from_secs(seconds))
            .with_retry(patient)
            .remind(text)
    }

    #[action]
    async fn list(&self, ctx: &Ctx<Self>) -> Vec<Reminder> {
        let all = ctx.schedule().list().into_iter();
        all.filter(|it| &*it.action == "remind")
            .filter_map(reminder)
            .collect()
    }

    #[action]
    async fn cancel(&self, ctx: &Ctx<Self>, id: ScheduleId) -> Result<bool, ScheduleError> {
        ctx.schedule().cancel(id)
    }

    #[action]
    async fn told(&self) -> Vec<String> {
        self.told.clone()
    }

    /// Nobody but a schedule calls this.
    #[scheduled]
    async fn remind(&mut self, ctx: &Ctx<Self>, text: String) {
        self.told.push(text.clone());
        ctx.broadcast(Told::Due(text));
    }

    /// Every night at four.
    #[scheduled]
    async fn forget(&mut self) {
        self.told.clear();
    }
}

fn reminder(schedule: Schedule) -> Option<Reminder> {
    let text = Args::from_value(schedule.args).take("text").ok()?;
    let (id, due) = (schedule.id, schedule.due);
    Some(Reminder { id, text, due })
}

fn declare(builder: RegistryBuilder) -> RegistryBuilder {
    builder.actor::<Reminders>()
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
    let database = env::var("DATABASE").unwrap_or_else(|_| "./reminders.db".into());

    let storage = Sqlite::open(Path::new(&database))?;
    let registry = declare(Registry::builder())
        .storage(storage)
        .build()
        .await?;
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

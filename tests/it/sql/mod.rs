//! An actor's own SQLite database, as its handlers and its operator see it.

mod faults;
mod life;
mod statements;
mod transactions;

use actor_core::{Value, prelude::*, sql::SqlError};

/// Runs whatever SQL it is given.
#[actor(action_timeout = "90s")]
#[derive(Debug, Default)]
pub(crate) struct Desk {}

#[actor]
impl Desk {
    /// How many rows changed.
    #[action]
    async fn run(&self, ctx: &Ctx<Self>, sql: String, params: Vec<Value>) -> Result<u64, SqlError> {
        Ok(ctx.sql().execute(&sql, params).await?.changes)
    }

    #[action]
    async fn rows(
        &self,
        ctx: &Ctx<Self>,
        sql: String,
        params: Vec<Value>,
    ) -> Result<Vec<Value>, SqlError> {
        ctx.sql().query(&sql, params).await
    }

    #[action]
    async fn number(&self, ctx: &Ctx<Self>, sql: String) -> Result<i64, SqlError> {
        ctx.sql().query_one(&sql, ()).await
    }
}

async fn run(desk: &DeskHandle, sql: &str) -> u64 {
    desk.run(sql.to_owned(), Vec::new()).await.unwrap()
}

async fn number(desk: &DeskHandle, sql: &str) -> i64 {
    desk.number(sql.to_owned()).await.unwrap()
}

/// `sql.<code>` of a call that fails.
fn code<T: std::fmt::Debug>(result: Result<T, actor_core::CallError<SqlError>>) -> String {
    let error = result.unwrap_err().to_actor_error();
    format!("{}.{}", error.group(), error.code())
}

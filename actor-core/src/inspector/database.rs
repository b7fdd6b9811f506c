//! An actor's own SQLite database: its tables, their rows, and any statement.

use super::{Inspector, invalid};
use crate::{error::ActorError, id::ActorId, value::Value};

const NONE: Value = Value::Array(Vec::new());

/// A table or view of an actor's database.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Table {
    /// Its name.
    pub name: String,
    /// `table` or `view`.
    pub kind: String,
    /// What `pragma table_info` says of each column.
    pub columns: Vec<Value>,
    /// What `pragma foreign_key_list` says.
    pub foreign_keys: Vec<Value>,
    /// How many rows it has.
    pub rows: u64,
}

impl Inspector {
    /// Whether the actor has a database of its own: it migrates one when it starts, or has used one in
    /// this life.
    ///
    /// # Errors
    ///
    /// `actor.not_found`, or why the actor could not be reached.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing happens.
    pub async fn has_database(&self, id: ActorId) -> Result<bool, ActorError> {
        Ok(self.stay(id).await?.has_database())
    }

    /// The tables and views that the author made, by name.
    ///
    /// # Errors
    ///
    /// `actor.database_not_configured` when it [has](Self::has_database) none, what SQLite says, or why
    /// the actor could not be reached.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing happens.
    pub async fn tables(&self, id: ActorId) -> Result<Vec<Table>, ActorError> {
        let stay = self.stay(id).await?;
        let own = "select name, type from sqlite_schema where type in ('table', 'view') \
                   and name not like 'sqlite\\_%' escape '\\' order by name";
        let mut found = Vec::new();
        for row in stay.query(own, &NONE).await? {
            let name = text(&row, "name");
            let quoted = quoted(&name);
            let ask = format!("pragma table_info({quoted})");
            let columns = stay.query(&ask, &NONE).await?;
            let ask = format!("pragma foreign_key_list({quoted})");
            let foreign_keys = stay.query(&ask, &NONE).await?;
            let ask = format!("select count(*) as n from {quoted}");
            let count = stay.query(&ask, &NONE).await?;
            let count = count.first().and_then(|it| it.member("n")?.as_integer());
            found.push(Table {
                name,
                kind: text(&row, "type"),
                columns,
                foreign_keys,
                rows: count.and_then(|it| it.try_into().ok()).unwrap_or_default(),
            });
        }
        Ok(found)
    }

    /// Rows of a table or view as objects, in the order that SQLite has them: at most `limit`, from
    /// `offset` on.
    ///
    /// # Errors
    ///
    /// `actor.invalid_request` when there is no such table; otherwise as [`tables`](Self::tables).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing happens.
    pub async fn rows(
        &self,
        id: ActorId,
        table: &str,
        limit: u32,
        offset: u64,
    ) -> Result<Vec<Value>, ActorError> {
        let stay = self.stay(id).await?;
        let known = "select 1 from sqlite_schema where type in ('table', 'view') and name = ?";
        let named = Value::Array(vec![table.into()]);
        if stay.query(known, &named).await?.is_empty() {
            return Err(invalid(format!("there is no table `{table}`")));
        }
        let select = format!("select * from {} limit ? offset ?", quoted(table));
        let page = Value::Array(vec![limit.into(), offset.into()]);
        stay.query(&select, &page).await
    }

    /// Runs any statements, with the rows of the last that has some. A list of parameters fills `?` by
    /// position, an object `:name`.
    ///
    /// # Errors
    ///
    /// As [`tables`](Self::tables).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the statement that runs is undone; those before it stay.
    pub async fn execute(
        &self,
        id: ActorId,
        statements: &str,
        params: &Value,
    ) -> Result<Vec<Value>, ActorError> {
        self.stay(id).await?.query(statements, params).await
    }
}

/// A name as SQLite takes it, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn text(row: &Value, column: &str) -> String {
    let found = row.member(column).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}

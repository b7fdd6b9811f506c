//! One SQLite database for each actor, behind `ctx.sql()`: statements, transactions, migrations.
//!
//! [`Sql`] is the database, [`Transaction`] the same inside of a transaction. The guide's chapter
//! [SQL](crate::guide::sql) says what holds between statements and the actor's state.

mod database;
mod disk;
mod error;
mod file;
mod params;
mod pool;
mod row;
mod scalar;
mod statement;
mod transaction;
mod within;

use std::{
    fmt,
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::Duration,
};

use rusqlite::Connection;
use serde::{Serialize, de::DeserializeOwned};

pub(crate) use self::{database::Lease, pool::Pool, within::Within};
use self::{
    database::{Database, Waiting},
    statement::Call,
};
pub use self::{error::SqlError, transaction::Transaction};

/// Most bytes of the text of one call.
pub const MAX_STATEMENT: usize = 1 << 20;
/// Most parameters of one statement.
pub const MAX_PARAMS: usize = 32_766;
/// Most rows of one result.
pub const MAX_ROWS: usize = 100_000;
/// Most bytes of one result, and of one value in a database.
pub const MAX_RESULT: usize = 64 << 20;
/// Most transactions of one actor that wait.
pub const MAX_WAITING: usize = 128;
/// How long a transaction may take, unless told.
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);

/// An actor's own SQLite database. From `ctx.sql()`; clones are the same database.
///
/// Statements run one at a time, in the order they were asked for, on a thread for such work. Each is
/// durable when its future completes.
///
/// **Parameters** are anything that serializes: a tuple or list fills `?` by position, a struct or
/// map fills `:name`, `@name` and `$name`, `()` is none, and a single value is the one parameter.
/// Integers, floats, text and `null` are SQLite's own, booleans are 0 and 1, `Vec<u8>` and other bytes
/// are blobs, enums without content their names. In a call of several statements by position, each
/// takes as many as it has places for.
///
/// **Rows** are anything that deserializes: a struct by the names of the columns, a tuple by their
/// places, a single column as itself, [`Value`](crate::Value) as an object.
///
/// ```
/// use actor_core::{prelude::*, sql::{SqlError, Transaction}};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Deserialize, Serialize)]
/// pub struct Note { id: i64, text: String }
///
/// #[actor]
/// #[derive(Default)]
/// pub struct Notes;
///
/// #[actor]
/// impl Notes {
///     #[on_migrate] // before anything else at each start, in a transaction
///     async fn migrate(tx: &Transaction) -> Result<(), SqlError> {
///         tx.migrate(&["create table notes (id integer primary key, text text not null)"]).await
///     }
///
///     #[action]
///     async fn add(&self, ctx: &Ctx<Self>, text: String) -> Result<i64, SqlError> {
///         Ok(ctx.sql().execute("insert into notes (text) values (?)", (text,)).await?.last_row_id)
///     }
///
///     #[action]
///     async fn find(&self, ctx: &Ctx<Self>, word: String) -> Result<Vec<Note>, SqlError> {
///         let like = format!("%{word}%");
///         ctx.sql().query("select id, text from notes where text like ?", (like,)).await
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::builder().actor::<Notes>().build().await?;
/// let notes = registry.get_or_create::<Notes>("ann");
/// notes.add("buy milk".into()).await?;
/// assert_eq!(notes.find("milk".into()).await?[0].text, "buy milk");
/// # registry.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Sql {
    /// `None` when it was asked for after the end of the life.
    database: Option<Arc<Database>>,
    /// The transaction that all goes into, in an atomic turn.
    within: Option<Within>,
}

/// What statements did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Executed {
    /// How many rows were inserted, changed or deleted, by triggers and foreign keys too.
    pub changes: u64,
    /// The id of the row inserted last, in this call or before.
    pub last_row_id: i64,
}

impl Sql {
    /// Runs all statements in `sql`, each for itself: for all or nothing write `begin; ..; commit`, or
    /// use a [transaction](Self::transaction). The first that fails ends the call, and a transaction
    /// begun in it is rolled back.
    ///
    /// # Errors
    ///
    /// When SQLite refuses, or the life is over.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the statement that runs is interrupted and undone; those before
    /// it stay, and those after it do not run.
    pub async fn execute(&self, sql: &str, params: impl Serialize) -> Result<Executed, SqlError> {
        let call = Call::new(sql, &params)?;
        self.run(move |db, stop| statement::execute(db, stop, &call))
            .await
    }

    /// Runs all statements in `sql`; the rows of the last that has columns.
    ///
    /// # Errors
    ///
    /// When SQLite refuses, a row is not a `T`, there are more than [`MAX_ROWS`] or [`MAX_RESULT`]
    /// bytes of them, or the life is over.
    ///
    /// # Cancel safety
    ///
    /// As [`execute`](Self::execute).
    pub async fn query<T: DeserializeOwned + Send + 'static>(
        &self,
        sql: &str,
        params: impl Serialize,
    ) -> Result<Vec<T>, SqlError> {
        let call = Call::new(sql, &params)?;
        self.run(move |db, stop| statement::query(db, stop, &call, None))
            .await
    }

    /// The first row.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), and [`SqlError::NoRow`].
    ///
    /// # Cancel safety
    ///
    /// As [`execute`](Self::execute).
    pub async fn query_one<T: DeserializeOwned + Send + 'static>(
        &self,
        sql: &str,
        params: impl Serialize,
    ) -> Result<T, SqlError> {
        let found = self.query_optional(sql, params).await?;
        found.ok_or(SqlError::NoRow)
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    ///
    /// # Cancel safety
    ///
    /// As [`execute`](Self::execute).
    pub async fn query_optional<T: DeserializeOwned + Send + 'static>(
        &self,
        sql: &str,
        params: impl Serialize,
    ) -> Result<Option<T>, SqlError> {
        let call = Call::new(sql, &params)?;
        let found = self
            .run(move |db, stop| statement::query(db, stop, &call, Some(1)))
            .await?;
        Ok(found.into_iter().next())
    }

    /// Brings the schema up to date: runs those of `steps` that this database has not seen, in one
    /// transaction. `user_version` counts them, so steps are only ever added at the end.
    ///
    /// # Errors
    ///
    /// When a step fails, or the database is [newer](SqlError::NewerSchema) than the steps; it is
    /// as it was then.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, all of the steps are done or none.
    pub async fn migrate(&self, steps: &[&str]) -> Result<(), SqlError> {
        self.transaction(|tx| async move { tx.migrate(steps).await })
            .await
    }

    /// Runs `work` with the database to itself: others wait until it is over, in the order they came.
    /// Commits when it gives `Ok`; when it gives `Err`, panics or is dropped, nothing of it happened.
    ///
    /// Inside use the handle it is given. A statement on the `Sql` outside, or another transaction,
    /// waits for this one to end, and so for ever: after [`TRANSACTION_TIMEOUT`] the transaction
    /// expires, and all who wait are told.
    ///
    /// ```
    /// # use actor_core::sql::{Sql, SqlError};
    /// # async fn pay(sql: &Sql, from: i64, to: i64, sum: i64) -> Result<(), SqlError> {
    /// sql.transaction(|tx| async move {
    ///     tx.execute("update accounts set sum = sum - ? where id = ?", (sum, from)).await?;
    ///     tx.execute("update accounts set sum = sum + ? where id = ?", (sum, to)).await?;
    ///     Ok(())
    /// })
    /// .await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What `work` gives, or why the transaction could not begin, commit, or come to its end in time.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the transaction is rolled back, unless it was committing.
    pub async fn transaction<T, E, Fut>(
        &self,
        work: impl FnOnce(Transaction) -> Fut,
    ) -> Result<T, E>
    where
        E: From<SqlError>,
        Fut: Future<Output = Result<T, E>>,
    {
        self.transaction_within(TRANSACTION_TIMEOUT, work).await
    }

    /// A [transaction](Self::transaction) that may take as long as this, the wait for others not
    /// counted.
    ///
    /// # Errors
    ///
    /// As [`transaction`](Self::transaction).
    ///
    /// # Cancel safety
    ///
    /// As [`transaction`](Self::transaction).
    pub async fn transaction_within<T, E, Fut>(
        &self,
        within: Duration,
        work: impl FnOnce(Transaction) -> Fut,
    ) -> Result<T, E>
    where
        E: From<SqlError>,
        Fut: Future<Output = Result<T, E>>,
    {
        match &self.within {
            Some(turn) => Transaction::inside(turn.transaction().await?, within, work).await,
            None => Transaction::with(self.database()?, within, work).await,
        }
    }

    /// The same database, where all goes into the transaction of a turn.
    pub(crate) fn within(&self, turn: &Within) -> Self {
        Self {
            database: self.database.clone(),
            within: Some(turn.clone()),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &AtomicBool) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, SqlError> {
        if let Some(turn) = &self.within {
            return turn.transaction().await?.run(work).await;
        }
        let database = self.database()?;
        let turn = database.turn(Waiting::Statement).await?;
        let of = Arc::clone(database);
        let work = move |db: &Connection, stop: &AtomicBool| {
            let was_in_transaction = !db.is_autocommit();
            let done = work(db, stop);
            if !was_in_transaction && !db.is_autocommit() {
                of.left_in_transaction();
            }
            done
        };
        database.run(turn, work).await
    }

    fn database(&self) -> Result<&Arc<Database>, SqlError> {
        self.database.as_ref().ok_or(SqlError::Closed)
    }
}

impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sql").field(&self.database).finish()
    }
}

/// Where a life has its database from, once it asks for it.
#[derive(Debug, Default)]
pub(crate) struct Door {
    /// Whether this life creates the actor.
    pub(crate) is_new: bool,
    /// Set by whoever comes first: a handler, or the end of the life.
    database: OnceLock<Option<Arc<Database>>>,
}

impl Door {
    /// The life's database; made of `lease` if it was not asked for before.
    pub(crate) fn open(&self, pool: &Arc<Pool>, lease: impl FnOnce() -> Lease) -> Sql {
        let made = || Some(Database::new(pool, lease()));
        Sql {
            database: self.database.get_or_init(made).clone(),
            within: None,
        }
    }

    /// Whether this life has asked for it.
    pub(crate) fn is_used(&self) -> bool {
        matches!(self.database.get(), Some(Some(_)))
    }

    /// Ends it for this life, used or not.
    pub(crate) async fn close(&self) {
        if let Some(database) = self.database.get_or_init(|| None) {
            database.close().await;
        }
    }
}

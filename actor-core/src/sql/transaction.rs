//! A transaction: the database to itself, all or nothing, and not for ever.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use rusqlite::Connection;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{sync::Semaphore, time::timeout};

use super::{
    Executed, SqlError,
    database::{Database, Turn, Waiting},
    statement::{self, Call},
};

/// The database inside of a [transaction](super::Sql::transaction). Clones are the same transaction;
/// whoever keeps one longer is told that it is over.
#[derive(Clone)]
pub struct Transaction {
    inner: Arc<Inner>,
}

struct Inner {
    database: Arc<Database>,
    phase: Arc<Mutex<Phase>>,
    /// `None` once it is over, so that others go on.
    turn: Mutex<Option<Turn>>,
    /// One statement at a time, in the order they were asked for.
    line: Semaphore,
    within: Duration,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Open,
    Committed,
    RolledBack,
    Expired,
}

impl Transaction {
    /// Runs all statements in `sql`, as [`Sql::execute`](super::Sql::execute) does.
    ///
    /// # Errors
    ///
    /// When SQLite refuses, or the transaction is over.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the statement is interrupted; the transaction goes on, with or
    /// without what the statement did.
    pub async fn execute(&self, sql: &str, params: impl Serialize) -> Result<Executed, SqlError> {
        let call = Call::new(sql, &params)?;
        self.run(move |db, stop| statement::execute(db, stop, &call))
            .await
    }

    /// The rows of the last statement in `sql` that has columns, as [`Sql::query`](super::Sql::query).
    ///
    /// # Errors
    ///
    /// When SQLite refuses, a row is not a `T`, or the transaction is over.
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

    /// Brings the schema up to date, as [`Sql::migrate`](super::Sql::migrate) does.
    ///
    /// # Errors
    ///
    /// When a step fails, or the database is newer than the steps.
    ///
    /// # Cancel safety
    ///
    /// As [`execute`](Self::execute).
    pub async fn migrate(&self, steps: &[&str]) -> Result<(), SqlError> {
        let steps = statement::owned(steps);
        self.run(move |db, stop| statement::migrate(db, stop, &steps))
            .await
    }

    /// Begins one and runs `work` in it.
    pub(super) async fn with<T, E, Fut>(
        database: &Arc<Database>,
        within: Duration,
        work: impl FnOnce(Self) -> Fut,
    ) -> Result<T, E>
    where
        E: From<SqlError>,
        Fut: Future<Output = Result<T, E>>,
    {
        let open = Self::begin(database, within).await?;
        let Ok(done) = timeout(within, work(open.0.clone())).await else {
            open.0.give_up(Phase::Expired);
            return Err(SqlError::Expired { after: within }.into());
        };
        let ended = match &done {
            Ok(_) => open.0.finish(true).await,
            Err(_) => open.0.finish(false).await,
        };
        match (done, ended) {
            (Ok(_), Err(err)) => Err(err.into()),
            // Why it failed matters more than that it was over already.
            (done, _) => done,
        }
    }

    /// Runs `work` as a part of this transaction that can be undone alone.
    pub(super) async fn inside<T, E, Fut>(
        &self,
        within: Duration,
        work: impl FnOnce(Self) -> Fut,
    ) -> Result<T, E>
    where
        E: From<SqlError>,
        Fut: Future<Output = Result<T, E>>,
    {
        let mut part = Part {
            of: self,
            is_over: false,
        };
        self.execute("SAVEPOINT __part", ()).await?;
        let done = timeout(within, work(self.clone())).await;
        let ended = match &done {
            Ok(Ok(_)) => self.execute("RELEASE __part", ()).await,
            Ok(Err(_)) | Err(_) => {
                let undo = "ROLLBACK TO __part; RELEASE __part";
                self.execute(undo, ()).await
            }
        };
        part.is_over = ended.is_ok();
        match (done, ended) {
            (Ok(Ok(_)), Err(err)) => Err(err.into()),
            (Ok(done), _) => done,
            (Err(_), _) => Err(SqlError::Expired { after: within }.into()),
        }
    }

    pub(super) async fn begin(
        database: &Arc<Database>,
        within: Duration,
    ) -> Result<Open, SqlError> {
        let turn = database.turn(Waiting::Transaction).await?;
        // Given up should this be dropped while it begins.
        let open = Open(Self {
            inner: Arc::new(Inner {
                database: Arc::clone(database),
                phase: Arc::new(Mutex::new(Phase::Open)),
                turn: Mutex::new(Some(turn)),
                line: Semaphore::new(1),
                within,
            }),
        });
        let begin = Call::new("BEGIN IMMEDIATE", &())?;
        open.0
            .work(move |db, stop| statement::execute(db, stop, &begin))
            .await?;
        Ok(open)
    }

    /// Runs `work` in the transaction, if it still is one, and sees whether it is one after.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &AtomicBool) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, SqlError> {
        let (phase, within) = (Arc::clone(&self.inner.phase), self.inner.within);
        let done = self
            .work(move |db, stop| {
                over(*locked(&phase), within)?;
                let done = work(db, stop);
                if db.is_autocommit() {
                    // By a `ROLLBACK`, or a conflict that asks for one.
                    set(&phase, Phase::RolledBack);
                }
                done
            })
            .await;
        match done {
            // Why it was: the transaction may have expired meanwhile.
            Err(SqlError::Interrupted) => {
                over(*locked(&self.inner.phase), within)?;
                Err(SqlError::Interrupted)
            }
            done => done,
        }
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &AtomicBool) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, SqlError> {
        let inner = &*self.inner;
        // It is never closed.
        let _line = inner.line.acquire().await.ok();
        over(*locked(&inner.phase), inner.within)?;
        let turn = inner.turn().clone().ok_or(SqlError::Closed)?;
        inner.database.run(turn, work).await
    }

    /// Ends it well or not.
    pub(super) async fn finish(&self, keep: bool) -> Result<(), SqlError> {
        if keep {
            self.end("COMMIT", Phase::Committed).await
        } else {
            self.end("ROLLBACK", Phase::RolledBack).await
        }
    }

    async fn end(&self, how: &'static str, after: Phase) -> Result<(), SqlError> {
        let phase = Arc::clone(&self.inner.phase);
        let ended = self
            .run(move |db, _| {
                let done = db.execute_batch(how).map_err(SqlError::from);
                if done.is_ok() {
                    set(&phase, after);
                } else if !db.is_autocommit() {
                    // A commit that fails leaves it open, for more to be tried.
                    db.execute_batch("ROLLBACK")?;
                }
                done
            })
            .await;
        self.give_up(Phase::RolledBack);
        ended
    }

    /// Leaves the database to others. What is not committed by now is undone before they go on.
    fn give_up(&self, why: Phase) {
        let inner = &*self.inner;
        if set(&inner.phase, why) {
            inner.database.undo_first();
            if why == Phase::Expired {
                inner.database.refuse_waiting(inner.within);
            }
        }
        inner.turn().take();
    }
}

impl Inner {
    fn turn(&self) -> MutexGuard<'_, Option<Turn>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transaction under way, given up when this is dropped: its handler timed out or panicked.
pub(super) struct Open(pub(super) Transaction);

/// A part of a transaction under way, with which all is given up when this is dropped in the middle.
struct Part<'a> {
    of: &'a Transaction,
    is_over: bool,
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.of.give_up(Phase::RolledBack);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.give_up(Phase::RolledBack);
    }
}

fn locked(phase: &Mutex<Phase>) -> MutexGuard<'_, Phase> {
    phase.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends it, unless it is over already.
fn set(phase: &Mutex<Phase>, to: Phase) -> bool {
    let mut phase = locked(phase);
    let was_open = *phase == Phase::Open;
    if was_open {
        *phase = to;
    }
    was_open
}

fn over(phase: Phase, within: Duration) -> Result<(), SqlError> {
    match phase {
        Phase::Open => Ok(()),
        Phase::Committed => Err(SqlError::Over { how: "committed" }),
        Phase::RolledBack => Err(SqlError::Over { how: "rolled back" }),
        Phase::Expired => Err(SqlError::Expired { after: within }),
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("phase", &*locked(&self.inner.phase))
            .finish_non_exhaustive()
    }
}

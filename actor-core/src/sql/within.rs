//! The transaction of an atomic turn: begun by the first statement in it, ended with the turn.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::OnceCell;

use super::{
    Sql, SqlError, TRANSACTION_TIMEOUT,
    database::Database,
    transaction::{Open, Transaction},
};

/// What statements of an atomic turn run in.
#[derive(Clone)]
pub(crate) struct Within(Arc<Inner>);

struct Inner {
    /// `None` when it was asked for after the end of the life.
    database: Option<Arc<Database>>,
    open: OnceCell<Open>,
    is_over: AtomicBool,
}

impl Within {
    pub(crate) fn of(sql: &Sql) -> Self {
        Self(Arc::new(Inner {
            database: sql.database.clone(),
            open: OnceCell::new(),
            is_over: AtomicBool::new(false),
        }))
    }

    /// The transaction, which the first who asks begins.
    pub(super) async fn transaction(&self) -> Result<&Transaction, SqlError> {
        let Inner {
            database,
            open,
            is_over,
        } = &*self.0;
        let database = database.as_ref().ok_or(SqlError::Closed)?;
        let begin = || async {
            if is_over.load(Ordering::Acquire) {
                return Err(SqlError::Over { how: "ended" });
            }
            Transaction::begin(database, TRANSACTION_TIMEOUT).await
        };
        Ok(&open.get_or_try_init(begin).await?.0)
    }

    /// The turn is over: what it did is committed, or undone.
    pub(crate) async fn end(self, keep: bool) -> Result<(), SqlError> {
        self.0.is_over.store(true, Ordering::Release);
        match self.0.open.get() {
            Some(open) => open.0.finish(keep).await,
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Within")
            .field("is_open", &self.0.open.initialized())
            .finish_non_exhaustive()
    }
}

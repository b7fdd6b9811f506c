//! Reads the keys of an actor from storage, when the first call of a life comes with one.

use super::{
    row::{self, RowError},
    table::Table,
};
use crate::{
    error::ActorError,
    journal::Ledger,
    storage::{ScanRange, StorageError, keys},
};

/// Most keys that are read at once.
const PAGE: usize = 256;

/// The keys that storage has, without their answers.
///
/// # Errors
///
/// When storage fails, or has a key that a newer program wrote: what was answered is not known then, and
/// nothing may be run as if nobody had asked (S6).
pub(crate) async fn load(life: &dyn Ledger) -> Result<Table, ActorError> {
    if !life.is_stored() {
        return Ok(Table::default());
    }
    let (mut rows, mut next) = (Vec::new(), 1);
    let mut start = keys::IDEMPOTENCY_KEY.to_vec();
    loop {
        let range = ScanRange {
            start,
            end: keys::after_prefix(keys::IDEMPOTENCY_KEY),
            limit: PAGE,
            reverse: false,
        };
        let page = life.scan(range).await.map_err(|it| failed(&it))?;
        let is_last = page.len() < PAGE;
        start = page.last().map(|it| it.key.clone()).unwrap_or_default();
        start.push(0);
        for entry in page {
            let Some(number) = keys::read_idempotency_key(&entry.key) else {
                tracing::warn!(key = ?entry.key, "an idempotency key of an unknown kind");
                continue;
            };
            next = number + 1;
            match row::read_key(&entry.value) {
                Ok(it) => rows.push((number, it)),
                Err(error @ RowError::Newer { .. }) => return Err(unreadable(&error)),
                Err(error) => {
                    // The bytes stay as they are (S6).
                    tracing::error!(number, %error, "an idempotency key is unreadable");
                }
            }
        }
        if is_last {
            return Ok(Table::new(next, rows));
        }
    }
}

/// Storage did not give what was asked of it.
pub(crate) fn failed(error: &StorageError) -> ActorError {
    let text = format!("idempotency keys: {error}");
    ActorError::new("actor", "storage_failed", text)
}

/// A key has no answer, and a call with it can neither be answered nor run.
pub(crate) fn missing() -> ActorError {
    let text = "an idempotency key: its answer is not there";
    ActorError::new("protocol", "invalid_persisted_data", text)
}

/// A row is not what this program writes.
pub(crate) fn unreadable(error: &RowError) -> ActorError {
    let text = format!("an idempotency key: {error}");
    ActorError::new("protocol", "invalid_persisted_data", text)
}

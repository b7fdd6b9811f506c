//! The queues as somebody sees them who receives nothing: what there is, and away with all of it.

use std::sync::Arc;

use super::{
    desk::{Desk, Surroundings},
    error::QueueError,
    row, write,
};
use crate::clock::Timestamp;

/// A message of a queue, seen from outside: it may wait, or somebody may hold it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Queued {
    /// Its id.
    pub id: u64,
    /// The name of its queue.
    pub queue: Arc<str>,
    /// When it was sent.
    pub sent: Timestamp,
}

impl Desk {
    /// How many messages there are.
    pub(crate) fn count(&self) -> usize {
        self.with(|table| table.len()).unwrap_or(0)
    }

    /// The first messages, at most `most`.
    pub(crate) fn list(&self, most: usize) -> Vec<Queued> {
        let first = self.with(|table| {
            let first = table.all().take(most);
            let seen = first.filter_map(|(id, message)| {
                let sent = row::sent(&message.body).ok()?;
                let queue = Arc::clone(&message.queue);
                Some(Queued { id, queue, sent })
            });
            seen.collect()
        });
        first.unwrap_or_default()
    }

    /// Drops every message, also those that somebody holds, and answers how many there were. Who waits
    /// for the completion of one waits no more.
    pub(crate) fn clear(&self, life: &dyn Surroundings) -> Result<usize, QueueError> {
        let cleared = self.with(|table| {
            let ids: Vec<_> = table.all().map(|(id, _)| id).collect();
            life.write(ids.iter().flat_map(|id| write::delete(*id)).collect())?;
            for id in &ids {
                table.take(*id);
                life.lost(*id);
            }
            Ok(ids.len())
        });
        cleared.unwrap_or(Ok(0))
    }
}

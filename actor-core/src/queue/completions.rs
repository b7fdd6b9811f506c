//! Who waits for which message to be completed. Outside of any life, so that the actor may sleep, or
//! break, and complete the message in a later one.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::value::Value;

/// Those who wait. Few actors have any.
#[derive(Debug, Default)]
pub(crate) struct Completions {
    waiting: Mutex<Option<Box<Waiting>>>,
}

type Waiting = BTreeMap<u64, oneshot::Sender<Value>>;

impl Completions {
    /// Somebody waits for this message, which nobody can have received yet. There are as many at most
    /// as there are messages.
    pub(crate) fn expect(&self, id: u64, to: oneshot::Sender<Value>) {
        self.waiting().get_or_insert_default().insert(id, to);
    }

    pub(crate) fn is_awaited(&self, id: u64) -> bool {
        let waiting = self.waiting();
        waiting.as_ref().is_some_and(|it| it.contains_key(&id))
    }

    /// The message is completed, and that is durable.
    pub(crate) fn complete(&self, id: u64, response: Value) {
        if let Some(to) = self.take(id) {
            // Whoever waited may have lost patience.
            let _ = to.send(response);
        }
    }

    /// The message will never be completed.
    pub(crate) fn forget(&self, id: u64) {
        drop(self.take(id));
    }

    /// No message ever will be.
    pub(crate) fn forget_all(&self) {
        drop(self.waiting().take());
    }

    fn take(&self, id: u64) -> Option<oneshot::Sender<Value>> {
        let mut waiting = self.waiting();
        let found = waiting.as_mut()?.remove(&id);
        if waiting.as_ref().is_some_and(|it| it.is_empty()) {
            *waiting = None;
        }
        found
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Box<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

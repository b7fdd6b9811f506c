//! What few calls through a handle have: the connection that calls, and an idempotency key.

use std::sync::Arc;

use super::handle::{ActorHandle, Handled};
use crate::{
    actor::Actor,
    cell::{KeyedCall, Msg, PeerCall, Waits},
    id::ConnId,
};

/// Absent from most handles.
#[derive(Clone, Default)]
pub(super) struct Caller {
    conn: Option<Arc<ConnId>>,
    key: Option<Arc<str>>,
}

impl Caller {
    pub(super) fn connection(conn: ConnId) -> Self {
        Self {
            conn: Some(Arc::new(conn)),
            key: None,
        }
    }
}

impl<A: Actor> ActorHandle<A> {
    /// The same handle, whose calls have an idempotency key: of those with one key the first runs, and the
    /// others are answered what that one was, without running, also after a sleep, a crash or a restart. So
    /// a caller who did not hear the answer asks again with the same key.
    ///
    /// ```
    /// use actor_core::prelude::*;
    ///
    /// #[actor]
    /// #[derive(Default)]
    /// pub struct Account { cents: i64 }
    ///
    /// #[actor]
    /// impl Account {
    ///     #[action]
    ///     async fn charge(&mut self, cents: i64) -> i64 {
    ///         self.cents -= cents;
    ///         self.cents
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let registry = Registry::builder().actor::<Account>().build().await?;
    /// let account = registry.get_or_create::<Account>("ann");
    /// assert_eq!(account.idempotency_key("order-17").charge(5).await?, -5);
    /// assert_eq!(account.idempotency_key("order-17").charge(5).await?, -5);
    /// assert_eq!(account.idempotency_key("order-18").charge(5).await?, -10);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A key counts for one actor and one of its actions, for the
    /// [`idempotency_window`](crate::ActorOptions::idempotency_window), 24 hours unless given. An error that
    /// the action answered comes again too, as a [`CallError::Actor`](crate::CallError::Actor) that says the
    /// same. What holds, and what is not kept, says the
    /// [guide](crate::guide::durability#once-however-often-it-is-asked-for).
    ///
    /// Calls of this handle fail with `idempotency.invalid_key` when the key is empty or has more than 255
    /// bytes, with `idempotency.in_progress` when they come to run beside the first call with the key, and
    /// with `idempotency.key_reused` when that one had other arguments.
    ///
    /// An action that is called `idempotency_key` has this name on the actor's handle; then write
    /// `ActorHandle::idempotency_key(&handle, ..)`.
    #[must_use]
    pub fn idempotency_key(&self, key: impl Into<Arc<str>>) -> A::Handle
    where
        A: Handled,
    {
        let mut caller = self.caller.as_deref().cloned().unwrap_or_default();
        caller.key = Some(key.into());
        let handle = Self {
            slot: self.slot.clone(),
            way: Arc::clone(&self.way),
            caller: Some(Arc::new(caller)),
        };
        handle.into()
    }

    /// A call that no handler makes.
    pub(super) fn message(&self, call: A::Call) -> Msg<A> {
        match self.key() {
            Some(key) => self.keyed(call, None, key),
            None => Msg::Call(call, self.conn().cloned()),
        }
    }

    /// A call of a handler that waits for it.
    pub(super) fn peer_message(&self, call: A::Call, waits: Waits) -> Msg<A> {
        if let Some(key) = self.key() {
            return self.keyed(call, Some(waits), key);
        }
        let conn = self.conn().cloned();
        Msg::Peer(Box::new(PeerCall { call, conn, waits }))
    }

    fn keyed(&self, call: A::Call, waits: Option<Waits>, key: &Arc<str>) -> Msg<A> {
        Msg::Keyed(Box::new(KeyedCall {
            call,
            conn: self.conn().cloned(),
            waits,
            key: Arc::clone(key),
        }))
    }

    pub(super) fn conn(&self) -> Option<&Arc<ConnId>> {
        self.caller.as_ref()?.conn.as_ref()
    }

    fn key(&self) -> Option<&Arc<str>> {
        self.caller.as_ref()?.key.as_ref()
    }
}

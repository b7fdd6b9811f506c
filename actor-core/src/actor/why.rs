//! Asking a life what keeps it awake, from within.

use tokio::time::Instant;

use super::{ActorType, ctx::Ctx, hub::Hub};
use crate::lifecycle::{Blocker, WorkKind};

impl<A: ActorType> Ctx<A> {
    /// What keeps the actor awake now, the handler that asks included. Empty when nothing does: then it
    /// sleeps once it was left alone for [`sleep_after`](crate::ActorOptions::sleep_after). While it
    /// stops, what the stop waits for.
    ///
    /// From outside it is
    /// [`ActorRef::why_awake`](crate::gateway::ActorRef::why_awake).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing happens.
    pub async fn why_awake(&self) -> Vec<Blocker> {
        self.hub.doorbell.why_awake().await.unwrap_or_default()
    }
}

impl<A: ActorType> Hub<A> {
    /// Adds the work of which `counts` says yes to `all`, as far as it is not the cell that counts it.
    pub(crate) fn list_work(
        &self,
        now: Instant,
        counts: impl Fn(WorkKind) -> bool,
        all: &mut Vec<Blocker>,
    ) {
        if let Some(background) = self.background.get() {
            background.list(now, counts, all);
        }
    }
}

//! Connections from inside the process: typed events, no encoding.

use std::{
    fmt,
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::Stream;
use tokio::sync::{mpsc, oneshot};

use super::handle::{ActorHandle, Handled};
use crate::{
    actor::{Listener, LocalQueue, Transport, aborted},
    cell::{AnySlot as _, Claim, Msg, OpenDone, Opening, Slot, waits_for},
    error::ActorError,
    id::ConnId,
};

/// Events that may wait for a connection in this process; one more closes it.
const BACKLOG: usize = 1024;

/// A connection to an actor in this process: a stream of its events, and a handle whose calls carry
/// it. Like a client's socket it outlives the actor's sleeps. Dropping it disconnects.
///
/// ```
/// use actor_core::prelude::*;
///
/// #[actor(event = Tick)]
/// #[derive(Default)]
/// pub struct Bell { rings: u32 }
///
/// #[derive(Event)]
/// pub enum Tick { Rang(u32) }
///
/// #[actor]
/// impl Bell {
///     #[action]
///     async fn ring(&mut self, ctx: &Ctx<Self>) {
///         self.rings += 1;
///         ctx.broadcast(Tick::Rang(self.rings));
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::builder().actor::<Bell>().build().await?;
/// let mut bell = registry.get_or_create::<Bell>("front door").connect(Value::Undefined).await?;
/// bell.ring().await?;
/// assert!(matches!(bell.next().await.as_deref(), Some(Tick::Rang(1))));
/// # Ok(())
/// # }
/// ```
pub struct Connection<A: Handled> {
    handle: A::Handle,
    slot: Arc<Slot<A>>,
    id: ConnId,
    events: mpsc::Receiver<Arc<A::Event>>,
}

impl<A: Handled> Connection<A> {
    pub(super) async fn open(
        handle: &ActorHandle<A>,
        params: A::Params,
    ) -> Result<Self, ActorError> {
        let slot = handle.slot().await?;
        let waits = waits_for(&slot.about).await?;
        let id = ConnId::new(&*slot.host.entropy);
        let (sender, events) = mpsc::channel(BACKLOG);
        let (to, opened) = oneshot::channel();
        let opening = Opening {
            id,
            params,
            transport: Transport::Local,
            listener: Listener::Local(Arc::new(LocalQueue::new(sender))),
            request: None,
            done: OpenDone::Tell(to),
            claim: Claim::default(),
            waits,
        };
        slot.send(Msg::Open(Box::new(opening)))
            .map_err(|it| slot.refusal(&it))?;
        // Made before the wait, so that being dropped during it disconnects.
        let handle = handle.of_connection(&slot, id).into();
        let connection = Self {
            handle,
            slot,
            id,
            events,
        };
        opened.await.unwrap_or_else(|_| Err(aborted()))?;
        Ok(connection)
    }

    /// The connection's id.
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// The next event, waiting for it. `None` once the actor has closed the connection, was
    /// destroyed, or 1,024 events waited and one more came.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, no event is lost.
    pub async fn next(&mut self) -> Option<Arc<A::Event>> {
        self.events.recv().await
    }

    /// The next event, if one waits.
    pub fn try_next(&mut self) -> Option<Arc<A::Event>> {
        self.events.try_recv().ok()
    }
}

impl<A: Handled> Deref for Connection<A> {
    type Target = A::Handle;

    fn deref(&self) -> &A::Handle {
        &self.handle
    }
}

impl<A: Handled> Stream for Connection<A> {
    type Item = Arc<A::Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_recv(cx)
    }
}

impl<A: Handled> Unpin for Connection<A> {}

impl<A: Handled> Drop for Connection<A> {
    fn drop(&mut self) {
        self.events.close();
        Arc::clone(&self.slot).close(self.id, None);
    }
}

impl<A: Handled> fmt::Debug for Connection<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

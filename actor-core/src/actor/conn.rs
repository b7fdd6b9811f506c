//! One connection as an author sees it: who it is, what is remembered of it, how to reach it.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::Serialize;
use tokio::sync::mpsc;

use super::{
    ActorType, Event,
    broadcast::{arguments, named_arguments},
    hub::{Hub, Origin, Output},
    socket::Socket,
};
use crate::{
    connection::{CloseFrame, Outbox},
    id::{ConnId, MessageIndex},
    protocol,
    request::Exchange,
    value::Value,
};

/// A client's connection, from just before `on_connect` until `on_disconnect` has returned.
///
/// The connection outlives sleeps: id, params, state and subscriptions are the same after a wake (P4).
/// A `Conn` does not: one kept past the actor's sleep speaks to nobody, so keep ids and look them up
/// with [`Ctx::conn_by_id`](super::Ctx::conn_by_id). Cloning is cheap.
pub struct Conn<A: ActorType> {
    pub(super) inner: Arc<Inner<A>>,
    pub(super) hub: Arc<Hub<A>>,
    pub(super) origin: Origin,
}

/// What there is of a connection; the table holds it, [`Conn`] lends it out.
pub(crate) struct Inner<A: ActorType> {
    pub(crate) id: ConnId,
    pub(crate) params: A::Params,
    pub(crate) transport: Transport,
    pub(crate) listener: Listener<A>,
    pub(crate) request: Option<Arc<http::request::Parts>>,
    /// Where it stands among the actor's connections, oldest first.
    pub(crate) seat: u64,
    pub(super) state: Mutex<A::ConnState>,
    /// Whether `on_websocket` is over, and so `on_close` is to run.
    has_opened: AtomicBool,
    taken: Mutex<Taken>,
    /// The groups that it is in, which few connections are.
    tags: Mutex<Option<Box<Tags>>>,
}

/// The groups that a connection is in.
pub(crate) type Tags = BTreeSet<Arc<str>>;

/// The messages of a connection that took effect, as far as they may come again. Their numbers are
/// stored in one commit with what they did (P3).
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) numbers: BTreeSet<u64>,
    /// Whether storage has some.
    pub(crate) is_stored: bool,
}

impl<A: ActorType> Inner<A> {
    pub(crate) fn new(
        id: ConnId,
        params: A::Params,
        state: A::ConnState,
        transport: Transport,
        listener: Listener<A>,
    ) -> Self {
        Self {
            id,
            params,
            transport,
            listener,
            request: None,
            seat: 0,
            state: Mutex::new(state),
            has_opened: AtomicBool::new(false),
            taken: Mutex::default(),
            tags: Mutex::default(),
        }
    }

    /// The groups that it is in. Changed by the table only, which knows who is in each.
    pub(crate) fn tags(&self) -> MutexGuard<'_, Option<Box<Tags>>> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is a raw WebSocket whose `on_websocket` is over.
    pub(crate) fn has_opened(&self) -> bool {
        self.has_opened.load(Ordering::Relaxed)
    }

    pub(crate) fn set_opened(&self) {
        self.has_opened.store(true, Ordering::Relaxed);
    }

    pub(crate) fn lock_state(&self) -> MutexGuard<'_, A::ConnState> {
        // A closure that panicked may have left the state half-changed. In an exclusive turn the cell
        // then reloads it; elsewhere it stays as the closure left it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a client is connected, and so whether the connection outlives a sleep (C5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Transport {
    /// A `/connect` socket: always hibernatable.
    Socket,
    /// One HTTP call: gone with its answer (C4).
    Http,
    /// One raw HTTP request: gone once its response has been sent (C4).
    Request,
    /// A connection from inside the process: hibernatable too.
    Local,
    /// A raw WebSocket.
    Raw { hibernatable: bool },
}

impl Transport {
    pub(crate) fn is_hibernatable(self) -> bool {
        match self {
            Self::Socket | Self::Local => true,
            Self::Raw { hibernatable } => hibernatable,
            Self::Http | Self::Request => false,
        }
    }

    /// Whether the connection outlives a life that broke, and so has a row.
    pub(crate) fn is_stored(self) -> bool {
        !matches!(self, Self::Http | Self::Request)
    }

    /// Whether the connection keeps its actor awake, and goes when that sleeps all the same (B1).
    pub(crate) fn keeps_awake(self) -> bool {
        matches!(
            self,
            Self::Raw {
                hibernatable: false
            }
        )
    }

    pub(crate) fn is_raw(self) -> bool {
        matches!(self, Self::Raw { .. })
    }
}

/// Who hears a connection's events.
pub(crate) enum Listener<A: ActorType> {
    Wire(Arc<Outbox>),
    Local(Arc<LocalQueue<A>>),
    /// Hears no events, and is there until its response has been sent.
    Request(Arc<Exchange>),
    /// A raw WebSocket, which hears no events.
    Raw(Arc<Outbox>),
    Nobody,
}

impl<A: ActorType> Clone for Listener<A> {
    fn clone(&self) -> Self {
        match self {
            Self::Wire(outbox) => Self::Wire(Arc::clone(outbox)),
            Self::Local(queue) => Self::Local(Arc::clone(queue)),
            Self::Request(exchange) => Self::Request(Arc::clone(exchange)),
            Self::Raw(outbox) => Self::Raw(Arc::clone(outbox)),
            Self::Nobody => Self::Nobody,
        }
    }
}

impl<A: ActorType> Listener<A> {
    /// What carries a socket's frames, if it is one.
    pub(crate) fn outbox(&self) -> Option<&Arc<Outbox>> {
        match self {
            Self::Wire(outbox) | Self::Raw(outbox) => Some(outbox),
            Self::Local(_) | Self::Request(_) | Self::Nobody => None,
        }
    }

    pub(crate) fn close(&self, frame: CloseFrame) {
        match self {
            Self::Wire(outbox) | Self::Raw(outbox) => outbox.close(frame),
            Self::Local(queue) => queue.close(),
            Self::Request(exchange) => exchange.cut(),
            Self::Nobody => {}
        }
    }
}

/// Typed events on their way to a listener in this process. A listener that does not read loses the
/// queue, not the actor (P6).
pub(crate) struct LocalQueue<A: ActorType> {
    sender: Mutex<Option<mpsc::Sender<Arc<A::Event>>>>,
}

impl<A: ActorType> LocalQueue<A> {
    pub(crate) fn new(sender: mpsc::Sender<Arc<A::Event>>) -> Self {
        Self {
            sender: Mutex::new(Some(sender)),
        }
    }

    pub(crate) fn push(&self, event: Arc<A::Event>) {
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if sender
            .as_ref()
            .is_some_and(|it| it.try_send(event).is_err())
        {
            *sender = None;
        }
    }

    /// Whether somebody may still read.
    pub(crate) fn is_open(&self) -> bool {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        sender.as_ref().is_some_and(|it| !it.is_closed())
    }

    pub(crate) fn close(&self) {
        *self.sender.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl<A: ActorType> Conn<A> {
    /// The connection's id, the same through every sleep.
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.inner.id
    }

    /// What the client said about itself when it connected. Never changes (C1).
    #[must_use]
    pub fn params(&self) -> &A::Params {
        &self.inner.params
    }

    /// Reads what the actor remembers of this connection.
    ///
    /// # Panics
    ///
    /// When called inside another [`read`](Self::read) or [`write`](Self::write) of the same
    /// connection, or deadlocks.
    pub fn read<T>(&self, read: impl FnOnce(&A::ConnState) -> T) -> T {
        if let Some(state) = self.atomic_state(false) {
            return read(&state.lock().unwrap_or_else(PoisonError::into_inner));
        }
        read(&self.inner.lock_state())
    }

    /// Changes what the actor remembers of this connection. It is saved with the actor's next
    /// commit, in the same batch as the state (P3).
    ///
    /// # Panics
    ///
    /// When called inside another [`read`](Self::read) or [`write`](Self::write) of the same
    /// connection, or deadlocks. In an atomic action when the state does not serialize, or cannot be
    /// read back: it is copied then.
    pub fn write<T>(&self, write: impl FnOnce(&mut A::ConnState) -> T) -> T {
        if let Some(state) = self.atomic_state(true) {
            return write(&mut state.lock().unwrap_or_else(PoisonError::into_inner));
        }
        let out = write(&mut self.inner.lock_state());
        if self.inner.transport.is_stored() {
            self.hub.seen_of_table().mark_dirty(self.inner.id);
            self.hub.note_write();
            self.hub.touch(self.origin);
        }
        out
    }

    /// Whether the connection outlives a sleep: sockets and connections from inside the process do,
    /// single HTTP calls and raw requests do not, and raw WebSockets do if
    /// [`hibernate_websockets`](crate::ActorOptions::hibernate_websockets) says so.
    #[must_use]
    pub fn is_hibernatable(&self) -> bool {
        self.inner.transport.is_hibernatable()
    }

    /// The request that opened the connection, with what the app's layers put into its extensions.
    /// `None` for connections from inside the process, and after the actor has slept; raw WebSockets
    /// keep it, without its extensions.
    #[must_use]
    pub fn request(&self) -> Option<&http::request::Parts> {
        self.inner.request.as_deref()
    }

    /// This connection's raw WebSocket, `None` for connections of any other kind.
    #[must_use]
    pub fn socket(&self) -> Option<Socket<A>> {
        (self.inner.transport.is_raw() && self.inner.has_opened())
            .then(|| Socket::new(self.clone(), MessageIndex::default()))
    }

    /// Sends an event to this connection, whether it subscribed to it or not (C6). A raw WebSocket
    /// hears no events.
    pub fn send(&self, event: A::Event) {
        match &self.inner.listener {
            Listener::Wire(outbox) => self.send_frame(outbox, event.name(), arguments(&event)),
            Listener::Local(queue) => self.hub.emit(
                self.origin,
                Output::Event {
                    wire: Vec::new(),
                    local: vec![Arc::clone(queue)],
                    event: Some(Arc::new(event)),
                },
            ),
            Listener::Request(_) | Listener::Raw(_) | Listener::Nobody => {}
        }
    }

    /// Sends an event by name. `args` is a tuple with one element for each argument of the client's
    /// listener. Connections from inside the process hear typed events only.
    pub fn send_named(&self, name: &str, args: impl Serialize) {
        if let Listener::Wire(outbox) = &self.inner.listener {
            self.send_frame(outbox, name, named_arguments(name, &args));
        }
    }

    /// Closes the connection: its socket with code 1000 and `reason`, once everything sent before is
    /// delivered. It leaves the list at the end of the turn, then `on_disconnect` runs (C7).
    pub fn disconnect(&self, reason: impl Into<String>) {
        let close = CloseFrame::new(1000, reason);
        self.hub.emit(
            self.origin,
            Output::Disconnect {
                conn: self.inner.id,
                close,
            },
        );
    }

    /// What an atomic turn remembers of this connection, if it has written that or is about to.
    fn atomic_state(&self, write: bool) -> Option<Arc<Mutex<A::ConnState>>> {
        let atomic = self.hub.atomic(self.origin)?;
        match atomic.conn_state(&self.inner, write) {
            Ok(state) => state,
            // It cannot be stored either.
            Err(error) => panic!("the state of a connection does not serialize: {error}"),
        }
    }

    fn send_frame(&self, outbox: &Arc<Outbox>, name: &str, args: Option<Value>) {
        let Some(args) = args else {
            return self.hub.cut_off(self.origin, vec![Arc::clone(outbox)]);
        };
        let frame = protocol::encode_event(outbox.encoding(), name, &args);
        let wire = vec![(Arc::clone(outbox), frame)];
        self.hub.emit(
            self.origin,
            Output::Event {
                wire,
                local: Vec::new(),
                event: None,
            },
        );
    }
}

impl<A: ActorType> Clone for Conn<A> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            hub: Arc::clone(&self.hub),
            origin: self.origin,
        }
    }
}

impl<A: ActorType> fmt::Debug for Conn<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conn")
            .field("id", &self.inner.id)
            .finish_non_exhaustive()
    }
}

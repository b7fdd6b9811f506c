//! What a handler that borrows the state is given beside it: doors to the rooms, no logic.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::Serialize;

use super::{
    ActorType,
    conn::{Conn, Inner},
    hub::{Hub, Origin, Output, Turn},
    socket::Socket,
};
use crate::{
    clock::Timestamp,
    error::ActorError,
    id::{ActorId, ConnId, Generation},
    key::ActorKey,
    kv::Kv,
    schedule::ScheduledRun,
};

/// The surroundings of one turn: who calls, who listens, which actor this is.
///
/// Outputs of a `&mut self` handler (events, disconnects, `sleep`) count only if it returns; when it
/// panics or times out they never happened. Those of an
/// [atomic action](crate::guide::durability#all-or-nothing) count only if it returns no error either.
pub struct Ctx<A: ActorType> {
    pub(crate) hub: Arc<Hub<A>>,
    pub(crate) caller: Option<Arc<Inner<A>>>,
    pub(crate) request: Option<Arc<http::request::Parts>>,
    pub(crate) scheduled: Option<Arc<ScheduledRun>>,
    pub(crate) origin: Origin,
    /// Whether its handler holds a message of a queue that it has not completed.
    pub(crate) holds_message: AtomicBool,
}

impl<A: ActorType> Ctx<A> {
    /// Whether it is that of any other call through a handle. All fields are named, so that a new one
    /// is thought of here.
    pub(crate) fn is_plain(&self) -> bool {
        let Self {
            hub: _,
            caller,
            request,
            scheduled,
            origin,
            holds_message,
        } = self;
        caller.is_none()
            && request.is_none()
            && scheduled.is_none()
            && *origin == Origin::Turn
            && !holds_message.load(Ordering::Relaxed)
    }

    /// This actor's id.
    #[must_use]
    pub fn id(&self) -> ActorId {
        self.hub.about.id
    }

    /// This actor's key.
    #[must_use]
    pub fn key(&self) -> &ActorKey {
        &self.hub.about.address.key
    }

    /// This actor's type, as clients call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.hub.about.address.name
    }

    /// Which life of the actor this is (K6).
    #[must_use]
    pub fn generation(&self) -> Generation {
        Generation::from_number(self.hub.about.generation())
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.hub.clock.now()
    }

    /// 128 random bits, from the registry's own source: tests decide what they are.
    #[must_use]
    pub fn random(&self) -> u128 {
        self.hub.entropy.random()
    }

    /// The connection that called, `None` for a call through a handle.
    #[must_use]
    pub fn conn(&self) -> Option<Conn<A>> {
        self.caller
            .as_ref()
            .map(|it| self.hub.lend(it, self.origin))
    }

    /// The connection that called.
    ///
    /// # Errors
    ///
    /// `actor.no_connection` for a call through a handle, which belongs to no connection.
    pub fn require_conn(&self) -> Result<Conn<A>, ActorError> {
        self.conn().ok_or_else(|| {
            ActorError::new("actor", "no_connection", "this action needs a connection")
        })
    }

    /// The request behind this turn, with what the app's layers put into its extensions: in
    /// `on_before_connect`, in `on_connect`, and in actions called by a single HTTP request.
    #[must_use]
    pub fn request(&self) -> Option<&http::request::Parts> {
        self.request.as_deref()
    }

    /// Every connection listed now, oldest first (C2).
    #[must_use]
    pub fn conns(&self) -> Vec<Conn<A>> {
        self.hub.conns(self.origin)
    }

    /// Every raw WebSocket that is open now, oldest first: those of connections that are listed and
    /// whose `on_websocket` is over.
    #[must_use]
    pub fn sockets(&self) -> Vec<Socket<A>> {
        let conns = self.conns();
        conns.iter().filter_map(Conn::socket).collect()
    }

    /// The connection with this id, if it is listed.
    #[must_use]
    pub fn conn_by_id(&self, id: ConnId) -> Option<Conn<A>> {
        self.hub.conn(id, self.origin)
    }

    /// Sends an event to every connection that subscribed to it (C6), and to every connection from
    /// inside the process.
    pub fn broadcast(&self, event: A::Event) {
        self.hub.broadcast(self.origin, event);
    }

    /// Sends an event by name. `args` is a tuple with one element for each argument of the clients'
    /// listeners. Connections from inside the process hear typed events only.
    pub fn broadcast_named(&self, name: &str, args: impl Serialize) {
        self.hub.broadcast_named(self.origin, name, &args);
    }

    /// The actor's own keys and values.
    #[must_use]
    pub fn kv(&self) -> Kv<'_> {
        Kv::new(self)
    }

    /// Changes the state in a turn of its own, after what runs now. Nobody waits for it: use
    /// [`TaskCtx::write`](super::TaskCtx::write) where that is possible.
    ///
    /// # Errors
    ///
    /// `actor.state_mutation_reentrant` in `on_state_change`, which would be called for it again (S8).
    /// `actor.overloaded` when as many turns wait already as may wait in the
    /// [mailbox](crate::ActorOptions::mailbox), `actor.stopping` when this life is over.
    pub fn write_later(
        &self,
        write: impl FnOnce(&mut A) + Send + 'static,
    ) -> Result<(), ActorError> {
        if self.origin == Origin::StateChange {
            let text = "`on_state_change` cannot change the state that it is told of";
            return Err(ActorError::new("actor", "state_mutation_reentrant", text));
        }
        if self.hub.is_closed() {
            let text = "this life of the actor is over";
            return Err(ActorError::new("actor", "stopping", text));
        }
        let turn = Turn::Write(Box::new(|state: &mut A| {
            write(state);
            true
        }));
        let is_let_in = match self.hub.atomic(self.origin) {
            Some(atomic) => atomic.turn(turn, self.hub.options.mailbox),
            None => self.hub.turn_if_room(turn),
        };
        if is_let_in {
            Ok(())
        } else {
            let text = "too many turns wait for the state already";
            Err(ActorError::new("actor", "overloaded", text))
        }
    }

    /// Has the state saved within `max`, if [`save_interval`](crate::ActorOptions::save_interval)
    /// would leave it for longer (S1). Under [`Durability::Acked`](crate::Durability::Acked) it is
    /// saved at once anyway.
    pub fn save_within(&self, max: Duration) {
        self.hub.emit(self.origin, Output::SaveWithin(max));
    }

    /// The actor's own SQLite database, opened by the first statement.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn sql(&self) -> crate::sql::Sql {
        let sql = self.hub.sql();
        match self.hub.atomic(self.origin) {
            Some(atomic) => atomic.within(&sql),
            None => sql,
        }
    }

    /// Asks to sleep as soon as what runs now is over, whatever else would keep the actor awake.
    /// Sockets stay open. Asking twice is asking once (G8).
    pub fn sleep(&self) {
        self.hub.emit(self.origin, Output::Sleep);
    }

    /// Asks to be destroyed as soon as what runs now is over: every connection is closed,
    /// `on_destroy` runs, all data goes, and the key is free again.
    pub fn destroy(&self) {
        self.hub.emit(self.origin, Output::Destroy);
    }
}

impl<A: ActorType> fmt::Debug for Ctx<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctx")
            .field("actor", &self.hub.about.address)
            .finish_non_exhaustive()
    }
}

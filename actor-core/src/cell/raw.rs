//! Raw WebSockets: their hooks, their messages, and what becomes of them when the actor stops. That
//! they are connections too is for `connect`.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::oneshot;

use super::{
    job::{Job, Opening, Then, lend},
    live::Cell,
    mailbox::{Incoming, Msg},
    tunnel::is_taken,
};
use crate::{
    actor::{Actor, Hook, Inner, Listener, Receiver, Reply, Socket},
    connection::CloseFrame,
    error::ActorError,
    id::{ConnId, MessageIndex},
    lifecycle::WorkKind,
};

/// Names of the hooks, as the table of handlers has them.
const OPEN: &str = "on_websocket";
const MESSAGE: &str = "on_message";
const CLOSE: &str = "on_close";

/// Whether an actor takes raw WebSockets at all.
pub(super) fn takes_sockets<A: Actor>() -> bool {
    receiver_of::<A>(OPEN).is_some() || receiver_of_messages::<A>().is_some()
}

/// What `on_message` borrows, if there is one.
pub(super) fn receiver_of_messages<A: Actor>() -> Option<Receiver> {
    receiver_of::<A>(MESSAGE)
}

fn receiver_of<A: Actor>(hook: &str) -> Option<Receiver> {
    let hooks = &A::HANDLERS[A::ACTIONS + A::SCHEDULED..];
    hooks
        .iter()
        .find(|it| it.name == hook)
        .map(|it| it.receiver)
}

impl<A: Actor> Cell<A> {
    /// A raw socket whose connection is open: `on_websocket`, if there is one. Messages wait until it
    /// is over.
    pub(super) fn open_socket(&mut self, opening: Opening<A>, conn: &Arc<Inner<A>>) {
        if conn.transport.keeps_awake() {
            self.machine.work.begin(WorkKind::Socket);
        }
        let (to, answer) = oneshot::channel();
        let socket = self.lend_socket(conn, OPEN, MessageIndex::default());
        match A::hook(Hook::WebSocket(socket, Reply::caller(to))) {
            Some(call) => {
                let then = Then::SocketOpened(Box::new(opening), Arc::clone(conn), answer);
                self.jobs.push_back(socket_job(call, then, conn));
            }
            None => self.socket_opened(opening, conn, Ok(())),
        }
    }

    /// `on_websocket` is over, or there is none.
    pub(super) fn socket_opened(
        &mut self,
        opening: Opening<A>,
        conn: &Arc<Inner<A>>,
        outcome: Result<(), ActorError>,
    ) {
        match outcome {
            Ok(()) => {
                conn.set_opened();
                self.hub.seen_of_table().mark_dirty(conn.id);
                self.connections_changed();
                self.ready(opening, conn);
            }
            Err(error) => {
                tracing::warn!(actor = %self.slot.about.address, %error, "on_websocket failed");
                self.hook_failed("on_websocket", &error);
                self.disconnect(conn.id, None);
                self.refuse_opening(opening, &error);
            }
        }
    }

    /// A message of a raw socket becomes a job; one of a socket that has gone is dropped with it.
    pub(super) fn take_frame(&mut self, incoming: Incoming) -> Option<Job<A>> {
        let Incoming {
            conn,
            ticket,
            message,
        } = incoming;
        let conn = self.hub.table_with(conn).by_id(conn).cloned();
        let Some(conn) = conn.filter(|it| !is_taken(it, &ticket)) else {
            ticket.settle();
            return None;
        };
        let (to, answer) = oneshot::channel();
        let socket = self.lend_socket(&conn, MESSAGE, ticket.index());
        match A::hook(Hook::Message(socket, message, Reply::caller(to))) {
            Some(call) => {
                let job = socket_job(call, Then::Message(answer), &conn);
                self.begin_ticket(job, ticket)
            }
            None => {
                ticket.settle();
                None
            }
        }
    }

    /// Whether a message stands in front whose handler runs free, and as many run as may (P6).
    pub(super) fn has_no_room_for_frame(&self) -> bool {
        matches!(self.batch.front(), Some(Msg::Frame(_)))
            && self.options().mailbox <= self.running_free()
            && receiver_of_messages::<A>() == Some(Receiver::Free)
    }

    /// Runs the hooks of a connection that is off the list: `on_close` with `frame` if it was a raw
    /// socket, and `on_disconnect`.
    pub(super) fn run_leave_hooks(&mut self, conn: &Arc<Inner<A>>, frame: CloseFrame) {
        if !conn.has_opened() {
            return self.run_disconnect_hook(conn);
        }
        let (to, answer) = oneshot::channel();
        let socket = self.lend_socket(conn, CLOSE, MessageIndex::default());
        match A::hook(Hook::Close(socket, frame, Reply::caller(to))) {
            Some(call) => {
                self.machine.work.begin(WorkKind::Connecting);
                let then = Then::SocketClosed(Arc::clone(conn), answer);
                self.jobs.push_back(socket_job(call, then, conn));
            }
            None => self.run_disconnect_hook(conn),
        }
    }

    /// `on_close` is over.
    pub(super) fn socket_closed(&mut self, conn: &Arc<Inner<A>>) {
        self.run_disconnect_hook(conn);
        self.machine.work.end(WorkKind::Connecting);
    }

    /// The sockets that came back keep the actor awake again, if they do not hibernate.
    pub(super) fn count_sockets(&mut self) {
        // Those that are folded hibernated.
        let awake = self
            .hub
            .seen_of_table()
            .all()
            .filter(|it| it.transport.keeps_awake())
            .count();
        for _ in 0..awake {
            self.machine.work.begin(WorkKind::Socket);
        }
    }

    /// Takes the sockets off the list that do not hibernate, as the actor stops. They close with the life: what
    /// still runs may have something to say over them.
    pub(super) fn drop_sockets(&mut self) {
        let going: Vec<_> = self
            .hub
            .seen_of_table()
            .all()
            .filter(|it| it.transport.keeps_awake())
            .map(|it| it.id)
            .collect();
        for id in going {
            self.part_from(id, CloseFrame::new(1000, "actor.stopped"));
        }
    }

    /// As [`disconnect`](Self::disconnect), as the actor stops: closes with the life, behind all that is answered.
    pub(super) fn part_from(&mut self, id: ConnId, close: CloseFrame) {
        if let Some(conn) = self.unlist(id) {
            let goodbye = (conn.listener.clone(), close.clone());
            self.goodbyes.0.insert(id, goodbye);
            self.run_leave_hooks(&conn, close);
        }
    }

    fn lend_socket(&self, conn: &Arc<Inner<A>>, hook: &str, index: MessageIndex) -> Socket<A> {
        Socket::new(lend(&self.hub, conn, hook), index)
    }
}

/// Connections that go with a life, and are closed when this is dropped with it.
pub(super) struct Goodbyes<A: Actor>(BTreeMap<ConnId, (Listener<A>, CloseFrame)>);

impl<A: Actor> Goodbyes<A> {
    /// Whether there is anybody to part from.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a message is of one of them: what a client says after its connection has left the list, or that
    /// it has gone. Nobody takes it, so no life is to begin for it.
    pub(super) fn is_moot(&self, msg: &Msg<A>) -> bool {
        match msg {
            Msg::Frame(it) => self.0.contains_key(&it.conn),
            Msg::Close(conn, _) => self.0.contains_key(conn),
            _ => false,
        }
    }
}

impl<A: Actor> Default for Goodbyes<A> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<A: Actor> Drop for Goodbyes<A> {
    fn drop(&mut self) {
        for (listener, close) in self.0.values() {
            listener.close(close.clone());
        }
    }
}

fn socket_job<A: Actor>(call: A::Call, then: Then<A>, conn: &Arc<Inner<A>>) -> Job<A> {
    Job {
        call,
        caller: Some(Arc::clone(conn)),
        request: conn.request.clone(),
        then,
        ticket: None,
    }
}

//! Connections on their way in and out: preflight, list, hooks.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{
    frame::deadline_exceeded,
    job::{Job, OpenDone, Opening, Then, lend},
    live::{Cell, Held},
};
use crate::{
    actor::{
        Actor, Gone, Hook, Inner, Listener, Reply, ReplySlot as _, TooManySubscriptions, Transport,
        aborted,
    },
    connection::CloseFrame,
    error::ActorError,
    id::ConnId,
    lifecycle::{Event, WorkKind},
    metrics,
};

impl<A: Actor> Cell<A> {
    /// Begins to open a connection: `on_before_connect`, if there is one.
    pub(super) fn open(&mut self, opening: Box<Opening<A>>) {
        if !opening.claim.take() {
            // Nobody waits for this one any more.
            return;
        }
        self.machine.work.begin(WorkKind::Connecting);
        if opening.waits.as_ref().is_some_and(|it| it.left().is_zero()) {
            self.refuse_opening(*opening, &deadline_exceeded());
            return;
        }
        if self.is_crowded() {
            self.refuse_for_crowd(*opening);
            return;
        }
        let (to, answer) = oneshot::channel();
        let hook = Hook::BeforeConnect(opening.params.clone(), Reply::caller(to));
        match A::hook(hook) {
            Some(call) => {
                let request = opening.request.clone();
                let mut job = Job::hook(call, Then::Admit(opening, answer));
                job.request = request;
                self.jobs.push_back(job);
            }
            None if self.admits(opening.transport) => {
                self.list(opening, A::default_conn_state());
            }
            None => self.refuse_opening(*opening, &ActorError::forbidden()),
        }
    }

    /// Whether there are as many connections as there may be.
    fn is_crowded(&self) -> bool {
        self.options().max_connections <= self.hub.seen_of_table().len()
    }

    fn refuse_for_crowd(&mut self, opening: Opening<A>) {
        metrics::count(&metrics::CONNECTION_REFUSALS, [&self.info.name]);
        let limit = self.options().max_connections;
        let text = format!("the actor has {limit} connections already");
        let error = ActorError::new("actor", "too_many_connections", text).with_status(503);
        self.refuse_opening(opening, &error);
    }

    /// `on_before_connect` is over.
    pub(super) fn preflight_over(
        &mut self,
        opening: Box<Opening<A>>,
        answer: Result<A::ConnState, ActorError>,
    ) {
        match answer {
            // Others may have been admitted beside this one.
            Ok(_) if self.is_crowded() => self.refuse_for_crowd(*opening),
            Ok(state) => self.list(opening, state),
            Err(error) => {
                self.hook_failed("on_before_connect", &error);
                self.refuse_opening(*opening, &error);
            }
        }
    }

    /// `on_connect` is over.
    pub(super) fn connect_over(
        &mut self,
        opening: Opening<A>,
        conn: &Arc<Inner<A>>,
        answer: Result<(), ActorError>,
    ) {
        match answer {
            Ok(()) => self.opened(opening, conn),
            Err(error) => {
                self.hook_failed("on_connect", &error);
                self.unlist(conn.id);
                self.refuse_opening(opening, &error);
            }
        }
    }

    /// Lists a connection that was admitted, then runs `on_connect` (C2).
    fn list(&mut self, opening: Box<Opening<A>>, state: A::ConnState) {
        let mut inner = Inner::new(
            opening.id,
            opening.params.clone(),
            state,
            opening.transport,
            opening.listener.clone(),
        );
        inner.request.clone_from(&opening.request);
        let inner = {
            let mut table = self.hub.seen_of_table();
            inner.seat = table.take_seat();
            let inner = Arc::new(inner);
            table.insert(Arc::clone(&inner));
            inner
        };
        self.count_connections();
        if inner.transport == Transport::Request {
            self.machine.work.begin(WorkKind::Request);
        }
        let (to, answer) = oneshot::channel();
        let hook = Hook::Connect(lend(&self.hub, &inner, "on_connect"), Reply::caller(to));
        match A::hook(hook) {
            Some(call) => {
                let mut job = Job::hook(call, Then::Opened(opening, Arc::clone(&inner), answer));
                job.request.clone_from(&inner.request);
                job.caller = Some(inner);
                self.jobs.push_back(job);
            }
            None => self.opened(*opening, &inner),
        }
    }

    /// A connection is open: its client is told, or the call it was opened for runs.
    fn opened(&mut self, opening: Opening<A>, inner: &Arc<Inner<A>>) {
        // `on_connect` may have sent it away.
        let is_listed = self.hub.seen_of_table().open(inner.id);
        if is_listed && inner.transport.is_stored() {
            self.slot.sockets().insert(inner.id, inner.listener.clone());
            // In one commit with what `on_connect` did.
            self.connections_changed();
        }
        if is_listed && inner.transport.is_raw() {
            self.open_socket(opening, inner);
        } else {
            self.ready(opening, inner);
        }
    }

    /// Nothing is left to do before a connection may speak.
    pub(super) fn ready(&mut self, opening: Opening<A>, inner: &Arc<Inner<A>>) {
        self.machine.work.end(WorkKind::Connecting);
        match opening.done {
            OpenDone::Tell(to) => {
                let tag = self.tag(self.options().durability);
                self.hold(tag, Held::Opened(to, inner.transport));
                if has_left(&inner.listener) {
                    self.client_left(inner.id, None);
                }
            }
            OpenDone::Send(sending) => {
                self.machine.work.begin(WorkKind::HttpCall);
                self.publish(sending, inner);
            }
            OpenDone::Call(call, key) => {
                self.machine.work.begin(WorkKind::HttpCall);
                match call {
                    Ok(call) => {
                        let mut job = Job::call(call, Some(Arc::clone(inner)));
                        job.request.clone_from(&inner.request);
                        match self.may_call(&job) {
                            Ok(()) => {
                                job.then = Then::HttpDone(Arc::clone(inner));
                                let job = match key {
                                    Some(key) => self.unless_known(job, key),
                                    None => Some(job),
                                };
                                self.jobs.extend(job);
                            }
                            Err(error) => {
                                job.refuse(&error);
                                self.http_done(inner);
                            }
                        }
                    }
                    Err((reply, error)) => {
                        let mut reply = Reply::<(), ActorError>::wire(reply);
                        reply.fail(error);
                        reply.release();
                        self.http_done(inner);
                    }
                }
            }
            OpenDone::Request(call) => {
                let mut job = Job::call(call, Some(Arc::clone(inner)));
                job.request.clone_from(&inner.request);
                job.then = opening.waits.map_or(Then::Reply, Then::Peer);
                if has_left(&inner.listener) {
                    self.disconnect(inner.id, None);
                    job.refuse(&aborted());
                } else {
                    self.jobs.push_back(job);
                }
            }
        }
    }

    pub(super) fn refuse_opening(&mut self, opening: Opening<A>, error: &ActorError) {
        self.machine.work.end(WorkKind::Connecting);
        opening.done.refuse(error);
        self.tell(Event::WorkEnded);
    }

    /// Takes a connection off the list, if it is on it.
    pub(super) fn unlist(&mut self, id: ConnId) -> Option<Arc<Inner<A>>> {
        let conn = self.hub.table_with(id).remove(id)?;
        self.count_connections();
        if conn.transport == Transport::Request {
            self.machine.work.end(WorkKind::Request);
        }
        let was_open = conn.transport.is_stored() && self.slot.sockets().remove(&id).is_some();
        if was_open && conn.transport.keeps_awake() {
            self.machine.work.end(WorkKind::Socket);
        }
        Some(conn)
    }

    /// The call of a single HTTP request is answered: its connection goes (C4).
    pub(super) fn http_done(&mut self, conn: &Arc<Inner<A>>) {
        self.machine.work.end(WorkKind::HttpCall);
        self.disconnect(conn.id, None);
    }

    /// Takes a connection off the list, closes its socket with `close`, runs `on_disconnect`. Only
    /// the first time.
    pub(super) fn disconnect(&mut self, id: ConnId, close: Option<CloseFrame>) {
        let Some(conn) = self.unlist(id) else {
            return;
        };
        let frame = close.clone().unwrap_or_else(nobody_said);
        if let Some(close) = close {
            let tag = self.tag(self.options().durability);
            self.hold(tag, Held::Close(conn.listener.clone(), close));
        }
        self.run_leave_hooks(&conn, frame);
    }

    /// As [`disconnect`](Self::disconnect), because the client has gone.
    pub(super) fn client_left(&mut self, id: ConnId, how: Option<Box<CloseFrame>>) {
        if let Some(conn) = self.unlist(id) {
            self.run_leave_hooks(&conn, how.map_or_else(nobody_said, |it| *it));
        }
    }

    pub(super) fn run_disconnect_hook(&mut self, conn: &Arc<Inner<A>>) {
        self.machine.work.begin(WorkKind::Connecting);
        let (to, answer) = oneshot::channel();
        let hook = Hook::Disconnect(lend(&self.hub, conn, "on_disconnect"), Reply::caller(to));
        match A::hook(hook) {
            Some(call) => {
                let mut job = Job::hook(call, Then::Closed(Arc::clone(conn), answer));
                job.caller = Some(Arc::clone(conn));
                self.jobs.push_back(job);
            }
            None => self.closed(conn),
        }
    }

    /// `on_disconnect` is over: the row goes, in one commit with what the hook did. Were it to go
    /// sooner, a crash in between would leave nobody to run the hook for.
    pub(super) fn closed(&mut self, conn: &Inner<A>) {
        if conn.transport.is_stored() {
            let has_taken = conn.taken().is_stored;
            let gone = Gone {
                id: conn.id,
                has_taken,
                is_spared: false,
            };
            self.hub.seen_of_table().forget_row(gone);
            self.connections_changed();
        }
        self.machine.work.end(WorkKind::Connecting);
        self.tell(Event::WorkEnded);
    }

    /// What a client wants to hear, or no more.
    pub(super) fn subscribed(&mut self, id: ConnId, event: &str, on: bool) {
        let subscribed = self.hub.table_with(id).subscribe(id, event, on);
        match subscribed {
            Ok(true) => {
                self.connections_changed();
                if on {
                    self.catch_up(id, event);
                }
            }
            Ok(false) => {}
            Err(TooManySubscriptions) => {
                self.disconnect(
                    id,
                    Some(CloseFrame::new(1011, "actor.too_many_subscriptions")),
                );
            }
        }
    }

    /// As the metrics have it.
    pub(super) fn count_connections(&mut self) {
        if let Some(awake) = &mut self.awake {
            awake.lists(self.hub.seen_of_table().len());
        }
    }

    /// Connections came, went or changed, and their rows with them.
    pub(super) fn connections_changed(&mut self) {
        if self.stores() {
            self.saving.connections_changed();
            self.want_save();
        } else {
            // Nothing will ever take them.
            let mut table = self.hub.seen_of_table();
            drop(table.take_changes(0));
            table.settled(0);
        }
    }
}

/// How a socket closed on which no close was said.
fn nobody_said() -> CloseFrame {
    CloseFrame::new(1006, "")
}

/// Whether a client left while its connection was being opened.
fn has_left<A: Actor>(listener: &Listener<A>) -> bool {
    match listener {
        Listener::Wire(outbox) | Listener::Raw(outbox) => !outbox.is_open(),
        Listener::Local(queue) => !queue.is_open(),
        Listener::Request(exchange) => exchange.is_over(),
        Listener::Nobody => false,
    }
}

//! What clients send over their sockets takes effect once. A message is kept by its socket until what
//! it did is durable; its number is stored in one commit with that; and what a life had begun when it
//! broke is given to the next.

use std::sync::Arc;

use super::{
    job::Job,
    live::Cell,
    mailbox::{Incoming, Msg, SocketCall},
    queue::Queue,
    slot::Slot,
    wire::unknown_action,
};
use crate::{
    actor::{Actor, Hub, Inner, Listener, Receiver, Reply, ReplySlot as _, WireReply, WireTo},
    connection::{Frame, Fullness, Message, Outbox, Ticket},
    error::ActorError,
    id::ConnId,
    metrics,
    protocol::{self, Args, ToServer},
};

impl<A: Actor> Cell<A> {
    /// A call over a socket becomes a job; one of a connection that has gone is dropped with it.
    pub(super) fn take_sent(&mut self, sent: SocketCall<A>) -> Option<Job<A>> {
        let SocketCall {
            conn,
            ticket,
            mut call,
        } = sent;
        let Some(caller) = self.hub.table_with(conn).by_id(conn).cloned() else {
            // Its socket is closed, and that says why.
            A::reply(&mut call).forget();
            ticket.settle();
            return None;
        };
        if is_taken(&caller, &ticket) {
            let reply = A::reply(&mut call);
            reply.fail(answer_lost());
            reply.release();
            ticket.settle();
            return None;
        }
        let job = Job::call(call, Some(caller));
        if let Err(error) = self.may_call(&job) {
            job.refuse(&error);
            ticket.settle();
            return None;
        }
        self.begin_ticket(job, ticket)
    }

    /// A handler is given a message, now or soon.
    pub(super) fn begin_ticket(&mut self, mut job: Job<A>, ticket: Ticket) -> Option<Job<A>> {
        if job.receiver() == Receiver::Free {
            // It may write in more than one commit, so it is begun once, and never again.
            ticket.settle();
            self.spawn_free(job);
            return None;
        }
        ticket.begin();
        job.ticket = Some(ticket);
        Some(job)
    }

    /// What a message did is in the state, and its number goes to disk with that.
    pub(super) fn note_effect(&self, job: &Job<A>) {
        if let (Some(ticket), Some(conn)) = (&job.ticket, &job.caller) {
            note_taken(&self.hub, conn, ticket);
        }
    }
}

/// The number of a message goes to disk in the next commit.
pub(super) fn note_taken<A: Actor>(hub: &Hub<A>, conn: &Inner<A>, ticket: &Ticket) {
    conn.taken().numbers.insert(ticket.number());
    hub.seen_of_table().mark_taken(conn.id);
}

/// Whether a message took effect in a life that broke before its client could be told.
pub(super) fn is_taken<A: Actor>(conn: &Inner<A>, ticket: &Ticket) -> bool {
    conn.taken().numbers.contains(&ticket.number())
}

/// What a client is told whose call took effect, and its answer went with a life that broke.
fn answer_lost() -> ActorError {
    let text = "the action took effect, but its answer was lost";
    ActorError::new("actor", "answer_lost", text)
}

impl<A: Actor> Slot<A> {
    /// Keeps what a client sent until it is dealt with (H10).
    pub(super) fn take_sent(
        &self,
        conn: ConnId,
        outbox: &Arc<Outbox>,
        frame: Frame,
    ) -> Result<Ticket, ActorError> {
        let (actor, name) = (&self.about.address, &*self.info.name);
        let Ok((ticket, fullness)) = outbox.take_in(frame) else {
            metrics::count(&metrics::INBOX_REFUSALS, [name]);
            let text = "more messages wait for the actor than may";
            let code = "websocket_pending_limit_reached";
            return Err(ActorError::new("guard", code, text));
        };
        if let Some(percent) = fullness.map(Fullness::percent) {
            metrics::count(&metrics::INBOX_WARNINGS, [name, percent]);
            tracing::warn!(%actor, %conn, percent, "much that a client sent waits for its actor");
        }
        Ok(ticket)
    }

    /// Puts what a broken life had begun and not dealt with before everything that waits.
    pub(super) fn rewind(&self) {
        let sockets: Vec<_> = {
            let sockets = self.sockets();
            let all = sockets.iter();
            all.filter_map(|(id, it)| Some((*id, it.outbox()?.clone(), it.is_raw())))
                .collect()
        };
        let mut again = Queue::new();
        for (conn, outbox, is_raw) in sockets {
            let begun = outbox.inbox().rewind();
            again.extend(begun.into_iter().filter_map(|(number, frame)| {
                let ticket = Ticket::new(Arc::clone(&outbox), number);
                if is_raw {
                    raw_again(conn, ticket, frame)
                } else {
                    self.call_again(conn, ticket, &frame)
                }
            }));
        }
        self.mailbox().put_back(again);
    }

    /// What was decoded once is decoded again, and so cannot fail.
    fn call_again(&self, conn: ConnId, ticket: Ticket, frame: &Frame) -> Option<Msg<A>> {
        let message = protocol::decode(ticket.outbox().encoding(), &frame.bytes);
        let Ok(ToServer::Action { id, name, args }) = message else {
            return None;
        };
        let call = self.decode_sent(ticket.outbox(), id, &name, args).ok()?;
        Some(Msg::SocketCall(Box::new(SocketCall { conn, ticket, call })))
    }

    /// An action that a client called over its socket, or where to say that it cannot be.
    pub(super) fn decode_sent(
        &self,
        outbox: &Arc<Outbox>,
        id: u64,
        name: &str,
        args: Args,
    ) -> Result<A::Call, (Option<WireReply>, ActorError)> {
        let to = WireTo::Socket {
            outbox: Arc::clone(outbox),
            id,
        };
        let action = Self::find_action(name);
        let mut reply = Some(self.wire_reply(outbox.encoding(), to, action.unwrap_or(usize::MAX)));
        let decoded = action
            .ok_or_else(|| unknown_action(name))
            .and_then(|action| A::decode_call(action, args, &mut reply));
        decoded.map_err(|error| (reply, error))
    }
}

fn raw_again<A: Actor>(conn: ConnId, ticket: Ticket, frame: Frame) -> Option<Msg<A>> {
    let message = Message::try_from(frame).ok()?;
    Some(Msg::Frame(Box::new(Incoming {
        conn,
        ticket,
        message,
    })))
}

/// Tells a client what is wrong with its call.
pub(super) fn answer_with(reply: Option<WireReply>, error: &ActorError) {
    if let Some(reply) = reply {
        let mut reply = Reply::<(), ActorError>::wire(reply);
        reply.fail(error.clone());
        reply.release();
    }
}

impl<A: Actor> Listener<A> {
    fn is_raw(&self) -> bool {
        matches!(self, Self::Raw(_))
    }
}

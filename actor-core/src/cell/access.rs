//! What clients may do: asked of the actor before they do it.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{
    guard::guard_now,
    job::{Job, Then, Wish},
    live::Cell,
};
use crate::{
    actor::{Access, Actor, Hook, Inner, Origin, Reply, Transport},
    connection::{CloseFrame, RESYNC},
    error::ActorError,
    id::ConnId,
    queue::Sending,
};

impl<A: Actor> Cell<A> {
    /// Whether a call may run. One through a handle is the program's own, and always may.
    pub(super) fn may_call(&self, job: &Job<A>) -> Result<(), ActorError> {
        let Some(caller) = &job.caller else {
            return Ok(());
        };
        let handler = A::handler(&job.call);
        match A::HANDLERS[handler].access {
            Access::Unsaid if self.admits(caller.transport) => Ok(()),
            Access::Unsaid => Err(ActorError::forbidden()),
            Access::Open => Ok(()),
            Access::Guarded => {
                let ctx = job.ctx(&self.hub, Origin::Beside);
                guard_now(|| A::guard(handler, &ctx))
                    .unwrap_or_else(|fault| Err(fault.of_hook("guard")))
            }
        }
    }

    /// Whether a client may do what nothing says anything about.
    pub(super) fn admits(&self, transport: Transport) -> bool {
        transport == Transport::Local || !self.options().deny_by_default
    }

    /// A client wants to hear an event, or no more.
    pub(super) fn subscribe(&mut self, id: ConnId, event: Box<str>, on: bool) {
        if *event == *RESYNC {
            // Who wants to hear it is told whether it says so or not.
            return;
        }
        if on && MAX_EVENT < event.len() {
            self.disconnect(id, Some(CloseFrame::new(1011, "actor.event_name_too_long")));
            return;
        }
        let caller = self.hub.table_with(id).by_id(id).cloned();
        let Some(caller) = caller.filter(|_| on) else {
            self.subscribed(id, &event, on);
            return;
        };
        let (to, answer) = oneshot::channel();
        let hook = Hook::CanSubscribe(event.to_string(), Reply::caller(to));
        match A::hook(hook) {
            Some(call) => {
                let mut job = Job::hook(call, Then::Decide(Wish::Hear(id, event), answer));
                job.caller = Some(caller);
                self.jobs.push_back(job);
            }
            None => {
                let admitted = self.admits(caller.transport);
                self.may_hear(id, &event, Ok(admitted));
            }
        }
    }

    /// What came of asking whether a client may hear an event.
    pub(super) fn may_hear(&mut self, id: ConnId, event: &str, may: Result<bool, ActorError>) {
        let refusal = match may {
            Ok(true) => return self.subscribed(id, event, true),
            Ok(false) => ActorError::forbidden(),
            Err(error) => error,
        };
        let actor = &self.slot.about.address;
        tracing::debug!(%actor, event, error = %refusal, "a client may not hear an event");
        let shown = refusal.masked();
        let reason = format!("{}.{}", shown.group(), shown.code());
        self.disconnect(id, Some(CloseFrame::new(1011, reason)));
    }

    /// A client wants to put a message into a queue, as the connection that the request made.
    pub(super) fn publish(&mut self, sending: Sending, conn: &Arc<Inner<A>>) {
        let (to, answer) = oneshot::channel();
        let hook = Hook::CanPublish(sending.queue.name.to_owned(), Reply::caller(to));
        match A::hook(hook) {
            Some(call) => {
                let wish = Wish::Send(Box::new(sending), Arc::clone(conn));
                let mut job = Job::hook(call, Then::Decide(wish, answer));
                job.request.clone_from(&conn.request);
                job.caller = Some(Arc::clone(conn));
                self.jobs.push_back(job);
            }
            None => {
                let admitted = self.admits(conn.transport);
                self.may_send(sending, conn, Ok(admitted));
            }
        }
    }

    /// What came of asking whether a client may do what it wants.
    pub(super) fn decide(&mut self, wish: Wish<A>, may: Result<bool, ActorError>) {
        if let Err(error) = &may {
            let hook = match wish {
                Wish::Hear(..) => "can_subscribe",
                Wish::Send(..) => "can_publish",
            };
            self.hook_failed(hook, error);
        }
        match wish {
            Wish::Hear(conn, event) => self.may_hear(conn, &event, may),
            Wish::Send(sending, conn) => self.may_send(*sending, &conn, may),
        }
    }

    fn may_send(&mut self, sending: Sending, conn: &Arc<Inner<A>>, may: Result<bool, ActorError>) {
        match may {
            Ok(true) => self.take_in(sending),
            Ok(false) => sending.refuse(&ActorError::forbidden()),
            Err(error) => sending.refuse(&error),
        }
        self.http_done(conn);
    }
}

/// Longest name of an event that a client may ask for, in bytes: what it hears is stored with it.
const MAX_EVENT: usize = 1024;

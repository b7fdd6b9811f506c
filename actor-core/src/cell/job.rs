//! Work of a cell: a call to run, and what follows when it has run.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{claim::Claim, frame::Waits};
use crate::{
    actor::Inner,
    actor::{
        Actor, Conn, Ctx, Hub, Listener, Origin, Receiver, ReplySlot as _, Transport, WireReply,
    },
    connection::Ticket,
    error::{ActorError, CallError},
    id::ConnId,
    lifecycle::Stop,
    queue::Sending,
    schedule::ScheduledRun,
};

/// One run of one handler.
pub(super) struct Job<A: Actor> {
    pub(super) call: A::Call,
    pub(super) caller: Option<Arc<Inner<A>>>,
    pub(super) request: Option<Arc<http::request::Parts>>,
    pub(super) then: Then<A>,
    /// What is dealt with when it is over.
    pub(super) ticket: Option<Ticket>,
}

/// What follows a handler.
pub(super) enum Then<A: Actor> {
    /// Its answer leaves.
    Reply,
    /// Its answer leaves, for another actor.
    Peer(Waits),
    /// The connection is admitted with the state that came back, or refused.
    Admit(Box<Opening<A>>, Answer<A::ConnState>),
    /// The connection is open, or goes again.
    Opened(Box<Opening<A>>, Arc<Inner<A>>, Answer<()>),
    /// The answer of a single HTTP call leaves, then its connection goes.
    HttpDone(Arc<Inner<A>>),
    /// A run of a schedule is over.
    Scheduled(Arc<ScheduledRun>, oneshot::Receiver<Result<(), ActorError>>),
    /// A connection is gone.
    Closed(Arc<Inner<A>>, Answer<()>),
    /// A raw socket is open, or goes again.
    SocketOpened(Box<Opening<A>>, Arc<Inner<A>>, Answer<()>),
    /// A message of a raw socket is dealt with.
    Message(Answer<()>),
    /// A raw socket is closed; its connection goes.
    SocketClosed(Arc<Inner<A>>, Answer<()>),
    /// The actor may be finalized.
    StopHook(Stop, Answer<()>),
    /// Nothing.
    StateChange(Answer<()>),
    /// Nothing.
    Failure(Answer<()>),
    /// A client may do what it wants, or may not.
    Decide(Wish<A>, Answer<bool>),
}

/// What a client wants that the actor is asked about.
pub(super) enum Wish<A: Actor> {
    /// To hear this event. Who may not is closed.
    Hear(ConnId, Box<str>),
    /// To put a message into its queue. The connection goes either way.
    Send(Box<Sending>, Arc<Inner<A>>),
}

/// Who waits for a handler, if that is another actor's.
pub(super) fn waits<A: Actor>(then: &Then<A>) -> Option<&Waits> {
    match then {
        Then::Peer(waits) => Some(waits),
        Then::Admit(opening, _) | Then::Opened(opening, ..) | Then::SocketOpened(opening, ..) => {
            opening.waits.as_ref()
        }
        _ => None,
    }
}

/// What a hook came to.
pub(super) type Answer<T> = oneshot::Receiver<Result<T, CallError<ActorError>>>;

/// Reads the answer of a hook that has run. One that was cut short has none.
pub(super) fn read_answer<T>(answer: &mut Answer<T>) -> Result<T, ActorError> {
    match answer.try_recv() {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(CallError::Action(error) | CallError::Actor(error))) => Err(error),
        Err(_) => Err(ActorError::internal("the hook was cut short")),
    }
}

impl<A: Actor> Job<A> {
    pub(super) fn call(call: A::Call, caller: Option<Arc<Inner<A>>>) -> Self {
        Self {
            call,
            caller,
            request: None,
            then: Then::Reply,
            ticket: None,
        }
    }

    pub(super) fn hook(call: A::Call, then: Then<A>) -> Self {
        Self {
            call,
            caller: None,
            request: None,
            then,
            ticket: None,
        }
    }

    pub(super) fn receiver(&self) -> Receiver {
        A::HANDLERS[A::handler(&self.call)].receiver
    }

    pub(super) fn is_at_once(&self) -> bool {
        A::HANDLERS[A::handler(&self.call)].is_at_once()
    }

    /// Whether somebody waits for what the handler itself answers.
    pub(super) fn has_caller(&self) -> bool {
        matches!(
            self.then,
            Then::Reply | Then::Peer(_) | Then::HttpDone(_) | Then::Scheduled(..)
        )
    }

    /// Whether nothing follows but that its answer leaves.
    pub(super) fn is_answered_only(&self) -> bool {
        matches!(self.then, Then::Reply) && self.ticket.is_none()
    }

    /// Whether its context is that of any other call through a handle.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.then, Then::Reply | Then::Peer(_))
            && self.caller.is_none()
            && self.request.is_none()
    }

    pub(super) fn ctx(&self, hub: &Arc<Hub<A>>, origin: Origin) -> Ctx<A> {
        Ctx {
            caller: self.caller.clone(),
            request: self.request.clone(),
            scheduled: match &self.then {
                Then::Scheduled(run, _) => Some(Arc::clone(run)),
                _ => None,
            },
            ..Ctx::of_life(hub, origin)
        }
    }

    /// Its life broke: what comes again says nothing, whoever else waits is answered with `error`.
    /// Whether it comes again.
    pub(super) fn give_up(mut self, error: &ActorError) -> bool {
        if self.ticket.is_none() {
            self.refuse(error);
            return false;
        }
        A::reply(&mut self.call).forget();
        true
    }

    /// Answers whoever waits for this job, or for what was to follow it, with `error`.
    pub(super) fn refuse(mut self, error: &ActorError) {
        let reply = A::reply(&mut self.call);
        reply.revoke(error.clone());
        reply.release();
        if let Some(ticket) = &self.ticket {
            ticket.settle();
        }
        match self.then {
            Then::Admit(opening, _)
            | Then::Opened(opening, ..)
            | Then::SocketOpened(opening, ..) => opening.done.refuse(error),
            Then::Decide(Wish::Send(sending, _), _) => sending.refuse(error),
            Then::Reply
            | Then::Peer(_)
            | Then::HttpDone(_)
            | Then::Scheduled(..)
            | Then::Closed(..)
            | Then::Message(_)
            | Then::SocketClosed(..)
            | Then::StopHook(..)
            | Then::StateChange(_)
            | Then::Failure(_)
            | Then::Decide(Wish::Hear(..), _) => {}
        }
    }
}

/// A connection on its way in.
pub(crate) struct Opening<A: Actor> {
    pub(crate) id: ConnId,
    pub(crate) params: A::Params,
    pub(crate) transport: Transport,
    pub(crate) listener: Listener<A>,
    pub(crate) request: Option<Arc<http::request::Parts>>,
    pub(crate) done: OpenDone<A>,
    pub(crate) claim: Claim,
    /// The handler that waits for it, if another actor's opens it.
    pub(crate) waits: Option<Waits>,
}

/// What follows once the connection is open.
pub(crate) enum OpenDone<A: Actor> {
    /// Somebody is told.
    Tell(oneshot::Sender<Result<(), ActorError>>),
    /// The one call it was opened for runs, which may have an idempotency key.
    Call(Result<A::Call, (WireReply, ActorError)>, Option<Arc<str>>),
    /// The raw request that it is runs.
    Request(A::Call),
    /// The message it was opened for goes into its queue.
    Send(Sending),
}

impl<A: Actor> OpenDone<A> {
    pub(crate) fn refuse(self, error: &ActorError) {
        match self {
            Self::Tell(to) => {
                // The client may have gone already.
                let _ = to.send(Err(error.clone()));
            }
            Self::Send(sending) => sending.refuse(error),
            Self::Call(Ok(mut call), _) | Self::Request(mut call) => {
                let reply = A::reply(&mut call);
                reply.fail(error.clone());
                reply.release();
            }
            Self::Call(Err((reply, _)), _) => {
                let mut reply = crate::actor::Reply::<(), ActorError>::wire(reply);
                reply.fail(error.clone());
                reply.release();
            }
        }
    }
}

/// A call by a single HTTP request, with the connection it makes for itself (C4).
pub(crate) struct HttpCall<A: Actor> {
    pub(crate) opening: Opening<A>,
}

/// A connection as the hook of this name is given it. What the hook sends through it is an output of
/// the same kind as what it sends through its context, so the two keep their order.
pub(super) fn lend<A: Actor>(hub: &Arc<Hub<A>>, inner: &Arc<Inner<A>>, hook: &str) -> Conn<A> {
    let hooks = &A::HANDLERS[A::ACTIONS + A::SCHEDULED..];
    let receiver = hooks
        .iter()
        .find(|it| it.name == hook)
        .map(|it| it.receiver);
    let origin = match receiver {
        Some(Receiver::Exclusive) => Origin::Turn,
        Some(Receiver::Shared | Receiver::Free) | None => Origin::Beside,
    };
    hub.lend(inner, origin)
}

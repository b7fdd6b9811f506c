//! What comes in over the wire, for a slot whose type the sender does not know: calls, sockets and
//! their messages, decoded here into the actor's own types.

use std::{any::Any, sync::Arc};

use tokio::sync::{futures::Notified, oneshot};

use super::{
    claim::Claim,
    frame::Waits,
    job::{HttpCall, OpenDone, Opening},
    mailbox::{Incoming, Msg, Phase, Refused, SocketCall},
    raw,
    request::{Asked, Underway},
    slot::Slot,
    tunnel::answer_with,
    visit::Visit,
};
use crate::{
    actor::{About, Actor, Event as _, HttpAnswer, Listener, Transport, WireReply, WireTo},
    config::ActorOptions,
    connection::{CloseFrame, Frame, Message, Outbox, Seen, take_seen},
    error::{ActorError, IntoActorError as _},
    id::ConnId,
    lifecycle::{ActorStatus, Blocker, Stop},
    protocol::{Args, Encoding, ToServer},
    queue::{self, Queue as _, QueueError, QueueSpec, SendOptions, Sending, Sent},
    request::Request,
    value::Value,
};

/// A slot whatever the actor's type: what the gateway speaks to.
pub(crate) trait AnySlot: Send + Sync {
    fn about(&self) -> &Arc<About>;
    fn options(&self) -> &Arc<ActorOptions>;
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;

    /// Calls an action by a single HTTP request.
    fn http(
        self: Arc<Self>,
        call: WireCall<'_>,
    ) -> Result<oneshot::Receiver<HttpAnswer>, ActorError>;

    /// Hands over a raw HTTP request.
    fn request(
        self: Arc<Self>,
        params: Value,
        request: Request,
        claim: Claim,
    ) -> Result<Underway, ActorError>;
    /// Sends a message to a queue by a single HTTP request. `None` when there is no such queue.
    fn send_message(self: Arc<Self>, send: WireSend<'_>) -> Result<Option<Sent>, ActorError>;

    /// Opens a connection for a socket.
    fn open(
        self: Arc<Self>,
        socket: OpenSocket,
    ) -> Result<oneshot::Receiver<Result<(), ActorError>>, OpenRefused>;

    /// Takes a message of a socket's client. What it cannot do is answered over the socket.
    fn message(
        self: Arc<Self>,
        conn: ConnId,
        outbox: &Arc<Outbox>,
        frame: Frame,
        message: ToServer,
    ) -> Result<(), ActorError>;

    /// Takes a message of a raw socket's client.
    fn frame(
        self: Arc<Self>,
        conn: ConnId,
        outbox: &Arc<Outbox>,
        frame: Frame,
    ) -> Result<(), FrameRefused>;

    /// A socket's client has gone, and may have said how.
    fn close(self: Arc<Self>, conn: ConnId, how: Option<CloseFrame>);

    /// Whether the actor takes raw sockets.
    fn takes_sockets(&self) -> bool;

    /// Asks the actor to stop if it is awake.
    fn ask(&self, stop: Stop);

    /// Closes all connections, asleep or awake, without a word to the actor.
    fn close_sockets(&self, frame: &CloseFrame);

    /// What to wait for when the mailbox is full, so that a socket's client is held back by TCP and
    /// not by errors.
    fn crowded(&self) -> Option<Notified<'_>>;

    /// What clients call its actions.
    fn actions(&self) -> Vec<&'static str>;

    /// Sends a visitor.
    fn visit(self: Arc<Self>, visit: Visit) -> Result<(), ActorError>;

    /// An alarm of the actor is due: it is woken, or told to look at its schedules.
    fn alarm(self: Arc<Self>);

    /// Whether the actor has a live cell.
    fn is_awake(&self) -> bool;

    /// Asks what keeps the actor awake. No answer says that it sleeps.
    fn why_awake(&self) -> oneshot::Receiver<Vec<Blocker>>;

    /// What the actor is up to.
    fn status(&self) -> ActorStatus;
}

/// An action called by a client's HTTP request.
#[derive(Debug)]
pub(crate) struct WireCall<'a> {
    pub(crate) action: &'a str,
    pub(crate) args: Result<Args, ActorError>,
    pub(crate) encoding: Encoding,
    pub(crate) params: Value,
    pub(crate) request: Option<Arc<http::request::Parts>>,
    pub(crate) claim: Claim,
    /// Its idempotency key.
    pub(crate) key: Option<Arc<str>>,
}

/// A message sent to a queue by a client's HTTP request.
#[derive(Debug)]
pub(crate) struct WireSend<'a> {
    pub(crate) queue: &'a str,
    pub(crate) body: Value,
    pub(crate) waits: bool,
    pub(crate) params: Value,
    pub(crate) request: Option<Arc<http::request::Parts>>,
    pub(crate) claim: Claim,
}

/// A socket that wants to be a connection.
#[derive(Clone, Debug)]
pub(crate) struct OpenSocket {
    pub(crate) id: ConnId,
    pub(crate) params: Value,
    pub(crate) request: Option<Arc<http::request::Parts>>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) kind: SocketKind,
    pub(crate) claim: Claim,
    pub(crate) waits: Option<Waits>,
}

/// What a socket's frames are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SocketKind {
    /// Messages of the protocol.
    Protocol,
    /// The author's own.
    Raw { hibernatable: bool },
}

/// A socket whose wish was not taken.
#[derive(Debug)]
pub(crate) enum OpenRefused {
    /// The mailbox is full.
    Full,
    /// It never will be.
    Gone(ActorError),
}

/// A message of a raw socket that was not taken.
#[derive(Debug)]
pub(crate) enum FrameRefused {
    /// The mailbox is full.
    Full(Frame),
    /// Nobody will ever take it.
    Gone(ActorError),
}

impl<A: Actor> AnySlot for Slot<A> {
    fn about(&self) -> &Arc<About> {
        &self.about
    }

    fn options(&self) -> &Arc<ActorOptions> {
        &self.info.options
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn http(
        self: Arc<Self>,
        call: WireCall<'_>,
    ) -> Result<oneshot::Receiver<HttpAnswer>, ActorError> {
        let action = Self::find_action(call.action).ok_or_else(|| unknown_action(call.action))?;
        let params = decode_params::<A>(call.params)?;
        let (to, answer) = oneshot::channel();
        let mut reply = Some(self.wire_reply(call.encoding, WireTo::Http(to), action));
        let decoded = call
            .args
            .and_then(|args| A::decode_call(action, args, &mut reply));
        let call_or_error = match (decoded, reply) {
            (Ok(call), _) => Ok(call),
            (Err(error), Some(reply)) => Err((reply, error)),
            (Err(error), None) => return Err(error),
        };
        let opening = Opening {
            id: ConnId::new(&*self.host.entropy),
            params,
            transport: Transport::Http,
            listener: Listener::Nobody,
            request: call.request,
            done: OpenDone::Call(call_or_error, call.key),
            claim: call.claim,
            waits: None,
        };
        self.send(Msg::Http(Box::new(HttpCall { opening })))
            .map_err(|it| self.refusal(&it))?;
        Ok(answer)
    }

    fn request(
        self: Arc<Self>,
        params: Value,
        request: Request,
        claim: Claim,
    ) -> Result<Underway, ActorError> {
        let id = ConnId::new(&*self.host.entropy);
        let asked = Asked::<A>::new(id, decode_params::<A>(params)?, request, claim, None)?;
        self.send(asked.msg).map_err(|it| self.refusal(&it))?;
        Ok(asked.underway)
    }

    fn send_message(self: Arc<Self>, send: WireSend<'_>) -> Result<Option<Sent>, ActorError> {
        let Ok(queue) = queue::find(A::Queue::QUEUES, send.queue) else {
            return Ok(None);
        };
        let params = decode_params::<A>(send.params)?;
        let body = checked_body::<A>(queue, send.body)?;
        let (sending, sent) = Sending::new(queue, body, SendOptions::new(), send.waits);
        let opening = Opening {
            id: ConnId::new(&*self.host.entropy),
            params,
            transport: Transport::Http,
            listener: Listener::Nobody,
            request: send.request,
            done: OpenDone::Send(sending),
            claim: send.claim,
            waits: None,
        };
        self.send(Msg::Http(Box::new(HttpCall { opening })))
            .map_err(|it| self.refusal(&it))?;
        Ok(Some(sent))
    }

    fn open(
        self: Arc<Self>,
        socket: OpenSocket,
    ) -> Result<oneshot::Receiver<Result<(), ActorError>>, OpenRefused> {
        let (params, seen) = split_params::<A>(socket.params);
        let params = decode_params::<A>(params).map_err(OpenRefused::Gone)?;
        if let Some(seen) = seen {
            socket.outbox.follow(seen);
        }
        let (to, opened) = oneshot::channel();
        let (transport, listener) = match socket.kind {
            SocketKind::Protocol => (Transport::Socket, Listener::Wire(socket.outbox)),
            SocketKind::Raw { hibernatable } => (
                Transport::Raw { hibernatable },
                Listener::Raw(socket.outbox),
            ),
        };
        let opening = Opening {
            id: socket.id,
            params,
            transport,
            listener,
            request: socket.request,
            done: OpenDone::Tell(to),
            claim: socket.claim,
            waits: socket.waits,
        };
        match self.send(Msg::Open(Box::new(opening))) {
            Ok(()) => Ok(opened),
            Err(Refused::Full(_)) => Err(OpenRefused::Full),
            Err(refused) => Err(OpenRefused::Gone(self.refusal(&refused))),
        }
    }

    fn message(
        self: Arc<Self>,
        conn: ConnId,
        outbox: &Arc<Outbox>,
        frame: Frame,
        message: ToServer,
    ) -> Result<(), ActorError> {
        let msg = match message {
            ToServer::Action { id, name, args } => {
                match self.decode_sent(outbox, id, &name, args) {
                    Ok(call) => {
                        let ticket = self.take_sent(conn, outbox, frame)?;
                        Msg::SocketCall(Box::new(SocketCall { conn, ticket, call }))
                    }
                    Err((reply, error)) => {
                        answer_with(reply, &error);
                        return Ok(());
                    }
                }
            }
            ToServer::Subscribe { event, subscribe } => {
                Msg::Subscribe(conn, event.into_boxed_str(), subscribe)
            }
        };
        self.send(msg).or_else(|refused| {
            let error = self.refusal(&refused);
            match refused {
                Refused::Full(Msg::SocketCall(mut sent)) => {
                    sent.ticket.take_back();
                    let reply = A::reply(&mut sent.call);
                    reply.fail(error);
                    reply.release();
                    Ok(())
                }
                Refused::Full(_) | Refused::Gone(_) | Refused::Down(_) => Err(error),
            }
        })
    }

    fn frame(
        self: Arc<Self>,
        conn: ConnId,
        outbox: &Arc<Outbox>,
        frame: Frame,
    ) -> Result<(), FrameRefused> {
        let gone = FrameRefused::Gone;
        let ticket = self.take_sent(conn, outbox, frame.clone()).map_err(gone)?;
        let message = Message::try_from(frame.clone())
            .map_err(|_| gone(ActorError::new("message", "invalid_utf8", "not UTF-8")))?;
        let incoming = Incoming {
            conn,
            ticket,
            message,
        };
        match self.send(Msg::Frame(Box::new(incoming))) {
            Ok(()) => Ok(()),
            Err(Refused::Full(Msg::Frame(incoming))) => {
                incoming.ticket.take_back();
                Err(FrameRefused::Full(frame))
            }
            Err(refused) => Err(gone(self.refusal(&refused))),
        }
    }

    fn close(self: Arc<Self>, conn: ConnId, how: Option<CloseFrame>) {
        // A socket that never became a connection has nothing to close.
        if !self.sockets().contains_key(&conn) && !self.is_awake() {
            return;
        }
        // Gone actors have no connections.
        let _ = self.send(Msg::Close(conn, how.map(Box::new)));
    }

    fn takes_sockets(&self) -> bool {
        raw::takes_sockets::<A>()
    }

    fn ask(&self, stop: Stop) {
        self.mailbox().ask(stop);
    }

    fn close_sockets(&self, frame: &CloseFrame) {
        for listener in self.sockets().values() {
            listener.close(frame.clone());
        }
    }

    fn crowded(&self) -> Option<Notified<'_>> {
        self.wait_for_room()
    }

    fn actions(&self) -> Vec<&'static str> {
        A::HANDLERS[..A::ACTIONS].iter().map(|it| it.name).collect()
    }

    fn visit(self: Arc<Self>, visit: Visit) -> Result<(), ActorError> {
        self.receive(visit)
    }

    fn alarm(self: Arc<Self>) {
        Self::alarm(&self);
    }

    fn is_awake(&self) -> bool {
        self.mailbox().phase == Phase::Awake
    }

    fn why_awake(&self) -> oneshot::Receiver<Vec<Blocker>> {
        self.ask_why()
    }

    fn status(&self) -> ActorStatus {
        self.look_at_status()
    }
}

/// A client's message, which has to be one for its queue: nobody could receive it otherwise.
fn checked_body<A: Actor>(queue: &QueueSpec, body: Value) -> Result<Value, ActorError> {
    A::Queue::decode(queue.name, body.clone()).map_err(|error| {
        let error = QueueError::Invalid {
            queue: queue.name.to_owned(),
            source: error.into(),
        };
        error.to_actor_error()
    })?;
    Ok(body)
}

/// Parts what the client says it saw last from its params, if the actor keeps events at all.
fn split_params<A: Actor>(params: Value) -> (Value, Option<Seen>) {
    if A::Event::REPLAYS.is_empty() {
        return (params, None);
    }
    take_seen(params)
}

fn decode_params<A: Actor>(params: Value) -> Result<A::Params, ActorError> {
    // A client says the same with each of its calls.
    let (params, _) = split_params::<A>(params);
    params.deserialize_into().map_err(|error| {
        ActorError::new(
            "actor",
            "invalid_params",
            format!("the connection's params: {error}"),
        )
        .with_status(400)
        .public()
    })
}

impl<A: Actor> Slot<A> {
    pub(super) fn wire_reply(&self, encoding: Encoding, to: WireTo, action: usize) -> WireReply {
        let max = self.info.options.max_outgoing;
        let name = A::HANDLERS.get(action).map_or("", |it| it.name);
        WireReply::new(encoding, to, Arc::clone(&self.about), max, name)
    }

    pub(super) fn find_action(name: &str) -> Option<usize> {
        A::HANDLERS[..A::ACTIONS]
            .iter()
            .position(|it| it.name == name)
    }
}

pub(super) fn unknown_action(name: &str) -> ActorError {
    ActorError::new(
        "actor",
        "action_not_found",
        format!("Action `{name}` was not found."),
    )
}

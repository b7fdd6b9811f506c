//! A client's socket as the actor's side sees it: frames in, frames out, nothing of the actor. It
//! stays while the actor sleeps.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{ActorRef, Gateway, Tried, incoming_too_long};
use crate::{
    actor::aborted,
    cell::{AnySlot, Claim, FrameRefused, Host, OpenRefused, OpenSocket, SocketKind, waits_for},
    connection::{CloseFrame, Delivery, Frame, Outbox},
    error::ActorError,
    id::ConnId,
    protocol::{self, Encoding},
    value::Value,
};

/// A client's connection over a socket that somebody else reads and writes. Dropping it tells the
/// actor that the client has gone.
pub struct Socket {
    actor: ActorRef,
    id: ConnId,
    pub(super) outbox: Arc<Outbox>,
    kind: SocketKind,
    closed: Option<CloseFrame>,
    pub(super) host: Arc<Host>,
    /// Where it stands among those that are looked after.
    pub(super) watched: Option<usize>,
}

/// A client's wish to connect.
#[derive(Debug)]
pub struct ConnectRequest {
    /// What its frames are in.
    pub encoding: Encoding,
    /// What it says about itself, `Undefined` for nothing.
    pub params: Value,
    /// The upgrade request, for hooks to look at.
    pub request: Option<http::request::Parts>,
}

/// A client's wish to open a raw WebSocket.
#[derive(Debug)]
pub struct WebSocketRequest {
    /// What it says about itself, `Undefined` for nothing.
    pub params: Value,
    /// The upgrade request as the actor is to see it: with an absolute URL whose path is `/websocket`
    /// and what follows.
    pub request: http::request::Parts,
}

impl Gateway {
    /// Opens a connection: the actor's connect hooks run. The first frame to send is
    /// [`Socket::init`].
    ///
    /// # Errors
    ///
    /// What `on_before_connect` or `on_connect` answered, or why the actor could not be reached.
    /// [`refusal`] says how to tell the client.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the connection is closed if it was opened.
    pub async fn connect(
        &self,
        actor: &ActorRef,
        request: ConnectRequest,
    ) -> Result<Socket, ActorError> {
        let (kind, parts) = (SocketKind::Protocol, request.request.map(Arc::new));
        self.open(actor, kind, request.encoding, request.params, parts)
            .await
    }

    /// Opens a raw WebSocket: the actor's connect hooks run, then its `on_websocket`.
    ///
    /// # Errors
    ///
    /// What a hook answered, `actor.websocket_not_defined` when the actor takes none, or why the actor
    /// could not be reached. [`close_with`] says how to tell the client.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the socket is closed if it was opened.
    pub async fn open_websocket(
        &self,
        actor: &ActorRef,
        request: WebSocketRequest,
    ) -> Result<Socket, ActorError> {
        if !actor.slot.takes_sockets() {
            let text = "the actor takes no raw WebSockets";
            return Err(ActorError::new("actor", "websocket_not_defined", text));
        }
        let kind = SocketKind::Raw {
            hibernatable: actor
                .options()
                .hibernate_websockets
                .allows(&request.request),
        };
        let parts = Some(Arc::new(request.request));
        // Each frame says itself whether it is text.
        self.open(actor, kind, Encoding::default(), request.params, parts)
            .await
    }

    async fn open(
        &self,
        actor: &ActorRef,
        kind: SocketKind,
        encoding: Encoding,
        params: Value,
        request: Option<Arc<http::request::Parts>>,
    ) -> Result<Socket, ActorError> {
        let host = self.registry.host();
        let waits = waits_for(actor.slot.about()).await?;
        let attempt = |slot: Arc<dyn AnySlot>, claim: Claim| {
            let outbox = Arc::new(Outbox::new(encoding, slot.options().outbox));
            let id = ConnId::new(&*host.entropy);
            let wish = OpenSocket {
                id,
                params: params.clone(),
                request: request.clone(),
                outbox: Arc::clone(&outbox),
                kind,
                claim,
                waits: waits.clone(),
            };
            async move {
                let opened = open_when_room(&slot, wish).await?;
                // Made before the wait, so that being dropped during it disconnects.
                let socket = Socket {
                    actor: ActorRef::new(slot),
                    id,
                    outbox,
                    kind,
                    closed: None,
                    host: Arc::clone(host),
                    watched: None,
                };
                opened.await.unwrap_or_else(|_| Err(aborted()))?;
                Ok(socket)
            }
        };
        self.reach(Tried::Socket, &mut actor.clone(), attempt).await
    }
}

impl Socket {
    /// The connection's id.
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// The actor at the other end.
    #[must_use]
    pub fn actor(&self) -> &ActorRef {
        &self.actor
    }

    /// The frame a client waits for before it counts as connected (C9).
    #[must_use]
    pub fn init(&self) -> Frame {
        let encoding = self.outbox.encoding();
        let message = protocol::ToClient::Init {
            actor_id: self.actor.id().to_string(),
            connection_id: self.id.to_string(),
        };
        Frame {
            bytes: protocol::encode(encoding, &message),
            text: encoding == Encoding::Json,
        }
    }

    /// Most bytes that a frame from the client may have.
    #[must_use]
    pub fn max_incoming(&self) -> usize {
        let options = self.actor.options();
        match self.kind {
            SocketKind::Protocol => options.max_incoming,
            SocketKind::Raw { .. } => options.max_message,
        }
    }

    /// Takes a frame from the client. Waits while the actor's mailbox is full, so that the client is
    /// held back by its own socket. What comes once the actor's side closes is passed over.
    ///
    /// # Errors
    ///
    /// How to close the socket, when the frame is too long or not a message, or the actor is gone.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the frame was not taken.
    pub async fn receive(&self, frame: Frame) -> Result<(), CloseFrame> {
        if !self.outbox.is_open() {
            // Its connection is off the list, or about to be, and no actor is to wake for this.
            return Ok(());
        }
        let limit = self.max_incoming();
        if limit < frame.bytes.len() {
            return Err(close_with(&incoming_too_long(frame.bytes.len(), limit)));
        }
        match self.kind {
            SocketKind::Protocol => self.receive_call(frame).await,
            SocketKind::Raw { .. } => self.receive_message(frame).await,
        }
    }

    async fn receive_call(&self, frame: Frame) -> Result<(), CloseFrame> {
        let message = protocol::decode(self.outbox.encoding(), &frame.bytes)
            .map_err(|error| close_with(&ActorError::from(error)))?;
        self.wait_for_room().await;
        Arc::clone(&self.actor.slot)
            .message(self.id, &self.outbox, frame, message)
            .map_err(|error| close_with(&error))
    }

    async fn receive_message(&self, mut frame: Frame) -> Result<(), CloseFrame> {
        if frame.text && str::from_utf8(&frame.bytes).is_err() {
            return Err(CloseFrame::new(1007, "message.invalid_utf8"));
        }
        if let Some(it) = &self.actor.options().auto_reply
            && frame.text
            && frame.bytes == it.request
        {
            let response = Frame {
                bytes: Bytes::from_static(it.response.as_bytes()),
                text: true,
            };
            self.outbox.auto_reply(self.host.clock.now(), response);
            return Ok(());
        }
        loop {
            self.wait_for_room().await;
            let slot = Arc::clone(&self.actor.slot);
            match slot.frame(self.id, &self.outbox, frame) {
                Ok(()) => return Ok(()),
                // Somebody else took the room.
                Err(FrameRefused::Full(back)) => frame = back,
                Err(FrameRefused::Gone(error)) => return Err(close_with(&error)),
            }
        }
    }

    async fn wait_for_room(&self) {
        while let Some(room) = self.actor.slot.crowded() {
            let _deaf = self.outbox.deafen();
            room.await;
        }
    }

    /// The client has closed its socket in this way, which an `on_close` is told once this is dropped.
    /// Without it the socket was lost: 1006.
    pub fn closed_by_client(&mut self, frame: CloseFrame) {
        self.closed = Some(frame);
    }

    /// What to do about the client next. `None` after the end.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.outbox.poll_next(cx)
    }

    /// Waits until the socket is to be closed, though frames may still wait: the time to lose
    /// patience with a client that does not read.
    pub fn poll_closing(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.outbox.poll_closing(cx)
    }
}

/// Brings a wish to the actor once its mailbox has room. Clients who come together, after a restart say, are not
/// refused for being many: after that code RivetKit's would not come again.
async fn open_when_room(
    slot: &Arc<dyn AnySlot>,
    wish: OpenSocket,
) -> Result<oneshot::Receiver<Result<(), ActorError>>, ActorError> {
    loop {
        while let Some(room) = slot.crowded() {
            room.await;
        }
        match Arc::clone(slot).open(wish.clone()) {
            Ok(opened) => return Ok(opened),
            // Somebody else took the room.
            Err(OpenRefused::Full) => {}
            Err(OpenRefused::Gone(error)) => return Err(error),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.unwatch();
        self.outbox.abandon();
        Arc::clone(&self.actor.slot).close(self.id, self.closed.take());
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("id", &self.id)
            .field("actor", &self.actor)
            .finish()
    }
}

/// Tells a client whose connection was refused: the frame to send, if its encoding is known, and the
/// close frame that follows.
#[must_use]
pub fn refusal(encoding: Encoding, error: &ActorError) -> (Frame, CloseFrame) {
    // Unlike an action's, a refusal's message is not masked, as its clients expect.
    let bytes: Bytes = protocol::encode_error(encoding, error, None, None);
    (
        Frame {
            bytes,
            text: encoding == Encoding::Json,
        },
        close_with(error),
    )
}

/// The close frame that says `error`: code 1011, reason `group.code`.
#[must_use]
pub fn close_with(error: &ActorError) -> CloseFrame {
    CloseFrame::new(1011, format!("{}.{}", error.group(), error.code()))
}

//! A client's socket as the actor's side sees it: frames in, frames out, nothing of the actor. It
//! stays while the actor sleeps.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;

use super::{ActorRef, Gateway, incoming_too_long};
use crate::{
    actor::aborted,
    cell::OpenSocket,
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
    outbox: Arc<Outbox>,
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
        let outbox = Arc::new(Outbox::new(request.encoding, actor.options().outbox));
        let id = ConnId::new(&*self.registry.host().entropy);
        let opened = Arc::clone(&actor.slot).open(OpenSocket {
            id,
            params: request.params,
            request: request.request.map(Arc::new),
            outbox: Arc::clone(&outbox),
        })?;
        // Made before the wait, so that being dropped during it disconnects.
        let socket = Socket {
            actor: actor.clone(),
            id,
            outbox,
        };
        opened.await.unwrap_or_else(|_| Err(aborted()))?;
        Ok(socket)
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

    /// Takes a frame from the client. Waits while the actor's mailbox is full, so that the client is
    /// held back by its own socket.
    ///
    /// # Errors
    ///
    /// How to close the socket, when the frame is too long or not a message, or the actor is gone.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the frame was not taken.
    pub async fn receive(&self, frame: &[u8]) -> Result<(), CloseFrame> {
        let limit = self.actor.options().max_incoming;
        if limit < frame.len() {
            return Err(close_with(&incoming_too_long(frame.len(), limit)));
        }
        let message = protocol::decode(self.outbox.encoding(), frame)
            .map_err(|error| close_with(&ActorError::from(error)))?;
        let slot = &self.actor.slot;
        while let Some(room) = slot.crowded() {
            room.await;
        }
        Arc::clone(slot)
            .message(self.id, &self.outbox, message)
            .map_err(|error| close_with(&error))
    }

    /// What to send to the client next. `None` after the close frame.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.outbox.poll_next(cx)
    }

    /// Waits until the socket is to be closed, though frames may still wait: the time to lose
    /// patience with a client that does not read.
    pub fn poll_closing(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.outbox.poll_closing(cx)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.outbox.abandon();
        Arc::clone(&self.actor.slot).close(self.id);
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

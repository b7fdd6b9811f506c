//! Raw WebSockets from inside the process: for tests, and for routes of the app's own.

use std::{future::poll_fn, sync::Arc};

use http::{Request, request::Parts};

use super::{ActorRef, Socket, WebSocketRequest, handle::ActorHandle};
use crate::{
    actor::Actor,
    connection::{CloseFrame, Delivery, Message},
    error::ActorError,
    id::ConnId,
    value::Value,
};

/// The client's end of a raw WebSocket to an actor in this process. Like one over the wire it outlives
/// the actor's sleeps if the actor lets it. Dropping it is a client that is lost: `on_close` is told
/// 1006.
#[derive(Debug)]
pub struct WebSocket {
    socket: Socket,
    closed: Option<CloseFrame>,
}

impl<A: Actor> ActorHandle<A> {
    /// Opens a raw WebSocket: the actor's connect hooks run, then its `on_websocket`. `path` is what
    /// follows `/websocket`, with a query if there is one.
    ///
    /// # Errors
    ///
    /// What a hook answered, `actor.websocket_not_defined` when the actor takes none,
    /// `actor.invalid_request` when `path` cannot stand in a URL, or why the actor could not be
    /// reached.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the socket is closed if it was opened.
    pub async fn open_websocket(
        &self,
        path: &str,
        params: A::Params,
    ) -> Result<WebSocket, ActorError> {
        let slash = if path.starts_with('/') { "" } else { "/" };
        let request = Request::get(format!("http://localhost/websocket{slash}{path}")).body(());
        let (parts, ()) = request
            .map_err(|e| ActorError::new("actor", "invalid_request", format!("{path}: {e}")))?
            .into_parts();
        self.open_websocket_with(parts, params).await
    }

    /// As [`open_websocket`](Self::open_websocket), with a request that the actor sees as it is: that
    /// of a route of your own, say, which then carries messages between this and its client's socket.
    ///
    /// # Errors
    ///
    /// As [`open_websocket`](Self::open_websocket).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the socket is closed if it was opened.
    pub async fn open_websocket_with(
        &self,
        request: Parts,
        params: A::Params,
    ) -> Result<WebSocket, ActorError> {
        let slot = self.slot().await?;
        let params = Value::from_serialize(&params)
            .map_err(|e| ActorError::internal(format!("the params do not serialize: {e}")))?;
        let request = WebSocketRequest { params, request };
        let gateway = self.registry()?.gateway();
        let actor = ActorRef::new(Arc::clone(&slot) as _);
        let socket = gateway.open_websocket(&actor, request).await?;
        Ok(WebSocket {
            socket,
            closed: None,
        })
    }
}

impl WebSocket {
    /// The id of its connection.
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.socket.id()
    }

    /// Sends a message to the actor, waiting while its mailbox is full. When it returns the actor has
    /// it, and need not have looked at it.
    ///
    /// # Errors
    ///
    /// How the socket is closed: the message is longer than `max_message`, or the actor is gone.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the message was not sent.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), CloseFrame> {
        self.socket.receive(message.into().into()).await
    }

    /// The next message from the actor, waiting for it. `None` once the actor has closed the socket;
    /// [`close_frame`](Self::close_frame) then says how.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, no message is lost.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            match poll_fn(|cx| self.socket.poll_next(cx)).await? {
                Delivery::Frame(frame) => {
                    // The actor's texts are `String`s, so this one is UTF-8.
                    if let Ok(message) = Message::try_from(frame) {
                        return Some(message);
                    }
                }
                Delivery::Close(frame) => self.closed = Some(frame),
                // Only servers have their clients looked after.
                Delivery::Ping | Delivery::Lost => {}
            }
        }
    }

    /// How the actor closed the socket, once [`next`](Self::next) has given `None`.
    #[must_use]
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.closed.as_ref()
    }

    /// Closes the socket as a client would; `on_close` is told `code` and `reason`.
    pub fn close(mut self, code: u16, reason: impl Into<String>) {
        self.socket.closed_by_client(CloseFrame::new(code, reason));
    }
}

//! A raw WebSocket as an author sees it: frames as they were sent, and the request that opened it.

use std::fmt;

use bytes::Bytes;

use super::{
    ActorType,
    conn::{Conn, Listener},
    hub::Output,
};
use crate::{
    clock::Timestamp,
    connection::{CloseFrame, Message},
    id::{ConnId, MessageIndex},
};

/// The path under which clients open raw WebSockets.
const PREFIX: &str = "/websocket";

/// A client's raw WebSocket: text and bytes pass as they are, nothing is encoded. It is a connection
/// too, with params and state, but hears no events.
///
/// It is lent to `on_websocket`, `on_message` and `on_close`, which find it by themselves again after a
/// sleep: what has to be remembered of a socket belongs into its connection's state. What is sent waits
/// for the state it saw to be durable, like all outputs (P2). A `Socket` kept past the actor's sleep
/// speaks to nobody. Cloning is cheap.
///
/// ```
/// use actor_core::{CloseFrame, Message, Socket, prelude::*};
///
/// #[actor(hibernate_websockets)]
/// #[derive(Default)]
/// pub struct Echo { heard: u64 }
///
/// #[actor]
/// impl Echo {
///     #[on_message]
///     async fn message(&mut self, socket: &Socket<Self>, message: Message) {
///         self.heard += 1;
///         match message {
///             Message::Text(text) if text == "bye" => socket.close(4001, "you said bye"),
///             other => socket.send(other),
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::builder().actor::<Echo>().build().await?;
/// let echo = registry.get_or_create::<Echo>("wall");
/// let mut socket = echo.open_websocket("/loud?times=1", Value::Undefined).await?;
/// socket.send("hello").await?;
/// assert_eq!(socket.next().await, Some(Message::Text("hello".into())));
/// socket.send("bye").await?;
/// assert_eq!(socket.next().await, None);
/// assert_eq!(socket.close_frame(), Some(&CloseFrame::new(4001, "you said bye")));
/// # Ok(())
/// # }
/// ```
pub struct Socket<A: ActorType> {
    conn: Conn<A>,
    index: MessageIndex,
}

impl<A: ActorType> Socket<A> {
    pub(crate) fn new(conn: Conn<A>, index: MessageIndex) -> Self {
        Self { conn, index }
    }

    /// The id of its connection, the same through every sleep.
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.conn.id()
    }

    /// Its connection: params, state, whether it hibernates.
    #[must_use]
    pub fn conn(&self) -> &Conn<A> {
        &self.conn
    }

    /// The request that opened it, with an absolute URL. After a wake it is without what the app's
    /// layers put into its extensions.
    ///
    /// # Panics
    ///
    /// Never: raw WebSockets always have one.
    #[must_use]
    pub fn request(&self) -> &http::request::Parts {
        self.conn
            .request()
            .expect("a raw socket is opened with a request, and its row keeps it")
    }

    /// What follows `/websocket` in the path of its URL, `/` at least.
    #[must_use]
    pub fn path(&self) -> &str {
        let path = self.request().uri.path();
        match path.strip_prefix(PREFIX) {
            Some("") => "/",
            Some(rest) if rest.starts_with('/') => rest,
            Some(_) | None => path,
        }
    }

    /// The query of its URL, without the `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.request().uri.query()
    }

    /// The number of the message that this handler is called for: 1 for the first, one more for each
    /// that the client sent, across sleeps. 0 outside of `on_message`.
    #[must_use]
    pub fn message_index(&self) -> MessageIndex {
        self.index
    }

    /// When the client was last answered by the actor's [`auto_reply`](crate::ActorOptions::auto_reply),
    /// while it slept or was awake. `None` when it never was.
    #[must_use]
    pub fn auto_replied_at(&self) -> Option<Timestamp> {
        self.conn.inner.listener.outbox()?.auto_replied()
    }

    /// Sends a message.
    pub fn send(&self, message: impl Into<Message>) {
        // One whose client has gone sends to nobody.
        if let Listener::Raw(outbox) = &self.conn.inner.listener {
            let output = Output::Message(outbox.clone(), message.into().into());
            self.conn.hub.emit(self.conn.origin, output);
        }
    }

    /// Sends a text.
    pub fn send_text(&self, text: impl Into<String>) {
        self.send(Message::Text(text.into()));
    }

    /// Sends bytes.
    pub fn send_binary(&self, bytes: impl Into<Bytes>) {
        self.send(Message::Binary(bytes.into()));
    }

    /// Closes the socket, once everything sent before is delivered. Its connection leaves the list at
    /// the end of the turn, then `on_close` runs with this frame, then `on_disconnect`.
    ///
    /// Codes of your own are 3000 to 4999; 1000 says that all is well. A code that may not be sent
    /// becomes 1011. A reason over 123 bytes is cut at a character.
    pub fn close(&self, code: u16, reason: impl Into<String>) {
        let output = Output::Disconnect {
            conn: self.id(),
            close: CloseFrame::sendable(code, reason),
        };
        self.conn.hub.emit(self.conn.origin, output);
    }
}

impl<A: ActorType> Clone for Socket<A> {
    fn clone(&self) -> Self {
        Self {
            conn: self.conn.clone(),
            index: self.index,
        }
    }
}

impl<A: ActorType> fmt::Debug for Socket<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("id", &self.id())
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

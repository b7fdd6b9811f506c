//! WebSocket messages over an upgraded connection. Next to nothing is kept while it is idle: no task
//! of its own, no large buffer, and none of what large messages took.

use std::{
    io::{self, Read, Write},
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use actor_core::{
    connection::{CloseFrame, Frame},
    gateway::{close_with, incoming_too_long},
};
use bytes::Bytes;
use futures_util::future::poll_fn;
use hyper::{
    rt::{Read as _, ReadBuf, Write as _},
    upgrade::Upgraded,
};
use tokio::time::timeout;
use tungstenite::{
    Error, Message,
    error::{CapacityError, ProtocolError},
    protocol::{
        Role, WebSocketConfig, WebSocketContext,
        frame::{
            Frame as WireFrame,
            coding::{Data, OpCode},
        },
    },
};

use super::bounds::Bounds;

/// A client's end of the line.
pub(super) struct Stream {
    io: Upgraded,
    frames: WebSocketContext,
    feed: Feed,
    /// What is left of a message that goes out in parts. Boxed, as few are there.
    rest: Option<Box<Rest>>,
    /// Bytes handed over since the last flush.
    unflushed: usize,
    signs: Signs,
}

/// Whether the client is there, as far as can be seen from here.
#[derive(Default)]
struct Signs {
    /// It sent something, or took what it did not take before.
    heard: bool,
    /// It does not take more.
    is_full: bool,
    /// Answers to its pings since all that waits was last taken.
    pongs: u8,
    /// Something went over it whose room the reader or the writer keeps.
    has_grown: bool,
}

/// What is read of the client goes to the protocol a frame at a time, so that this holds nothing in between.
#[derive(Default)]
struct Feed {
    bounds: Bounds,
    /// Read already, and of later frames. Never empty.
    ahead: Option<Box<Bytes>>,
}

/// What comes from a client.
pub(super) enum Incoming {
    Message(Frame),
    /// The client closes, and is about to be answered.
    Close(CloseFrame),
    /// What came is not a message; nothing more can be read.
    Broken(CloseFrame),
    /// The connection has gone.
    Gone,
}

/// The connection has gone.
#[derive(Debug)]
pub(super) struct Gone;

struct Rest {
    bytes: Bytes,
    kind: Data,
}

impl Stream {
    /// Speaks WebSocket over `io`. A message of more than `max_incoming` bytes is not read.
    pub(super) fn new(io: Upgraded, max_incoming: usize) -> Self {
        Self {
            io,
            frames: protocol(Some(max_incoming)),
            feed: Feed::default(),
            rest: None,
            unflushed: 0,
            signs: Signs::default(),
        }
    }

    /// Takes the first frame, before there is a task to send it.
    pub(super) fn greet(&mut self, frame: Frame) {
        // It waits for the first flush, whatever happens to it here.
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let _ = self.send(&mut cx, frame);
    }

    /// Takes a frame, which goes out with the next flush at the latest.
    pub(super) fn send(&mut self, cx: &mut Context<'_>, frame: Frame) -> Result<(), Gone> {
        let kind = if frame.text { Data::Text } else { Data::Binary };
        self.unflushed += frame.bytes.len().max(1);
        self.signs.has_grown |= KEPT < self.unflushed;
        let all = Rest {
            bytes: frame.bytes,
            kind,
        };
        self.send_part(cx, all)
    }

    /// Takes a ping, which goes out with the next flush.
    pub(super) fn ping(&mut self, cx: &mut Context<'_>) -> Result<(), Gone> {
        self.unflushed += 1;
        self.hand_over(cx, Message::Ping(Bytes::new()))
    }

    /// Whether the client has given a sign of life since this was last asked.
    pub(super) fn take_heard(&mut self) -> bool {
        mem::take(&mut self.signs.heard)
    }

    /// Whether enough waits that it is better flushed before more is sent.
    pub(super) fn is_full(&self) -> bool {
        self.rest.is_some() || WRITE_BUFFER <= self.unflushed
    }

    /// Whether anything waits for a flush.
    pub(super) fn is_dirty(&self) -> bool {
        self.unflushed != 0
    }

    /// Hands over the next part. In parts, since the writer keeps a buffer of the largest one.
    fn send_part(&mut self, cx: &mut Context<'_>, mut rest: Rest) -> Result<(), Gone> {
        let part = rest.bytes.split_to(rest.bytes.len().min(LARGEST_PART));
        let is_last = rest.bytes.is_empty();
        let frame = WireFrame::message(part, OpCode::Data(rest.kind), is_last);
        if !is_last {
            rest.kind = Data::Continue;
            self.rest = Some(Box::new(rest));
        }
        self.hand_over(cx, Message::Frame(frame))
    }

    fn hand_over(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Gone> {
        let mut now = Now {
            io: &mut self.io,
            feed: &mut self.feed,
            signs: &mut self.signs,
            cx,
        };
        match self.frames.write(&mut now, message) {
            Ok(()) => Ok(()),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(_) => Err(Gone),
        }
    }

    /// Waits until everything is sent.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        loop {
            let mut now = Now {
                io: &mut self.io,
                feed: &mut self.feed,
                signs: &mut self.signs,
                cx,
            };
            match self.frames.flush(&mut now) {
                Ok(()) => {
                    if let Some(rest) = self.rest.take() {
                        self.send_part(cx, *rest)?;
                        continue;
                    }
                    self.unflushed = 0;
                    self.signs.pongs = 0;
                    return Poll::Ready(Ok(()));
                }
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Poll::Pending;
                }
                Err(_) => return Poll::Ready(Err(Gone)),
            }
        }
    }

    /// Waits for a message. Pings are answered on the way, and not read while too many of their answers
    /// wait: the writer would keep all of them.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        loop {
            if self.signs.pongs == MOST_PONGS && ready!(self.poll_flush(cx)).is_err() {
                return Poll::Ready(Incoming::Gone);
            }
            let mut now = Now {
                io: &mut self.io,
                feed: &mut self.feed,
                signs: &mut self.signs,
                cx,
            };
            let incoming = match self.frames.read(&mut now) {
                Ok(Message::Text(text)) => self.message(text.into(), true),
                Ok(Message::Binary(bytes)) => self.message(bytes, false),
                Ok(Message::Ping(_)) => {
                    self.signs.pongs += 1;
                    continue;
                }
                Ok(Message::Pong(_) | Message::Frame(_)) => continue,
                Ok(Message::Close(frame)) => Incoming::Close(said(frame)),
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.shrink(cx);
                    return Poll::Pending;
                }
                Err(Error::Capacity(CapacityError::MessageTooLong { size, max_size })) => {
                    Incoming::Broken(close_with(&incoming_too_long(size, max_size)))
                }
                Err(Error::Utf8(_)) => {
                    Incoming::Broken(CloseFrame::new(1007, "message.invalid_utf8"))
                }
                Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => Incoming::Gone,
                Err(Error::Protocol(_)) => {
                    Incoming::Broken(CloseFrame::new(1002, "ws.protocol_error"))
                }
                Err(_) => Incoming::Gone,
            };
            return Poll::Ready(incoming);
        }
    }

    fn message(&mut self, bytes: Bytes, text: bool) -> Incoming {
        self.signs.has_grown |= KEPT < bytes.len();
        Incoming::Message(Frame { bytes, text })
    }

    /// Lets go of the room that something large has taken, once it is over and all is sent. Reader and writer
    /// would keep it for as long as the socket is there, so they are made anew.
    fn shrink(&mut self, cx: &mut Context<'_>) {
        let is_over = self.feed.bounds.is_between_messages() && self.frames.can_write();
        if !self.signs.has_grown || !is_over {
            return;
        }
        // What fails here fails again for who asked for it.
        if let Poll::Ready(Ok(())) = self.poll_flush(cx) {
            let max_incoming = self.frames.get_config().max_message_size;
            self.frames = protocol(max_incoming);
            self.signs.has_grown = false;
        }
    }

    /// Sends what waits, closes, and waits a moment for the client to do the same.
    pub(super) async fn close(mut self, frame: CloseFrame) {
        let handshake = async {
            self.send_close(frame).await?;
            loop {
                match poll_fn(|cx| self.poll_next(cx)).await {
                    // What the client said before it knew is not heard.
                    Incoming::Message(_) | Incoming::Close(_) => {}
                    Incoming::Broken(_) | Incoming::Gone => return Err(Gone),
                }
            }
        };
        let _: Result<Result<(), Gone>, _> = timeout(CLOSE_GRACE, handshake).await;
        self.hang_up().await;
    }

    /// As [`close`](Self::close), for a client that sent what cannot be read.
    pub(super) async fn close_unread(mut self, frame: CloseFrame) {
        let handshake = async {
            self.send_close(frame).await?;
            poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx))
                .await
                .map_err(|_| Gone)?;
            // A connection that goes with bytes unread takes the close frame with it.
            let mut left = SKIPPED_BYTES;
            while left != 0 {
                let read = poll_fn(|cx| self.poll_skip(cx)).await?;
                if read == 0 {
                    break;
                }
                left = left.saturating_sub(read);
            }
            Ok::<(), Gone>(())
        };
        let _ = timeout(CLOSE_GRACE, handshake).await;
    }

    /// Sends the answer to a client's close.
    pub(super) async fn close_answered(mut self) {
        // The answer is flushed as a read that ends with the connection closed.
        let answer = poll_fn(|cx| self.poll_next(cx));
        let _ = timeout(CLOSE_GRACE, answer).await;
        self.hang_up().await;
    }

    async fn send_close(&mut self, frame: CloseFrame) -> Result<(), Gone> {
        poll_fn(|cx| self.poll_flush(cx)).await?;
        let mut frame = Some(tungstenite::protocol::CloseFrame {
            code: frame.code.into(),
            reason: frame.reason.into(),
        });
        poll_fn(|cx| {
            if let Some(frame) = frame.take() {
                let mut now = Now {
                    io: &mut self.io,
                    feed: &mut self.feed,
                    signs: &mut self.signs,
                    cx,
                };
                match self.frames.close(&mut now, Some(frame)) {
                    Ok(()) => {}
                    Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return Poll::Ready(Err(Gone)),
                }
            }
            self.poll_flush(cx)
        })
        .await
    }

    async fn hang_up(mut self) {
        let shutdown = poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx));
        // The client may have hung up first.
        let _ = timeout(CLOSE_GRACE, shutdown).await;
    }

    /// Reads and forgets.
    fn poll_skip(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Gone>> {
        let mut skipped = [0; 4096];
        let mut buf = ReadBuf::new(&mut skipped);
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, buf.unfilled()));
        Poll::Ready(read.map(|()| buf.filled().len()).map_err(|_| Gone))
    }
}

/// What a client said as it closed, as browsers show it: 1005 for nothing.
fn said(frame: Option<tungstenite::protocol::CloseFrame>) -> CloseFrame {
    match frame {
        Some(frame) => CloseFrame::new(frame.code.into(), frame.reason.as_str()),
        None => CloseFrame::new(1005, ""),
    }
}

/// The protocol, without a byte of anything.
fn protocol(max_incoming: Option<usize>) -> WebSocketContext {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(max_incoming)
        .max_frame_size(max_incoming);
    WebSocketContext::new(Role::Server, Some(config))
}

impl Feed {
    /// Hands over what was read before, up to the end of a frame; how much that is.
    fn give(&mut self, mut ahead: Box<Bytes>, into: &mut [u8]) -> usize {
        let most = into.len().min(ahead.len());
        let taken = self.bounds.take(&ahead[..most]);
        into[..taken].copy_from_slice(&ahead.split_to(taken));
        self.ahead = Some(ahead).filter(|it| !it.is_empty());
        taken
    }

    /// Of what was just read, how much is handed over now: up to the end of a frame. The rest is kept.
    fn take(&mut self, read: &[u8]) -> usize {
        let taken = self.bounds.take(read);
        if taken < read.len() {
            self.ahead = Some(Box::new(Bytes::copy_from_slice(&read[taken..])));
        }
        taken
    }
}

/// A connection during one poll, as [`std::io`] knows it.
struct Now<'a, 'b> {
    io: &'a mut Upgraded,
    feed: &'a mut Feed,
    signs: &'a mut Signs,
    cx: &'a mut Context<'b>,
}

impl Read for Now<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(ahead) = self.feed.ahead.take() {
            return Ok(self.feed.give(ahead, into));
        }
        let mut buf = ReadBuf::new(into);
        match Pin::new(&mut *self.io).poll_read(self.cx, buf.unfilled()) {
            Poll::Ready(read) => {
                let read = read.map(|()| buf.filled())?;
                self.signs.heard |= !read.is_empty();
                Ok(self.feed.take(read))
            }
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Now<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match Pin::new(&mut *self.io).poll_write(self.cx, bytes) {
            Poll::Ready(written) => {
                // Without this a slow client would be lost that is busy with something large: there is
                // room again because it took something.
                self.signs.heard |= mem::take(&mut self.signs.is_full);
                written
            }
            Poll::Pending => {
                self.signs.is_full = true;
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match Pin::new(&mut *self.io).poll_flush(self.cx) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// How many bytes are read at a time, and kept by an idle socket.
const READ_BUFFER: usize = 1024;
/// What may have gone over a socket without it being made smaller when it is idle again, in bytes.
const KEPT: usize = 1024;
/// How many bytes are gathered before they are written.
const WRITE_BUFFER: usize = 8 * 1024;
/// Most bytes of one frame.
const LARGEST_PART: usize = 16 * 1024;
/// Most answers to pings that wait for the client to take them.
const MOST_PONGS: u8 = 32;
/// How long a client may take to close.
const CLOSE_GRACE: Duration = Duration::from_secs(5);
/// Most bytes that are read and forgotten of a message that is too long.
const SKIPPED_BYTES: usize = 1024 * 1024;

//! What waits for one client's reader: bounded in bytes, empty of memory while nothing waits (P6).

use std::{
    collections::VecDeque,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

use super::{
    inbox::{Fullness, Inbox, InboxFull, Ticket},
    replay::Seen,
};
use crate::{clock::Timestamp, metrics, protocol::Encoding};

/// One WebSocket message for a client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// The encoded message.
    pub bytes: Bytes,
    /// Whether it goes out as text, else as binary.
    pub text: bool,
}

/// How a socket is closed: a code and a reason of at most 123 bytes (RFC 6455 §5.5.1). It is the error of
/// who speaks to a closed socket.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the socket is closed: {code} {reason}")]
pub struct CloseFrame {
    /// The status code.
    pub code: u16,
    /// The reason, cut to fit.
    pub reason: String,
}

impl CloseFrame {
    /// A close frame; a reason over 123 bytes is cut at a character.
    pub fn new(code: u16, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        if 123 < reason.len() {
            let end = (0..=123)
                .rev()
                .find(|at| reason.is_char_boundary(*at))
                .unwrap_or(0);
            reason.truncate(end);
        }
        Self { code, reason }
    }

    /// A close frame that an endpoint may send: a code that is reserved or out of range (RFC 6455
    /// §7.4) becomes 1011.
    pub(crate) fn sendable(code: u16, reason: impl Into<String>) -> Self {
        let code = match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => code,
            _ => {
                tracing::warn!(code, "a socket cannot be closed with this code");
                1011
            }
        };
        Self::new(code, reason)
    }
}

/// What a socket's task does next.
#[derive(Debug, Eq, PartialEq)]
pub enum Delivery {
    /// Send this.
    Frame(Frame),
    /// Send this close frame; nothing follows.
    Close(CloseFrame),
    /// Ask the client whether it is still there, by a WebSocket ping.
    Ping,
    /// The client did not answer: it is gone. Nothing follows.
    Lost,
}

/// The frames on their way to one client.
///
/// The actor's side pushes and never waits. A client that does not read fills its own outbox, which
/// then drops everything and closes: nobody else notices.
#[derive(Debug)]
pub struct Outbox {
    encoding: Encoding,
    limit: usize,
    inner: Mutex<Inner>,
    /// What goes the other way.
    inbox: Mutex<Inbox>,
    /// What is known of the client: [`HEARD`], [`DEAF`].
    client: AtomicU8,
    /// When it was last answered without its actor, in milliseconds since 1970.
    answered: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    frames: VecDeque<Frame>,
    bytes: usize,
    closing: Closing,
    /// What a client saw last that wants to know where each event stands.
    seen: Option<Box<Seen>>,
    waker: Option<Waker>,
    /// Whether the client is to be asked for a sign of life.
    asks: bool,
}

#[derive(Debug, Default)]
enum Closing {
    #[default]
    Open,
    /// Close after the frames that wait.
    After(CloseFrame),
    /// The client gives no sign of life.
    Lost,
    /// The reader is gone or the close was delivered.
    Closed,
}

impl Outbox {
    /// An empty outbox for a client that speaks `encoding`, holding at most `limit` bytes.
    #[must_use]
    pub fn new(encoding: Encoding, limit: usize) -> Self {
        Self {
            encoding,
            limit,
            inner: Mutex::default(),
            inbox: Mutex::default(),
            client: AtomicU8::new(0),
            answered: AtomicU64::new(0),
        }
    }

    /// What the client speaks.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The client says what it saw last, and from now on is told where each event stands.
    pub(crate) fn follow(&self, seen: Seen) {
        self.lock().seen = Some(Box::new(seen));
    }

    /// Whether the client wants to know where each event stands.
    pub(crate) fn follows(&self) -> bool {
        self.lock().seen.is_some()
    }

    /// What the client saw last of an event, if it said and was not asked before.
    pub(crate) fn take_seen(&self, event: &str) -> Option<String> {
        self.lock().seen.as_mut()?.remove(event)
    }

    /// What the client sent and the actor has not dealt with.
    pub(crate) fn inbox(&self) -> MutexGuard<'_, Inbox> {
        // Nothing in there can panic half-way.
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message of the client, which stays until it is dealt with; see [`Inbox::take`].
    pub(crate) fn take_in(
        self: &Arc<Self>,
        frame: Frame,
    ) -> Result<(Ticket, Option<Fullness>), InboxFull> {
        let (number, fullness) = self.inbox().take(frame)?;
        Ok((Ticket::new(Arc::clone(self), number), fullness))
    }

    /// Adds an encoded message. Over the limit, closes the socket with `ws.slow_reader`.
    pub(crate) fn push(&self, bytes: Bytes) {
        let text = self.encoding == Encoding::Json;
        self.push_frame(Frame { bytes, text });
    }

    /// As [`push`](Self::push), for a message that says itself whether it is text.
    pub(crate) fn push_frame(&self, frame: Frame) {
        let mut inner = self.lock();
        if !matches!(inner.closing, Closing::Open) {
            return;
        }
        if self.limit < inner.bytes + frame.bytes.len() {
            inner.frames = VecDeque::new();
            inner.bytes = 0;
            inner.closing = Closing::After(CloseFrame::new(1011, "ws.slow_reader"));
            metrics::count(&metrics::OUTBOX_OVERFLOWS, []);
        } else {
            inner.bytes += frame.bytes.len();
            inner.frames.push_back(frame);
        }
        wake(inner);
    }

    /// Closes the socket once what waits is sent. The first reason stays.
    pub(crate) fn close(&self, frame: CloseFrame) {
        let mut inner = self.lock();
        if matches!(inner.closing, Closing::Open) {
            inner.closing = Closing::After(frame);
            wake(inner);
        }
    }

    /// The client has given a sign of life.
    pub(crate) fn hear(&self) {
        if self.client.load(Ordering::Relaxed) & HEARD == 0 {
            self.client.fetch_or(HEARD, Ordering::Relaxed);
        }
    }

    /// Whether the client has given a sign of life since this was last asked, or could not be heard.
    pub(crate) fn was_heard(&self) -> bool {
        let client = self.client.fetch_and(!HEARD, Ordering::Relaxed);
        client & (HEARD | DEAF) != 0
    }

    /// The client cannot be heard until what this returns is dropped, since nobody reads what it sends.
    pub(crate) fn deafen(&self) -> Deaf<'_> {
        self.client.fetch_or(DEAF, Ordering::Relaxed);
        Deaf(self)
    }

    /// Asks the client for a sign of life.
    pub(crate) fn ask(&self) {
        let mut inner = self.lock();
        if matches!(inner.closing, Closing::Open) {
            inner.asks = true;
            wake(inner);
        }
    }

    /// Gives the client up, and what waits for it.
    pub(crate) fn lose(&self) {
        let mut inner = self.lock();
        if matches!(inner.closing, Closing::Open) {
            inner.frames = VecDeque::new();
            inner.bytes = 0;
            inner.closing = Closing::Lost;
            metrics::count(&metrics::LOST, []);
            wake(inner);
        }
    }

    /// Whether the client was given up and the reader has not been told.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.lock().closing, Closing::Lost)
    }

    /// Answers the client without its actor.
    pub(crate) fn auto_reply(&self, now: Timestamp, frame: Frame) {
        self.answered.store(now.as_millis(), Ordering::Relaxed);
        self.push_frame(frame);
    }

    /// When the client was last answered without its actor.
    pub(crate) fn auto_replied(&self) -> Option<Timestamp> {
        match self.answered.load(Ordering::Relaxed) {
            0 => None,
            millis => Some(Timestamp::from_millis(millis)),
        }
    }

    /// Whether more may still be delivered.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.lock().closing, Closing::Open)
    }

    /// What to send next, waiting until there is something. `None` after the end.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let mut inner = self.lock();
        if mem::take(&mut inner.asks) {
            return Poll::Ready(Some(Delivery::Ping));
        }
        if let Some(frame) = inner.frames.pop_front() {
            inner.bytes -= frame.bytes.len();
            if inner.frames.is_empty() {
                // A sleeping socket keeps no buffer.
                inner.frames = VecDeque::new();
            }
            return Poll::Ready(Some(Delivery::Frame(frame)));
        }
        match mem::replace(&mut inner.closing, Closing::Closed) {
            Closing::Open => {
                inner.closing = Closing::Open;
                register(&mut inner, cx);
                Poll::Pending
            }
            Closing::After(frame) => Poll::Ready(Some(Delivery::Close(frame))),
            Closing::Lost => Poll::Ready(Some(Delivery::Lost)),
            Closing::Closed => Poll::Ready(None),
        }
    }

    /// Waits until the socket is to be closed, though frames may still wait.
    pub fn poll_closing(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        match inner.closing {
            Closing::Open => {
                register(&mut inner, cx);
                Poll::Pending
            }
            Closing::After(_) | Closing::Lost | Closing::Closed => Poll::Ready(()),
        }
    }

    /// What to send next, if something waits.
    #[must_use]
    pub fn try_next(&self) -> Option<Delivery> {
        let mut cx = Context::from_waker(Waker::noop());
        match self.poll_next(&mut cx) {
            Poll::Ready(next) => next,
            Poll::Pending => None,
        }
    }

    /// The reader is gone: drops what waits and takes no more.
    pub fn abandon(&self) {
        let mut inner = self.lock();
        *inner = Inner {
            closing: Closing::Closed,
            ..Inner::default()
        };
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here can panic half-way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client is not read from while this is there, see [`Outbox::deafen`].
#[derive(Debug)]
pub(crate) struct Deaf<'a>(&'a Outbox);

impl Drop for Deaf<'_> {
    fn drop(&mut self) {
        // It now has all its time to be heard.
        self.0.client.store(HEARD, Ordering::Relaxed);
    }
}

/// The client has given a sign of life.
const HEARD: u8 = 1;
/// Nobody reads what the client sends.
const DEAF: u8 = 2;

fn register(inner: &mut Inner, cx: &Context<'_>) {
    if !inner
        .waker
        .as_ref()
        .is_some_and(|it| it.will_wake(cx.waker()))
    {
        inner.waker = Some(cx.waker().clone());
    }
}

fn wake(mut inner: MutexGuard<'_, Inner>) {
    let waker = inner.waker.take();
    drop(inner);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &'static str) -> Delivery {
        Delivery::Frame(Frame {
            bytes: Bytes::from_static(text.as_bytes()),
            text: true,
        })
    }

    #[test]
    fn frames_come_out_in_order_and_before_the_close() {
        let outbox = Outbox::new(Encoding::Json, 10);
        outbox.push("one".into());
        outbox.push("two".into());
        outbox.close(CloseFrame::new(1000, "bye"));
        outbox.push("late".into());
        assert_eq!(outbox.try_next(), Some(frame("one")));
        assert_eq!(outbox.try_next(), Some(frame("two")));
        assert_eq!(
            outbox.try_next(),
            Some(Delivery::Close(CloseFrame::new(1000, "bye")))
        );
        assert_eq!(outbox.try_next(), None);
    }

    #[test]
    fn a_slow_reader_is_closed_and_holds_nothing() {
        let outbox = Outbox::new(Encoding::Json, 5);
        outbox.push("12345".into());
        outbox.push("6".into());
        assert!(!outbox.is_open());
        let slow = CloseFrame::new(1011, "ws.slow_reader");
        assert_eq!(outbox.try_next(), Some(Delivery::Close(slow)));
    }

    #[test]
    fn reasons_are_cut_at_a_character() {
        assert_eq!(CloseFrame::new(1000, "é".repeat(80)).reason.len(), 122);
    }
}

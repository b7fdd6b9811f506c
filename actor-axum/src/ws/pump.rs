//! Two directions in one task: from the client to the actor, from the outbox to the client. It holds
//! next to nothing while both are quiet.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use actor_core::{
    connection::{CloseFrame, Delivery, Frame},
    gateway::{Pace, Socket},
};
use futures_util::future::{BoxFuture, poll_fn};
use tokio::time::{Sleep, sleep};

use super::stream::{Incoming, Stream};
use crate::admission::Admitted;

/// A client's connection: the socket on the wire and the one at the actor.
pub(super) struct Line {
    stream: Stream,
    socket: Socket,
    /// Until when a client that does not read may still take what waits for it.
    patience: Option<Pin<Box<Sleep>>>,
    /// How fast the client may speak, if that is bounded.
    pace: Option<Box<Pace>>,
    _admitted: Admitted,
}

/// How a line ends.
enum End {
    /// The client closed, and is to be answered.
    Client(CloseFrame),
    /// The actor's side closes.
    Server(CloseFrame),
    /// The client sent what cannot be read, or is not to be.
    Broken(CloseFrame),
    /// The client gives no sign of life.
    Lost,
    /// The connection has gone.
    Gone,
}

impl Line {
    pub(super) fn new(
        stream: Stream,
        mut socket: Socket,
        admitted: Admitted,
        pace: Option<Pace>,
    ) -> Self {
        socket.watch();
        Self {
            stream,
            socket,
            patience: None,
            pace: pace.map(Box::new),
            _admitted: admitted,
        }
    }

    /// Carries frames both ways until either side closes.
    pub(super) async fn run(mut self: Box<Self>) {
        let end = self.carry().await;
        if let Some(goodbye) = self.part(end) {
            goodbye.await;
        }
    }

    /// Whoever left has left: the actor is told before the goodbyes. They are boxed, so that a line
    /// that is open has no room for them.
    fn part(self, end: End) -> Option<BoxFuture<'static, ()>> {
        let Self {
            stream, mut socket, ..
        } = self;
        let end = match end {
            End::Lost => End::Server(socket.lost()),
            End::Client(_) | End::Broken(_) | End::Server(_) | End::Gone => end,
        };
        if let End::Client(frame) | End::Broken(frame) = &end {
            socket.closed_by_client(frame.clone());
        }
        drop(socket);
        match end {
            End::Client(_) => Some(Box::pin(stream.close_answered())),
            End::Server(frame) => Some(Box::pin(stream.close(frame))),
            End::Broken(frame) => Some(Box::pin(stream.close_unread(frame))),
            End::Lost | End::Gone => None,
        }
    }

    async fn carry(&mut self) -> End {
        loop {
            let message = match poll_fn(|cx| self.poll(cx)).await {
                Ok(message) => message,
                Err(end) => return end,
            };
            if let Some(Err(frame)) = self.pace.as_mut().map(|it| it.take()) {
                return End::Broken(frame);
            }
            let Self {
                stream,
                socket,
                patience,
                ..
            } = self;
            let mut receiving = pin!(socket.receive(message));
            // While the actor's mailbox is full the client is not read, but it is written to.
            let received = poll_fn(|cx| {
                if let Poll::Ready(received) = receiving.as_mut().poll(cx) {
                    return Poll::Ready(match received {
                        // A socket that is being closed has its reason, and the client is told that.
                        Err(frame) if socket.poll_closing(cx).is_pending() => {
                            Err(End::Server(frame))
                        }
                        Ok(()) | Err(_) => Ok(()),
                    });
                }
                poll_send(stream, socket, patience, cx).map(Err)
            });
            if let Err(end) = received.await {
                return end;
            }
        }
    }

    /// Waits for a message from the client; sends meanwhile.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, End>> {
        if let Poll::Ready(end) = poll_send(&mut self.stream, &self.socket, &mut self.patience, cx)
        {
            return Poll::Ready(Err(end));
        }
        let incoming = self.stream.poll_next(cx);
        if self.stream.take_heard() {
            self.socket.hear();
        }
        incoming.map(|incoming| match incoming {
            Incoming::Message(message) => Ok(message),
            Incoming::Close(frame) => Err(End::Client(frame)),
            Incoming::Broken(frame) => Err(End::Broken(frame)),
            Incoming::Gone => Err(End::Gone),
        })
    }
}

/// Sends what waits in the outbox, as far as the client takes it. Ready at the end only.
fn poll_send(
    stream: &mut Stream,
    socket: &Socket,
    patience: &mut Option<Pin<Box<Sleep>>>,
    cx: &mut Context<'_>,
) -> Poll<End> {
    loop {
        while !stream.is_full() {
            match socket.poll_next(cx) {
                Poll::Ready(Some(Delivery::Frame(frame))) => {
                    if stream.send(cx, frame).is_err() {
                        return Poll::Ready(End::Gone);
                    }
                }
                Poll::Ready(Some(Delivery::Close(frame))) => {
                    return Poll::Ready(End::Server(frame));
                }
                Poll::Ready(Some(Delivery::Ping)) => {
                    if stream.ping(cx).is_err() {
                        return Poll::Ready(End::Gone);
                    }
                }
                Poll::Ready(Some(Delivery::Lost)) => return Poll::Ready(End::Lost),
                Poll::Ready(None) => return Poll::Ready(End::Gone),
                Poll::Pending => break,
            }
        }
        if !stream.is_dirty() {
            return Poll::Pending;
        }
        let flushed = stream.poll_flush(cx);
        if stream.take_heard() {
            socket.hear();
        }
        match flushed {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return Poll::Ready(End::Gone),
            Poll::Pending => return poll_patience(socket, patience, cx),
        }
    }
}

/// A client that does not read is waited for, unless its connection is to be closed: then not for
/// long.
fn poll_patience(
    socket: &Socket,
    patience: &mut Option<Pin<Box<Sleep>>>,
    cx: &mut Context<'_>,
) -> Poll<End> {
    if socket.poll_closing(cx).is_pending() {
        return Poll::Pending;
    }
    if socket.is_lost() {
        return Poll::Ready(End::Lost);
    }
    let sleep = patience.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
    sleep.as_mut().poll(cx).map(|()| End::Gone)
}

/// How long a client may take to read what was sent before a close.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn size<F: Future>(_: impl FnOnce(Box<Line>) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_socket_is_small() {
        let bytes = size(Line::run) + size_of::<Line>();
        assert!(bytes <= 1024, "{bytes} bytes");
    }
}

//! Raw HTTP requests: the message that brings one to its actor, and the line that ends its connection
//! once the response has been sent, or nobody waits for it any more (C4).

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::sync::oneshot;

use super::{
    claim::Claim,
    frame::Waits,
    guard::guard_now,
    job::{HttpCall, OpenDone, Opening},
    mailbox::Msg,
    wire::AnySlot,
};
use crate::{
    actor::{Actor, Hook, Listener, Reply, Transport, aborted},
    error::{ActorError, CallError},
    id::ConnId,
    request::{Body, Exchange, Request, Response},
};

type Answer = oneshot::Receiver<Result<Box<Response>, CallError<ActorError>>>;

/// A request as a message for an actor, and its other end.
pub(crate) struct Asked<A: Actor> {
    pub(crate) msg: Msg<A>,
    pub(crate) underway: Underway,
}

/// A request on its way. Dropping it hangs up.
pub(crate) struct Underway {
    id: ConnId,
    exchange: Arc<Exchange>,
    answer: Answer,
}

impl<A: Actor> Asked<A> {
    /// Makes the message for a request that comes as connection `id`.
    ///
    /// # Errors
    ///
    /// When the actor has no `on_request`.
    pub(crate) fn new(
        id: ConnId,
        params: A::Params,
        mut request: Request,
        claim: Claim,
        waits: Option<Waits>,
    ) -> Result<Self, ActorError> {
        let exchange = Arc::new(Exchange::new());
        request.extensions_mut().insert(exchange.hangup());
        let (parts, body) = request.into_parts();
        let seen = Arc::new(parts.clone());
        let request = Request::from_parts(parts, body);
        let (to, answer) = oneshot::channel();
        let hook = Hook::Request(Box::new(request), Reply::caller(to));
        let call = A::hook(hook).ok_or_else(|| {
            let text = "The actor takes no raw requests.";
            ActorError::new("actor", "request_not_defined", text)
        })?;
        let opening = Opening {
            id,
            params,
            transport: Transport::Request,
            listener: Listener::Request(Arc::clone(&exchange)),
            request: Some(seen),
            done: OpenDone::Request(call),
            claim,
            waits,
        };
        let underway = Underway {
            id,
            exchange,
            answer,
        };
        Ok(Self {
            msg: Msg::Http(Box::new(HttpCall { opening })),
            underway,
        })
    }
}

impl Underway {
    /// The response of the actor in `slot`, which has been sent the message.
    pub(crate) async fn response(self, slot: Arc<dyn AnySlot>) -> Result<Response, ActorError> {
        // Made before the wait, so that being dropped during it hangs up.
        let line = Line {
            slot,
            id: self.id,
            exchange: self.exchange,
        };
        let response = match self.answer.await {
            Ok(Ok(response)) => *response,
            Ok(Err(CallError::Action(error) | CallError::Actor(error))) => return Err(error),
            Err(_) => return Err(aborted()),
        };
        Ok(response.map(|body| {
            if body.is_end_stream() {
                return body;
            }
            Body::new(Streamed {
                body,
                until_cut: Box::pin(line.exchange.until_cut()),
                line: Some(line),
            })
        }))
    }
}

/// The client's end of a connection. Dropping it tells the actor that it is over.
struct Line {
    slot: Arc<dyn AnySlot>,
    id: ConnId,
    exchange: Arc<Exchange>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.exchange.hang_up();
        Arc::clone(&self.slot).close(self.id, None);
    }
}

pin_project! {
    /// The body of a response. The connection is over before its last piece leaves, so that who has
    /// read it all finds `on_disconnect` ahead of whatever he asks next.
    struct Streamed {
        #[pin]
        body: Body,
        until_cut: Pin<Box<dyn Future<Output = ()> + Send>>,
        line: Option<Line>,
    }
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = axum_core::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let mut this = self.project();
        if this.line.is_none() {
            return Poll::Ready(None);
        }
        // What is ready goes out, also when the actor has ended the connection.
        let Ok(polled) = guard_now(|| this.body.as_mut().poll_frame(cx)) else {
            tracing::error!("the body of a response panicked");
            *this.line = None;
            return Poll::Ready(Some(Err(axum_core::Error::new(Cut))));
        };
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                if this.body.is_end_stream() {
                    *this.line = None;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(end) => {
                *this.line = None;
                Poll::Ready(end)
            }
            Poll::Pending => this.until_cut.as_mut().poll(cx).map(|()| {
                *this.line = None;
                Some(Err(axum_core::Error::new(Cut)))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.line.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The response was not sent to its end.
#[derive(Debug, thiserror::Error)]
#[error("the actor ended the connection before the response")]
struct Cut;

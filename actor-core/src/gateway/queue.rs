//! Sends to queues: over HTTP, and typed from inside the process.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{
    ActionResponse, ActorRef, Gateway, Tried, error_response, handle::ActorHandle,
    incoming_too_long,
};
use crate::{
    actor::{Actor, aborted},
    cell::{AnySlot, Claim, Msg, WireSend, waits_for},
    error::{ActorError, IntoActorError as _},
    protocol::{
        Encoding,
        http::{QueueStatus, decode_queue_send, encode_queue_result},
    },
    queue::{self, Ask, Queue as _, QueueError, SendOptions, Sending, Sent},
    value::Value,
};

/// A client's HTTP request to send a message to a queue.
#[derive(Debug)]
pub struct QueueRequest {
    /// The queue's name.
    pub name: String,
    /// What the body is in, and the answer will be.
    pub encoding: Encoding,
    /// The message, and whether to wait for its completion, encoded.
    pub body: Bytes,
    /// The connection's params, `Undefined` for none.
    pub params: Value,
    /// The request, for hooks to look at.
    pub request: Option<http::request::Parts>,
}

impl Gateway {
    /// Sends a message to a queue, as a connection of its own that lives until the message is there
    /// (C4). The answer says that it is durable (Q6), or completed if the client waits for that. As
    /// RivetKit does, a message to a queue that the actor does not have is dropped, and answered like
    /// one that is completed. Errors are answers too, encoded as the client asked. It is tried again as
    /// [`action`](Self::action) is.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the message may have been sent.
    pub async fn queue_send(&self, actor: &mut ActorRef, request: QueueRequest) -> ActionResponse {
        let encoding = request.encoding;
        match self.send_message(actor, request).await {
            Ok((status, response)) => ActionResponse {
                status: 200,
                body: encode_queue_result(encoding, status, response.as_ref()),
                unavailable: None,
            },
            Err(error) => error_response(encoding, &error, Some(&actor.specifier())),
        }
    }

    async fn send_message(
        &self,
        actor: &mut ActorRef,
        request: QueueRequest,
    ) -> Result<(QueueStatus, Option<Value>), ActorError> {
        let limit = actor.options().max_incoming;
        if limit < request.body.len() {
            return Err(incoming_too_long(request.body.len(), limit));
        }
        let send = decode_queue_send(request.encoding, &request.body)?;
        let most = actor.options().action_timeout;
        let patience = send.timeout.map(Duration::from_millis);
        let patience = patience.map_or(most, |it| it.min(most));
        let patience = send.wait.then_some(patience);
        let QueueRequest {
            name,
            params,
            request,
            ..
        } = request;
        let head = request.map(Arc::new);
        let attempt = |slot: Arc<dyn AnySlot>, claim: Claim| {
            let sent = slot.send_message(WireSend {
                queue: &name,
                body: send.body.clone(),
                waits: send.wait,
                params: params.clone(),
                request: head.clone(),
                claim,
            });
            answered(sent, patience)
        };
        let answered = self.reach(Tried::Request, actor, attempt).await?;
        if answered.is_none() {
            tracing::warn!(actor = %actor.address(), queue = name, "a message to no queue is dropped");
        }
        Ok(answered.unwrap_or((QueueStatus::Completed, None)))
    }
}

impl<A: Actor> ActorHandle<A> {
    /// Sends a message to one of the actor's queues, waking the actor if it sleeps. Returns the
    /// message's id once it is durable (Q6).
    ///
    /// An action that is called `send` has this name on the actor's handle; then write
    /// `ActorHandle::send(&handle, message)`.
    ///
    /// # Errors
    ///
    /// `queue.full`, `queue.message_too_large`, or why the actor could not be reached: `actor.call_cycle`
    /// when a handler that waits for this very send holds the actor's state. To its own queues a handler
    /// sends by [`Ctx::queue`](crate::Ctx::queue).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the message may have been sent.
    pub async fn send(&self, message: A::Queue) -> Result<u64, ActorError> {
        self.send_with(message, SendOptions::new()).await
    }

    /// As [`send`](Self::send), with a delay or a time to live.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the message may have been sent.
    pub async fn send_with(
        &self,
        message: A::Queue,
        options: SendOptions,
    ) -> Result<u64, ActorError> {
        let sent = self.send_message(message, options, false).await?;
        stored(sent).await
    }

    /// Sends a message and waits until somebody has completed it, at most for `patience`. `None` says
    /// that nobody has in time; the message stays in its queue.
    ///
    /// The actor may sleep and wake meanwhile. A handler of the actor itself that nobody else
    /// completes messages for waits in vain (Q7).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); `queue.not_completed` when the message was dropped, dead, expired or
    /// with its actor; `queue.response_invalid` when the response is no `R`.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the message may have been sent.
    pub async fn send_and_wait<R: DeserializeOwned>(
        &self,
        ask: Ask<A::Queue, R>,
        patience: Duration,
    ) -> Result<Option<R>, ActorError> {
        let sent = self
            .send_message(ask.message, SendOptions::new(), true)
            .await?;
        let response = completed(sent, patience).await?;
        response
            .map(|it| it.deserialize_into().map_err(not_a_response))
            .transpose()
    }

    async fn send_message(
        &self,
        message: A::Queue,
        options: SendOptions,
        waits: bool,
    ) -> Result<Sent, ActorError> {
        let queue = queue::find(A::Queue::QUEUES, message.name()).map_err(ActorError::from)?;
        let body = message.body().map_err(|e| {
            let source = e.into();
            let queue = queue.name.to_owned();
            QueueError::Invalid { queue, source }.to_actor_error()
        })?;
        drop(message);
        let (sending, sent) = Sending::new(queue, body, options, waits);
        let slot = self.slot().await?;
        // It comes in between two turns of the actor, of which there is none while one waits for it.
        waits_for(&slot.about).await?;
        if let Err(refused) = slot.send(Msg::Send(Box::new(sending))) {
            self.send_again(refused).await?;
        }
        Ok(sent)
    }
}

/// How a message of a client has fared: stored, or completed where it waits for that. `None` when there is no
/// such queue.
async fn answered(
    sent: Result<Option<Sent>, ActorError>,
    patience: Option<Duration>,
) -> Result<Option<(QueueStatus, Option<Value>)>, ActorError> {
    let Some(sent) = sent? else { return Ok(None) };
    let Some(patience) = patience else {
        stored(sent).await?;
        return Ok(Some((QueueStatus::Completed, None)));
    };
    Ok(Some(match completed(sent, patience).await? {
        Some(Value::Undefined) => (QueueStatus::Completed, None),
        Some(response) => (QueueStatus::Completed, Some(response)),
        None => (QueueStatus::TimedOut, None),
    }))
}

/// Waits until a message is durable.
async fn stored(sent: Sent) -> Result<u64, ActorError> {
    sent.stored.await.unwrap_or_else(|_| Err(aborted()))
}

/// Waits until a message is completed, `None` when that takes too long.
async fn completed(mut sent: Sent, patience: Duration) -> Result<Option<Value>, ActorError> {
    let response = sent.response.take();
    let completed = async {
        stored(sent).await?;
        match response {
            Some(response) => response.await.map_err(|_| not_completed()),
            None => Ok(Value::Undefined),
        }
    };
    timeout(patience, completed).await.ok().transpose()
}

fn not_completed() -> ActorError {
    let text = "the message was dropped: expired, tried too often, or its actor destroyed";
    ActorError::new("queue", "not_completed", text)
}

fn not_a_response(error: impl std::fmt::Display) -> ActorError {
    let text = format!("the response is something else: {error}");
    ActorError::new("queue", "response_invalid", text)
}

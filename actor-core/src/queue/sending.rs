//! A message on its way into a queue, from outside of the actor.

use tokio::sync::oneshot;

use super::{QueueSpec, SendOptions};
use crate::{error::ActorError, value::Value};

/// A message on its way into a queue.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) queue: &'static QueueSpec,
    pub(crate) body: Value,
    pub(crate) options: SendOptions,
    /// Where the response goes of whoever completes the message.
    pub(crate) expect: Option<oneshot::Sender<Value>>,
    /// Where its id goes once it is durable (Q6).
    pub(crate) to: oneshot::Sender<Result<u64, ActorError>>,
}

/// What its sender waits for.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Its id, once it is durable.
    pub(crate) stored: oneshot::Receiver<Result<u64, ActorError>>,
    /// The response, if that is wanted.
    pub(crate) response: Option<oneshot::Receiver<Value>>,
}

impl Sending {
    /// A message, and what its sender waits for: its response too if it `waits`.
    pub(crate) fn new(
        queue: &'static QueueSpec,
        body: Value,
        options: SendOptions,
        waits: bool,
    ) -> (Self, Sent) {
        let (to, stored) = oneshot::channel();
        let (expect, response) = if waits {
            let (expect, response) = oneshot::channel();
            (Some(expect), Some(response))
        } else {
            (None, None)
        };
        let sending = Self {
            queue,
            body,
            options,
            expect,
            to,
        };
        (sending, Sent { stored, response })
    }

    /// Tells the sender that the message was not taken.
    pub(crate) fn refuse(self, error: &ActorError) {
        // The sender may have gone.
        let _ = self.to.send(Err(error.clone()));
    }
}

//! Where the answer to a call goes: to a caller in the process as a value, or to a client as bytes.

use std::{
    fmt, mem,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::oneshot;

use crate::{
    connection::Outbox,
    error::{self, ActorError, CallError, IntoActorError, Unavailable},
    id::ActorId,
    idempotency::FirstCall,
    key::Address,
    metrics,
    protocol::{self, ActorSpecifier, Encoding},
    value::Value,
};

/// The place for one answer: filled by the handler, released by the cell once the state that the
/// answer saw is durable (P2).
pub struct Reply<T, E> {
    to: To<T, E>,
    answer: Option<Result<T, CallError<E>>>,
}

enum To<T, E> {
    Caller(oneshot::Sender<Result<T, CallError<E>>>),
    Wire(Box<WireReply>),
    Nobody,
    /// As one of the others, and the answer is kept.
    Kept(Box<Kept<T, E>>),
}

/// The answer to a call with an idempotency key.
struct Kept<T, E> {
    to: To<T, E>,
    outcome: Outcome,
}

/// What becomes of a call with an idempotency key.
#[derive(Debug)]
pub struct Outcome {
    pub(crate) first: FirstCall,
    /// What the handler gave back, once it has.
    pub(crate) answer: Option<Result<Value, ActorError>>,
}

impl<T, E> Reply<T, E> {
    /// For a caller in the process.
    pub(crate) fn caller(to: oneshot::Sender<Result<T, CallError<E>>>) -> Self {
        Self {
            to: To::Caller(to),
            answer: None,
        }
    }

    /// For a client.
    pub(crate) fn wire(reply: WireReply) -> Self {
        Self {
            to: To::Wire(Box::new(reply)),
            answer: None,
        }
    }

    /// For the client whose place `reply` is; takes it.
    #[must_use]
    pub fn client(reply: &mut Option<WireReply>) -> Self {
        reply.take().map_or_else(Self::nobody, Self::wire)
    }

    /// For nobody: the handler's answer is dropped.
    #[must_use]
    pub fn nobody() -> Self {
        Self {
            to: To::Nobody,
            answer: None,
        }
    }

    /// Answers. Clients get the value encoded, so it has to serialize.
    pub fn fill(&mut self, answer: Result<T, E>)
    where
        T: Serialize,
        E: IntoActorError,
    {
        let to = match &mut self.to {
            To::Kept(kept) => {
                kept.outcome.answer = Some(to_value(&answer));
                &mut kept.to
            }
            to => to,
        };
        match to {
            To::Wire(wire) => wire.answer(to_value(&answer)),
            To::Kept(_) | To::Caller(_) => self.answer = Some(answer.map_err(CallError::Action)),
            To::Nobody => {
                if let Err(error) = &answer {
                    tracing::warn!(error = %error.to_actor_error(), "a handler without a caller failed");
                }
                self.answer = Some(answer.map_err(CallError::Action));
            }
        }
    }

    /// Answers with what an earlier call with the same idempotency key was answered.
    pub fn refill(&mut self, answer: Value)
    where
        T: DeserializeOwned,
    {
        match &mut self.to {
            To::Wire(wire) => wire.answer(Ok(answer)),
            To::Kept(_) | To::Caller(_) | To::Nobody => {
                self.answer = Some(answer.deserialize_into().map_err(|error| {
                    let text = format!("the answer that was kept is none any more: {error}");
                    ActorError::internal(text).into()
                }));
            }
        }
    }

    /// Where the answer goes, whether or not it is kept.
    fn way(&self) -> &To<T, E> {
        match &self.to {
            To::Kept(kept) => &kept.to,
            to => to,
        }
    }

    /// Answers a hook, whose value goes to the library only and so need not serialize.
    pub fn fill_hook(&mut self, answer: Result<T, E>) {
        self.answer = Some(answer.map_err(CallError::Action));
    }
}

/// An answer as a client is told it.
fn to_value<T: Serialize, E: IntoActorError>(answer: &Result<T, E>) -> Result<Value, ActorError> {
    match answer {
        Ok(value) => Value::from_serialize(value)
            .map_err(|e| ActorError::internal(format!("the reply does not serialize: {e}"))),
        Err(error) => Err(error.to_actor_error()),
    }
}

impl<T, E> fmt::Debug for Reply<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("filled", &self.answer.is_some())
            .finish_non_exhaustive()
    }
}

/// A [`Reply`] whatever its types.
pub trait ReplySlot: Send {
    /// Answers with `error`, unless an answer is there already.
    fn fail(&mut self, error: ActorError);

    /// Whether the answer that is there is an error.
    fn has_failed(&self) -> bool;

    /// Replaces whatever answer is there: what it promised was not kept.
    fn revoke(&mut self, error: ActorError);

    /// Sends the answer.
    fn release(&mut self);

    /// Says nothing, now or later: the call comes again.
    fn forget(&mut self);

    /// Has the handler's answer noted too, so that it can be kept.
    #[doc(hidden)]
    fn keep(&mut self, outcome: Outcome);

    /// Takes what was noted, if anything was to be.
    #[doc(hidden)]
    fn take_kept(&mut self) -> Option<Outcome>;
}

impl<T: Send, E: Send> ReplySlot for Reply<T, E> {
    fn fail(&mut self, error: ActorError) {
        drop(self.take_kept());
        match &mut self.to {
            To::Wire(wire) if wire.is_open() => wire.fill(Err(error)),
            To::Caller(_) if self.answer.is_none() => self.answer = Some(Err(error.into())),
            To::Wire(_) | To::Caller(_) | To::Nobody | To::Kept(_) => {}
        }
    }

    fn has_failed(&self) -> bool {
        match self.way() {
            To::Wire(wire) => wire.has_failed,
            To::Caller(_) | To::Nobody | To::Kept(_) => matches!(self.answer, Some(Err(_))),
        }
    }

    fn revoke(&mut self, error: ActorError) {
        self.answer = None;
        drop(self.take_kept());
        if let To::Wire(wire) = &mut self.to {
            wire.answer = None;
        }
        self.fail(error);
    }

    fn release(&mut self) {
        match mem::replace(&mut self.to, To::Nobody) {
            To::Caller(to) => {
                if let Some(answer) = self.answer.take() {
                    // The caller may have gone; then nobody is left to tell.
                    let _ = to.send(answer);
                }
            }
            To::Wire(mut wire) => wire.release(),
            To::Nobody => {}
            To::Kept(kept) => {
                self.to = kept.to;
                self.release();
            }
        }
    }

    fn keep(&mut self, outcome: Outcome) {
        let to = mem::replace(&mut self.to, To::Nobody);
        self.to = To::Kept(Box::new(Kept { to, outcome }));
    }

    fn take_kept(&mut self) -> Option<Outcome> {
        if !matches!(self.to, To::Kept(_)) {
            return None;
        }
        let To::Kept(kept) = mem::replace(&mut self.to, To::Nobody) else {
            return None;
        };
        self.to = kept.to;
        Some(kept.outcome)
    }

    fn forget(&mut self) {
        drop(self.take_kept());
        if let To::Wire(mut wire) = mem::replace(&mut self.to, To::Nobody) {
            wire.to = None;
        }
    }
}

/// Which actor an answer is from, for error bodies and response headers.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) id: ActorId,
    pub(crate) address: Address,
    generation: AtomicU64,
}

impl About {
    pub(crate) fn new(id: ActorId, address: Address) -> Self {
        Self {
            id,
            address,
            generation: AtomicU64::new(0),
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    pub(crate) fn set_generation(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// As people are told: `name/key`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.address.name, self.address.key)
    }

    pub(crate) fn specifier(&self) -> ActorSpecifier {
        ActorSpecifier {
            actor_id: self.id.to_string(),
            generation: self.generation(),
            key: Some(self.address.key.to_string()),
        }
    }
}

/// The answer to a client's HTTP call.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    /// See [`error::unavailable`].
    pub(crate) unavailable: Option<Unavailable>,
}

/// An answer that leaves as bytes. One that is dropped unanswered tells the client so, which has no
/// timeout of its own.
#[derive(Debug)]
pub struct WireReply {
    encoding: Encoding,
    to: Option<WireTo>,
    about: Arc<About>,
    max_outgoing: usize,
    action: &'static str,
    answer: Option<HttpAnswer>,
    /// Whether the answer is an error.
    has_failed: bool,
}

/// Where the bytes go.
#[derive(Debug)]
pub(crate) enum WireTo {
    Http(oneshot::Sender<HttpAnswer>),
    Socket {
        outbox: Arc<Outbox>,
        id: u64,
    },
    /// The cell itself: a schedule called, and wants to know whether it went well.
    Schedule(oneshot::Sender<Result<(), ActorError>>),
}

impl WireTo {
    fn is_schedule(&self) -> bool {
        matches!(self, Self::Schedule(_))
    }
}

impl WireReply {
    pub(crate) fn new(
        encoding: Encoding,
        to: WireTo,
        about: Arc<About>,
        max_outgoing: usize,
        action: &'static str,
    ) -> Self {
        Self {
            encoding,
            to: Some(to),
            about,
            max_outgoing,
            action,
            answer: None,
            has_failed: false,
        }
    }

    /// Whether an answer is to come.
    fn is_open(&self) -> bool {
        self.answer.is_none() && self.to.is_some()
    }

    /// Answers what the handler says. Whatever that is, the handler has run, and so is not to be asked again.
    fn answer(&mut self, answer: Result<Value, ActorError>) {
        self.fill(answer);
        if let Some(answer) = &mut self.answer {
            answer.unavailable = None;
        }
    }

    fn fill(&mut self, answer: Result<Value, ActorError>) {
        self.has_failed = answer.is_err();
        if let Some(WireTo::Schedule(to)) = self.to.take_if(|it| it.is_schedule()) {
            // Read by the cell once the handler has returned; not when that ends another way.
            let _ = to.send(answer.map(drop));
            return;
        }
        let encoded = answer.and_then(|value| self.encode(&value));
        self.has_failed = encoded.is_err();
        self.answer = Some(encoded.unwrap_or_else(|error| self.encode_error(&error)));
    }

    fn encode(&self, value: &Value) -> Result<HttpAnswer, ActorError> {
        let body = match &self.to {
            Some(WireTo::Socket { id, .. }) => protocol::encode_response(self.encoding, *id, value),
            Some(WireTo::Http(_) | WireTo::Schedule(_)) | None => {
                protocol::http::encode_action_output(self.encoding, value)
            }
        };
        if self.max_outgoing < body.len() {
            metrics::count(&metrics::TOO_LONG, ["out"]);
            return Err(ActorError::new(
                "message",
                "outgoing_too_long",
                format!(
                    "the reply has {} bytes, more than {}",
                    body.len(),
                    self.max_outgoing
                ),
            ));
        }
        Ok(HttpAnswer {
            status: 200,
            body,
            unavailable: None,
        })
    }

    fn encode_error(&self, error: &ActorError) -> HttpAnswer {
        if !error.is_public() {
            let (action, id) = (self.action, self.about.id);
            tracing::error!(actor = %self.about.address, %id, action, %error, "an action failed");
        }
        let (shown, about) = (error.masked(), self.about.specifier());
        let body = match &self.to {
            Some(WireTo::Socket { id, .. }) => {
                protocol::encode_error(self.encoding, &shown, Some(*id), Some(&about))
            }
            Some(WireTo::Http(_) | WireTo::Schedule(_)) | None => {
                protocol::http::encode_error(self.encoding, &shown, Some(&about))
            }
        };
        HttpAnswer {
            status: shown.status(),
            body,
            unavailable: error::unavailable(shown.group(), shown.code()),
        }
    }

    fn release(&mut self) {
        let (Some(answer), Some(to)) = (self.answer.take(), self.to.take()) else {
            return;
        };
        match to {
            WireTo::Http(to) => {
                // The client may have hung up.
                let _ = to.send(answer);
            }
            WireTo::Socket { outbox, .. } => outbox.push(answer.body),
            WireTo::Schedule(_) => {}
        }
    }
}

impl Drop for WireReply {
    fn drop(&mut self) {
        if self.to.is_some() {
            // An answer that nobody released may show what was never saved.
            self.fill(Err(aborted()));
            self.release();
        }
    }
}

/// What a caller is told whose call was dropped on the way: it may or may not have run.
pub(crate) fn aborted() -> ActorError {
    ActorError::new("actor", "aborted", "the actor stopped before it answered")
}

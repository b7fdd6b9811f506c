//! The way by which whatever a client asks for reaches an actor: requests, messages to queues and sockets that
//! open. An actor that does not get to take it is looked up anew, as often as [`Retry`] says.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::{sleep, timeout};

use super::{
    ActorRef, Gateway,
    retry::{Next, Retry},
};
use crate::{
    cell::{self, AnySlot, Claim},
    error::ActorError,
    key::Address,
    lifecycle::ActorStatus,
    registry::Lookup,
};

/// How an actor was asked for, and so how it is looked up anew.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// By its id, or as one that is there.
    Id,
    /// By its key.
    Get,
    /// By its key, to be created from this if there is none, so that it cannot be missing.
    GetOrCreate(Option<Box<Bytes>>),
}

/// What is tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tried {
    Request,
    Socket,
}

impl Gateway {
    /// Tries until the actor has taken what `attempt` brings it, or it cannot be helped. Afterwards `actor` is the
    /// one that was tried last.
    pub(super) async fn reach<T, F: Future<Output = Result<T, ActorError>>>(
        &self,
        tried: Tried,
        actor: &mut ActorRef,
        mut attempt: impl FnMut(Arc<dyn AnySlot>, Claim) -> F,
    ) -> Result<T, ActorError> {
        let mut retry = match tried {
            Tried::Request => Retry::of_request(),
            Tried::Socket => Retry::of_socket(),
        };
        loop {
            let claim = Claim::default();
            let attempt = attempt(Arc::clone(&actor.slot), claim.clone());
            let error = match in_time(tried, actor, &claim, attempt).await {
                Ok(reached) => return Ok(reached),
                Err(error) => error,
            };
            let is_begun = !claim.take_back();
            let error = if is_begun {
                error
            } else {
                actor.refusal(error)
            };
            match retry.failed(&actor.seen_by_gateway(tried, &error), is_begun) {
                Next::Final => return Err(error),
                // The client of a socket comes again by itself.
                Next::Exceeded if tried == Tried::Socket => return Err(error),
                Next::Exceeded => return Err(exceeded(&error)),
                Next::Again(after) => {
                    tracing::debug!(actor = %actor.address(), %error, "tried again in {after:?}");
                    sleep(after).await;
                    actor.slot = self.anew(actor).await?;
                }
            }
        }
    }

    /// The actor that is found now by the way by which this one was.
    async fn anew(&self, actor: &ActorRef) -> Result<Arc<dyn AnySlot>, ActorError> {
        match &actor.way {
            Way::Id => self.registry.by_id(actor.id()).await,
            way => self.look_up(actor.address(), way).await,
        }
    }

    /// The actor at an address, created if it is asked for in such a way.
    pub(super) async fn look_up(
        &self,
        address: &Address,
        way: &Way,
    ) -> Result<Arc<dyn AnySlot>, ActorError> {
        let lookup = match way {
            Way::Id | Way::Get => Lookup::Get,
            Way::GetOrCreate(input) => Lookup::GetOrCreate {
                input: input.as_deref().cloned(),
            },
        };
        Ok(self.registry.resolve(address, lookup).await?.slot)
    }
}

impl ActorRef {
    /// Why the actor took nothing. One that was destroyed between being found and being reached is not missing
    /// to who would have had it made: there will be another (R4).
    fn refusal(&self, error: ActorError) -> ActorError {
        if self.creates() && error.is("actor", "not_found") {
            return cell::destroyed_meanwhile();
        }
        error
    }

    /// As the gateway sees it: whoever would have the actor made has lost nothing by its end but time.
    fn seen_by_gateway(&self, tried: Tried, error: &ActorError) -> ActorError {
        if !self.creates() || !cell::is_gone(error) {
            return error.clone();
        }
        match tried {
            Tried::Request => cell::stopped_while_waiting(),
            Tried::Socket => {
                let text = "the actor was gone before it took the socket";
                ActorError::new("guard", "websocket_service_unavailable", text)
            }
        }
    }

    fn creates(&self) -> bool {
        matches!(self.way, Way::GetOrCreate(_))
    }
}

/// Waits for an attempt, but for an actor to start only so long.
async fn in_time<T>(
    tried: Tried,
    actor: &ActorRef,
    claim: &Claim,
    attempt: impl Future<Output = Result<T, ActorError>>,
) -> Result<T, ActorError> {
    if actor.status() == ActorStatus::Running {
        return attempt.await;
    }
    let mut attempt = pin!(attempt);
    if let Ok(reached) = timeout(READY, attempt.as_mut()).await {
        return reached;
    }
    if actor.status() == ActorStatus::Starting && claim.take_back() {
        let text = "the actor was not ready within 30 s";
        return Err(match tried {
            Tried::Request => ActorError::new("guard", "actor_ready_timeout", text),
            // After that code its client would not come again.
            Tried::Socket => ActorError::new("actor", "starting", text),
        });
    }
    attempt.await
}

/// How long a request or a socket waits for an actor that starts.
const READY: Duration = Duration::from_secs(30);

fn exceeded(last: &ActorError) -> ActorError {
    let text = format!("no actor took the request, however often it was tried: {last}");
    ActorError::new("guard", "retry_attempts_exceeded", text)
}

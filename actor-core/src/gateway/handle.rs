//! Typed handles: how code in the same process calls an actor, without encoding and without boxes.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use serde::Serialize;
use tokio::sync::oneshot;

use super::{ActorRef, caller::Caller, local::Connection};
use crate::{
    actor::{Actor, Receiver, Reply, aborted},
    cell::{Asked, Claim, Msg, Refused, Slot, current, is_inside, stopping, waits_for},
    error::{ActorError, CallError},
    id::{ActorId, ConnId},
    key::ActorKey,
    lifecycle::ActorStatus,
    registry::{self, Lookup, Registry},
    request::{Request, Response},
    value::Value,
};

/// An actor with a handle type of its own, which has its actions as methods. `#[actor]` writes this.
pub trait Handled: Actor {
    /// The handle type, such as `ChatRoomHandle`.
    type Handle: From<ActorHandle<Self>> + Clone + fmt::Debug + Send + Sync + 'static;
}

/// A way to one actor, by key or by id. Making one does nothing; the actor is looked up, and woken,
/// by the first call.
///
/// Cloning is cheap. A handle to a key that is destroyed and created again reaches the new actor.
pub struct ActorHandle<A: Actor> {
    /// Small, with what only the first call needs elsewhere: apps keep thousands of handles, and a call
    /// then fetches half a line of memory of each.
    pub(super) slot: OnceLock<Arc<Slot<A>>>,
    pub(super) way: Arc<Way>,
    pub(super) caller: Option<Arc<Caller>>,
}

/// How to find the actor.
pub(super) struct Way {
    /// `None` when it was made by an actor whose registry nobody has any more.
    registry: Option<Registry>,
    target: Target,
}

#[derive(Debug)]
pub(super) enum Target {
    Get(ActorKey),
    GetOrCreate(ActorKey, Option<Value>),
    Id(ActorId),
}

impl Registry {
    /// A handle to the actor with this key, which is created when it is first used and not there.
    #[must_use]
    pub fn get_or_create<A: Handled>(&self, key: impl Into<ActorKey>) -> A::Handle {
        ActorHandle::new(self, Target::GetOrCreate(key.into(), None)).into()
    }

    /// As [`get_or_create`](Self::get_or_create), with what `on_create` is given should it run.
    ///
    /// # Errors
    ///
    /// When the input does not serialize.
    pub fn get_or_create_with<A: Handled>(
        &self,
        key: impl Into<ActorKey>,
        input: &A::Input,
    ) -> Result<A::Handle, ActorError> {
        let input = input_value(input)?;
        Ok(ActorHandle::new(self, Target::GetOrCreate(key.into(), Some(input))).into())
    }

    /// A handle to the actor with this key. Calls fail with `actor.not_found` while there is none.
    #[must_use]
    pub fn get<A: Handled>(&self, key: impl Into<ActorKey>) -> A::Handle {
        ActorHandle::new(self, Target::Get(key.into())).into()
    }

    /// A handle to the actor with this id. Calls fail with `actor.not_found` when there is none.
    #[must_use]
    pub fn get_for_id<A: Handled>(&self, id: ActorId) -> A::Handle {
        ActorHandle::new(self, Target::Id(id)).into()
    }

    /// Creates an actor. When it returns, the key is taken for good; `on_create` runs with the first
    /// call.
    ///
    /// # Errors
    ///
    /// `actor.duplicate_key` when the key is taken, `actor.key_too_large`, `actor.input_too_large`,
    /// `actor.storage_failed`.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the actor may have been created.
    pub async fn create<A: Handled>(
        &self,
        key: impl Into<ActorKey>,
        input: &A::Input,
    ) -> Result<A::Handle, ActorError> {
        let key = key.into();
        let address = self.typed_address::<A>(key.clone())?;
        let input = Some(registry::encode_input(&input_value(input)?)?);
        let found = self.resolve(&address, Lookup::Create { input }).await?;
        let handle = ActorHandle::new(self, Target::Get(key));
        // Holds on to the actor, so that one that stores nothing exists for as long as the handle.
        let _ = handle.slot.set(registry::typed::<A>(found.slot)?);
        Ok(handle.into())
    }
}

pub(super) fn input_value(input: &impl Serialize) -> Result<Value, ActorError> {
    Value::from_serialize(input)
        .map_err(|e| ActorError::internal(format!("the input does not serialize: {e}")))
}

impl<A: Actor> ActorHandle<A> {
    fn new(registry: &Registry, target: Target) -> Self {
        Self::within(Some(registry.clone()), target)
    }

    pub(super) fn within(registry: Option<Registry>, target: Target) -> Self {
        Self {
            slot: OnceLock::new(),
            way: Arc::new(Way { registry, target }),
            caller: None,
        }
    }

    /// A handle whose calls come from a connection.
    pub(super) fn of_connection(&self, slot: &Arc<Slot<A>>, conn: ConnId) -> Self {
        Self {
            slot: OnceLock::from(Arc::clone(slot)),
            way: Arc::clone(&self.way),
            caller: Some(Arc::new(Caller::connection(conn))),
        }
    }

    /// The actor's id, looked up and created if need be.
    ///
    /// # Errors
    ///
    /// As the first call would.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the actor may have been created.
    pub async fn resolve(&self) -> Result<ActorId, ActorError> {
        Ok(self.slot().await?.about.id)
    }

    /// The actor itself, looked up and created if need be: to see whether it is awake, or to have it
    /// sleep. Does not wake it.
    ///
    /// # Errors
    ///
    /// As the first call would.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the actor may have been created.
    pub async fn actor(&self) -> Result<ActorRef, ActorError> {
        let slot = self.slot().await?;
        Ok(ActorRef::new(slot))
    }

    /// What the actor is up to, without waking it.
    ///
    /// An action that is called `status` has this name on the actor's handle; then write
    /// `ActorHandle::status(&handle)`.
    ///
    /// # Errors
    ///
    /// `actor.not_found` when there is no such actor, which is not created for this.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing happens.
    pub async fn status(&self) -> Result<ActorStatus, ActorError> {
        Ok(self.existing().await?.status())
    }

    /// Destroys the actor, if it is there: see [`ActorRef::destroy`]. The handle reaches the next actor
    /// of its key, which [`get_or_create`](Registry::get_or_create) makes, with another id.
    ///
    /// An action that is called `destroy` has this name on the actor's handle; then write
    /// `ActorHandle::destroy(&handle)`.
    ///
    /// # Errors
    ///
    /// As [`ActorRef::destroy`]; `actor.not_found` when there is no such actor, which is not created
    /// for this.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the actor may be destroyed.
    pub async fn destroy(&self) -> Result<(), ActorError> {
        self.existing().await?.destroy().await
    }

    /// The actor that is there now.
    async fn existing(&self) -> Result<ActorRef, ActorError> {
        let registry = self.registry()?;
        let slot = match &self.way.target {
            Target::Get(key) | Target::GetOrCreate(key, _) => {
                let address = registry.typed_address::<A>(key.clone())?;
                registry.resolve(&address, Lookup::Get).await?.slot
            }
            Target::Id(id) => registry.by_id(*id).await?,
        };
        Ok(ActorRef::new(slot))
    }

    /// Opens a connection: the actor's connect hooks run, then events arrive until the connection is
    /// dropped or closed by the actor. Calls made through it carry it as [`Ctx::conn`].
    ///
    /// [`Ctx::conn`]: crate::Ctx::conn
    ///
    /// # Errors
    ///
    /// What `on_before_connect` or `on_connect` answered, or why the actor could not be reached, as for
    /// [`call`](Self::call).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the connection is closed if it was opened.
    pub async fn connect(&self, params: A::Params) -> Result<Connection<A>, ActorError>
    where
        A: Handled,
    {
        Connection::open(self, params).await
    }

    /// Calls a handler; the methods of the actor's own handle type wrap this.
    ///
    /// # Errors
    ///
    /// [`CallError::Action`] with the action's own error, [`CallError::Actor`] when it was not run or
    /// came to no answer: `actor.call_cycle` when a handler that waits for this very call holds the
    /// actor's state, `actor.deadline_exceeded` when the handler that calls has no time left.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the action may run or not; nobody hears its answer.
    pub async fn call<T, E>(
        &self,
        make: impl FnOnce(Reply<T, E>) -> A::Call,
    ) -> Result<T, CallError<E>> {
        let (to, answer) = oneshot::channel();
        let call = make(Reply::caller(to));
        // What few calls need is boxed, because every call would carry its future.
        let refused = if is_inside() {
            Box::pin(self.send_as_peer(call)).await?
        } else {
            match (self.slot.get(), &self.caller) {
                (Some(slot), None) => match slot.run_here(call) {
                    Some(call) => slot.send(Msg::Call(call, None)),
                    None => Ok(()),
                },
                (Some(slot), Some(_)) => slot.send(self.message(call)),
                (None, _) => {
                    let slot = Box::pin(self.slot()).await?;
                    slot.send(self.message(call))
                }
            }
        };
        if let Err(refused) = refused {
            Box::pin(self.send_again(refused)).await?;
        }
        answer.await.unwrap_or_else(|_| Err(aborted().into()))
    }

    /// Sends a raw HTTP request to the actor's `on_request`, as a connection of its own that lives until
    /// the response has been read or dropped (C4). So a route of the app's own forwards to an actor.
    ///
    /// Returns once the head of the response is there and the state that it saw is durable; the body
    /// follows as the actor makes it. The actor sees the request as it is given: path and query are its
    /// own, and nothing is added but a [`Hangup`](crate::request::Hangup) among the extensions.
    ///
    /// ```
    /// use actor_core::{prelude::*, request::{Body, IntoResponse, Request}};
    ///
    /// #[actor]
    /// #[derive(Default)]
    /// pub struct Page { visits: u32 }
    ///
    /// #[actor]
    /// impl Page {
    ///     #[on_request]
    ///     async fn fetch(&mut self, request: Request) -> impl IntoResponse {
    ///         self.visits += 1;
    ///         format!("visit {} of {}", self.visits, request.uri().path())
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let registry = Registry::builder().actor::<Page>().build().await?;
    /// let page = registry.get_or_create::<Page>("start");
    /// let request = Request::get("/index.html").body(Body::empty())?;
    /// let response = page.fetch(Value::Undefined, request).await?;
    /// assert_eq!(response.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What the handler or a hook of connecting answered, `actor.request_not_defined` when the actor has
    /// no `on_request`, or why it was not run, as for [`call`](Self::call).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the handler may run or not; its connection ends.
    pub async fn fetch(&self, params: A::Params, request: Request) -> Result<Response, ActorError> {
        let mut slot = self.slot().await?;
        let waits = waits_for(&slot.about).await?;
        let id = ConnId::new(&*slot.host.entropy);
        let asked = Asked::new(id, params, request, Claim::default(), waits)?;
        if let Err(refused) = slot.send(asked.msg) {
            slot = self.send_again(refused).await?;
        }
        asked.underway.response(slot).await
    }

    /// A key whose actor was destroyed may have a new one by now. Answers with the slot that took it.
    pub(super) async fn send_again(&self, refused: Refused<A>) -> Result<Arc<Slot<A>>, ActorError> {
        let slot = match self.slot.get() {
            Some(slot) => Arc::clone(slot),
            None => self.look_up().await?,
        };
        match refused {
            Refused::Gone(msg) if self.conn().is_none() && !self.registry()?.is_shutting_down() => {
                let slot = self.look_up().await?;
                slot.send(msg).map_err(|it| slot.refusal(&it))?;
                Ok(slot)
            }
            refused => Err(slot.refusal(&refused)),
        }
    }

    /// Sends a call that a handler of an actor makes.
    async fn send_as_peer(&self, call: A::Call) -> Result<Result<(), Refused<A>>, ActorError> {
        let slot = self.slot().await?;
        let Some(frame) = current().await else {
            return Ok(slot.send(self.message(call)));
        };
        if A::HANDLERS[A::handler(&call)].receiver != Receiver::Free {
            frame.check(&slot.about)?;
        }
        Ok(slot.send(self.peer_message(call, frame.waits())))
    }

    pub(super) fn registry(&self) -> Result<&Registry, ActorError> {
        self.way.registry.as_ref().ok_or_else(stopping)
    }

    pub(super) async fn slot(&self) -> Result<Arc<Slot<A>>, ActorError> {
        if let Some(slot) = self.slot.get().filter(|it| !it.is_gone()) {
            return Ok(Arc::clone(slot));
        }
        let slot = self.look_up().await?;
        // Where the first one is gone, its place is taken for good.
        let _ = self.slot.set(Arc::clone(&slot));
        Ok(slot)
    }

    async fn look_up(&self) -> Result<Arc<Slot<A>>, ActorError> {
        let registry = self.registry()?;
        let (key, lookup) = match &self.way.target {
            Target::Id(id) => return registry::typed(registry.by_id(*id).await?),
            Target::Get(key) => (key, Lookup::Get),
            Target::GetOrCreate(key, input) => {
                let input = input.as_ref().map(registry::encode_input).transpose()?;
                (key, Lookup::GetOrCreate { input })
            }
        };
        let address = registry.typed_address::<A>(key.clone())?;
        registry::typed(registry.resolve(&address, lookup).await?.slot)
    }
}

impl<A: Actor> Clone for ActorHandle<A> {
    fn clone(&self) -> Self {
        Self {
            slot: self.slot.clone(),
            way: Arc::clone(&self.way),
            caller: self.caller.clone(),
        }
    }
}

impl<A: Actor> fmt::Debug for ActorHandle<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorHandle({} {:?})", A::NAME, self.way.target)
    }
}

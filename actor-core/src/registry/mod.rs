//! Declares actor types and hosts actors: the [`Registry`] an app builds once and clones freely.

mod alarm;
mod builder;
mod table;

use std::{
    any::{Any, TypeId},
    collections::BTreeMap,
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::timeout;

pub use self::builder::{BuildError, RegistryBuilder};
use self::table::{Factory, Hash, Table};
use crate::{
    actor::{About, Actor},
    cell::{self, AnySlot, Host, Slot},
    config::Durability,
    connection::CloseFrame,
    error::ActorError,
    id::ActorId,
    key::{ActorKey, Address},
    lifecycle::Stop,
    storage::{ActorRecord, Creation, NewActor, StorageError},
    value::Value,
};

/// How long a shutdown waits for sockets to close.
const SOCKET_GRACE: Duration = Duration::from_secs(6);
/// Most bytes of an encoded input (K1).
pub const MAX_INPUT: usize = 4 * 1024 * 1024;

/// All the actors of a program: their types, their storage, and those of them that are awake.
///
/// Cloning is cheap; all clones are the same registry. Dropping the last one stops nothing: call
/// [`shutdown`](Self::shutdown) to stop.
///
/// ```
/// use actor_core::prelude::*;
///
/// #[actor]
/// #[derive(Default)]
/// pub struct Counter { count: i64 }
///
/// #[actor]
/// impl Counter {
///     #[action]
///     async fn increment(&mut self, by: i64) -> i64 {
///         self.count += by;
///         self.count
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::builder().actor::<Counter>().build().await?;
/// let counter = registry.get_or_create::<Counter>("visits");
/// assert_eq!(counter.increment(2).await?, 2);
/// assert_eq!(counter.increment(3).await?, 5);
/// registry.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    host: Arc<Host>,
    table: Arc<Table>,
    by_name: BTreeMap<Arc<str>, Arc<dyn Factory>>,
    by_type: BTreeMap<TypeId, Arc<dyn Factory>>,
    namespace: Arc<str>,
    inspector: Option<Box<str>>,
    destroy_token: Option<Box<str>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Nobody is left to be woken.
        self.host.alarms.look();
    }
}

/// How an actor is looked for (K4).
#[derive(Clone, Debug)]
pub(crate) enum Lookup {
    /// It has to be there.
    Get,
    /// It is created if it is not there.
    GetOrCreate { input: Option<Bytes> },
    /// It must not be there.
    Create { input: Option<Bytes> },
}

/// An actor found or made.
pub(crate) struct Found {
    pub(crate) slot: Arc<dyn AnySlot>,
    pub(crate) created: bool,
}

impl Registry {
    /// Starts to declare a registry.
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder::new()
    }

    /// The namespace that typed handles use.
    #[must_use]
    pub fn namespace(&self) -> &Arc<str> {
        &self.inner.namespace
    }

    /// The wire names of the declared actor types, sorted.
    #[must_use]
    pub fn actor_names(&self) -> Vec<&str> {
        self.inner.by_name.keys().map(|it| &**it).collect()
    }

    /// How many actors are in memory: awake, or asleep with somebody holding on to them.
    #[must_use]
    pub fn actors_in_memory(&self) -> usize {
        self.inner.table.len()
    }

    /// Whether [`shutdown`](Self::shutdown) was called.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.inner.host.is_closing()
    }

    /// Stops every actor through its sleep path: running handlers drain, `on_sleep` runs, state is
    /// saved. Then clients' sockets are closed. Returns when all have stopped and storage is closed.
    /// Calls made meanwhile fail with `actor.stopping`, which clients retry.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the actors go on stopping; call it again to wait for them.
    pub async fn shutdown(&self) {
        let host = &self.inner.host;
        host.closing.store(true, Ordering::Release);
        host.alarms.look();
        for slot in self.inner.table.all() {
            slot.ask(Stop::Shutdown);
        }
        host.tasks.close();
        host.tasks.wait().await;
        self.close_sockets().await;
        if let Err(error) = host.driver.close().await {
            tracing::error!(%error, "storage did not close cleanly");
        }
    }

    /// Ends everything as a crash of the process would: no hook runs, nothing that waits is saved,
    /// sockets are closed, calls fail with `actor.stopping`. What was acknowledged is on disk. For when
    /// [`shutdown`](Self::shutdown) takes too long, and for tests.
    ///
    /// Handlers that wait in the middle are aborted at the end of the actor's `sleep_grace`. Statements of
    /// `ctx.sql()` are interrupted at once, and no other runs: calls fail with `sql.closed`, transactions
    /// are rolled back. The storage stays open.
    pub fn abort(&self) {
        #[cfg(feature = "sqlite")]
        self.inner.host.sql.abort();
        let host = &self.inner.host;
        host.closing.store(true, Ordering::Release);
        host.aborted.store(true, Ordering::Release);
        host.alarms.look();
        host.hang_up.cancel();
        let frame = closing_frame();
        for slot in self.inner.table.all() {
            slot.ask(Stop::Shutdown);
            slot.close_sockets(&frame);
        }
    }

    /// Tells connected clients that the process stops, and waits a moment for those who listen.
    async fn close_sockets(&self) {
        let frame = closing_frame();
        for slot in self.inner.table.all() {
            slot.close_sockets(&frame);
        }
        self.inner.host.hang_up.cancel();
        let sockets = &self.inner.host.sockets;
        sockets.close();
        if timeout(SOCKET_GRACE, sockets.wait()).await.is_err() {
            tracing::warn!(left = sockets.len(), "sockets did not close in time");
        }
    }

    /// The registry that hosts an actor, by what its life knows of it.
    pub(crate) fn of_home(home: Arc<dyn Any + Send + Sync>) -> Option<Self> {
        let inner = home.downcast().ok()?;
        Some(Self { inner })
    }

    /// The token of the inspector, if it is on.
    pub(crate) fn inspector_token(&self) -> Option<&str> {
        self.inner.inspector.as_deref()
    }

    /// The token of who may destroy actors from outside, if anybody may.
    pub(crate) fn destroy_token(&self) -> Option<&str> {
        self.inner.destroy_token.as_deref()
    }

    pub(crate) fn host(&self) -> &Arc<Host> {
        &self.inner.host
    }

    pub(crate) fn address(
        &self,
        namespace: &Arc<str>,
        name: &str,
        key: ActorKey,
    ) -> Option<Address> {
        let (name, _) = self.inner.by_name.get_key_value(name)?;
        Some(Address {
            namespace: Arc::clone(namespace),
            name: Arc::clone(name),
            key,
        })
    }

    pub(crate) fn typed_address<A: Actor>(&self, key: ActorKey) -> Result<Address, ActorError> {
        let factory = self.inner.by_type.get(&TypeId::of::<A>());
        let factory = factory.ok_or_else(|| not_registered(A::NAME))?;
        Ok(Address {
            namespace: Arc::clone(&self.inner.namespace),
            name: Arc::clone(&factory.info().name),
            key,
        })
    }

    /// Finds or makes the actor at `address`.
    pub(crate) async fn resolve(
        &self,
        address: &Address,
        lookup: Lookup,
    ) -> Result<Found, ActorError> {
        let hash = self.inner.table.hash(address);
        if let Some(slot) = self.inner.table.at(address, hash) {
            return match lookup {
                Lookup::Get | Lookup::GetOrCreate { .. } => Ok(Found {
                    slot,
                    created: false,
                }),
                Lookup::Create { .. } => Err(duplicate(slot.about().id, &address.key)),
            };
        }
        let factory = self.factory(&address.name)?;
        address
            .key
            .check()
            .map_err(|e| ActorError::new("actor", "key_too_large", e.to_string()))?;
        if factory.info().options.durability == Durability::None {
            return self.resolve_unstored(factory, address, hash, lookup);
        }
        if let Lookup::Get | Lookup::GetOrCreate { .. } = lookup
            && let Some(record) = self.inner.host.driver.find(address).await.map_err(failed)?
        {
            return Ok(Found {
                slot: self.seat(factory, &record, None),
                created: false,
            });
        }
        match lookup {
            Lookup::Get => Err(cell::gone()),
            Lookup::GetOrCreate { input } => match self.reserve(address, input).await? {
                Creation::Made(record) => Ok(Found {
                    slot: self.seat(factory, &record, None),
                    created: true,
                }),
                Creation::Taken(record) => Ok(Found {
                    slot: self.seat(factory, &record, None),
                    created: false,
                }),
            },
            Lookup::Create { input } => match self.reserve(address, input).await? {
                Creation::Made(record) => Ok(Found {
                    slot: self.seat(factory, &record, None),
                    created: true,
                }),
                Creation::Taken(record) => Err(duplicate(record.id, &address.key)),
            },
        }
    }

    /// An actor that stores nothing exists while somebody holds it.
    fn resolve_unstored(
        &self,
        factory: &Arc<dyn Factory>,
        address: &Address,
        hash: Hash,
        lookup: Lookup,
    ) -> Result<Found, ActorError> {
        let input = match lookup {
            Lookup::Get => return Err(cell::gone()),
            Lookup::GetOrCreate { input } | Lookup::Create { input } => checked_input(input)?,
        };
        let about = Arc::new(About::new(self.new_id(), address.clone()));
        let slot = self.inner.table.seat(&about, hash, false, || {
            factory.slot(Arc::clone(&about), Arc::clone(&self.inner.host), input)
        });
        let created = slot.about().id == about.id;
        Ok(Found { slot, created })
    }

    /// The actor with this id.
    pub(crate) async fn by_id(&self, id: ActorId) -> Result<Arc<dyn AnySlot>, ActorError> {
        if let Some(slot) = self.inner.table.get(id) {
            return Ok(slot);
        }
        let record = self.inner.host.driver.record(id).await.map_err(failed)?;
        let record = record.ok_or_else(cell::gone)?;
        let factory = self.factory(&record.address.name)?;
        Ok(self.seat(factory, &record, None))
    }

    /// Takes the address for a new actor, unless somebody has it.
    async fn reserve(
        &self,
        address: &Address,
        input: Option<Bytes>,
    ) -> Result<Creation, ActorError> {
        let input = checked_input(input)?;
        if self.inner.host.is_closing() {
            return Err(cell::stopping());
        }
        let (id, created) = (self.new_id(), self.inner.host.clock.now());
        let actor = NewActor {
            id,
            address: address.clone(),
            created,
            input,
        };
        self.inner.host.driver.create(actor).await.map_err(failed)
    }

    fn new_id(&self) -> ActorId {
        let host = &self.inner.host;
        ActorId::new(host.clock.now(), &*host.entropy)
    }

    fn seat(
        &self,
        factory: &Arc<dyn Factory>,
        record: &ActorRecord,
        input: Option<Bytes>,
    ) -> Arc<dyn AnySlot> {
        let about = Arc::new(About::new(record.id, record.address.clone()));
        let hash = self.inner.table.hash(&about.address);
        self.inner.table.seat(&about, hash, true, || {
            factory.slot(Arc::clone(&about), Arc::clone(&self.inner.host), input)
        })
    }

    fn factory(&self, name: &str) -> Result<&Arc<dyn Factory>, ActorError> {
        self.inner
            .by_name
            .get(name)
            .ok_or_else(|| not_registered(name))
    }
}

/// How clients' sockets are closed when the process stops.
fn closing_frame() -> CloseFrame {
    let stopping = cell::stopping();
    let reason = format!("{}.{}", stopping.group(), stopping.code());
    CloseFrame::new(1012, reason)
}

/// The typed slot behind an untyped one.
pub(crate) fn typed<A: Actor>(slot: Arc<dyn AnySlot>) -> Result<Arc<Slot<A>>, ActorError> {
    let about = Arc::clone(slot.about());
    slot.as_any().downcast().map_err(|_| {
        let text = format!("{about:?} is not an actor of type `{}`", A::NAME);
        ActorError::new("actor", "wrong_type", text)
    })
}

/// The CBOR form of an input, as storage keeps it.
pub(crate) fn encode_input(input: &Value) -> Result<Bytes, ActorError> {
    let mut bytes = Vec::new();
    ciborium::into_writer(input, &mut bytes)
        .map_err(|e| ActorError::internal(format!("the input does not serialize: {e}")))?;
    Ok(bytes.into())
}

fn checked_input(input: Option<Bytes>) -> Result<Option<Bytes>, ActorError> {
    match input {
        Some(bytes) if MAX_INPUT < bytes.len() => {
            let text = format!("the input has {} bytes, more than {MAX_INPUT}", bytes.len());
            Err(ActorError::new("actor", "input_too_large", text)
                .with_status(400)
                .public())
        }
        input => Ok(input),
    }
}

fn not_registered(name: &str) -> ActorError {
    ActorError::new(
        "actor",
        "not_registered",
        format!("no actor type is named `{name}`"),
    )
}

fn duplicate(existing: ActorId, key: &ActorKey) -> ActorError {
    let metadata = Value::object([
        ("existing_actor_id", Value::from(existing.to_string())),
        ("key", Value::from(key.to_string())),
    ]);
    ActorError::new(
        "actor",
        "duplicate_key",
        format!("an actor with key `{key}` exists already"),
    )
    .with_metadata(metadata)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "used as a function of `map_err`"
)]
fn failed(error: StorageError) -> ActorError {
    tracing::error!(%error, "storage failed");
    ActorError::new("actor", "storage_failed", error.to_string())
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("actors", &self.actor_names())
            .finish_non_exhaustive()
    }
}

//! For tests of actors: a registry whose time, storage and death the test decides.

mod clock;
mod form;
mod schema;

use std::{fmt, ops::Deref, sync::Arc, time::Duration};

use tokio::time::sleep;

pub use self::{
    clock::VirtualClock,
    schema::{SchemaError, SchemaLock},
};
#[cfg(feature = "sqlite")]
pub use crate::storage::faults::SqlFaults;
pub use crate::storage::{
    conformance,
    faults::{Fault, Faults},
};
use crate::{
    actor::Actor,
    error::ActorError,
    gateway::{ActorHandle, ActorRef},
    registry::{Registry, RegistryBuilder},
    storage::{Driver, Memory},
};

/// A registry in memory for tests: time passes when the test says so, storage fails when it is told to,
/// and the process dies as often as needed.
///
/// It is a [`Registry`] to all who call it, and needs a runtime whose time is paused:
/// `#[tokio::test(start_paused = true)]`. Then an hour passes at once, and the same way each time.
///
/// ```
/// use std::time::Duration;
/// use actor_core::{prelude::*, testing::{Fault, TestRegistry}};
///
/// #[actor(sleep_after = "30s")]
/// #[derive(Default)]
/// pub struct Counter {
///     count: i64,
///     #[actor(transient)]
///     since_wake: i64,
/// }
///
/// #[actor]
/// impl Counter {
///     #[action]
///     async fn increment(&mut self, by: i64) -> (i64, i64) {
///         self.count += by;
///         self.since_wake += by;
///         (self.count, self.since_wake)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut registry = TestRegistry::start(|it| it.actor::<Counter>()).await;
/// let counter = registry.get_or_create::<Counter>("one");
/// assert_eq!(counter.increment(2).await?, (2, 2));
///
/// // It sleeps when idle, and only then.
/// registry.advance(Duration::from_secs(29)).await;
/// assert!(registry.is_awake(&counter).await);
/// registry.advance(Duration::from_secs(2)).await;
/// assert!(!registry.is_awake(&counter).await);
/// assert_eq!(counter.increment(1).await?, (3, 1));
///
/// // A disk that fails: the caller is told, and nothing has happened.
/// registry.storage().script([Some(Fault::Refuse)]);
/// assert!(counter.increment(100).await.is_err());
///
/// // The process dies, without a word to anybody. What was acknowledged is there.
/// registry.crash().await;
/// let counter = registry.get_or_create::<Counter>("one");
/// assert_eq!(counter.increment(1).await?, (4, 1));
/// # Ok(())
/// # }
/// ```
pub struct TestRegistry {
    registry: Registry,
    declare: Declare,
    storage: Arc<Faults<Memory>>,
    clock: VirtualClock,
}

type Declare = Box<dyn Fn(RegistryBuilder) -> RegistryBuilder + Send + Sync>;

impl TestRegistry {
    /// Starts a registry with whatever actors `declare` adds, over empty storage.
    ///
    /// # Panics
    ///
    /// When the registry cannot be built, as two types have the same name.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing has happened.
    pub async fn start(
        declare: impl Fn(RegistryBuilder) -> RegistryBuilder + Send + Sync + 'static,
    ) -> Self {
        let declare: Declare = Box::new(declare);
        let storage = Arc::new(Faults::new(Memory::new()));
        let clock = VirtualClock::default();
        let registry = build(&declare, &storage, &clock).await;
        Self {
            registry,
            declare,
            storage,
            clock,
        }
    }

    /// Lets time pass, and everything happen that is due in it.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, less time has passed.
    pub async fn advance(&self, by: Duration) {
        // On a paused clock this returns as soon as nobody has anything else to do.
        sleep(by).await;
    }

    /// What `ctx.now()` tells; it passes with the runtime's time, and can be made to jump.
    #[must_use]
    pub fn clock(&self) -> &VirtualClock {
        &self.clock
    }

    /// The storage, to let it fail, tear or wait.
    #[must_use]
    pub fn storage(&self) -> &Arc<Faults<Memory>> {
        &self.storage
    }

    /// Whether an actor is awake.
    ///
    /// # Panics
    ///
    /// When there is no such actor.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the actor may have been created.
    pub async fn is_awake<A: Actor>(&self, actor: &ActorHandle<A>) -> bool {
        reach(actor).await.is_awake()
    }

    /// Puts an actor to sleep, and returns once it sleeps: `on_sleep` has run, its state is saved,
    /// its sockets are open.
    ///
    /// # Panics
    ///
    /// When there is no such actor, or it does not sleep within an hour.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the actor sleeps as soon as it can.
    pub async fn hibernate<A: Actor>(&self, actor: &ActorHandle<A>) {
        let actor = reach(actor).await;
        for _ in 0..PATIENCE {
            if !actor.is_awake() {
                return;
            }
            actor.sleep();
            sleep(Duration::from_millis(1)).await;
        }
        panic!("{actor:?} does not sleep");
    }

    /// Wakes an actor that sleeps, without a message or a connection, and returns once it is awake: `on_wake` has
    /// run. One that is awake already is not told.
    ///
    /// # Errors
    ///
    /// Why it did not start: what its hook gave back, or `actor.storage_failed`.
    ///
    /// # Panics
    ///
    /// When there is no such actor.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the actor wakes.
    pub async fn wake<A: Actor>(&self, actor: &ActorHandle<A>) -> Result<(), ActorError> {
        reach(actor).await.wake().await
    }

    /// The process dies and a new one starts over what is on disk: no hook runs, nothing more is
    /// saved, no statement of an actor's database has any effect, every connection is cut. Handles and
    /// connections of before belong to the dead process; take new ones.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the old process is dead and there may be no new one.
    pub async fn crash(&mut self) {
        self.crash_for(Duration::ZERO).await;
    }

    /// The process dies, as in [`crash`](Self::crash), and a new one starts so much later: what was due
    /// meanwhile was missed.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    ///
    /// As [`crash`](Self::crash).
    pub async fn crash_for(&mut self, down: Duration) {
        self.storage.crash();
        #[cfg(feature = "sqlite")]
        for database in self.registry.host().sql.abort() {
            // What it left in the middle would keep the next process out.
            database.close().await;
        }
        self.registry.abort();
        if !down.is_zero() {
            sleep(down).await;
        }
        self.begin_anew().await;
    }

    /// The process stops as it should, every actor through its sleep path, and a new one starts.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, the old process stops and there may be no new one.
    pub async fn restart(&mut self) {
        self.registry.shutdown().await;
        self.begin_anew().await;
    }

    /// The process stops as it should, as in [`restart`](Self::restart), and another program starts over
    /// what it left: one with whatever actors `declare` adds, as after a deployment.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    ///
    /// As [`restart`](Self::restart).
    pub async fn upgrade(
        &mut self,
        declare: impl Fn(RegistryBuilder) -> RegistryBuilder + Send + Sync + 'static,
    ) {
        self.registry.shutdown().await;
        self.declare = Box::new(declare);
        self.begin_anew().await;
    }

    async fn begin_anew(&mut self) {
        self.storage.crash();
        self.storage = Arc::new(Faults::new(self.storage.inner().reopen()));
        self.registry = build(&self.declare, &self.storage, &self.clock).await;
    }
}

async fn build(declare: &Declare, storage: &Arc<Faults<Memory>>, clock: &VirtualClock) -> Registry {
    let driver: Arc<dyn Driver> = Arc::clone(storage) as _;
    let builder = Registry::builder()
        .shared_storage(driver)
        .clock(clock.clone());
    match declare(builder).build().await {
        Ok(registry) => registry,
        Err(error) => panic!("{error}"),
    }
}

async fn reach<A: Actor>(actor: &ActorHandle<A>) -> ActorRef {
    match actor.actor().await {
        Ok(actor) => actor,
        Err(error) => panic!("{error}"),
    }
}

impl Deref for TestRegistry {
    type Target = Registry;

    fn deref(&self) -> &Registry {
        &self.registry
    }
}

impl fmt::Debug for TestRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestRegistry")
            .field("registry", &self.registry)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// How many milliseconds an actor may take to fall asleep.
const PATIENCE: u32 = 3_600_000;

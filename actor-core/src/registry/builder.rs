//! Declares a registry: which actor types, which storage, which clock.

use std::{
    any::{Any, TypeId},
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, atomic::AtomicBool},
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Inner, Registry, alarm,
    table::{Factory, FactoryOf, Table},
};
use crate::{
    actor::Actor,
    cell::{Alarms, Host},
    clock::{Clock, Entropy, System},
    config::Liveness,
    connection::Pulse,
    key::MAX_NAME,
    metrics,
    storage::{Driver, Memory},
};

/// Declares a [`Registry`]. Made by [`Registry::builder`].
#[must_use = "a registry is made by `build`"]
pub struct RegistryBuilder {
    types: Vec<(TypeId, Arc<dyn Factory>)>,
    driver: Option<Arc<dyn Driver>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    namespace: Arc<str>,
    inspector: Option<Box<str>>,
    liveness: Option<Liveness>,
    destroy_token: Option<Box<str>>,
}

/// A registry that cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two actor types have the same wire name.
    #[error("two actor types are named `{name}`")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A wire name is empty or longer than 64 characters (K1).
    #[error("`{name}` is no name for an actor type: it has to have 1 to {MAX_NAME} characters")]
    BadName {
        /// The name.
        name: String,
    },
}

impl RegistryBuilder {
    pub(super) fn new() -> Self {
        Self {
            types: Vec::new(),
            driver: None,
            clock: Arc::new(System),
            entropy: Arc::new(System),
            namespace: Arc::from("default"),
            inspector: None,
            liveness: Some(Liveness::default()),
            destroy_token: None,
        }
    }

    /// Declares an actor type.
    pub fn actor<A: Actor>(mut self) -> Self {
        self.types
            .push((TypeId::of::<A>(), Arc::new(FactoryOf::<A>::new())));
        self
    }

    /// Where actors are kept. Default: in memory, gone with the process.
    pub fn storage(self, driver: impl Driver) -> Self {
        self.shared_storage(Arc::new(driver))
    }

    /// Where actors are kept, for a driver somebody else holds too.
    pub fn shared_storage(mut self, driver: Arc<dyn Driver>) -> Self {
        self.driver = Some(driver);
        self
    }

    /// What the time is. Default: the machine's clock. Deadlines follow tokio's clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Where ids come from. Default: the machine's random source.
    pub fn entropy(mut self, entropy: impl Entropy) -> Self {
        self.entropy = Arc::new(entropy);
        self
    }

    /// The namespace that typed handles use. Default: `default`.
    pub fn namespace(mut self, namespace: impl Into<Arc<str>>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Lets whoever knows `token` look into every actor, and change its state: by
    /// [`Registry::inspector`], and over HTTP below `/gateway/../inspector/`. Default: nobody may. An
    /// empty token is none.
    pub fn inspector(mut self, token: &str) -> Self {
        self.inspector = Some(token).filter(|it| !it.is_empty()).map(Box::from);
        self
    }

    /// When clients' sockets are pinged, and given up. Default: [`Liveness::default`], a ping after 30 s of
    /// silence, and 30 s for an answer.
    pub fn liveness(mut self, liveness: Liveness) -> Self {
        self.liveness = Some(liveness);
        self
    }

    /// Pings no client. One that vanished without a word is found when something is sent to it and TCP
    /// gives up, which takes many minutes; one that nothing is sent to, never.
    pub fn without_liveness(mut self) -> Self {
        self.liveness = None;
        self
    }

    /// Lets whoever knows `token` destroy actors over HTTP: `DELETE /actors/{id}` with
    /// `authorization: Bearer <token>`. Default: nobody may. An empty token is none.
    pub fn destroy_token(mut self, token: &str) -> Self {
        self.destroy_token = Some(token).filter(|it| !it.is_empty()).map(Box::from);
        self
    }

    /// Makes the registry. No actor is started: each wakes with its first message.
    ///
    /// # Errors
    ///
    /// When two actor types have the same name, or one has a bad one.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime: the registry wakes sleeping actors at the time of their schedules.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it completes, nothing happens.
    #[expect(
        clippy::unused_async,
        reason = "drivers may want to look at their data here"
    )]
    pub async fn build(self) -> Result<Registry, BuildError> {
        let mut by_name: BTreeMap<Arc<str>, Arc<dyn Factory>> = BTreeMap::new();
        let mut by_type = BTreeMap::new();
        for (id, factory) in self.types {
            let name = Arc::clone(&factory.info().name);
            if name.is_empty() || MAX_NAME < name.chars().count() {
                return Err(BuildError::BadName {
                    name: name.to_string(),
                });
            }
            by_type.insert(id, Arc::clone(&factory));
            if by_name.insert(Arc::clone(&name), factory).is_some() {
                return Err(BuildError::DuplicateName {
                    name: name.to_string(),
                });
            }
        }
        metrics::describe();
        let table = Arc::new(Table::default());
        let roster = Arc::downgrade(&table);
        let driver = self.driver.unwrap_or_else(|| Arc::new(Memory::new()));
        let host = Arc::new(Host {
            #[cfg(feature = "sqlite")]
            sql: Arc::new(crate::sql::Pool::new(driver.databases())),
            driver,
            clock: self.clock,
            entropy: self.entropy,
            tasks: TaskTracker::new(),
            sockets: TaskTracker::new(),
            hang_up: CancellationToken::new(),
            closing: AtomicBool::new(false),
            aborted: AtomicBool::new(false),
            roster,
            home: OnceLock::new(),
            alarms: Alarms::default(),
            pulse: Mutex::new(Pulse::new(self.liveness)),
        });
        let namespace = self.namespace;
        let inner = Arc::new(Inner {
            host,
            table,
            by_name,
            by_type,
            namespace,
            inspector: self.inspector,
            destroy_token: self.destroy_token,
        });
        let home: Arc<dyn Any + Send + Sync> = Arc::clone(&inner) as _;
        // Nobody else sets it.
        let _ = inner.host.home.set(Arc::downgrade(&home));
        alarm::watch(&inner);
        Ok(Registry { inner })
    }
}

impl fmt::Debug for RegistryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryBuilder")
            .field("types", &self.types.len())
            .finish_non_exhaustive()
    }
}

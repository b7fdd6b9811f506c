//! What cells share: all of a registry, and all of one actor type.

use std::{
    any::Any,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::alarms::Alarms;
use crate::{
    actor::{About, Actor},
    clock::{Clock, Entropy},
    config::ActorOptions,
    connection::Pulse,
    metrics::Meters,
    storage::Driver,
};

/// What all cells of a registry share.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) driver: Arc<dyn Driver>,
    #[cfg(feature = "sqlite")]
    pub(crate) sql: Arc<crate::sql::Pool>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) tasks: TaskTracker,
    /// Tasks of clients' sockets, which outlive the actors.
    pub(crate) sockets: TaskTracker,
    /// Cancelled once those sockets are to close.
    pub(crate) hang_up: CancellationToken,
    pub(crate) closing: AtomicBool,
    /// Whether it ends without hooks and saves.
    pub(crate) aborted: AtomicBool,
    pub(crate) roster: Weak<dyn Roster>,
    /// The registry itself, for actors that call others; set once it is there.
    pub(crate) home: OnceLock<Weak<dyn Any + Send + Sync>>,
    pub(crate) alarms: Alarms,
    /// Whether clients are still there.
    pub(crate) pulse: Mutex<Pulse>,
}

impl Host {
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    pub(crate) fn pulse(&self) -> MutexGuard<'_, Pulse> {
        // Nothing in there can panic half-way.
        self.pulse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Acquire)
    }
}

/// Who knows which slots there are.
pub(crate) trait Roster: Send + Sync + fmt::Debug {
    /// Nobody holds this actor's slot any more.
    fn forget(&self, about: &About);

    /// The actor is gone for good.
    fn strike(&self, about: &About);
}

/// What all actors of one type share.
pub(crate) struct TypeInfo {
    pub(crate) name: Arc<str>,
    pub(crate) options: Arc<ActorOptions>,
    pub(crate) meters: Meters,
    /// What each handler did so far, see [`may_suspend`](Self::may_suspend).
    habits: Vec<AtomicU8>,
}

impl TypeInfo {
    const UNKNOWN: u8 = 0;
    const STRAIGHT: u8 = 1;
    const SUSPENDS: u8 = 2;

    pub(crate) fn of<A: Actor>() -> Self {
        let name = Arc::from(A::NAME);
        Self {
            meters: Meters::of(&name),
            name,
            options: Arc::new(A::options().bounded()),
            habits: A::HANDLERS
                .iter()
                .map(|_| AtomicU8::new(Self::UNKNOWN))
                .collect(),
        }
    }

    /// Whether a handler may wait in the middle, as far as is known. If it may, what came before it
    /// is snapshotted first, so that an earlier reply never waits for it.
    pub(super) fn may_suspend(&self, handler: usize) -> bool {
        self.habits[handler].load(Ordering::Relaxed) != Self::STRAIGHT
    }

    pub(super) fn learn(&self, handler: usize, suspended: bool) {
        let habit = &self.habits[handler];
        if suspended {
            habit.store(Self::SUSPENDS, Ordering::Relaxed);
        } else if habit.load(Ordering::Relaxed) == Self::UNKNOWN {
            habit.store(Self::STRAIGHT, Ordering::Relaxed);
        }
    }
}

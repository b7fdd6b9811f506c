//! What an actor works out from its state and keeps beside it.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A value that `&self` handlers may replace: for what is worked out from the state, most of all by
/// `#[on_state_change]`, which is lent the state to read only. It belongs into a transient field; what
/// is stored changes in turns of its own.
///
/// ```
/// use actor_core::{actor::Derived, prelude::*};
///
/// #[actor]
/// #[derive(Default)]
/// pub struct Poll {
///     votes: Vec<u32>,
///     #[actor(transient)]
///     sum: Derived<u32>,
/// }
///
/// #[actor]
/// impl Poll {
///     #[on_state_change]
///     async fn changed(&self) {
///         self.sum.set(self.votes.iter().sum());
///     }
///
///     #[action]
///     async fn vote(&mut self, points: u32) {
///         self.votes.push(points);
///     }
///
///     #[action]
///     async fn sum(&self) -> u32 {
///         self.sum.get()
///     }
/// }
/// ```
#[derive(Default)]
pub struct Derived<T>(Mutex<T>);

impl<T> Derived<T> {
    /// Holds `value` at first.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Replaces the value.
    pub fn set(&self, value: T) {
        let old = std::mem::replace(&mut *self.lock(), value);
        // Without the lock: dropping it is the user's code.
        drop(old);
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> T
    where
        T: Clone,
    {
        self.lock().clone()
    }

    /// Changes the value in place. `change` must not touch the same value again: it would wait for
    /// itself.
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: fmt::Debug> fmt::Debug for Derived<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Derived").field(&*self.lock()).finish()
    }
}

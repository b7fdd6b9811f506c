//! What the library counts for whoever watches it: each limit and each turn in an actor's life, through
//! the facade `metrics`. Without the feature of that name nothing is counted and nothing is left of it.

mod names;
#[cfg(feature = "metrics")]
mod recording;
#[cfg(not(feature = "metrics"))]
mod silent;

pub use self::names::*;
#[cfg(feature = "metrics")]
pub(crate) use self::recording::{
    Awake, Hibernating, Meters, Stopwatch, count, count_many, describe,
};
#[cfg(not(feature = "metrics"))]
pub(crate) use self::silent::{Awake, Hibernating, Meters, Stopwatch, count, count_many, describe};

/// Counts that a limit turned something away, and gives back the error that says so.
pub(crate) fn refused<E>(limit: &'static str, error: E) -> E {
    count(&LIMITS, [limit]);
    error
}

/// One of the library's metrics.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Metric {
    /// Its name, with dots or underscores as every exporter takes them.
    pub name: &'static str,
    /// How it changes.
    pub kind: Kind,
    /// The names of its labels. `actor` is the wire name of the type.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// How a metric changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It is how long something took, in seconds.
    Seconds,
}

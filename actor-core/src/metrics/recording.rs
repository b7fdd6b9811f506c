//! With the feature: handles for what happens often, looked up once, so that counting takes no lock; a
//! lookup each time for what is rare.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use ::metrics::{
    Counter, Gauge, Histogram, Label, Unit, counter, describe_counter, describe_gauge,
    describe_histogram, gauge, histogram,
};
use tokio::time::Instant;

use super::{ALL, AWAKE, COMMIT_SECONDS, CONNECTIONS, HIBERNATING, Kind, Metric, WAKES};

/// Tells the recorder what each metric means.
pub(crate) fn describe() {
    for it in ALL {
        match it.kind {
            Kind::Counter => describe_counter!(it.name, Unit::Count, it.help),
            Kind::Gauge => describe_gauge!(it.name, Unit::Count, it.help),
            Kind::Seconds => describe_histogram!(it.name, Unit::Seconds, it.help),
        }
    }
}

/// Counts something rare, with a value for each of its labels.
pub(crate) fn count<const N: usize>(metric: &Metric, values: [&str; N]) {
    count_many(metric, values, 1);
}

/// Counts something rare as often as it happened.
pub(crate) fn count_many<const N: usize>(metric: &Metric, values: [&str; N], times: usize) {
    if times == 0 {
        return;
    }
    let labels = metric.labels.iter().zip(values);
    let labels: Vec<_> = labels
        .map(|(name, value)| Label::new(*name, value.to_owned()))
        .collect();
    counter!(metric.name, labels).increment(times as u64);
}

/// What is counted often, of one actor type.
pub(crate) struct Meters {
    awake: Gauge,
    wakes: Counter,
    connections: Gauge,
    hibernating: Gauge,
    commit_seconds: Histogram,
}

impl Meters {
    pub(crate) fn of(actor: &Arc<str>) -> Self {
        let actor = || Arc::clone(actor);
        Self {
            awake: gauge!(AWAKE.name, "actor" => actor()),
            wakes: counter!(WAKES.name, "actor" => actor()),
            connections: gauge!(CONNECTIONS.name, "actor" => actor()),
            hibernating: gauge!(HIBERNATING.name, "actor" => actor()),
            commit_seconds: histogram!(COMMIT_SECONDS.name, "actor" => actor()),
        }
    }

    /// An actor is awake until what this returns is dropped.
    pub(crate) fn wake(&self) -> Awake {
        self.wakes.increment(1);
        self.awake.increment(1);
        Awake {
            awake: self.awake.clone(),
            connections: self.connections.clone(),
            listed: 0,
        }
    }

    pub(crate) fn committed(&self, since: &Stopwatch) {
        self.commit_seconds.record(since.0.elapsed());
    }
}

/// An actor that is awake, and its connections.
pub(crate) struct Awake {
    awake: Gauge,
    connections: Gauge,
    listed: u32,
}

impl Awake {
    /// So many connections it has now.
    pub(crate) fn lists(&mut self, now: usize) {
        // Far fewer than there is room for.
        let now = u32::try_from(now).unwrap_or(u32::MAX);
        if self.listed != now {
            let change = f64::from(now) - f64::from(self.listed);
            self.connections.increment(change);
            self.listed = now;
        }
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.awake.decrement(1);
        self.connections.decrement(self.listed);
    }
}

/// The connections that hibernate with one actor.
#[derive(Default)]
pub(crate) struct Hibernating(AtomicUsize);

impl Hibernating {
    pub(crate) fn set(&self, meters: &Meters, now: usize) {
        let before = self.0.swap(now, Ordering::Relaxed);
        // No actor has so many that a float could not count them.
        #[expect(clippy::cast_precision_loss, reason = "see above")]
        let change = now as f64 - before as f64;
        meters.hibernating.increment(change);
    }
}

/// When something began.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

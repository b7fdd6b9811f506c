//! Without the feature: the same names, and nothing behind them.

use std::sync::Arc;

use super::Metric;

pub(crate) fn describe() {}

pub(crate) fn count<const N: usize>(_: &Metric, _: [&str; N]) {}

pub(crate) fn count_many<const N: usize>(_: &Metric, _: [&str; N], _: usize) {}

pub(crate) struct Meters;

impl Meters {
    pub(crate) fn of(_: &Arc<str>) -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "as it is with the feature")]
    pub(crate) fn wake(&self) -> Awake {
        Awake
    }

    #[expect(clippy::unused_self, reason = "as it is with the feature")]
    pub(crate) fn committed(&self, _: &Stopwatch) {}
}

pub(crate) struct Awake;

impl Awake {
    #[expect(clippy::unused_self, reason = "as it is with the feature")]
    pub(crate) fn lists(&mut self, _: usize) {}
}

#[derive(Default)]
pub(crate) struct Hibernating {}

impl Hibernating {
    #[expect(clippy::unused_self, reason = "as it is with the feature")]
    pub(crate) fn set(&self, _: &Meters, _: usize) {}
}

#[derive(Clone, Copy)]
pub(crate) struct Stopwatch;

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self
    }
}

//! Between cells and whoever wakes actors that sleep: when to look again.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use tokio::sync::Notify;

use crate::clock::Timestamp;

/// How long a timer for a time of day waits at most before the clock is looked at again, which may have been
/// set.
pub(crate) const LOOK: Duration = Duration::from_secs(60);

/// The one timer of a registry, as its cells see it.
#[derive(Debug)]
pub(crate) struct Alarms {
    /// When it fires, in milliseconds since 1970; the end of time while it is being set.
    armed: AtomicU64,
    /// Whether actors that are due wait until others are done.
    crowded: AtomicBool,
    news: Notify,
}

impl Default for Alarms {
    fn default() -> Self {
        Self {
            armed: AtomicU64::new(u64::MAX),
            crowded: AtomicBool::new(false),
            news: Notify::new(),
        }
    }
}

impl Alarms {
    /// An actor with this alarm has gone to sleep.
    pub(super) fn asleep(&self, at: Timestamp) {
        if at.as_millis() < self.armed.load(Ordering::Acquire) {
            self.news.notify_one();
        }
    }

    /// An actor's alarm may be another now.
    pub(super) fn moved(&self) {
        if self.crowded.load(Ordering::Acquire) {
            self.news.notify_one();
        }
    }

    /// Looks again at once.
    pub(crate) fn look(&self) {
        self.news.notify_one();
    }

    /// The timer is about to be set: from now on no news is missed.
    pub(crate) fn disarm(&self) {
        self.armed.store(u64::MAX, Ordering::Release);
        self.crowded.store(true, Ordering::Release);
    }

    /// The timer is set.
    pub(crate) fn arm(&self, at: Option<Timestamp>, crowded: bool) {
        let at = at.map_or(u64::MAX, Timestamp::as_millis);
        self.armed.store(at, Ordering::Release);
        self.crowded.store(crowded, Ordering::Release);
    }

    /// Completes when there is news.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }
}

//! The time of day as tests have it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::clock::{Clock, Timestamp};

/// A clock that passes with the runtime's time, so that a paused runtime pauses it too. It begins at
/// midnight of 1 January 2024, UTC. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct VirtualClock {
    began: Instant,
    /// How far it was made to jump, in milliseconds.
    ahead: Arc<AtomicI64>,
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            ahead: Arc::default(),
        }
    }
}

impl VirtualClock {
    /// Puts the clock forward, as an operator or a time server may. No deadline comes sooner by it.
    pub fn jump_ahead(&self, by: Duration) {
        self.ahead.fetch_add(millis(by), Ordering::Relaxed);
    }

    /// Puts the clock back.
    pub fn jump_back(&self, by: Duration) {
        self.ahead.fetch_sub(millis(by), Ordering::Relaxed);
    }

    /// Sets the clock.
    pub fn set(&self, to: Timestamp) {
        let now = self.now().as_millis().cast_signed();
        let jump = to.as_millis().cast_signed().saturating_sub(now);
        self.ahead.fetch_add(jump, Ordering::Relaxed);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let shown = Timestamp::from_millis(BEGINNING).after(self.began.elapsed());
        let ahead = self.ahead.load(Ordering::Relaxed);
        Timestamp::from_millis(shown.as_millis().saturating_add_signed(ahead))
    }
}

fn millis(by: Duration) -> i64 {
    i64::try_from(by.as_millis()).unwrap_or(i64::MAX)
}

/// 2024-01-01T00:00:00Z in milliseconds.
const BEGINNING: u64 = 1_704_067_200_000;

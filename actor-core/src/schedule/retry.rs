//! What becomes of a run that fails. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a run that failed is tried again: how often, and after which waits.
///
/// Without one a run that fails is noted in the history, and that is all: a schedule that came once is
/// gone, a recurring one comes again at its next time. With one, a run that was cut short because the
/// process died is tried again too, so what it does should bear being done twice.
///
/// ```
/// use actor_core::schedule::Retry;
/// use std::time::Duration;
///
/// // After 2 s, 4 s, 8 s, 16 s, and then it is put where somebody can look at it.
/// let patient = Retry::times(4)
///     .backoff(Duration::from_secs(2), Duration::from_secs(60))
///     .dead_letter();
/// # let _ = patient;
/// ```
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[must_use]
pub struct Retry {
    times: u32,
    first: u64,
    longest: u64,
    dead_letter: bool,
}

impl Retry {
    /// Tries again `times` times, after 1 s at first and after twice as long each time, up to 1 h.
    pub fn times(times: u32) -> Self {
        Self {
            times,
            first: 1_000,
            longest: 3_600_000,
            dead_letter: false,
        }
    }

    /// Waits `first` before the first further try, and twice as long before each next, up to
    /// `longest`. Both count in whole milliseconds.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        let millis = |it: Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
        (self.first, self.longest) = (millis(first), millis(longest));
        self
    }

    /// Keeps a run whose last try failed as a [`DeadLetter`](super::DeadLetter).
    pub fn dead_letter(mut self) -> Self {
        self.dead_letter = true;
        self
    }

    /// How long to wait after the try of this number, counted from one, has failed. `None` when it
    /// was the last.
    pub(super) fn wait(&self, attempt: u32) -> Option<Duration> {
        if self.times < attempt {
            return None;
        }
        let doublings = attempt.saturating_sub(1).min(63);
        let wait = self.first.saturating_mul(1 << doublings);
        Some(Duration::from_millis(wait.min(self.longest)))
    }

    pub(super) fn buries(&self) -> bool {
        self.dead_letter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let retry = Retry::times(5).backoff(Duration::from_secs(1), Duration::from_secs(5));
        let waits: Vec<_> = (1..7)
            .map(|it| retry.wait(it).map(|it| it.as_secs()))
            .collect();
        assert_eq!(waits, [Some(1), Some(2), Some(4), Some(5), Some(5), None]);
        let endless = Retry::times(u32::MAX).backoff(Duration::MAX, Duration::MAX);
        assert_eq!(endless.wait(400), Some(Duration::from_millis(u64::MAX)));
        assert_eq!(Retry::times(0).wait(1), None);
    }
}

//! How fast the client of one socket may speak. Off unless a server asks for it.

use std::time::Duration;

use tokio::time::Instant;

use super::limits::spend;
use crate::{connection::CloseFrame, metrics};

/// How many messages a client may send over one socket in a second: as many at once, and what is spent comes
/// back evenly. Pings are no messages.
///
/// ```
/// use actor_core::gateway::Pace;
///
/// let mut pace = Pace::per_second(2);
/// assert!(pace.take().is_ok() && pace.take().is_ok());
/// let close = pace.take().unwrap_err();
/// assert_eq!((close.code, &*close.reason), (1008, "guard.message_rate_limit"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// After how long one message is back.
    each: Duration,
    /// When all are back, if not yet.
    whole_at: Option<Instant>,
}

impl Pace {
    /// So many messages in a second, at least 1.
    #[must_use]
    pub fn per_second(most: u32) -> Self {
        Self {
            each: SECOND / most.max(1),
            whole_at: None,
        }
    }

    /// Counts a message of the client.
    ///
    /// # Errors
    ///
    /// How to close the socket when it is one too many: 1008 `guard.message_rate_limit`.
    pub fn take(&mut self) -> Result<(), CloseFrame> {
        if self.admit(Instant::now()) {
            return Ok(());
        }
        metrics::count(&metrics::GATEWAY_REFUSALS, ["socket"]);
        Err(CloseFrame::new(1008, "guard.message_rate_limit"))
    }

    fn admit(&mut self, now: Instant) -> bool {
        let spent = spend(self.whole_at.unwrap_or(now), self.each, SECOND, now).ok();
        self.whole_at = spent.or(self.whole_at);
        spent.is_some()
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Never more in a second than twice what may come at once, and who is slow enough is never refused.
        #[test]
        fn p6_a_pace_is_kept(most in 1..100_u32, pauses in prop::collection::vec(0..500_u64, 0..300)) {
            let mut pace = Pace::per_second(most);
            let (mut now, mut taken, mut last) = (Instant::now(), Vec::new(), None);
            for pause in pauses {
                now += Duration::from_millis(pause);
                let is_slow = last.is_none_or(|it| it + SECOND / most <= now);
                last = Some(now);
                let admitted = pace.admit(now);
                prop_assert!(admitted || !is_slow);
                if admitted {
                    taken.push(now);
                }
                let recent = taken.iter().filter(|it| now < **it + SECOND).count();
                prop_assert!(recent <= 2 * most as usize);
            }
        }
    }

    #[test]
    fn a_second_is_worth_as_many_as_it_says() {
        for most in [1, 3, 7, 1000] {
            let mut pace = Pace::per_second(most);
            let mut now = Instant::now();
            for _ in 0..2 {
                let taken = (0..2 * most).filter(|_| pace.admit(now)).count();
                assert_eq!(taken, most as usize);
                now += SECOND;
            }
        }
    }
}

//! Lives that end by a fault: whether and when the next begins.

use std::time::Duration;

use tokio::time::Instant;

use crate::{clock::Timestamp, config::CrashPolicy};

/// What an actor is up to, as seen from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ActorStatus {
    /// Its start hooks run.
    Starting,
    /// It serves, or is on its way to sleep.
    Running,
    /// It is not in memory, and wakes when somebody wants something of it.
    Sleeping,
    /// Its last life ended by a fault. The next message starts it.
    Crashed,
    /// Its last lives ended by faults, and it starts again by itself.
    CrashLoopBackoff {
        /// When.
        until: Timestamp,
        /// How many lives in a row.
        crashes: u32,
    },
    /// It is gone for good.
    Destroyed,
}

/// Faults in a row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Crashes {
    in_a_row: u32,
    /// Since when the present life serves.
    serves: Option<Instant>,
}

/// What follows a fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Next {
    /// Nothing, until somebody wants something of the actor.
    Wait,
    /// The next life, not before this.
    Again(Instant),
    /// Nothing ever.
    Destroy,
}

impl Crashes {
    /// A life serves.
    pub(crate) fn started(&mut self, now: Instant) {
        self.serves = Some(now);
    }

    /// A life ended by a fault, or did not begin. `by_author` says that the fault is of the actor's own
    /// code, and not of storage; `dice` is any number.
    pub(crate) fn crashed(
        &mut self,
        now: Instant,
        policy: CrashPolicy,
        by_author: bool,
        dice: u64,
    ) -> Next {
        let served = self.serves.take().map(|it| now - it);
        if served.is_some_and(|it| HEALTHY <= it) {
            self.in_a_row = 0;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        match policy {
            CrashPolicy::Sleep => Next::Wait,
            CrashPolicy::Restart => Next::Again(now + backoff(self.in_a_row, dice)),
            CrashPolicy::Destroy if by_author => Next::Destroy,
            // What is stored may be whole: another program, or a mended disk, reads it.
            CrashPolicy::Destroy => Next::Wait,
        }
    }

    /// How many lives in a row ended by faults; none of a life that serves counts.
    pub(crate) fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// Whether there is no life because of a fault.
    pub(crate) fn is_down(&self) -> bool {
        self.serves.is_none()
    }
}

/// How long to wait after so many faults in a row: not at all after the first, then twice as long each
/// time, less up to half of it so that actors that fell together do not rise together.
fn backoff(in_a_row: u32, dice: u64) -> Duration {
    let Some(doublings) = in_a_row.checked_sub(2) else {
        return Duration::ZERO;
    };
    let whole = FIRST.saturating_mul(1 << doublings.min(16)).min(LONGEST);
    let half = u64::try_from(whole.as_millis() / 2).unwrap_or(u64::MAX);
    whole - Duration::from_millis(dice % (half + 1))
}

/// The wait after the second fault in a row.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);
/// A life that served this long had nothing to do with the faults before it.
const HEALTHY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_restarts_come_by_themselves_and_each_waits_longer() {
        let now = Instant::now();
        let mut crashes = Crashes::default();
        let mut waits = Vec::new();
        for _ in 0..12 {
            let Next::Again(at) = crashes.crashed(now, CrashPolicy::Restart, true, 0) else {
                panic!("it does not come again");
            };
            waits.push((at - now).as_millis());
        }
        assert_eq!(
            waits,
            [
                0, 500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000, 60000
            ]
        );
        assert_eq!(crashes.in_a_row(), 12);
        let next = crashes.crashed(now, CrashPolicy::Sleep, true, 0);
        assert_eq!(next, Next::Wait);
    }

    #[test]
    fn a_life_that_served_well_ends_the_row() {
        let now = Instant::now();
        let mut crashes = Crashes::default();
        crashes.crashed(now, CrashPolicy::Restart, true, 0);
        crashes.crashed(now, CrashPolicy::Restart, true, 0);
        assert!(crashes.is_down());
        crashes.started(now);
        assert!(!crashes.is_down());
        let soon = now + HEALTHY / 2;
        crashes.crashed(soon, CrashPolicy::Restart, true, 0);
        assert_eq!(crashes.in_a_row(), 3, "too short a life");
        crashes.started(soon);
        let later = soon + HEALTHY;
        let next = crashes.crashed(later, CrashPolicy::Restart, true, 0);
        assert_eq!((next, crashes.in_a_row()), (Next::Again(later), 1));
    }

    #[test]
    fn only_its_own_code_destroys_an_actor() {
        let now = Instant::now();
        let mut crashes = Crashes::default();
        let by_storage = crashes.crashed(now, CrashPolicy::Destroy, false, 0);
        let by_author = crashes.crashed(now, CrashPolicy::Destroy, true, 0);
        assert_eq!((by_storage, by_author), (Next::Wait, Next::Destroy));
    }

    proptest! {
        #[test]
        fn the_wait_is_bounded_and_not_the_same_for_all(in_a_row in 2_u32.., dice: u64) {
            let wait = backoff(in_a_row, dice);
            let whole = backoff(in_a_row, 0);
            prop_assert!(whole / 2 <= wait && wait <= whole && whole <= LONGEST);
        }
    }
}

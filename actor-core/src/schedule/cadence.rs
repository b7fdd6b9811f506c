//! When a schedule comes, and when it comes again. Pure.

use std::time::Duration;

use super::{MIN_INTERVAL, ScheduleError, cron};
use crate::clock::Timestamp;

/// How often a schedule comes.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Cadence {
    /// Once.
    Once,
    /// Again and again, so far apart.
    Every(Duration),
    /// Whenever the local time matches.
    Cron {
        /// Five fields: minute, hour, day of month, month, day of week.
        expression: String,
        /// The time zone by its name in the IANA database, such as `Europe/Berlin`.
        zone: String,
    },
}

impl Cadence {
    pub(super) fn is_recurring(&self) -> bool {
        *self != Self::Once
    }

    /// The first time of a schedule made at `now`, for those that say so themselves.
    ///
    /// # Errors
    ///
    /// When there is no such time (T6).
    pub(super) fn first(&self, now: Timestamp) -> Result<Timestamp, ScheduleError> {
        match self {
            Self::Once => Ok(now),
            Self::Every(interval) if *interval < MIN_INTERVAL => {
                Err(ScheduleError::IntervalTooShort)
            }
            Self::Every(interval) => Ok(now.after(*interval)),
            Self::Cron { expression, zone } => cron::next(expression, zone, now),
        }
    }

    /// The time after `slot` that is not over yet: what was missed comes once, not as often as it was
    /// missed (T3). An interval stays on its grid.
    pub(super) fn after(&self, slot: Timestamp, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Once => None,
            Self::Every(interval) => {
                let step = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
                let step = step.max(1);
                let over = now.as_millis().saturating_sub(slot.as_millis());
                let ahead = (over / step + 1).checked_mul(step)?;
                let next = slot.as_millis().checked_add(ahead)?;
                Some(Timestamp::from_millis(next))
            }
            Self::Cron { expression, zone } => cron::next(expression, zone, now.max(slot))
                // It was read when it was made, perhaps by a program that knew more.
                .inspect_err(|error| tracing::error!(%error, zone, "a schedule ends here"))
                .ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// T3: the next time is on the grid, not over, and the first such.
        #[test]
        fn t3_an_interval_jumps_along_its_grid(
            slot in 0..1_u64 << 50, late in 0..1_u64 << 40, step in 1..1_u64 << 40,
        ) {
            let now = slot + late;
            let cadence = Cadence::Every(Duration::from_millis(step));
            let next = cadence.after(Timestamp::from_millis(slot), Timestamp::from_millis(now));
            let next = next.unwrap().as_millis();
            prop_assert_eq!((next - slot) % step, 0);
            prop_assert!(now < next && next <= now + step);
        }
    }

    #[test]
    fn what_would_come_after_the_end_of_time_does_not() {
        let cadence = Cadence::Every(Duration::from_millis(u64::MAX));
        let now = Timestamp::from_millis(5);
        assert_eq!(cadence.after(now, now), None);
    }
}

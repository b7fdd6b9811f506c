//! Whether clients are still there: whose turn it is to be asked, and who has not answered. What a
//! quiet socket costs is one entry in one list, however many there are. It knows no time but the steps that
//! it is told of.

use std::{sync::Arc, time::Duration};

use slab::Slab;
use tokio::task::AbortHandle;

use super::Outbox;
use crate::config::Liveness;

/// The sockets that are looked after.
///
/// Time goes in rounds, in each of which every socket is looked at once; and a round in steps, so that
/// no step takes long.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    watched: Slab<Watched>,
    /// How long a step takes; `None` looks after nobody.
    step: Option<Duration>,
    /// After how many rounds of silence a client is asked.
    ask_after: u32,
    /// After how many more it is given up.
    lose_after: u32,
    round: u32,
    steps: usize,
    /// Who steps it; there while anybody is looked after.
    stepper: Option<AbortHandle>,
}

#[derive(Debug)]
struct Watched {
    outbox: Arc<Outbox>,
    /// The round in which the client was last heard of, or asked.
    since: u32,
    is_asked: bool,
}

impl Pulse {
    pub(crate) fn new(liveness: Option<Liveness>) -> Self {
        let Some(Liveness { interval, timeout }) = liveness else {
            return Self::default();
        };
        let round = interval.min(timeout) / ROUNDS;
        let step = (round / STEPS_U32).clamp(SHORTEST_STEP, LONGEST_STEP);
        let rounds = |time: Duration| {
            let rounds = time.as_nanos().div_ceil((step * STEPS_U32).as_nanos());
            u32::try_from(rounds).unwrap_or(u32::MAX)
        };
        Self {
            step: Some(step),
            // It was last heard of up to a round before it is seen that it was.
            ask_after: rounds(interval).saturating_sub(1).max(1),
            lose_after: rounds(timeout),
            ..Self::default()
        }
    }

    /// How long to wait between steps, if anybody is looked after at all.
    pub(crate) fn step_length(&self) -> Option<Duration> {
        self.step
    }

    /// Looks after a socket until it is [left](Self::leave). `start` begins to step when it is the first.
    pub(crate) fn watch(
        &mut self,
        outbox: Arc<Outbox>,
        start: impl FnOnce() -> AbortHandle,
    ) -> usize {
        self.stepper.get_or_insert_with(start);
        self.watched.insert(Watched {
            outbox,
            since: self.round,
            is_asked: false,
        })
    }

    /// Looks after a socket no more.
    pub(crate) fn leave(&mut self, key: usize) {
        self.watched.try_remove(key);
        if self.watched.is_empty() {
            self.watched = Slab::new();
            if let Some(stepper) = self.stepper.take() {
                stepper.abort();
            }
        }
    }

    /// One step of time has passed.
    pub(crate) fn step(&mut self) {
        let all = self.watched.capacity();
        let (from, to) = (all * self.steps / STEPS, all * (self.steps + 1) / STEPS);
        for key in from..to {
            if let Some(it) = self.watched.get_mut(key) {
                it.look(self.round, self.ask_after, self.lose_after);
            }
        }
        self.steps += 1;
        if self.steps == STEPS {
            self.steps = 0;
            self.round = self.round.wrapping_add(1);
        }
    }
}

impl Watched {
    fn look(&mut self, round: u32, ask_after: u32, lose_after: u32) {
        let silent = round.wrapping_sub(self.since);
        if self.outbox.was_heard() {
            self.since = round;
            self.is_asked = false;
        } else if self.is_asked && lose_after <= silent {
            self.outbox.lose();
        } else if !self.is_asked && ask_after <= silent {
            self.since = round;
            self.is_asked = true;
            self.outbox.ask();
        }
    }
}

/// Rounds in the shorter of the two times: how exact they are.
const ROUNDS: u32 = 4;
/// Steps in a round.
const STEPS: usize = 8;
const STEPS_U32: u32 = 8;
/// Shorter steps would be of no use: tokio's timer counts milliseconds.
const SHORTEST_STEP: Duration = Duration::from_millis(1);
/// In longer ones too many sockets would be looked at at once.
const LONGEST_STEP: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{connection::Delivery, protocol::Encoding};

    fn outbox() -> Arc<Outbox> {
        Arc::new(Outbox::new(Encoding::Json, 100))
    }

    fn seconds(interval: u64, timeout: u64) -> Option<Liveness> {
        let of = Duration::from_secs;
        Some(Liveness::new(of(interval), of(timeout)))
    }

    fn watch(pulse: &mut Pulse, outbox: &Arc<Outbox>) -> usize {
        let start = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            runtime.unwrap().spawn(async {}).abort_handle()
        };
        pulse.watch(Arc::clone(outbox), start)
    }

    #[test]
    fn nothing_is_left_once_all_have_gone() {
        assert_eq!(Pulse::new(None).step_length(), None);
        let mut pulse = Pulse::new(seconds(30, 30));
        let keys: Vec<_> = (0..100).map(|_| watch(&mut pulse, &outbox())).collect();
        for key in keys {
            assert!(pulse.stepper.is_some());
            pulse.leave(key);
        }
        assert_eq!(pulse.watched.capacity(), 0);
        assert!(pulse.stepper.is_none());
    }

    #[test]
    fn a_client_that_is_not_listened_to_is_not_asked() {
        let mut pulse = Pulse::new(seconds(4, 4));
        let outbox = outbox();
        watch(&mut pulse, &outbox);
        let deaf = outbox.deafen();
        for _ in 0..1000 {
            pulse.step();
        }
        assert_eq!(outbox.try_next(), None);
        drop(deaf);
        for _ in 0..1000 {
            pulse.step();
        }
        assert_eq!(outbox.try_next(), Some(Delivery::Ping));
        assert_eq!(outbox.try_next(), Some(Delivery::Lost));
    }

    proptest! {
        /// Whoever answers in time stays, whoever does not is asked within the interval and lost within
        /// both times; neither sooner than it has to be.
        #[test]
        fn h16_the_silent_are_asked_and_the_dead_are_lost(
            interval in 1..60_u64,
            timeout in 1..60_u64,
            others in 0..50_usize,
            before in 0..100_usize,
            answers in 0..3_u32,
        ) {
            let mut pulse = Pulse::new(seconds(interval, timeout));
            let step = pulse.step_length().unwrap();
            for _ in 0..before {
                pulse.step();
            }
            for _ in 0..others {
                watch(&mut pulse, &self::outbox());
            }
            let outbox = outbox();
            watch(&mut pulse, &outbox);
            let slack = step * STEPS_U32;
            let (interval, timeout) = (Duration::from_secs(interval), Duration::from_secs(timeout));
            for answer in 0..=answers {
                let mut asked = Duration::ZERO;
                while outbox.try_next() != Some(Delivery::Ping) {
                    pulse.step();
                    asked += step;
                    prop_assert!(asked <= interval + slack, "never asked");
                }
                prop_assert!(interval <= asked + 2 * slack, "asked after {asked:?}");
                if answer < answers {
                    outbox.hear();
                }
            }
            let mut lost = Duration::ZERO;
            while outbox.try_next() != Some(Delivery::Lost) {
                pulse.step();
                lost += step;
                prop_assert!(lost <= timeout + slack, "never lost");
            }
            prop_assert!(timeout <= lost + slack, "lost after {lost:?}");
        }
    }
}

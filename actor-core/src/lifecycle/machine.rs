//! The machine: events in, at most one effect out.

use std::time::Duration;

use tokio::time::Instant;

use super::work::{StayAwake, Work};

/// Why a life ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stop {
    /// Nothing to do, or asked to.
    Sleep,
    /// The process stops: as `Sleep`, but nothing may wake it again here.
    Shutdown,
    /// Gone for good.
    Destroy,
}

impl Stop {
    /// As metrics call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sleep => "sleep",
            Self::Shutdown => "shutdown",
            Self::Destroy => "destroy",
        }
    }
}

/// Where in its life an actor is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// Reading state, running the start hooks.
    Loading,
    /// Serving.
    Started,
    /// The stop hook runs and work drains, until the deadline (G1, G2).
    Grace {
        why: Stop,
        until: Instant,
        hook_done: bool,
    },
    /// The last save is under way.
    Finalizing { why: Stop },
    /// Over.
    Ended { why: Stop },
}

/// What happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    /// The start hooks have returned.
    Started,
    /// The mailbox is empty and no turn runs.
    Quiet,
    /// The time of [`Machine::next_deadline`] may have come.
    Deadline,
    /// Somebody wants it to stop.
    Asked(Stop),
    /// The hook of this stop has returned, or there is none.
    HookDone(Stop),
    /// Some work ended.
    WorkEnded,
    /// Work that is counted elsewhere began or ended; whether any that keeps awake did.
    WorkChanged { activity: bool },
    /// The last save is done, or has failed for good.
    Saved,
}

/// What to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Effect {
    /// Let go of what does not outlive the stop, run the stop hook, answer [`Event::HookDone`].
    RunStopHook(Stop),
    /// Abort what still runs, save for the last time, answer [`Event::Saved`].
    Finalize(Stop),
    /// Leave.
    End(Stop),
}

/// One life.
#[derive(Clone, Debug)]
#[repr(C)] // What every call looks at stands together.
pub(crate) struct Machine {
    phase: Phase,
    idle_since: Option<Instant>,
    sleep_after: Option<Duration>,
    pub(crate) work: Work,
    /// Asked for while loading (G7).
    asked: Option<Stop>,
    grace: Duration,
}

impl Machine {
    pub(crate) fn new(sleep_after: Option<Duration>, grace: Duration) -> Self {
        Self {
            phase: Phase::Loading,
            sleep_after,
            grace,
            idle_since: None,
            asked: None,
            work: Work::default(),
        }
    }

    #[inline]
    pub(crate) fn is_started(&self) -> bool {
        self.phase == Phase::Started
    }

    /// Whether work may still begin: also while it stops, up to its last save (G2).
    pub(crate) fn takes_work(&self) -> bool {
        matches!(self.phase, Phase::Started | Phase::Grace { .. })
    }

    /// Whether it is to be gone for good when it has stopped.
    pub(crate) fn is_destroying(&self) -> bool {
        matches!(
            self.phase,
            Phase::Grace {
                why: Stop::Destroy,
                ..
            } | Phase::Finalizing { why: Stop::Destroy }
        )
    }

    /// Why it stops, if it does.
    pub(crate) fn stops(&self) -> Option<Stop> {
        match self.phase {
            Phase::Grace { why, .. } | Phase::Finalizing { why } | Phase::Ended { why } => {
                Some(why)
            }
            Phase::Loading | Phase::Started => None,
        }
    }

    /// Whether it would sleep some time if it were not for some work, as of the last event.
    #[inline]
    pub(crate) fn is_kept_awake(&self) -> bool {
        self.idle_since.is_none() && self.sleep_after.is_some() && self.is_started()
    }

    /// What keeps it awake, if anything (B1).
    #[inline]
    pub(crate) fn may_sleep(&self) -> Result<(), StayAwake> {
        if !self.is_started() {
            return Err(StayAwake::NotStarted);
        }
        if self.sleep_after.is_none() {
            return Err(StayAwake::Never);
        }
        self.work
            .keeps_awake()
            .map_or(Ok(()), |it| Err(StayAwake::Busy(it)))
    }

    /// When [`Event::Deadline`] is due.
    #[inline]
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Started => Some(self.idle_since? + self.sleep_after?),
            Phase::Grace { until, .. } => Some(until),
            Phase::Loading | Phase::Finalizing { .. } | Phase::Ended { .. } => None,
        }
    }

    /// Whether the time of [`Event::Quiet`] matters, so that it need not be read otherwise.
    #[inline]
    pub(crate) fn counts_idle_time(&self) -> bool {
        self.sleep_after.is_some() || !self.is_started()
    }

    /// There is something to do again. Apart from [`on`](Self::on) because it happens at every burst
    /// of messages and reads no time.
    #[inline]
    pub(crate) fn busy(&mut self) {
        self.idle_since = None;
    }

    /// There is nothing to do any more, as [`Event::Quiet`]. Apart from [`on`](Self::on) as
    /// [`busy`](Self::busy) is; false where `on` has to decide.
    #[inline]
    pub(crate) fn quiet(&mut self, now: Instant) -> bool {
        let decides = self.is_started();
        if decides {
            // Any activity restarts the whole time (B2).
            self.idle_since = self.may_sleep().is_ok().then_some(now);
        }
        decides
    }

    /// When the grace of a stop under way is over (G3).
    #[inline]
    pub(crate) fn grace_ends(&self) -> Option<Instant> {
        match self.phase {
            Phase::Grace { until, .. } => Some(until),
            Phase::Loading | Phase::Started | Phase::Finalizing { .. } | Phase::Ended { .. } => {
                None
            }
        }
    }

    /// Takes an event; answers what to do.
    #[inline]
    pub(crate) fn on(&mut self, now: Instant, event: Event) -> Option<Effect> {
        match (self.phase, event) {
            (Phase::Loading, Event::Started) => {
                self.phase = Phase::Started;
                self.asked.take().and_then(|why| self.begin_grace(now, why))
            }
            (Phase::Loading, Event::Asked(why)) => {
                self.asked = Some(stronger(self.asked, why));
                None
            }
            (Phase::Started, Event::Quiet | Event::WorkEnded) => {
                self.quiet(now);
                None
            }
            (Phase::Started, Event::WorkChanged { activity }) => {
                if self.may_sleep().is_err() {
                    self.idle_since = None;
                } else if activity || self.idle_since.is_none() {
                    // Work that keeps nobody awake does not restart the idle time either (B3).
                    self.idle_since = Some(now);
                }
                None
            }
            (Phase::Started, Event::Deadline) => {
                let due = self.next_deadline().is_some_and(|it| it <= now);
                if due && self.may_sleep().is_ok() {
                    self.begin_grace(now, Stop::Sleep)
                } else {
                    None
                }
            }
            (Phase::Started, Event::Asked(why)) => self.begin_grace(now, why),
            (Phase::Grace { why, .. }, Event::Asked(new)) => self.escalate(why, new),
            (Phase::Grace { why, until, .. }, Event::HookDone(of)) => {
                // The hook of a sleep says nothing about the destroy that overtook it.
                if (of == Stop::Destroy) != (why == Stop::Destroy) {
                    return None;
                }
                self.phase = Phase::Grace {
                    why,
                    until,
                    hook_done: true,
                };
                self.finish_if_drained(why)
            }
            (
                Phase::Grace {
                    why,
                    hook_done: true,
                    ..
                },
                Event::WorkEnded | Event::WorkChanged { .. } | Event::Quiet,
            ) => self.finish_if_drained(why),
            (Phase::Grace { why, until, .. }, Event::Deadline) if until <= now => {
                self.phase = Phase::Finalizing { why };
                Some(Effect::Finalize(why))
            }
            (Phase::Finalizing { why }, Event::Saved) => {
                self.phase = Phase::Ended { why };
                Some(Effect::End(why))
            }
            // Everything else comes too late or too early to matter.
            _ => None,
        }
    }

    fn begin_grace(&mut self, now: Instant, why: Stop) -> Option<Effect> {
        self.idle_since = None;
        self.phase = Phase::Grace {
            why,
            until: now + self.grace,
            hook_done: false,
        };
        Some(Effect::RunStopHook(why))
    }

    /// A sleep may become a destroy (G8); anything else keeps its first reason (G7).
    fn escalate(&mut self, old: Stop, new: Stop) -> Option<Effect> {
        let next = stronger(Some(old), new);
        let Phase::Grace { why, hook_done, .. } = &mut self.phase else {
            return None;
        };
        if next == *why {
            return None;
        }
        *why = next;
        if next == Stop::Destroy {
            *hook_done = false;
            return Some(Effect::RunStopHook(next));
        }
        // A shutdown that overtakes a sleep runs the same hook, which is under way already.
        None
    }

    fn finish_if_drained(&mut self, why: Stop) -> Option<Effect> {
        if self.work.holds_up(why).is_some() {
            return None;
        }
        self.phase = Phase::Finalizing { why };
        Some(Effect::Finalize(why))
    }
}

/// The reason that outlasts the other.
fn stronger(old: Option<Stop>, new: Stop) -> Stop {
    match (old, new) {
        (Some(Stop::Destroy), _) | (_, Stop::Destroy) => Stop::Destroy,
        (Some(Stop::Shutdown), _) | (_, Stop::Shutdown) => Stop::Shutdown,
        (Some(Stop::Sleep) | None, Stop::Sleep) => Stop::Sleep,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lifecycle::WorkKind;

    const SLEEP: Duration = Duration::from_secs(30);
    const GRACE: Duration = Duration::from_secs(15);

    fn started(now: Instant) -> Machine {
        let mut machine = Machine::new(Some(SLEEP), GRACE);
        assert_eq!(machine.on(now, Event::Started), None);
        machine
    }

    #[test]
    fn b2_activity_restarts_the_whole_idle_time() {
        let t0 = Instant::now();
        let mut machine = started(t0);
        machine.on(t0, Event::Quiet);
        let t1 = t0 + SLEEP / 2;
        machine.busy();
        machine.on(t1, Event::Quiet);
        assert_eq!(machine.next_deadline(), Some(t1 + SLEEP));
        assert_eq!(machine.on(t0 + SLEEP, Event::Deadline), None);
        assert_eq!(
            machine.on(t1 + SLEEP, Event::Deadline),
            Some(Effect::RunStopHook(Stop::Sleep))
        );
    }

    #[test]
    fn g7_a_stop_while_loading_waits_for_the_start() {
        let now = Instant::now();
        let mut machine = Machine::new(Some(SLEEP), GRACE);
        assert_eq!(machine.on(now, Event::Asked(Stop::Destroy)), None);
        assert_eq!(machine.on(now, Event::Asked(Stop::Sleep)), None);
        assert_eq!(
            machine.on(now, Event::Started),
            Some(Effect::RunStopHook(Stop::Destroy))
        );
    }

    #[test]
    fn g8_sleep_escalates_to_destroy_and_never_back() {
        let now = Instant::now();
        let mut machine = started(now);
        machine.on(now, Event::Asked(Stop::Sleep));
        assert_eq!(machine.on(now, Event::Asked(Stop::Sleep)), None);
        assert_eq!(
            machine.on(now, Event::Asked(Stop::Destroy)),
            Some(Effect::RunStopHook(Stop::Destroy))
        );
        assert_eq!(machine.on(now, Event::Asked(Stop::Sleep)), None);
        assert_eq!(machine.on(now, Event::HookDone(Stop::Sleep)), None);
        assert_eq!(
            machine.on(now, Event::HookDone(Stop::Destroy)),
            Some(Effect::Finalize(Stop::Destroy))
        );
    }

    #[test]
    fn b6_grace_waits_for_work_and_g3_ends_at_the_deadline() {
        let now = Instant::now();
        let mut machine = started(now);
        machine.work.begin(WorkKind::Free);
        machine.on(now, Event::Asked(Stop::Sleep));
        assert_eq!(machine.on(now, Event::HookDone(Stop::Sleep)), None);
        assert_eq!(
            machine.on(now + GRACE, Event::Deadline),
            Some(Effect::Finalize(Stop::Sleep))
        );
        assert_eq!(
            machine.on(now, Event::Saved),
            Some(Effect::End(Stop::Sleep))
        );
    }

    #[test]
    fn b3_work_that_keeps_nobody_awake_leaves_the_idle_time_alone() {
        let t0 = Instant::now();
        let mut machine = started(t0);
        machine.on(t0, Event::Quiet);
        machine.work.begin(WorkKind::WaitUntil);
        machine.on(t0 + SLEEP / 2, Event::WorkChanged { activity: false });
        assert_eq!(machine.next_deadline(), Some(t0 + SLEEP));
        machine.work.begin(WorkKind::KeepAwake);
        machine.on(t0 + SLEEP / 2, Event::WorkChanged { activity: true });
        assert_eq!(machine.next_deadline(), None);
        machine.work.end(WorkKind::KeepAwake);
        machine.on(t0 + SLEEP, Event::WorkChanged { activity: true });
        assert_eq!(machine.next_deadline(), Some(t0 + SLEEP * 2));
    }

    #[test]
    fn b6_a_sleep_waits_for_run_and_a_destroy_cuts_through_it() {
        let now = Instant::now();
        for (why, waits) in [
            (Stop::Sleep, true),
            (Stop::Shutdown, true),
            (Stop::Destroy, false),
        ] {
            let mut machine = started(now);
            machine.work.begin(WorkKind::Run);
            machine.on(now, Event::Asked(why));
            let effect = machine.on(now, Event::HookDone(why));
            assert_eq!(effect.is_none(), waits, "{why:?}");
            if waits {
                machine.work.end(WorkKind::Run);
                let ended = machine.on(now, Event::WorkChanged { activity: true });
                assert_eq!(ended, Some(Effect::Finalize(why)));
            }
        }
    }

    fn events() -> impl Strategy<Value = Vec<(u8, u64, usize)>> {
        prop::collection::vec((0..15_u8, 0..20_u64, 0..WorkKind::ALL.len()), 0..60)
    }

    proptest! {
        /// Whatever happens in whatever order: an idle sleep never begins on work, each effect comes
        /// in its order and once, and nothing follows the end.
        #[test]
        fn effects_come_in_order(steps in events()) {
            let mut now = Instant::now();
            let mut machine = Machine::new(Some(SLEEP), GRACE);
            let (mut finalized, mut ended, mut destroys) = (0, 0, false);
            for (step, seconds, kind) in steps {
                now += Duration::from_secs(seconds);
                let kind = WorkKind::ALL[kind];
                let was_started = machine.is_started();
                let step_hook = seconds % 2 == 0;
                let event = match step {
                    0 => Event::Started,
                    1 => { machine.busy(); continue }
                    2 => Event::Quiet,
                    3..=5 => Event::Deadline,
                    6 => Event::Asked(Stop::Sleep),
                    7 => Event::Asked(Stop::Shutdown),
                    8 => Event::Asked(Stop::Destroy),
                    9 if step_hook => Event::HookDone(Stop::Destroy),
                    9 => Event::HookDone(Stop::Sleep),
                    10 => { machine.work.begin(kind); machine.busy(); continue }
                    11 if machine.work.under_way().any(|it| it == kind) => { machine.work.end(kind); Event::WorkEnded }
                    12 => { machine.work.begin(kind); Event::WorkChanged { activity: kind.keeps_awake() } }
                    13 if machine.work.under_way().any(|it| it == kind) => {
                        machine.work.end(kind);
                        Event::WorkChanged { activity: kind.keeps_awake() }
                    }
                    _ => Event::Saved,
                };
                let effect = machine.on(now, event);
                prop_assert!(ended == 0 || effect.is_none());
                match effect {
                    Some(Effect::RunStopHook(why)) => {
                        prop_assert_eq!(finalized, 0);
                        prop_assert!(!(destroys && why != Stop::Destroy));
                        destroys |= why == Stop::Destroy;
                        if was_started && event == Event::Deadline {
                            prop_assert!(machine.work.keeps_awake().is_none(), "slept on work");
                        }
                    }
                    Some(Effect::Finalize(why)) => {
                        finalized += 1;
                        prop_assert!(event != Event::HookDone(Stop::Sleep) || why != Stop::Destroy);
                        prop_assert_eq!(destroys, why == Stop::Destroy);
                        let waits = machine.work.holds_up(why).is_some();
                        prop_assert!(!waits || event == Event::Deadline, "finalized on work");
                    }
                    Some(Effect::End(_)) => { prop_assert_eq!(finalized, 1); ended += 1; }
                    None => {}
                }
                prop_assert!(finalized <= 1 && ended <= 1);
            }
        }
    }
}

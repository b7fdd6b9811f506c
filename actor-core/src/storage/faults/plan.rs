//! What is going to fail, as a plain value: asked before each write, it says what becomes of it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Fault;

/// The plan of one process, shared by its driver and the databases of its actors: it dies once.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Writes of the driver.
    pub(super) writes: Lane,
    /// Commits of actors' own databases.
    pub(super) commits: Lane,
    /// Calls of statements to them.
    pub(super) calls: Lane,
    pub(super) failing_reads: usize,
    /// Writes and commits that still go through before a crash.
    crash_after: Option<usize>,
    crashed: bool,
}

/// What fails among things of one kind.
#[derive(Debug, Default)]
pub(super) struct Lane {
    script: VecDeque<Option<Fault>>,
    seeded: Option<Seeded>,
    /// How many have been handed in.
    pub(super) seen: usize,
    /// How many wait for being let go.
    pub(super) waiting: usize,
}

#[derive(Clone, Copy, Debug)]
struct Seeded {
    state: u64,
    one_in: u64,
}

/// Picks a lane of a plan.
pub(super) type Of = fn(&mut Plan) -> &mut Lane;

impl Shared {
    pub(super) fn with<T>(&self, with: impl FnOnce(&mut Plan) -> T) -> T {
        with(&mut self.plan())
    }

    /// Counts one that waits, also when it is dropped while it waits.
    pub(super) fn wait(&self, of: Of) -> Waiting<'_> {
        of(&mut self.plan()).waiting += 1;
        Waiting { plan: self, of }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plan {
    pub(super) fn is_crashed(&self) -> bool {
        self.crashed
    }

    pub(super) fn crash(&mut self) {
        self.crashed = true;
    }

    pub(super) fn crash_after(&mut self, writes: usize) {
        self.crash_after = Some(writes);
    }

    /// Ends everything but a crash.
    pub(super) fn heal(&mut self) {
        for lane in [&mut self.writes, &mut self.commits, &mut self.calls] {
            lane.script.clear();
            lane.seeded = None;
        }
        self.failing_reads = 0;
        self.crash_after = None;
    }

    /// What becomes of the next write, or commit.
    pub(super) fn next_write(&mut self, of: Of) -> Option<Fault> {
        match &mut self.crash_after {
            Some(0) => self.crashed = true,
            Some(left) => *left -= 1,
            None => {}
        }
        self.next(of)
    }

    /// What becomes of the next of these.
    pub(super) fn next(&mut self, of: Of) -> Option<Fault> {
        if self.crashed {
            return Some(Fault::Crash);
        }
        let fault = of(self).draw();
        self.crashed = matches!(fault, Some(Fault::Crash | Fault::CrashTorn));
        fault
    }
}

impl Lane {
    pub(super) fn script(&mut self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.script.extend(faults);
    }

    pub(super) fn seed(&mut self, seed: u64, one_in: u64) {
        assert!(one_in != 0, "one fault in zero writes");
        self.seeded = Some(Seeded {
            state: seed,
            one_in,
        });
    }

    fn draw(&mut self) -> Option<Fault> {
        match self.script.pop_front() {
            Some(fault) => fault,
            None => self.seeded.as_mut().and_then(Seeded::draw),
        }
    }
}

impl Seeded {
    fn draw(&mut self) -> Option<Fault> {
        // SplitMix64: small, well spread, and the same on every machine.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.state;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        drawn ^= drawn >> 31;
        let fault = if drawn >> 63 == 0 {
            Fault::Refuse
        } else {
            Fault::Tear
        };
        drawn.is_multiple_of(self.one_in).then_some(fault)
    }
}

/// One that waits.
pub(super) struct Waiting<'a> {
    plan: &'a Shared,
    of: Of,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        (self.of)(&mut self.plan.plan()).waiting -= 1;
    }
}

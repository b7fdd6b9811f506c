//! What an actor is busy with, and what each kind of work keeps from happening.

use super::Stop;

/// A kind of work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WorkKind {
    /// A handler that runs free.
    Free,
    /// A single HTTP call, from its connect hooks to its disconnect hook.
    HttpCall,
    /// A raw HTTP request, until its response has been sent.
    Request,
    /// A connection on its way in or out: its hooks are running.
    Connecting,
    /// `on_state_change` is due (B5).
    StateChange,
    /// `on_error` is due.
    Failure,
    /// The `run` handler.
    Run,
    /// The `run` handler while it waits in a queue, or for whatever it called parked.
    ParkedRun,
    /// A guard, or a future, that was to keep the actor awake.
    KeepAwake,
    /// A future that a stop is to wait for.
    WaitUntil,
    /// A timer that has not fired.
    Timer,
    /// An open raw WebSocket that does not hibernate.
    Socket,
    /// A scheduled run, from when it is due until it is over.
    Scheduled,
}

/// Why an actor stays awake.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum StayAwake {
    /// It has not started yet, or is stopping already.
    NotStarted,
    /// Sleeping is switched off.
    Never,
    /// It is busy with this.
    Busy(WorkKind),
}

/// What one kind of work keeps from happening. What still goes on at the deadline of a stop is
/// aborted, whatever its kind (B4).
struct Policy {
    /// No idle sleep meanwhile (B1).
    keeps_awake: bool,
    /// A sleep, or a shutdown, waits for it (B6).
    sleep_waits: bool,
    /// A destroy waits for it (B6).
    destroy_waits: bool,
}

/// How much of each kind there is.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)] // An actor that does nothing beside its turns looks at `any` only.
pub(crate) struct Work {
    /// Of all kinds.
    any: u32,
    counts: [u32; WorkKind::ALL.len()],
}

impl WorkKind {
    pub(crate) const ALL: [Self; 13] = [
        Self::Free,
        Self::HttpCall,
        Self::Request,
        Self::Connecting,
        Self::StateChange,
        Self::Failure,
        Self::Run,
        Self::ParkedRun,
        Self::KeepAwake,
        Self::WaitUntil,
        Self::Timer,
        Self::Socket,
        Self::Scheduled,
    ];

    /// What is counted where handlers get it, and not by the cell.
    const BESIDE: [Self; 5] = [
        Self::Run,
        Self::ParkedRun,
        Self::KeepAwake,
        Self::WaitUntil,
        Self::Timer,
    ];

    /// Whether who counts it knows more of it than how much there is.
    pub(crate) fn is_listed_elsewhere(self) -> bool {
        self == Self::Free || Self::BESIDE.contains(&self)
    }

    fn policy(self) -> Policy {
        let (keeps_awake, sleep_waits, destroy_waits) = match self {
            Self::Free
            | Self::HttpCall
            | Self::Request
            | Self::Connecting
            | Self::Scheduled
            | Self::StateChange
            | Self::Failure
            | Self::KeepAwake => (true, true, true),
            Self::Run => (true, true, false),
            Self::ParkedRun => (false, true, false),
            Self::WaitUntil => (false, true, true),
            Self::Timer => (false, false, false),
            Self::Socket => (true, false, false),
        };
        Policy {
            keeps_awake,
            sleep_waits,
            destroy_waits,
        }
    }

    /// Whether an actor stays awake for it.
    pub(crate) fn keeps_awake(self) -> bool {
        self.policy().keeps_awake
    }

    pub(crate) fn holds_up(self, stop: Stop) -> bool {
        match stop {
            Stop::Sleep | Stop::Shutdown => self.policy().sleep_waits,
            Stop::Destroy => self.policy().destroy_waits,
        }
    }
}

impl Work {
    pub(crate) fn begin(&mut self, kind: WorkKind) {
        self.counts[kind as usize] += 1;
        self.any += 1;
    }

    pub(crate) fn end(&mut self, kind: WorkKind) {
        let count = &mut self.counts[kind as usize];
        debug_assert!(0 < *count, "{kind:?} ended more often than it began");
        if 0 < *count {
            *count -= 1;
            self.any -= 1;
        }
    }

    /// Takes over how much there is of the kinds that are counted elsewhere.
    pub(crate) fn count_beside(&mut self, beside: &Self) {
        for kind in WorkKind::BESIDE {
            self.counts[kind as usize] = beside.counts[kind as usize];
        }
        self.any = self.counts.iter().sum();
    }

    /// The first kind that keeps the actor awake.
    pub(crate) fn keeps_awake(&self) -> Option<WorkKind> {
        if self.any == 0 {
            return None;
        }
        self.under_way().find(|it| it.keeps_awake())
    }

    /// The first kind that a stop waits for.
    pub(crate) fn holds_up(&self, stop: Stop) -> Option<WorkKind> {
        self.under_way().find(|it| it.holds_up(stop))
    }

    /// How much there is of a kind.
    pub(crate) fn count(&self, kind: WorkKind) -> usize {
        self.counts[kind as usize] as usize
    }

    /// The kinds there are.
    pub(crate) fn under_way(&self) -> impl Iterator<Item = WorkKind> {
        WorkKind::ALL
            .into_iter()
            .filter(|it| 0 < self.counts[*it as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B1, B3, B4, B6: the table of SEMANTICS, row by row.
    #[test]
    fn b4_each_kind_has_its_policy() {
        let table = WorkKind::ALL.map(|it| {
            let yes = |it: bool| if it { "yes" } else { "-" };
            let (awake, sleep) = (yes(it.keeps_awake()), yes(it.holds_up(Stop::Sleep)));
            assert_eq!(it.holds_up(Stop::Sleep), it.holds_up(Stop::Shutdown));
            format!("{it:?} {awake} {sleep} {}", yes(it.holds_up(Stop::Destroy)))
        });
        assert_eq!(
            table,
            [
                "Free yes yes yes",
                "HttpCall yes yes yes",
                "Request yes yes yes",
                "Connecting yes yes yes",
                "StateChange yes yes yes",
                "Failure yes yes yes",
                "Run yes yes -",
                "ParkedRun - yes -",
                "KeepAwake yes yes yes",
                "WaitUntil - yes yes",
                "Timer - - -",
                "Socket yes - -",
                "Scheduled yes yes yes",
            ]
        );
    }

    #[test]
    fn kinds_are_numbered_as_listed() {
        for (at, kind) in WorkKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, at);
        }
    }
}

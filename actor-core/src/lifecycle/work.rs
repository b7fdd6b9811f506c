//! What an actor is busy with, and what each kind of work keeps from happening.

/// A kind of work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WorkKind {
    /// A handler that runs free.
    Free,
    /// A single HTTP call, from its connect hooks to its disconnect hook.
    HttpCall,
    /// A connection on its way in or out: its hooks are running.
    Connecting,
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

/// How much of each kind there is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Work {
    counts: [u32; WorkKind::ALL.len()],
}

impl WorkKind {
    pub(crate) const ALL: [Self; 3] = [Self::Free, Self::HttpCall, Self::Connecting];

    fn index(self) -> usize {
        match self {
            Self::Free => 0,
            Self::HttpCall => 1,
            Self::Connecting => 2,
        }
    }
}

impl Work {
    pub(crate) fn begin(&mut self, kind: WorkKind) {
        self.counts[kind.index()] += 1;
    }

    pub(crate) fn end(&mut self, kind: WorkKind) {
        let count = &mut self.counts[kind.index()];
        debug_assert!(0 < *count, "{kind:?} ended more often than it began");
        *count = count.saturating_sub(1);
    }

    /// The first kind of work under way.
    pub(crate) fn busy_with(&self) -> Option<WorkKind> {
        WorkKind::ALL
            .into_iter()
            .find(|it| 0 < self.counts[it.index()])
    }
}

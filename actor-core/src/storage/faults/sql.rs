//! The same for the databases of actors, behind `ctx.sql()`: their files are not the driver's, the disk
//! under them is.

use async_trait::async_trait;
use tokio::sync::watch;

use super::{Fault, full, plan::Shared, refused};
use crate::storage::{Denied, Disk, StorageError};

/// What goes wrong with the databases of actors. From [`Faults::sql`](super::Faults::sql).
///
/// Faults fall on **commits**: of a transaction, also of one that wrote nothing, and of a statement that
/// writes outside of one. Where asked, they fall on **calls** as well, that is `execute`, `query`, and the
/// `begin` and `commit` of a transaction.
///
/// | fault | what the caller is told |
/// |---|---|
/// | [`Refuse`](Fault::Refuse), [`Tear`](Fault::Tear) | [`SqlError::Failed`](crate::sql::SqlError::Failed) |
/// | [`Full`](Fault::Full) | [`SqlError::Full`](crate::sql::SqlError::Full) |
/// | [`Swallow`](Fault::Swallow), [`Silence`](Fault::Silence) | nothing, and nobody else gets at the database until it is given up |
/// | [`Crash`](Fault::Crash), [`CrashTorn`](Fault::CrashTorn) | [`SqlError::Closed`](crate::sql::SqlError::Closed) |
///
/// A commit that does not happen is rolled back. Statements that come after a fault in one call do not run.
/// Actors of durability `none` have no disk, and nothing of theirs fails but by a crash.
#[derive(Debug)]
pub struct SqlFaults {
    plan: Shared,
    /// True while calls wait.
    held: watch::Sender<bool>,
}

impl SqlFaults {
    pub(super) fn new(plan: Shared) -> Self {
        Self {
            plan,
            held: watch::Sender::new(false),
        }
    }

    /// What happens to the next commits, one each; `None` lets a commit pass. Added to what an earlier
    /// call left.
    pub fn script(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.plan.with(|it| it.commits.script(faults));
    }

    /// What happens to the next calls, one each. One that is refused runs no statement; one that is torn
    /// runs all, and fails. Added to what an earlier call left.
    pub fn script_calls(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.plan.with(|it| it.calls.script(faults));
    }

    /// From now on about one commit in `one_in` is refused or torn, always the same ones for a seed.
    ///
    /// # Panics
    ///
    /// When `one_in` is zero.
    pub fn seeded(&self, seed: u64, one_in: u64) {
        self.plan.with(|it| it.commits.seed(seed, one_in));
    }

    /// Makes calls wait, before any of their statements runs, until [`release`](Self::release).
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    /// Lets the calls go that [`hold`](Self::hold) stopped.
    pub fn release(&self) {
        self.held.send_replace(false);
    }

    /// How many calls have been handed in.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.plan.with(|it| it.calls.seen)
    }

    /// How many commits have been handed in.
    #[must_use]
    pub fn commits(&self) -> usize {
        self.plan.with(|it| it.commits.seen)
    }

    /// How many calls wait for [`release`](Self::release).
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.plan.with(|it| it.calls.waiting)
    }
}

#[async_trait]
impl Disk for SqlFaults {
    async fn wait(&self) {
        let mut held = self.held.subscribe();
        if !*held.borrow_and_update() {
            return;
        }
        let _waiting = self.plan.wait(|it| &mut it.calls);
        // The sender is ours, so it cannot be gone.
        let _ = held.wait_for(|it| !*it).await;
    }

    fn call(&self) -> Option<Denied> {
        let fault = self.plan.with(|it| {
            it.calls.seen += 1;
            it.next(|it| &mut it.calls)
        });
        fault.map(denied)
    }

    fn commit(&self) -> Option<Denied> {
        let fault = self.plan.with(|it| {
            it.commits.seen += 1;
            it.next_write(|it| &mut it.commits)
        });
        fault.map(denied)
    }
}

fn denied(fault: Fault) -> Denied {
    let (happens, error) = match fault {
        Fault::Refuse => (false, Some(refused("before it happened"))),
        Fault::Full => (false, Some(full())),
        Fault::Tear => (true, Some(refused("after it happened"))),
        Fault::Swallow => (false, None),
        Fault::Silence => (true, None),
        Fault::Crash => (false, Some(StorageError::Closed)),
        Fault::CrashTorn => (true, Some(StorageError::Closed)),
    };
    Denied { happens, error }
}

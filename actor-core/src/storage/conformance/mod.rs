//! What every storage driver must pass, as calls for a driver author's own tests. No driver here.
//!
//! ```
//! use actor_core::storage::{Memory, conformance};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! conformance::check(async || Memory::new()).await;
//! # }
//! ```

mod alarms;
mod commits;
mod databases;
mod directory;
mod durable;
mod reads;

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::{Batch, Creation, Driver, Entry, NewActor, Op, ScanRange, StorageError};
use crate::{
    clock::Timestamp,
    id::{ActorId, Generation},
    key::{ActorKey, Address},
};

/// Checks every rule that a driver keeps while it is open. `open` gives a new, empty one each time.
///
/// Run it on a multi-threaded runtime, or calls that race do so only in turns.
///
/// # Panics
///
/// At the first rule that is broken, naming it.
///
/// # Cancel safety
///
/// If dropped before it completes, tasks it started end by themselves.
pub async fn check<D: Driver>(open: impl AsyncFn() -> D) {
    let bench = async |rule| Bench::new(rule, Arc::new(open().await));
    Box::pin(directory::check(&bench)).await;
    Box::pin(reads::check(&bench)).await;
    Box::pin(commits::check(&bench)).await;
    Box::pin(alarms::check(&bench)).await;
    Box::pin(databases::check(&bench)).await;
    Box::pin(durable::check_close(&bench)).await;
}

/// Checks that what was acknowledged is still there after the driver was dropped and opened again.
/// `open` gives a driver over the same data each time, empty at first.
///
/// # Panics
///
/// At the first rule that is broken, naming it.
///
/// # Cancel safety
///
/// If dropped before it completes, the data is left in some state.
pub async fn check_durable<D: Driver>(open: impl AsyncFn() -> D) {
    let bench = async |rule| Bench::new(rule, Arc::new(open().await));
    Box::pin(durable::check_reopen(&bench)).await;
}

/// One driver under one rule, whose name every failure carries.
struct Bench<D> {
    rule: &'static str,
    driver: Arc<D>,
}

impl<D: Driver> Bench<D> {
    fn new(rule: &'static str, driver: Arc<D>) -> Self {
        Self { rule, driver }
    }

    #[track_caller]
    fn ok<T>(&self, result: Result<T, StorageError>) -> T {
        result.unwrap_or_else(|err| panic!("rule `{}`: a call failed: {err:?}", self.rule))
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "checks read better without the references"
    )]
    #[track_caller]
    fn same<T: PartialEq + fmt::Debug>(&self, found: T, expected: T, what: &str) {
        assert!(
            found == expected,
            "rule `{}`: {what}\n  expected {expected:?}\n  found    {found:?}",
            self.rule
        );
    }

    #[track_caller]
    fn holds(&self, holds: bool, what: &str) {
        assert!(holds, "rule `{}`: {what}", self.rule);
    }

    async fn made(&self, number: u64) -> ActorId {
        self.create(actor(number)).await
    }

    async fn create(&self, actor: NewActor) -> ActorId {
        let id = actor.id;
        let made = self.ok(self.driver.create(actor).await);
        self.holds(matches!(made, Creation::Made(_)), "a free address is given");
        id
    }

    /// Commits `ops` as generation 1.
    async fn commit(&self, id: ActorId, ops: Vec<Op>) {
        let batch = Batch {
            ops,
            ..Batch::new(id, Generation::from_number(1), 1)
        };
        let _ = self.ok(self.driver.commit(batch).await);
    }

    async fn alarm(&self, id: ActorId, at: Option<u64>) {
        let alarm = Some(at.map(Timestamp::from_millis));
        let batch = Batch {
            alarm,
            ..Batch::new(id, Generation::from_number(1), 1)
        };
        let _ = self.ok(self.driver.commit(batch).await);
    }

    async fn entries(&self, id: ActorId) -> Vec<Entry> {
        let all = ScanRange {
            start: Vec::new(),
            end: None,
            limit: usize::MAX,
            reverse: false,
        };
        self.ok(self.driver.scan(id, all).await)
    }

    async fn keys(&self, id: ActorId) -> Vec<Vec<u8>> {
        self.entries(id)
            .await
            .into_iter()
            .map(|it| it.key)
            .collect()
    }
}

fn id(number: u64) -> ActorId {
    ActorId::from_bytes(u128::from(number).to_be_bytes())
}

fn address(key: impl Into<ActorKey>) -> Address {
    Address {
        namespace: "default".into(),
        name: "counter".into(),
        key: key.into(),
    }
}

fn actor(number: u64) -> NewActor {
    NewActor {
        id: id(number),
        address: address(format!("actor-{number}")),
        created: Timestamp::from_millis(1_000 + number),
        input: None,
    }
}

fn put(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Op {
    Op::Put {
        key: key.as_ref().to_vec(),
        value: Bytes::copy_from_slice(value.as_ref()),
    }
}

fn delete(key: impl AsRef<[u8]>) -> Op {
    Op::Delete {
        key: key.as_ref().to_vec(),
    }
}

fn entry(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Entry {
    Entry {
        key: key.as_ref().to_vec(),
        value: Bytes::copy_from_slice(value.as_ref()),
    }
}

//! Storage through its public face: both drivers, and what can go wrong with a database file.

#![expect(clippy::unwrap_used, reason = "a test's own steps must not fail")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use actor_core::{
    ActorId, Address, Generation,
    clock::Timestamp,
    storage::{
        Batch, Driver, Memory, NewActor, Op, OpenError, ScanRange, Sqlite, StorageError,
        conformance,
    },
};
use bytes::Bytes;
use futures_util::FutureExt as _;
use tempfile::TempDir;

mod damage;
mod faults;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_conforms() {
    conformance::check(async || Memory::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_conforms() {
    let dir = Dir::new();
    let next = std::cell::Cell::new(0);
    conformance::check(async || {
        next.set(next.get() + 1);
        Sqlite::open(dir.path(&format!("{}.db", next.get()))).unwrap()
    })
    .await;
}

/// One write at a time goes through none of the code that a group does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_conforms_without_groups() {
    let dir = Dir::new();
    let next = std::cell::Cell::new(0);
    conformance::check(async || {
        next.set(next.get() + 1);
        Sqlite::options()
            .group(1)
            .readers(1)
            .open(dir.path(&format!("{}.db", next.get())))
            .unwrap()
    })
    .await;
}

#[tokio::test]
async fn options_beyond_reason_are_as_good_as_none() {
    let dir = Dir::new();
    let storage = Sqlite::options()
        .busy(Duration::MAX)
        .inline_writes(Duration::MAX)
        .group(usize::MAX)
        .readers(usize::MAX)
        .actors_open(usize::MAX)
        .actor_threads(usize::MAX)
        .actor_bytes(u64::MAX)
        .max_bytes(u64::MAX)
        .open(dir.path("actors.db"))
        .unwrap();
    storage.create(actor(1)).await.unwrap();
    let _ = storage.commit(put(1, "k", "v")).await.unwrap();
    storage.close().await.unwrap();
}

/// Whatever the disk, those who ask write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_conforms_where_all_commits_are_quick() {
    let dir = Dir::new();
    let next = std::cell::Cell::new(0);
    conformance::check(async || {
        next.set(next.get() + 1);
        Sqlite::options()
            .inline_writes(Duration::MAX)
            .open(dir.path(&format!("{}.db", next.get())))
            .unwrap()
    })
    .await;
}

/// Whatever the disk, a thread writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_conforms_where_no_commit_is_quick() {
    let dir = Dir::new();
    let next = std::cell::Cell::new(0);
    conformance::check(async || {
        next.set(next.get() + 1);
        Sqlite::options()
            .inline_writes(Duration::ZERO)
            .open(dir.path(&format!("{}.db", next.get())))
            .unwrap()
    })
    .await;
}

/// A write is done though its asker left, and one that has to wait for another program waits on the
/// thread and not on the runtime's.
#[tokio::test]
async fn sqlite_writes_what_was_left_or_must_wait() {
    let dir = Dir::new();
    let path = dir.path("actors.db");
    let driver = Sqlite::options()
        .inline_writes(Duration::MAX)
        .open(&path)
        .unwrap();
    driver.create(actor(1)).await.unwrap();
    let _ = driver.commit(put(1, "a", "1")).await.unwrap();

    // Who would have written for all leaves.
    let mut first = Box::pin(driver.commit(put(1, "b", "2")));
    assert!((&mut first).now_or_never().is_none());
    let mut second = Box::pin(driver.commit(put(1, "a", "2")));
    assert!((&mut second).now_or_never().is_none());
    drop(first);
    let _ = tokio::time::timeout(Duration::from_secs(10), second)
        .await
        .unwrap()
        .unwrap();
    let written = async {
        while keys(&driver, 1).await != ["a", "b"] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), written)
        .await
        .unwrap();

    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut waits = Box::pin(driver.commit(put(1, "c", "3")));
    for _ in 0..10 {
        // Would hang here, for it is the only thread that could let go.
        assert!((&mut waits).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    other.execute_batch("COMMIT").unwrap();
    let _ = waits.await.unwrap();
    assert_eq!(keys(&driver, 1).await, ["a", "b", "c"]);
    driver.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_is_durable() {
    let dir = Dir::new();
    conformance::check_durable(async || Sqlite::open(dir.path("actors.db")).unwrap()).await;
}

#[tokio::test]
async fn memory_reopened_has_the_same_data() {
    let memory = Memory::new();
    let reopened = memory.reopen();
    memory.create(actor(1)).await.unwrap();
    memory.close().await.unwrap();
    assert!(reopened.record(id(1)).await.unwrap().is_some());
}

struct Dir(TempDir);

impl Dir {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn id(number: u64) -> ActorId {
    ActorId::from_bytes(u128::from(number).to_be_bytes())
}

fn actor(number: u64) -> NewActor {
    NewActor {
        id: id(number),
        address: Address {
            namespace: "default".into(),
            name: "counter".into(),
            key: number.to_string().into(),
        },
        created: Timestamp::from_millis(1),
        input: None,
    }
}

fn put(number: u64, key: &str, value: impl Into<Bytes>) -> Batch {
    let ops = vec![Op::Put {
        key: key.into(),
        value: value.into(),
    }];
    Batch {
        ops,
        ..Batch::new(id(number), Generation::from_number(1), 1)
    }
}

async fn keys(driver: &dyn Driver, number: u64) -> Vec<String> {
    let all = ScanRange {
        start: Vec::new(),
        end: None,
        limit: usize::MAX,
        reverse: false,
    };
    let entries = driver.scan(id(number), all).await.unwrap();
    entries
        .into_iter()
        .map(|it| String::from_utf8(it.key).unwrap())
        .collect()
}

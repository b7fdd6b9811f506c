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

//! Storage that is full, read-only, or of a newer program: what callers are told, and that what was
//! there stays. Over real files, through a whole registry.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy does not see"
)]

use std::{path::Path, sync::Arc};

use actor_core::{
    ActorError, Registry,
    prelude::*,
    storage::{
        ActorRecord, Batch, Driver, Entry, Loaded, Op, Sqlite,
        faults::{Fault, Faults},
    },
};

#[actor(version = 2)]
#[derive(Default)]
struct Page {
    lines: Vec<String>,
    gone: u32,
}

#[actor]
impl Page {
    #[on_disconnect]
    async fn left(&mut self) {
        self.gone += 1;
    }

    #[action]
    async fn write(&mut self, line: String) -> usize {
        self.lines.push(line);
        self.lines.len()
    }

    #[action]
    async fn cut(&mut self, to: usize) {
        self.lines.truncate(to);
    }

    #[action]
    async fn lines(&self) -> Vec<String> {
        self.lines.clone()
    }

    #[action]
    async fn gone(&self) -> u32 {
        self.gone
    }
}

async fn over(driver: Arc<dyn Driver>) -> Registry {
    let builder = Registry::builder().actor::<Page>().shared_storage(driver);
    builder.build().await.unwrap()
}

async fn open(path: &Path) -> (Arc<dyn Driver>, Registry) {
    let driver: Arc<dyn Driver> = Arc::new(Sqlite::open(path).unwrap());
    (Arc::clone(&driver), over(driver).await)
}

#[tokio::test]
async fn a_full_disk_fails_calls_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("full.db");
    let driver = Sqlite::options().max_bytes(512 * 1024).open(&path).unwrap();
    let registry = over(Arc::new(driver)).await;
    let small = registry.get_or_create::<Page>("small");
    small.write("kept".into()).await.unwrap();
    let big = registry.get_or_create::<Page>("big");
    let connection = big.connect(Value::Undefined).await.unwrap();
    let line = "x".repeat(20_000);
    let mut written = 0;
    let error = loop {
        match big.write(line.clone()).await {
            Ok(lines) => {
                written += 1;
                assert_eq!(lines, written);
                assert!(written < 100, "it never was full");
            }
            Err(error) => break error.to_actor_error(),
        }
    };
    assert!(error.is("actor", "storage_failed"), "{error}");
    assert!(0 < written);
    // It comes back from its last commit, connection and all, and says so again and again.
    for _ in 0..3 {
        assert_eq!(connection.lines().await.unwrap().len(), written);
        let error = connection.write(line.clone()).await.unwrap_err();
        assert!(error.to_actor_error().is("actor", "storage_failed"));
    }
    assert_eq!(small.lines().await.unwrap(), ["kept"]);
    let mut made = 0;
    let error = loop {
        let more = registry.get_or_create::<Page>(format!("more {made}"));
        match more.write("y".repeat(3_000)).await {
            Ok(_) => made += 1,
            Err(error) => break error.to_actor_error(),
        }
        assert!(made < 200, "it never was full");
    };
    assert!(error.is("actor", "storage_failed"), "{error}");
    // What makes room is taken.
    connection.cut(0).await.unwrap();
    connection.write("short".into()).await.unwrap();
    registry.shutdown().await;

    let (_driver, registry) = open(&path).await;
    let big = registry.get::<Page>("big").lines().await.unwrap();
    assert_eq!(big, ["short"]);
    let small = registry.get::<Page>("small").lines().await.unwrap();
    assert_eq!(small, ["kept"]);
    for i in 0..made {
        let lines = registry.get::<Page>(format!("more {i}")).lines().await;
        assert_eq!(lines.unwrap().len(), 1, "more {i}");
    }
    registry.shutdown().await;
}

/// While nothing can be written, an actor is still read, and does not wear itself out by trying.
#[tokio::test]
async fn storage_that_takes_nothing_fails_writes_and_serves_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stuck.db");
    let (_, registry) = open(&path).await;
    let page = registry.get_or_create::<Page>("page");
    let connection = page.connect(Value::Undefined).await.unwrap();
    connection.write("kept".into()).await.unwrap();
    registry.shutdown().await;
    drop(connection);

    let stuck = Arc::new(Faults::new(Sqlite::open(&path).unwrap()));
    stuck.script(std::iter::repeat_n(Some(Fault::Refuse), 10_000));
    let registry = over(Arc::clone(&stuck) as _).await;
    let page = registry.get_or_create::<Page>("page");
    for _ in 0..3 {
        // The connection of the process before has gone, which cannot be saved either; so nobody may
        // be shown a state in which it has.

        for error in [
            page.write("lost".into())
                .await
                .unwrap_err()
                .to_actor_error(),
            page.lines().await.unwrap_err().to_actor_error(),
        ] {
            assert!(error.is("actor", "storage_failed"), "{error}");
        }
    }
    let tried = stuck.writes();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(stuck.writes() < tried + 10, "it tries for ever");
    let new = registry
        .get_or_create::<Page>("new")
        .write("no".into())
        .await;
    let error = new.unwrap_err().to_actor_error();
    assert!(error.is("actor", "storage_failed"), "{error}");
    registry.shutdown().await;

    let (_, registry) = open(&path).await;
    let page = registry.get::<Page>("page");
    assert_eq!(page.lines().await.unwrap(), ["kept"]);
    assert_eq!(page.gone().await.unwrap(), 1);
    let error = registry.get::<Page>("new").lines().await.unwrap_err();
    assert!(error.to_actor_error().is("actor", "not_found"));
    registry.shutdown().await;
}

/// All that is stored of the page.
async fn stored(driver: &dyn Driver, record: &ActorRecord) -> (ActorRecord, Vec<Entry>) {
    let loaded = driver.load(record.id, &[]).await.unwrap();
    let Loaded { record, entries } = loaded.unwrap();
    (record, entries)
}

/// Changes a stored page as a newer program would have written it, lets this one meet it, and looks
/// whether it kept its hands off.
async fn meet(change: impl Fn(&mut Entry) -> bool) -> ActorError {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("newer.db");
    let (driver, registry) = open(&path).await;
    let page = registry.get_or_create::<Page>("page");
    let connection = page.connect(Value::Undefined).await.unwrap();
    connection.write("kept".into()).await.unwrap();
    let id = page.resolve().await.unwrap();
    registry.shutdown().await;
    drop((connection, driver));

    let driver = Sqlite::open(&path).unwrap();
    let record = driver.record(id).await.unwrap().unwrap();
    let (_, mut entries) = stored(&driver, &record).await;
    entries.retain_mut(change);
    assert_eq!(entries.len(), 1, "found what to change");
    let mut batch = Batch::new(id, record.generation, 1);
    batch.ops = entries
        .into_iter()
        .map(|Entry { key, value }| Op::Put { key, value })
        .collect();
    let _ = driver.commit(batch).await.unwrap();
    let before = stored(&driver, &record).await;
    driver.close().await.unwrap();

    let (_, registry) = open(&path).await;
    let page = registry.get_or_create::<Page>("page");
    let error = page.lines().await.unwrap_err().to_actor_error();
    let again = page.write("lost".into()).await.unwrap_err();
    assert!(again.to_actor_error().is(error.group(), error.code()));
    let opened = page.connect(Value::Undefined).await.unwrap_err();
    assert!(opened.is(error.group(), error.code()), "{opened}");
    let other = registry.get_or_create::<Page>("other");
    assert_eq!(other.write("fine".into()).await.unwrap(), 1);
    registry.shutdown().await;

    let driver = Sqlite::open(&path).unwrap();
    assert_eq!(stored(&driver, &record).await, before, "bytes were touched");
    error
}

/// Replaces the only `from` in `bytes` by `to`.
fn replace(entry: &mut Entry, from: &[u8], to: &[u8]) -> bool {
    let mut bytes = entry.value.to_vec();
    let Some(at) = bytes.windows(from.len()).position(|it| it == from) else {
        return false;
    };
    bytes[at..at + to.len()].copy_from_slice(to);
    entry.value = bytes.into();
    true
}

#[tokio::test]
async fn s6_a_state_of_a_newer_program_is_left_alone() {
    let error = meet(|it| {
        replace(
            it,
            b"\x61v\x1a\0\0\0\x02\x65state",
            b"\x61v\x1a\0\0\0\x03\x65state",
        )
    })
    .await;
    assert!(error.is("protocol", "invalid_persisted_data"), "{error}");
    assert!(error.message().contains('3'), "{error}");
}

#[tokio::test]
async fn s6_a_connection_of_a_newer_program_is_left_alone() {
    let error = meet(|it| replace(it, b"\x61v\x02\x66params", b"\x61v\x04\x66params")).await;
    assert!(error.is("protocol", "invalid_persisted_data"), "{error}");
    assert!(error.message().contains('4'), "{error}");
}

/// A newer row may have other fields than ours; its version is what counts.
#[tokio::test]
async fn s6_a_connection_of_other_fields_is_left_alone() {
    let error = meet(|it| replace(it, b"\x61v\x02\x66params", b"\x61v\x04\x66porams")).await;
    assert!(error.is("protocol", "invalid_persisted_data"), "{error}");
    assert!(error.message().contains("version 4"), "{error}");
}

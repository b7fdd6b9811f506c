//! Databases that are in use, full, foreign, newer, damaged or read-only.

use std::io::{Read, Seek, SeekFrom, Write};

use super::*;

#[tokio::test]
async fn a_second_open_is_refused_and_the_first_is_unharmed() {
    let dir = Dir::new();
    let path = dir.path("actors.db");
    let first = Sqlite::open(&path).unwrap();
    first.create(actor(1)).await.unwrap();
    for _ in 0..2 {
        let Err(OpenError::InUse { path: named }) = Sqlite::open(&path) else {
            panic!()
        };
        assert_eq!(named, path.canonicalize().unwrap());
        let _ = first.commit(put(1, "k", "v")).await.unwrap();
    }
    assert_eq!(keys(&first, 1).await, ["k"]);
    drop(first);
    assert_eq!(keys(&Sqlite::open(&path).unwrap(), 1).await, ["k"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_second_name_finds_the_same_lock() {
    let dir = Dir::new();
    let (path, link) = (dir.path("actors.db"), dir.path("link.db"));
    let first = Sqlite::open(&path).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(matches!(Sqlite::open(&link), Err(OpenError::InUse { .. })));
    first.close().await.unwrap();
    Sqlite::open(&link).unwrap();
}

#[tokio::test]
async fn closing_leaves_one_file_and_frees_the_lock() {
    let dir = Dir::new();
    let path = dir.path("actors.db");
    let storage = Sqlite::open(&path).unwrap();
    storage.create(actor(1)).await.unwrap();
    storage.close().await.unwrap();
    let mut names: Vec<_> = fs::read_dir(dir.path(""))
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["actors.db", "actors.db.lock"]);
    // `storage` still lives, closed.
    assert!(
        Sqlite::open(&path)
            .unwrap()
            .record(id(1))
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn dropping_writes_what_was_handed_in() {
    let dir = Dir::new();
    let path = dir.path("actors.db");
    let storage = Sqlite::open(&path).unwrap();
    storage.create(actor(1)).await.unwrap();
    // Handed in and never waited for.
    for i in 0..100 {
        let commit = storage.commit(put(1, &format!("{i:02}"), "v"));
        assert!(futures_util::FutureExt::now_or_never(commit).is_none_or(|it| it.is_ok()));
    }
    drop(storage);
    assert_eq!(keys(&Sqlite::open(&path).unwrap(), 1).await.len(), 100);
}

#[tokio::test]
async fn a_full_disk_fails_the_write_and_nothing_else() {
    let dir = Dir::new();
    let storage = Sqlite::options()
        .max_bytes(256 * 1024)
        .open(dir.path("actors.db"))
        .unwrap();
    for number in 1..=20 {
        storage.create(actor(number)).await.unwrap();
    }
    // Together in one group: the large one must not take the small ones with it.
    let writes = (1..=20).map(|number| {
        let size = if number == 7 { 1 << 20 } else { 10 };
        storage.commit(put(number, "k", vec![0; size]))
    });
    let done = futures_util::future::join_all(writes).await;
    for (number, done) in (1..).zip(done) {
        let full = matches!(done, Err(StorageError::Full(_)));
        assert_eq!(full, number == 7, "{number}: {done:?}");
        assert_eq!(keys(&storage, number).await.len(), usize::from(number != 7));
    }
    let _ = storage.commit(put(7, "small", "v")).await.unwrap();
    assert_eq!(keys(&storage, 7).await, ["small"]);

    // Filled to the brim, it still deletes and serves again.
    let mut filled = 0;
    let fill = async |key: &str| storage.commit(put(1, key, vec![0; 4096])).await.is_ok();
    while fill(&format!("fill {filled}")).await {
        filled += 1;
    }
    assert!(0 < filled);
    let again = storage.commit(put(1, "fill", vec![0; 8192])).await;
    assert!(matches!(again, Err(StorageError::Full(_))), "{again:?}");
    storage.destroy(id(1)).await.unwrap();
    let _ = storage
        .commit(put(2, "after", vec![0; 8192]))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_newer_database_is_refused_untouched() {
    let dir = Dir::new();
    let path = dir.path("actors.db");
    drop(Sqlite::open(&path).unwrap());
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let before = fs::read(&path).unwrap();
    let refused = Sqlite::open(&path);
    assert!(
        matches!(
            refused,
            Err(OpenError::NewerSchema {
                found: 99,
                supported: 1,
                ..
            })
        ),
        "{refused:?}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn what_is_not_ours_is_refused_untouched() {
    let dir = Dir::new();
    let path = dir.path("actors.db");
    let refuse = || {
        let before = fs::read(&path).unwrap();
        let refused = Sqlite::open(&path);
        assert!(
            matches!(refused, Err(OpenError::NotADatabase { .. })),
            "{refused:?}"
        );
        assert_eq!(fs::read(&path).unwrap(), before);
    };
    fs::write(
        &path,
        "just a text, but long enough to be a header of SQLite's. ".repeat(50),
    )
    .unwrap();
    refuse();
    fs::remove_file(&path).unwrap();
    let foreign = rusqlite::Connection::open(&path).unwrap();
    foreign.execute_batch("CREATE TABLE theirs (a)").unwrap();
    drop(foreign);
    refuse();
}

#[test]
fn a_damaged_database_says_so() {
    let dir = Dir::new();
    let path = dir.path("actors.db");
    drop(Sqlite::open(&path).unwrap());
    // The page that holds the schema.
    scribble(&path, 100, &[0xff; 64]);
    let refused = Sqlite::open(&path);
    assert!(
        matches!(refused, Err(OpenError::Corrupt { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn damage_in_one_actor_fails_its_reads_only() {
    let dir = Dir::new();
    let path = dir.path("actors.db");
    let storage = Sqlite::open(&path).unwrap();
    for number in [1, 2] {
        storage.create(actor(number)).await.unwrap();
        let _ = storage
            .commit(put(number, "k", vec![7; 100_000]))
            .await
            .unwrap();
    }
    drop(storage);
    let db = rusqlite::Connection::open(&path).unwrap();
    // As if a version we do not know had written there.
    db.execute_batch("UPDATE actors SET created = -1 WHERE row = 1")
        .unwrap();
    drop(db);
    let storage = Sqlite::open(&path).unwrap();
    let refused = storage.load(id(1), &[]).await;
    assert!(
        matches!(refused, Err(StorageError::Corrupt(_))),
        "{refused:?}"
    );
    assert_eq!(keys(&storage, 2).await, ["k"]);
}

/// SQLite itself takes a file whose header asks for a newer writer as read-only, which shows the
/// same to every user, also to one whom no permission stops.
#[test]
fn a_read_only_database_is_refused() {
    let dir = Dir::new();
    let path = dir.path("actors.db");
    drop(Sqlite::open(&path).unwrap());
    scribble(&path, 18, &[3]);
    let refused = Sqlite::open(&path);
    assert!(
        matches!(refused, Err(OpenError::ReadOnly { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_missing_directory_is_named() {
    let dir = Dir::new();
    let refused = Sqlite::open(dir.path("nowhere/actors.db")).unwrap_err();
    assert!(matches!(&refused, OpenError::Io { .. }), "{refused:?}");
    assert!(refused.to_string().contains("nowhere/actors.db"));
}

#[tokio::test]
async fn a_foreign_lock_fails_writes_until_it_is_gone() {
    let dir = Dir::new();
    let path = dir.path("actors.db");
    let storage = Sqlite::options()
        .busy(Duration::from_millis(1))
        .open(&path)
        .unwrap();
    storage.create(actor(1)).await.unwrap();
    let foreign = rusqlite::Connection::open(&path).unwrap();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = storage.commit(put(1, "k", "v")).await;
    assert!(
        matches!(refused, Err(StorageError::Failed(_))),
        "{refused:?}"
    );
    assert_eq!(keys(&storage, 1).await, [""; 0]);
    foreign.execute_batch("COMMIT").unwrap();
    let _ = storage.commit(put(1, "k", "v")).await.unwrap();
    assert_eq!(keys(&storage, 1).await, ["k"]);
}

/// Who is not to wait for a lock at all hears that there is one.
#[tokio::test]
async fn a_foreign_lock_is_told_of_where_nobody_waits_for_it() {
    let dir = Dir::new();
    let path = dir.path("actors.db");
    let storage = Sqlite::options()
        .busy(Duration::ZERO)
        .inline_writes(Duration::ZERO)
        .open(&path)
        .unwrap();
    storage.create(actor(1)).await.unwrap();
    let foreign = rusqlite::Connection::open(&path).unwrap();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = storage.commit(put(1, "k", "v")).await.unwrap_err();
    let source = std::error::Error::source(&refused).map(ToString::to_string);
    assert!(
        source.as_ref().is_some_and(|it| it.contains("locked")),
        "{refused:?}"
    );
    foreign.execute_batch("COMMIT").unwrap();
    let _ = storage.commit(put(1, "k", "v")).await.unwrap();
}

/// A reader that never ends pins the log. It may grow then, but nobody waits, and once the reader is
/// gone the log is used from its start again.
#[tokio::test]
async fn the_log_stays_short() {
    let dir = Dir::new();
    let path = dir.path("actors.db");
    let storage = Sqlite::options()
        .busy(Duration::from_millis(1))
        .open(&path)
        .unwrap();
    storage.create(actor(1)).await.unwrap();
    let fill = async |rounds: u8| {
        for round in 0..rounds {
            let value = vec![round; 1 << 20];
            let _ = storage.commit(put(1, "k", value)).await.unwrap();
        }
        fs::metadata(dir.path("actors.db-wal")).unwrap().len() >> 20
    };
    let alone = fill(40).await;
    assert!((10..=20).contains(&alone), "{alone} MiB");

    let foreign = rusqlite::Connection::open(&path).unwrap();
    foreign
        .execute_batch("BEGIN; SELECT * FROM actors;")
        .unwrap();
    let pinned = fill(30).await;
    assert!((30..=60).contains(&pinned), "{pinned} MiB");
    drop(foreign);
    let after = fill(60).await;
    assert!(after <= pinned + 20, "{after} MiB after {pinned}");
}

fn scribble(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    let mut before = vec![0; bytes.len()];
    file.read_exact(&mut before).unwrap();
    assert_ne!(before, bytes);
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

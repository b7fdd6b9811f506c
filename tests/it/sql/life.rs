//! The database along an actor's life: migrations, sleep, failure, destroy, and its file.

use std::{
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use actor_core::{
    Registry,
    prelude::*,
    sql::{Sql, SqlError, Transaction},
    storage::Sqlite,
    testing::TestRegistry,
};
use futures_util::future::join_all;

use super::{Desk, code, number, run};

use crate::registry;

/// Notes down which hook saw what.
#[actor(input = String)]
pub(crate) struct Chronicle {
    seen: Vec<String>,
}

/// How often the start of an actor called `moody` has failed, by hook.
static FAILED: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

fn first_time(at: usize) -> bool {
    FAILED[at].fetch_add(1, Ordering::SeqCst) == 0
}

#[actor]
impl Chronicle {
    #[on_migrate]
    async fn migrate(ctx: &Ctx<Self>, tx: &Transaction, is_new: bool) -> Result<(), ActorError> {
        tx.migrate(&["create table hooks (id integer primary key, name text)"])
            .await?;
        tx.execute(
            "insert into hooks (name) values (?)",
            format!("migrate {is_new}"),
        )
        .await?;
        if ctx.key().to_string() == "moody migrate" && first_time(0) {
            return Err(ActorError::user("not today"));
        }
        Ok(())
    }

    #[on_create]
    async fn create(ctx: &Ctx<Self>, _owner: String) -> Result<Self, ActorError> {
        let sql = ctx.sql();
        sql.execute("insert into hooks (name) values ('create')", ())
            .await?;
        if ctx.key().to_string() == "moody create" && first_time(1) {
            return Err(ActorError::user("not today"));
        }
        Ok(Self {
            seen: sql.query("select name from hooks order by id", ()).await?,
        })
    }

    #[on_wake]
    async fn wake(&mut self, ctx: &Ctx<Self>) -> Result<(), SqlError> {
        ctx.sql()
            .execute("insert into hooks (name) values ('wake')", ())
            .await?;
        Ok(())
    }

    #[on_sleep]
    async fn sleeps(&self, ctx: &Ctx<Self>) -> Result<(), SqlError> {
        ctx.sql()
            .execute("insert into hooks (name) values ('sleep')", ())
            .await?;
        Ok(())
    }

    #[action]
    async fn hooks(&self, ctx: &Ctx<Self>) -> Result<Vec<String>, SqlError> {
        ctx.sql()
            .query("select name from hooks order by id", ())
            .await
    }

    #[action]
    async fn seen(&self) -> Vec<String> {
        self.seen.clone()
    }

    #[action]
    async fn sleep(&self, ctx: &Ctx<Self>) {
        ctx.sleep();
    }

    #[action]
    async fn destroy(&self, ctx: &Ctx<Self>) {
        ctx.destroy();
    }
}

fn chronicle(registry: &Registry, key: &str) -> ChronicleHandle {
    registry
        .get_or_create_with::<Chronicle>(key, &"ann".to_owned())
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn migrations_come_first_at_each_start() {
    let registry = registry(|it| it.actor::<Chronicle>()).await;
    let it = chronicle(&registry, "a");
    assert_eq!(it.seen().await.unwrap(), ["migrate true", "create"]);
    it.sleep().await.unwrap();
    let both_lives = [
        "migrate true",
        "create",
        "wake",
        "sleep",
        "migrate false",
        "wake",
    ];
    assert_eq!(it.hooks().await.unwrap(), both_lives);
    it.destroy().await.unwrap();
    // The answer comes before the end.
    while registry.get::<Chronicle>("a").resolve().await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        chronicle(&registry, "a").seen().await.unwrap(),
        ["migrate true", "create"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_leaves_nothing() {
    let registry = registry(|it| it.actor::<Chronicle>()).await;
    for key in ["moody migrate", "moody create"] {
        let it = chronicle(&registry, key);
        let failed = it.seen().await.unwrap_err().to_actor_error();
        assert_eq!(failed.message(), "not today", "{key}");
        assert_eq!(
            it.seen().await.unwrap(),
            ["migrate true", "create"],
            "{key}"
        );
    }
}

/// Migrates to as many versions as its input says.
#[actor(input = usize, sleep_after = "1s")]
pub(crate) struct Grown {
    versions: usize,
}

static VERSIONS: AtomicUsize = AtomicUsize::new(1);

#[actor]
impl Grown {
    #[on_migrate]
    async fn migrate(tx: &Transaction) -> Result<(), SqlError> {
        let steps = [
            "create table a (n)",
            "create table b (n)",
            "create table c (n); create table c (n)",
        ];
        tx.migrate(&steps[..VERSIONS.load(Ordering::SeqCst)]).await
    }

    #[on_create]
    async fn create(versions: usize) -> Self {
        Self { versions }
    }

    #[action]
    async fn tables(&self, ctx: &Ctx<Self>) -> Result<Vec<String>, SqlError> {
        ctx.sql()
            .query(
                "select name from sqlite_schema where type = 'table' order by name",
                (),
            )
            .await
    }

    #[action]
    async fn sleep(&self, ctx: &Ctx<Self>) {
        ctx.sleep();
    }
}

#[tokio::test(start_paused = true)]
async fn each_step_of_a_migration_runs_once_and_whole() {
    let registry = registry(|it| it.actor::<Grown>()).await;
    let it = registry.get_or_create_with::<Grown>("a", &1).unwrap();
    assert_eq!(it.tables().await.unwrap(), ["a"]);
    it.sleep().await.unwrap();
    VERSIONS.store(2, Ordering::SeqCst);
    assert_eq!(it.tables().await.unwrap(), ["a", "b"]);
    it.sleep().await.unwrap();
    // The third fails in its middle: the start fails, and nothing of it is there.
    VERSIONS.store(3, Ordering::SeqCst);
    assert_eq!(code(it.tables().await), "sql.failed");
    // An older program does not touch what a newer one made.
    VERSIONS.store(1, Ordering::SeqCst);
    assert_eq!(code(it.tables().await), "sql.newer_schema");
    VERSIONS.store(2, Ordering::SeqCst);
    assert_eq!(it.tables().await.unwrap(), ["a", "b"]);
}

/// In real time: the storage's thread does not stop a paused clock.
async fn over_file(path: &Path, options: actor_core::storage::SqliteOptions) -> Registry {
    // By hand: what is on a disk is what is looked at.
    Registry::builder()
        .actor::<Desk>()
        .actor::<Chronicle>()
        .actor::<Forgetful>()
        .storage(options.open(path).unwrap())
        .build()
        .await
        .unwrap()
}

fn files(path: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(path.with_extension("db.actors")) else {
        return Vec::new();
    };
    entries
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn each_actor_has_a_file_until_it_is_destroyed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let registry = over_file(&path, Sqlite::options()).await;
    // Who never asks has none.
    registry
        .get_or_create::<Forgetful>("x")
        .add()
        .await
        .unwrap();
    assert_eq!(files(&path), Vec::<String>::new());
    for key in ["a", "b"] {
        let desk = registry.get_or_create::<Desk>(key);
        run(&desk, "create table t (n); insert into t values (1)").await;
    }
    let kept = chronicle(&registry, "kept");
    let gone = chronicle(&registry, "gone");
    let gone_id = gone.resolve().await.unwrap();
    kept.seen().await.unwrap();
    gone.seen().await.unwrap();
    gone.destroy().await.unwrap();
    registry.shutdown().await;
    let left = files(&path);
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(
        !left.iter().any(|it| it.contains(&gone_id.to_string())),
        "{left:?}"
    );

    let registry = over_file(&path, Sqlite::options()).await;
    assert_eq!(
        number(
            &registry.get_or_create::<Desk>("a"),
            "select count(*) from t"
        )
        .await,
        1
    );
    let both_lives = [
        "migrate true",
        "create",
        "wake",
        "sleep",
        "migrate false",
        "wake",
    ];
    assert_eq!(
        chronicle(&registry, "kept").hooks().await.unwrap(),
        both_lives
    );
    registry.shutdown().await;
}

#[tokio::test]
async fn no_file_outlives_its_actor_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let registry = over_file(&path, Sqlite::options()).await;
    run(&registry.get_or_create::<Desk>("a"), "create table t (n)").await;
    registry.shutdown().await;
    let directory = path.with_extension("db.actors");
    let mine = files(&path);
    // What a crash leaves between the record and the file of a destroyed actor.
    for orphan in [
        "0190a2b4-0000-7000-8000-000000000001.db",
        "0190a2b4-0000-7000-8000-000000000001.db-wal",
        "notes.txt",
    ] {
        std::fs::write(directory.join(orphan), "").unwrap();
    }
    let registry = over_file(&path, Sqlite::options()).await;
    // The storage is closed after everything that was asked of it.
    registry.shutdown().await;
    let mut left = files(&path);
    left.sort();
    let mut expected = mine;
    expected.push("notes.txt".into());
    expected.sort();
    assert_eq!(left, expected);
}

/// P6: a database has its limit, which says so, costs no row that is there, and hurts no other actor.
#[tokio::test]
async fn a_database_that_is_full_says_so_and_has_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let registry = over_file(&path, Sqlite::options().actor_bytes(256 * 1024)).await;
    let desk = registry.get_or_create::<Desk>("a");
    run(&desk, "create table t (x)").await;
    let add = "insert into t values (zeroblob(16384))".to_owned();
    let mut there = 0;
    let full = loop {
        match desk.run(add.clone(), vec![]).await {
            Ok(changes) => there += i64::try_from(changes).unwrap(),
            full => break code(full),
        }
        assert!(there < 16, "more than there is room for");
    };
    assert_eq!(full, "sql.full");
    assert!(8 < there, "{there}");
    assert_eq!(number(&desk, "select count(*) from t").await, there);
    // A transaction is full as a whole.
    let both = format!("begin; delete from t where rowid = 1; {add}; {add}; commit");
    assert_eq!(code(desk.run(both, vec![]).await), "sql.full");
    assert_eq!(number(&desk, "select count(*) from t").await, there);
    let other = registry.get_or_create::<Desk>("b");
    run(&other, "create table t (x)").await;
    run(&other, &add).await;
    run(&desk, "delete from t where rowid < 4").await;
    run(&desk, &add).await;
    // The limit is that of the next life too.
    registry.shutdown().await;
    let registry = over_file(&path, Sqlite::options().actor_bytes(256 * 1024)).await;
    let desk = registry.get_or_create::<Desk>("a");
    assert_eq!(number(&desk, "select count(*) from t").await, there - 2);
    let much = "insert into t values (zeroblob(200000))".to_owned();
    assert_eq!(code(desk.run(much, vec![]).await), "sql.full");
    registry.shutdown().await;
}

#[tokio::test]
async fn few_files_serve_many_actors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let registry = over_file(&path, Sqlite::options().actors_open(2).actor_threads(1)).await;
    let desks: Vec<_> = (0..6)
        .map(|it| registry.get_or_create::<Desk>(it.to_string()))
        .collect();
    for desk in &desks {
        run(desk, "create table t (n)").await;
    }
    for round in 1..4 {
        join_all(desks.iter().map(|it| run(it, "insert into t values (1)"))).await;
        let open = files(&path)
            .iter()
            .filter(|it| it.ends_with("-wal"))
            .count();
        assert!(open <= 2, "{open} files are open");
        for desk in &desks {
            assert_eq!(number(desk, "select count(*) from t").await, round);
        }
    }
    // One in a transaction keeps its file, one with a temporary table too.
    run(&desks[0], "begin; insert into t values (2)").await;
    run(&desks[1], "create temp table mine (n)").await;
    assert_eq!(
        code(desks[2].run("select 1".into(), vec![]).await),
        "sql.too_many_open"
    );
    run(&desks[0], "rollback").await;
    assert_eq!(number(&desks[2], "select count(*) from t").await, 3);
    assert_eq!(number(&desks[1], "select count(*) from mine").await, 0);
    registry.shutdown().await;
}

/// Stores nothing.
#[actor(durability = "none", sleep_after = "1s")]
#[derive(Debug, Default)]
pub(crate) struct Forgetful {}

static KEPT: Mutex<Option<Sql>> = Mutex::new(None);

#[actor]
impl Forgetful {
    #[action]
    async fn add(&self) {}

    #[action]
    async fn count(&self, ctx: &Ctx<Self>) -> Result<i64, SqlError> {
        let sql = ctx.sql();
        sql.execute(
            "create table if not exists t (n); insert into t values (1)",
            (),
        )
        .await?;
        *KEPT.lock().unwrap() = Some(sql.clone());
        sql.query_one("select count(*) from t", ()).await
    }

    #[action]
    async fn sleep(&self, ctx: &Ctx<Self>) {
        ctx.sleep();
    }
}

#[tokio::test]
async fn who_stores_nothing_has_a_database_for_one_life() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let registry = over_file(&path, Sqlite::options()).await;
    let it = registry.get_or_create::<Forgetful>("a");
    assert_eq!(it.count().await.unwrap(), 1);
    assert_eq!(it.count().await.unwrap(), 2);
    it.sleep().await.unwrap();
    assert_eq!(it.count().await.unwrap(), 1);
    assert_eq!(files(&path), Vec::<String>::new());
    registry.shutdown().await;
    let kept = KEPT.lock().unwrap().take().unwrap();
    assert_eq!(
        kept.execute("select 1", ()).await.unwrap_err().code(),
        "closed"
    );
}

#[tokio::test(start_paused = true)]
async fn memory_keeps_databases_through_a_restart() {
    let mut registry = TestRegistry::start(|it| it.actor::<Desk>()).await;
    run(
        &registry.get_or_create::<Desk>("a"),
        "create table t (n); insert into t values (1)",
    )
    .await;
    registry.restart().await;
    assert_eq!(
        number(
            &registry.get_or_create::<Desk>("a"),
            "select count(*) from t"
        )
        .await,
        1
    );
}

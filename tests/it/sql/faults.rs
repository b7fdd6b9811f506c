//! Disks that fail under an actor's database, and processes that die in the middle: what the chapter on
//! SQL says holds.

use std::{
    collections::HashMap,
    future::pending,
    sync::{LazyLock, Mutex},
    time::Duration,
};

use actor_core::{
    kv::KvError,
    prelude::*,
    sql::{Sql, SqlError, Transaction},
    testing::{Fault, TestRegistry},
};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

/// Writes the same in all three places.
#[actor(sleep_after = "1m", action_timeout = "5s")]
#[derive(Default)]
pub(crate) struct Ledger {
    count: usize,
}

/// What is in each place: the state, a key, the database.
type Seen = (usize, usize, usize);

#[actor]
impl Ledger {
    /// Fails where something is left of an earlier attempt to create the actor.
    #[on_migrate]
    async fn migrate(tx: &Transaction, is_new: bool) -> Result<(), SqlError> {
        if is_new {
            tx.execute("create table log (line text not null)", ())
                .await?;
        }
        Ok(())
    }

    #[action]
    async fn add(&mut self, ctx: &Ctx<Self>, line: String) -> Result<usize, ActorError> {
        ctx.sql().execute(ADD, &line).await?;
        self.count += 1;
        ctx.kv().put("count", &self.count)?;
        Ok(self.count)
    }

    #[action(atomic)]
    async fn add_whole(&mut self, ctx: &Ctx<Self>, line: String) -> Result<usize, ActorError> {
        self.count += 1;
        ctx.kv().put("count", &self.count)?;
        ctx.sql().execute(ADD, &line).await?;
        Ok(self.count)
    }

    /// Both lines or none.
    #[action]
    async fn add_two(&self, ctx: &Ctx<Self>) -> Result<(), SqlError> {
        ctx.sql()
            .transaction(|tx| async move {
                tx.execute(ADD, "one").await?;
                tx.execute(ADD, "two").await?;
                Ok(())
            })
            .await
    }

    /// Waits for ever with its line in an open transaction.
    #[action]
    async fn add_and_wait(&mut self, ctx: &Ctx<Self>) -> Result<(), SqlError> {
        ctx.sql()
            .transaction(|tx| async move {
                tx.execute(ADD, "lost").await?;
                pending().await
            })
            .await
    }

    #[action(atomic)]
    async fn add_whole_and_wait(&mut self, ctx: &Ctx<Self>) -> Result<(), SqlError> {
        self.count += 1;
        ctx.sql().execute(ADD, "lost").await?;
        pending().await
    }

    /// Three in one call, each a commit.
    #[action]
    async fn add_three(&self, ctx: &Ctx<Self>) -> Result<(), SqlError> {
        let three = format!("{ADD}; {ADD}; {ADD}");
        ctx.sql()
            .execute(&three, ("one", "two", "three"))
            .await
            .map(drop)
    }

    #[action]
    async fn seen(&self, ctx: &Ctx<Self>) -> Result<Seen, ActorError> {
        let kept = ctx.kv().get("count").await?.unwrap_or_default();
        let rows = ctx.sql().query_one("select count(*) from log", ()).await?;
        Ok((self.count, kept, rows))
    }

    /// Hands the database out to the test, and takes the name it is asked for by.
    #[action]
    async fn lend(&self, ctx: &Ctx<Self>, to: u64) -> Result<(), KvError> {
        let to = LENT.lock().unwrap().remove(&to).unwrap();
        to.send(ctx.sql()).unwrap();
        Ok(())
    }
}

const ADD: &str = "insert into log (line) values (?)";

/// Who waits for a database, by the number that the actor is told.
static LENT: LazyLock<Mutex<HashMap<u64, oneshot::Sender<Sql>>>> = LazyLock::new(Mutex::default);

async fn start() -> TestRegistry {
    TestRegistry::start(|it| it.actor::<Ledger>()).await
}

fn ledger(registry: &TestRegistry) -> LedgerHandle {
    registry.get_or_create::<Ledger>("one")
}

/// The actor's database, in the hands of the test.
async fn lend(ledger: &LedgerHandle, number: u64) -> Sql {
    let (to, sql) = oneshot::channel();
    LENT.lock().unwrap().insert(number, to);
    ledger.lend(number).await.unwrap();
    sql.await.unwrap()
}

async fn rows(ledger: &LedgerHandle) -> usize {
    ledger.seen().await.unwrap().2
}

fn code(error: &impl actor_core::IntoActorError) -> String {
    let error = error.to_actor_error();
    format!("{}.{}", error.group(), error.code())
}

/// A statement for itself: what the caller is told of its commit, and whether it is there.
#[tokio::test(start_paused = true)]
async fn a_commit_fails_as_the_disk_does() {
    for (fault, told, there) in [
        (Fault::Refuse, "sql.failed", 0),
        (Fault::Full, "sql.full", 0),
        (Fault::Tear, "sql.failed", 1),
    ] {
        let registry = start().await;
        let ledger = ledger(&registry);
        assert_eq!(rows(&ledger).await, 0);
        registry.storage().sql().script([Some(fault)]);
        let error = ledger.add("a".into()).await.unwrap_err();
        assert_eq!(code(&error), told, "{fault:?}");
        // The handler went no further, so the state knows nothing of it.
        assert_eq!(ledger.seen().await.unwrap(), (0, 0, there), "{fault:?}");
        // And the disk works again.
        assert_eq!(ledger.add("b".into()).await.unwrap(), 1);
        assert_eq!(ledger.seen().await.unwrap(), (1, 1, there + 1), "{fault:?}");
    }
}

/// A transaction is there whole or not at all, whichever of its calls or commits fails.
#[tokio::test(start_paused = true)]
async fn a_transaction_that_fails_anywhere_leaves_nothing() {
    let registry = start().await;
    let ledger = ledger(&registry);
    let disk = registry.storage().sql();
    assert_eq!(rows(&ledger).await, 0);
    for fault in [Fault::Refuse, Fault::Full] {
        // Its begin, both of its statements, and its end.
        for passed in 0..4 {
            disk.script_calls(std::iter::repeat_n(None, passed).chain([Some(fault)]));
            let told = code(&ledger.add_two().await.unwrap_err());
            let expected = if fault == Fault::Full {
                "sql.full"
            } else {
                "sql.failed"
            };
            assert_eq!(told, expected, "{fault:?} after {passed}");
            // The rest of what was planned falls on nobody.
            registry.storage().heal();
            assert_eq!(rows(&ledger).await, 0, "{fault:?} after {passed}");
        }
        disk.script([Some(fault)]);
        ledger.add_two().await.unwrap_err();
        assert_eq!(rows(&ledger).await, 0, "{fault:?} at the commit");
    }
    let (calls, commits) = (disk.calls(), disk.commits());
    ledger.add_two().await.unwrap();
    assert_eq!((disk.calls(), disk.commits()), (calls + 4, commits + 1));
    assert_eq!(rows(&ledger).await, 2);
    // What is done and not said to be is there.
    disk.script([Some(Fault::Tear)]);
    ledger.add_two().await.unwrap_err();
    assert_eq!(rows(&ledger).await, 4);
}

/// In one call each statement is for itself: those before stay, those after do not run.
#[tokio::test(start_paused = true)]
async fn statements_after_a_commit_that_failed_do_not_run() {
    for (fault, there) in [(Fault::Refuse, 1), (Fault::Tear, 2)] {
        let registry = start().await;
        let ledger = ledger(&registry);
        assert_eq!(rows(&ledger).await, 0);
        registry.storage().sql().script([None, Some(fault)]);
        assert_eq!(code(&ledger.add_three().await.unwrap_err()), "sql.failed");
        assert_eq!(rows(&ledger).await, there, "{fault:?}");
    }
}

/// An atomic action leaves nothing in the state, the keys or the database when any statement or the
/// commit of its transaction fails.
#[tokio::test(start_paused = true)]
async fn an_atomic_action_whose_sql_fails_leaves_nothing() {
    let registry = start().await;
    let ledger = ledger(&registry);
    assert_eq!(ledger.add_whole("a".into()).await.unwrap(), 1);
    let disk = registry.storage().sql();
    // Begin, statement, end.
    for passed in 0..3 {
        disk.script_calls(std::iter::repeat_n(None, passed).chain([Some(Fault::Full)]));
        let error = ledger.add_whole("b".into()).await.unwrap_err();
        assert_eq!(code(&error), "sql.full", "after {passed}");
        assert_eq!(ledger.seen().await.unwrap(), (1, 1, 1), "after {passed}");
    }
    disk.script([Some(Fault::Refuse)]);
    let error = ledger.add_whole("b".into()).await.unwrap_err();
    assert_eq!(code(&error), "sql.failed");
    assert_eq!(ledger.seen().await.unwrap(), (1, 1, 1));
    assert_eq!(ledger.add_whole("b".into()).await.unwrap(), 2);
    assert_eq!(ledger.seen().await.unwrap(), (2, 2, 2));
}

/// SQL may be ahead of the state, never behind it: the state's commit comes after, and may fail alone.
#[tokio::test(start_paused = true)]
async fn p2_sql_stays_when_the_state_cannot_be_saved() {
    let registry = start().await;
    let ledger = ledger(&registry);
    ledger.add("a".into()).await.unwrap();
    for (n, whole) in [(2, false), (3, true)] {
        registry.storage().script([Some(Fault::Refuse)]);
        let error = if whole {
            ledger.add_whole("b".into()).await.unwrap_err()
        } else {
            ledger.add("b".into()).await.unwrap_err()
        };
        assert_eq!(code(&error), "actor.storage_failed");
        assert_eq!(ledger.seen().await.unwrap(), (1, 1, n));
    }
}

/// The process dies after each number of writes that there can be: what was acknowledged is there in all
/// three places, and the database is ahead of the state by one at most. A key is with the state.
#[tokio::test(start_paused = true)]
async fn p2_whenever_the_process_dies_sql_is_never_behind_the_state() {
    let (mut deaths, mut ahead) = (0, 0);
    for whole in [false, true] {
        for writes in 0.. {
            let mut registry = start().await;
            registry.storage().crash_after(writes);
            let it = ledger(&registry);
            let mut acked = 0;
            for _ in 0..5 {
                let added = if whole {
                    it.add_whole("a".into()).await
                } else {
                    it.add("a".into()).await
                };
                acked = added.unwrap_or(acked);
            }
            registry.crash().await;
            let (count, key, rows) = ledger(&registry).seen().await.unwrap();
            assert_eq!(count, key, "after {writes}");
            assert!(acked <= count, "{acked} acknowledged, {count} there");
            assert!((count..=count + 1).contains(&rows), "{count} and {rows}");
            ahead += rows - count;
            if acked == 5 {
                break;
            }
            deaths += 1;
        }
    }
    // One before the row of the actor is made, two for its first commit, and two for each that adds.
    assert!(20 <= deaths, "{deaths}");
    assert_eq!(ahead, 10, "between the two commits of each that adds");
}

/// What a transaction of the dead process has done is undone, and nothing of it has any effect any more.
#[tokio::test(start_paused = true)]
async fn a_crash_in_the_middle_of_a_transaction_leaves_the_last_commit() {
    let mut registry = start().await;
    let old = ledger(&registry);
    old.add("kept".into()).await.unwrap();
    let sql = lend(&old, 1).await;
    let (written, is_written) = oneshot::channel();
    let (go, goes) = oneshot::channel();
    let work = tokio::spawn(async move {
        let done = sql.transaction(|tx| async move {
            tx.execute(ADD, "lost").await?;
            written.send(tx.clone()).ok();
            goes.await.ok();
            let late = tx.execute(ADD, "late").await.unwrap_err();
            assert_eq!(late.code(), "closed");
            Ok::<_, SqlError>(())
        });
        (done.await.unwrap_err().code(), sql)
    });
    let tx = is_written.await.unwrap();
    registry.crash().await;
    // The next process is not kept out by it.
    let new = ledger(&registry);
    assert_eq!(new.seen().await.unwrap(), (1, 1, 1));
    new.add("new".into()).await.unwrap();
    go.send(()).unwrap();
    let (ended, sql) = work.await.unwrap();
    assert_eq!(ended, "closed");
    for late in [
        sql.execute(ADD, "late").await.unwrap_err(),
        tx.execute("commit", ()).await.unwrap_err(),
        sql.query::<i64>("select 1", ()).await.unwrap_err(),
    ] {
        assert!(
            matches!(late, SqlError::Closed | SqlError::Over { .. }),
            "{late:?}"
        );
    }
    assert_eq!(new.seen().await.unwrap(), (2, 2, 2));
}

/// An atomic action that waits with its transaction open when the process dies.
#[tokio::test(start_paused = true)]
async fn a_crash_in_the_middle_of_an_atomic_action_leaves_nothing_of_it() {
    let mut registry = start().await;
    let old = ledger(&registry);
    old.add("kept".into()).await.unwrap();
    registry.storage().sql().hold();
    let call = tokio::spawn(async move { old.add_whole("lost".into()).await });
    sleep(Duration::from_millis(1)).await;
    assert_eq!(registry.storage().sql().waiting(), 1);
    registry.crash().await;
    call.await.unwrap().unwrap_err();
    assert_eq!(ledger(&registry).seen().await.unwrap(), (1, 1, 1));
}

/// A handler is in the middle of a transaction, which nobody ends: it keeps nobody out.
#[tokio::test(start_paused = true)]
async fn a_handler_that_the_crash_found_in_a_transaction_leaves_nothing_of_it() {
    for whole in [false, true] {
        let mut registry = start().await;
        let old = ledger(&registry);
        old.add("kept".into()).await.unwrap();
        let seen = registry.storage().sql().calls();
        let call = tokio::spawn(async move {
            if whole {
                old.add_whole_and_wait().await
            } else {
                old.add_and_wait().await
            }
        });
        sleep(Duration::from_millis(1)).await;
        let calls = registry.storage().sql().calls() - seen;
        assert_eq!(calls, 2, "it began, and wrote");
        registry.crash().await;
        let new = ledger(&registry);
        assert_eq!(new.seen().await.unwrap(), (1, 1, 1));
        assert_eq!(new.add("new".into()).await.unwrap(), 2);
        call.await.unwrap().unwrap_err();
        assert_eq!(new.seen().await.unwrap(), (2, 2, 2));
    }
}

/// A registry that is given up, over storage that goes on.
#[tokio::test(start_paused = true)]
async fn an_abort_ends_statements_at_once() {
    let registry = start().await;
    let it = ledger(&registry);
    it.add("kept".into()).await.unwrap();
    let sql = lend(&it, 3).await;
    let open = sql.transaction(|tx| {
        let registry = &registry;
        async move {
            tx.execute(ADD, "lost").await?;
            registry.abort();
            tx.execute(ADD, "late").await.map(drop)
        }
    });
    assert_eq!(open.await.unwrap_err().code(), "closed");
    let late = sql.execute(ADD, "late").await.unwrap_err();
    assert_eq!(late.code(), "closed");
}

/// Storage that died by itself, in a process that goes on: no statement of it has any effect.
#[tokio::test(start_paused = true)]
async fn statements_of_a_process_whose_disk_is_gone_have_no_effect() {
    let mut registry = start().await;
    let old = ledger(&registry);
    old.add("kept".into()).await.unwrap();
    let sql = lend(&old, 2).await;
    registry.storage().crash();
    assert_eq!(sql.execute(ADD, "a").await.unwrap_err().code(), "closed");
    let read = sql.query_one::<i64>("select count(*) from log", ()).await;
    assert_eq!(read.unwrap_err().code(), "closed");
    registry.crash().await;
    assert_eq!(ledger(&registry).seen().await.unwrap(), (1, 1, 1));
    // Dying at a commit, before it and after it.
    for (fault, there) in [(Fault::Crash, 1), (Fault::CrashTorn, 2)] {
        let it = ledger(&registry);
        assert_eq!(it.seen().await.unwrap().0, 1);
        registry.storage().sql().script([Some(fault)]);
        it.add("b".into()).await.unwrap_err();
        registry.crash().await;
        assert_eq!(ledger(&registry).seen().await.unwrap(), (1, 1, there));
    }
}

/// A commit that nobody answers holds up whoever waits for it, until that gives up.
#[tokio::test(start_paused = true)]
async fn a_disk_that_never_answers_is_waited_for_as_long_as_the_handler_may() {
    for (fault, there) in [(Fault::Swallow, 0), (Fault::Silence, 1)] {
        let registry = start().await;
        let it = ledger(&registry);
        assert_eq!(rows(&it).await, 0);
        let sql = lend(&it, 10 + there as u64).await;
        registry.storage().sql().script([Some(fault)]);
        let mut add = tokio::spawn({
            let it = it.clone();
            async move { it.add("a".into()).await }
        });
        let others = sql.query_one::<usize>("select count(*) from log", ());
        timeout(Duration::from_secs(1), &mut add).await.unwrap_err();
        timeout(Duration::from_secs(1), others).await.unwrap_err();
        let error = add.await.unwrap().unwrap_err();
        assert_eq!(code(&error), "actor.action_timed_out", "{fault:?}");
        assert_eq!(rows(&it).await, there, "{fault:?}");
    }
}

/// A start whose migration cannot be committed fails, and the next tries again: from nothing, if the actor
/// is new.
#[tokio::test(start_paused = true)]
async fn a_migration_that_cannot_be_committed_fails_the_start() {
    let mut registry = start().await;
    registry.storage().sql().script([Some(Fault::Full)]);
    let error = ledger(&registry).seen().await.unwrap_err();
    assert_eq!(code(&error), "sql.full");
    // It is, and nobody hears of it; then the actor's own first commit does not come to be.
    registry.storage().sql().script([Some(Fault::CrashTorn)]);
    ledger(&registry).seen().await.unwrap_err();
    registry.crash().await;
    assert_eq!(ledger(&registry).seen().await.unwrap(), (0, 0, 0));
}

/// About one commit in three fails. Whether it happened or not, the state never knows of a row that is
/// not there, and the next process finds what this one did.
#[tokio::test(start_paused = true)]
async fn p2_commits_that_fail_at_random_lose_nothing_acknowledged() {
    let mut failed = 0;
    for seed in 0..20 {
        let mut registry = start().await;
        let it = ledger(&registry);
        assert_eq!(rows(&it).await, 0);
        registry.storage().sql().seeded(seed, 3);
        let mut acked = 0;
        for _ in 0..10 {
            match it.add("a".into()).await {
                Ok(_) => acked += 1,
                Err(_) => failed += 1,
            }
        }
        registry.storage().heal();
        let (count, key, there) = it.seen().await.unwrap();
        assert_eq!((count, key), (acked, acked), "seed {seed}");
        assert!((acked..=10).contains(&there), "seed {seed}: {there}");
        registry.crash().await;
        let seen = ledger(&registry).seen().await.unwrap();
        assert_eq!(seen, (acked, acked, there), "seed {seed}");
    }
    assert!(20 < failed, "{failed}");
}

/// Stores nothing, and so has no disk that could fail; a crash ends it all the same.
#[actor(durability = "none")]
#[derive(Default)]
pub(crate) struct Loose;

#[actor]
impl Loose {
    #[action]
    async fn number(&self, ctx: &Ctx<Self>) -> Result<usize, SqlError> {
        let sql = ctx.sql();
        sql.execute(
            "create table if not exists t (n); insert into t values (1)",
            (),
        )
        .await?;
        sql.query_one("select count(*) from t", ()).await
    }

    #[action]
    async fn lend(&self, ctx: &Ctx<Self>, to: u64) {
        let to = LENT.lock().unwrap().remove(&to).unwrap();
        to.send(ctx.sql()).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn who_stores_nothing_has_no_disk_that_fails() {
    let mut registry = TestRegistry::start(|it| it.actor::<Loose>()).await;
    registry.storage().sql().script([Some(Fault::Full)]);
    registry.storage().sql().script_calls([Some(Fault::Full)]);
    let loose = registry.get_or_create::<Loose>("one");
    assert_eq!(loose.number().await.unwrap(), 1);
    assert_eq!(loose.number().await.unwrap(), 2);
    let (to, sql) = oneshot::channel();
    LENT.lock().unwrap().insert(20, to);
    loose.lend(20).await.unwrap();
    let sql = sql.await.unwrap();
    assert_eq!(
        sql.query::<i64>("select n from t", ()).await.unwrap().len(),
        2
    );
    registry.crash().await;
    let late = sql.query::<i64>("select n from t", ()).await.unwrap_err();
    assert_eq!(late.code(), "closed");
}

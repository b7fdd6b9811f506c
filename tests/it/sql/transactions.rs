//! All or nothing, one at a time, and not for ever.

use std::time::Duration;

use actor_core::{
    CallError,
    prelude::*,
    sql::{MAX_WAITING, Sql, SqlError, Transaction},
};
use futures_util::future::join_all;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout},
};

use crate::registry;

/// Keeps lines, each once. What it does in a transaction, the test says.
#[actor(input = Hands, action_timeout = "5s")]
pub(crate) struct Book {}

/// How the test gets at the actor's database: the actor hands it out when it is created.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
pub(crate) struct Hands {
    number: usize,
}

/// Databases handed out, by the number in the actor's input.
static HANDED: std::sync::Mutex<Vec<Option<oneshot::Sender<Sql>>>> =
    std::sync::Mutex::new(Vec::new());

#[actor]
impl Book {
    #[on_migrate]
    async fn migrate(tx: &Transaction) -> Result<(), SqlError> {
        tx.migrate(&["create table log (id integer primary key, line text not null unique)"])
            .await
    }

    #[on_create]
    async fn create(ctx: &Ctx<Self>, hands: Hands) -> Self {
        let to = HANDED.lock().unwrap()[hands.number].take();
        to.unwrap().send(ctx.sql()).unwrap();
        Self {}
    }

    #[action]
    async fn lines(&self, ctx: &Ctx<Self>) -> Result<Vec<String>, SqlError> {
        ctx.sql()
            .query("select line from log order by id", ())
            .await
    }

    #[action]
    async fn panic_in_transaction(&self, ctx: &Ctx<Self>) -> Result<(), SqlError> {
        ctx.sql()
            .transaction(|tx| async move {
                add(&tx, "panicked").await?;
                panic!("as asked")
            })
            .await
    }

    #[action]
    async fn hang_in_transaction(&self, ctx: &Ctx<Self>) -> Result<(), SqlError> {
        ctx.sql()
            .transaction(|tx| async move {
                add(&tx, "hung").await?;
                std::future::pending().await
            })
            .await
    }

    #[action(timeout = "100ms")]
    async fn count_for_ever(&self, ctx: &Ctx<Self>) -> Result<i64, SqlError> {
        let for_ever = "with recursive c(n) as (select 1 union all select n + 1 from c)
            select count(*) from c";
        ctx.sql().query_one(for_ever, ()).await
    }

    #[action]
    async fn sleep(&self, ctx: &Ctx<Self>) {
        ctx.sleep();
    }
}

async fn add(tx: &Transaction, line: &str) -> Result<(), SqlError> {
    tx.execute("insert into log (line) values (?)", line)
        .await?;
    Ok(())
}

async fn add_outside(sql: &Sql, line: &str) -> Result<(), SqlError> {
    sql.execute("insert into log (line) values (?)", line)
        .await?;
    Ok(())
}

/// An actor, and its database as its handlers have it.
async fn book() -> (actor_core::Registry, BookHandle, Sql) {
    let registry = registry(|it| it.actor::<Book>()).await;
    let (to, sql) = oneshot::channel();
    let number = {
        let mut handed = HANDED.lock().unwrap();
        handed.push(Some(to));
        handed.len() - 1
    };
    let book = registry
        .get_or_create_with::<Book>("a", &Hands { number })
        .unwrap();
    book.lines().await.unwrap();
    (registry, book, sql.await.unwrap())
}

async fn lines(book: &BookHandle) -> Vec<String> {
    book.lines().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn commits_or_rolls_back() {
    let (_registry, book, sql) = book().await;
    let sum = sql.transaction(|tx| async move {
        add(&tx, "one").await?;
        add(&tx, "two").await?;
        tx.query_one::<i64>("select count(*) from log", ()).await
    });
    assert_eq!(sum.await.unwrap(), 2);
    let failed: Result<(), ActorError> = sql
        .transaction(|tx| async move {
            add(&tx, "three").await?;
            Err(ActorError::user("no"))
        })
        .await;
    assert_eq!(failed.unwrap_err().message(), "no");
    // A commit that fails is one too.
    sql.execute(
        "create table child (of references log deferrable initially deferred)",
        (),
    )
    .await
    .unwrap();
    let orphan: Result<(), SqlError> = sql
        .transaction(|tx| async move {
            tx.execute("insert into child values (99)", ()).await?;
            Ok(())
        })
        .await;
    assert_eq!(orphan.unwrap_err().code(), "constraint");
    assert_eq!(lines(&book).await, ["one", "two"]);
    assert_eq!(
        sql.query_one::<i64>("select count(*) from child", ())
            .await
            .unwrap(),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_and_a_timeout_roll_back() {
    let (_registry, book, _sql) = book().await;
    for failed in [
        book.panic_in_transaction().await,
        book.hang_in_transaction().await,
    ] {
        assert!(matches!(failed, Err(CallError::Actor(_))), "{failed:?}");
    }
    assert_eq!(lines(&book).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn others_wait_in_the_order_they_came() {
    let (_registry, book, sql) = book().await;
    let (started, begun) = oneshot::channel();
    let first = sql.transaction(|tx| async move {
        add(&tx, "first start").await?;
        started.send(()).unwrap();
        sleep(Duration::from_millis(20)).await;
        add(&tx, "first end").await
    });
    let others = async {
        begun.await.unwrap();
        tokio::join!(
            add_outside(&sql, "a"),
            sql.transaction(|tx| async move { add(&tx, "b").await }),
            add_outside(&sql, "c"),
        )
    };
    let (first, others) = tokio::join!(first, others);
    first.unwrap();
    assert!(matches!(others, (Ok(()), Ok(()), Ok(()))), "{others:?}");
    assert_eq!(
        lines(&book).await,
        ["first start", "first end", "a", "b", "c"]
    );
}

#[tokio::test(start_paused = true)]
async fn waiting_for_itself_ends_with_an_explanation() {
    let (_registry, book, sql) = book().await;
    let start = Instant::now();
    let within = Duration::from_millis(50);
    let nested: Result<(), SqlError> = sql
        .transaction_within(within, |_| {
            sql.transaction(|tx| async move { add(&tx, "nested").await })
        })
        .await;
    let outside: Result<(), SqlError> = sql
        .transaction_within(within, |_| add_outside(&sql, "outside"))
        .await;
    for told in [nested, outside] {
        let told = told.unwrap_err().to_string();
        for word in [
            "safety backstop",
            "timeout",
            "nested transaction",
            "outer `db`",
            "expired after 50 ms",
        ] {
            assert!(told.contains(word), "{word} in {told}");
        }
    }
    assert!(start.elapsed() < Duration::from_millis(200));
    assert_eq!(lines(&book).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_one_that_expires_is_told_and_does_not_run() {
    let (_registry, book, sql) = book().await;
    let (keep, kept) = oneshot::channel();
    let owner: Result<(), SqlError> = sql
        .transaction_within(Duration::from_millis(50), |tx| {
            let sql = sql.clone();
            async move {
                add(&tx, "rolled back").await?;
                let parked = tokio::spawn(async move { add_outside(&sql, "must not run").await });
                keep.send((tx.clone(), parked)).map_err(drop).unwrap();
                sleep(Duration::from_millis(80)).await;
                add(&tx, "too late").await
            }
        })
        .await;
    let (tx, parked) = kept.await.unwrap();
    let told = [owner, parked.await.unwrap(), add(&tx, "leaked").await];
    for told in told {
        let told = told.unwrap_err();
        assert_eq!(told.code(), "transaction_expired");
        assert!(told.to_string().contains("expired after 50 ms"), "{told}");
    }
    assert_eq!(lines(&book).await, Vec::<String>::new());
    // Whoever comes after goes on.
    add_outside(&sql, "after").await.unwrap();
    assert_eq!(lines(&book).await, ["after"]);
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_was_kept_says_why_it_is_over() {
    let (_registry, _book, sql) = book().await;
    let kept: Transaction = sql
        .transaction(|tx| async move { Ok::<_, SqlError>(tx) })
        .await
        .unwrap();
    let told = add(&kept, "late").await.unwrap_err();
    assert_eq!(
        (told.code(), told.to_string()),
        (
            "transaction_over",
            "the transaction was already committed".into()
        )
    );

    let mut kept = None;
    let _: Result<(), SqlError> = sql
        .transaction(|tx| {
            kept = Some(tx);
            async { Err(SqlError::NoRow) }
        })
        .await;
    let told = add(&kept.unwrap(), "late").await.unwrap_err();
    assert_eq!(told.to_string(), "the transaction was already rolled back");
}

#[tokio::test(start_paused = true)]
async fn a_conflict_may_roll_back_all_of_it() {
    let (_registry, book, sql) = book().await;
    let rolled_back: Result<(), SqlError> = sql
        .transaction(|tx| async move {
            add(&tx, "one").await?;
            let conflict = tx
                .execute("insert or rollback into log (line) values ('one')", ())
                .await;
            assert_eq!(conflict.unwrap_err().code(), "constraint");
            // It must not become a statement of its own.
            add(&tx, "two").await
        })
        .await;
    assert_eq!(rolled_back.unwrap_err().code(), "transaction_over");
    add_outside(&sql, "after").await.unwrap();
    assert_eq!(lines(&book).await, ["after"]);
}

#[tokio::test(start_paused = true)]
async fn few_may_wait() {
    let (_registry, _book, sql) = book().await;
    let (leave, left) = oneshot::channel::<()>();
    let (started, begun) = oneshot::channel();
    let first = sql.transaction(|_| async move {
        started.send(()).unwrap();
        left.await.unwrap();
        Ok::<_, SqlError>(())
    });
    let others = async {
        begun.await.unwrap();
        let one = || sql.transaction(|_| async { Ok::<_, SqlError>(()) });
        let waiting = join_all((0..MAX_WAITING).map(|_| one()));
        let refused = async {
            let refused = one().await;
            leave.send(()).unwrap();
            refused
        };
        tokio::join!(waiting, refused)
    };
    let (first, (waited, refused)) = tokio::join!(first, others);
    first.unwrap();
    assert!(waited.iter().all(Result::is_ok));
    assert_eq!(refused.unwrap_err().code(), "overloaded");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_life_ends_it() {
    let (_registry, book, sql) = book().await;
    let (started, begun) = oneshot::channel();
    let outlives = sql.clone();
    // Nobody of the actor: a task that was forgotten.
    let forgotten = tokio::spawn(async move {
        outlives
            .transaction(|tx| async move {
                add(&tx, "unfinished").await?;
                started.send(tx).map_err(drop).unwrap();
                std::future::pending::<Result<(), SqlError>>().await
            })
            .await
    });
    let tx = begun.await.unwrap();
    let waits = {
        let sql = sql.clone();
        tokio::spawn(async move { add_outside(&sql, "waits").await })
    };
    book.sleep().await.unwrap();
    assert_eq!(waits.await.unwrap().unwrap_err().code(), "closed");
    assert_eq!(
        add_outside(&sql, "late").await.unwrap_err().code(),
        "closed"
    );
    assert_eq!(add(&tx, "late").await.unwrap_err().code(), "closed");
    // The next life has its own.
    assert_eq!(lines(&book).await, Vec::<String>::new());
    forgotten.abort();
    let _ = forgotten.await;
    assert_eq!(lines(&book).await, Vec::<String>::new());
}

/// In real time: a paused clock waits for threads.
#[tokio::test]
async fn a_statement_that_nobody_waits_for_is_interrupted() {
    let (registry, book, sql) = book().await;
    let told = book.count_for_ever().await.unwrap_err().to_actor_error();
    assert_eq!(told.code(), "action_timed_out");
    // It is not running any more, or this would wait for it.
    let next = timeout(Duration::from_secs(20), add_outside(&sql, "next")).await;
    next.expect("the statement before is over").unwrap();
    // Asleep and shut down with one running: neither waits for it.
    let running = {
        let sql = sql.clone();
        tokio::spawn(async move {
            let for_ever = "with recursive c(n) as (select 1 union all select n + 1 from c) select count(*) from c";
            sql.query_one::<i64>(for_ever, ()).await
        })
    };
    timeout(Duration::from_secs(20), registry.shutdown())
        .await
        .expect("it stops");
    assert_eq!(running.await.unwrap().unwrap_err().code(), "closed");
}

//! Statements, parameters, rows, and what an actor may not do.

use actor_core::{Value, prelude::*, sql::SqlError};
use serde::{Deserialize, Serialize};

use super::{Desk, code, number, run};
use crate::registry;

/// Takes and gives typed rows.
#[actor]
#[derive(Debug, Default)]
pub(crate) struct Shelf {}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Novel,
    Atlas,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Book {
    pub id: i64,
    pub title: String,
    pub kind: Kind,
    pub cover: Vec<u8>,
    pub weight: f64,
    pub lent: bool,
    pub shelf: Option<String>,
}

#[actor]
impl Shelf {
    #[action]
    async fn add(&self, ctx: &Ctx<Self>, book: Book) -> Result<Book, SqlError> {
        let sql = ctx.sql();
        sql.execute(
            "create table if not exists books
                (id integer primary key, title, kind, cover, weight, lent, shelf)",
            (),
        )
        .await?;
        let added = sql
            .execute(
                "insert into books values (:id, $title, @kind, :cover, :weight, :lent, :shelf)",
                &book,
            )
            .await?;
        assert_eq!((added.changes, added.last_row_id), (1, book.id));
        sql.query_one("select * from books where id = ?", book.id)
            .await
    }

    /// One row in every shape a row can have.
    #[action]
    async fn shapes(&self, ctx: &Ctx<Self>) -> Result<(), SqlError> {
        let sql = ctx.sql();
        let pair: (i64, String) = sql.query_one("select 1, 'a'", ()).await?;
        assert_eq!(pair, (1, "a".to_owned()));
        let list: Vec<i64> = sql.query_one("select 1, 2, 3", ()).await?;
        assert_eq!(list, [1, 2, 3]);
        let blob: Vec<u8> = sql.query_one("select x'0102'", ()).await?;
        assert_eq!(blob, [1, 2]);
        let none: Option<i64> = sql.query_one("select null", ()).await?;
        assert_eq!(none, None);
        let absent: Option<i64> = sql.query_optional("select 1 where 0", ()).await?;
        assert_eq!(absent, None);
        let kind: Kind = sql.query_one("select 'atlas'", ()).await?;
        assert_eq!(kind, Kind::Atlas);
        let untyped: Value = sql
            .query_one("select 1 as n, 'x' as t, null as z", ())
            .await?;
        let expected = [("n", Value::Int(1)), ("t", "x".into()), ("z", Value::Null)];
        assert_eq!(untyped, Value::object(expected));
        let whole: f64 = sql.query_one("select 3", ()).await?;
        assert_eq!(whole, 3.0);
        let single: Vec<String> = sql.query("select 'a' union all select 'b'", ()).await?;
        assert_eq!(single, ["a", "b"]);
        // Nested options, tuples and single values as parameters.
        let sum: i64 = sql
            .query_one("select ?1 + ?2 + ?1", (Some(1), 40u8))
            .await?;
        assert_eq!(sum, 42);
        let same: bool = sql.query_one("select ? = 'a'", "a").await?;
        assert!(same);
        Ok(())
    }

    #[action]
    async fn misfits(&self, ctx: &Ctx<Self>) -> Result<Vec<String>, SqlError> {
        let sql = ctx.sql();
        let told = [
            sql.query_one::<i64>("select 'a'", ()).await.unwrap_err(),
            sql.query_one::<i64>("select 1, 2", ()).await.unwrap_err(),
            sql.query_one::<(i64, i64)>("select 1", ())
                .await
                .unwrap_err(),
            sql.query_one::<u8>("select -1", ()).await.unwrap_err(),
            sql.query_one::<i64>("select 1 where 0", ())
                .await
                .unwrap_err(),
            sql.execute("select ?", (1, 2)).await.unwrap_err(),
            sql.execute("select ?, ?", (1,)).await.unwrap_err(),
            sql.execute(
                "select :a",
                [("b", 1)]
                    .into_iter()
                    .collect::<std::collections::BTreeMap<_, _>>(),
            )
            .await
            .unwrap_err(),
            sql.execute("select ?", (u64::MAX,)).await.unwrap_err(),
            sql.execute("select ?", (vec![1i64, 2],)).await.unwrap_err(),
        ];
        Ok(told
            .iter()
            .map(|it| format!("{}: {it}", it.code()))
            .collect())
    }
}

#[tokio::test(start_paused = true)]
async fn a_struct_is_parameters_and_a_row() {
    let registry = registry(|it| it.actor::<Shelf>()).await;
    let shelf = registry.get_or_create::<Shelf>("a");
    let book = Book {
        id: (1 << 53) + 1,
        title: "a\0b".into(),
        kind: Kind::Novel,
        cover: vec![0, 255, 7],
        weight: 0.5,
        lent: true,
        shelf: None,
    };
    assert_eq!(shelf.add(book.clone()).await.unwrap(), book);
    shelf.shapes().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_told() {
    let registry = registry(|it| it.actor::<Shelf>()).await;
    let told = registry
        .get_or_create::<Shelf>("a")
        .misfits()
        .await
        .unwrap();
    let expected = [
        "bad_row: row: invalid type: string \"a\", expected i64",
        "bad_row: row: a single value was asked for, and there are 2 columns",
        "bad_row: row: 2 values for 1 columns",
        "bad_row: row: invalid value: integer `-1`, expected u8",
        "no_row: there is no such row",
        "bad_parameter: parameters: 2 are given, and 1 asked for",
        "bad_parameter: parameters: 1 are given, and more are asked for",
        "bad_parameter: parameters: there is none for `:a`",
        "bad_parameter: parameters: parameter 1: 18446744073709551615 is not between -2^63 and \
         2^63-1, as SQLite's integers are",
        "bad_parameter: parameters: parameter 1: SQLite has integers, floats, text, blobs and null: \
         write lists and objects as JSON text",
    ];
    assert_eq!(told, expected);
}

#[tokio::test(start_paused = true)]
async fn untyped_values_round_trip() {
    let registry = registry(|it| it.actor::<Desk>()).await;
    let desk = registry.get_or_create::<Desk>("a");
    let values = vec![
        Value::Null,
        Value::Int(i64::MIN.into()),
        Value::Int(i64::MAX.into()),
        Value::BigInt((1 << 53) + 1),
        Value::Float(0.25),
        Value::Text("a\0b\u{1f600}".into()),
        Value::Bytes(vec![0, 1, 255]),
    ];
    let row = desk
        .rows(
            "select ? a, ? b, ? c, ? d, ? e, ? f, ? g".into(),
            values.clone(),
        )
        .await
        .unwrap();
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let mut expected = values;
    expected[3] = Value::Int((1 << 53) + 1);
    assert_eq!(row, [Value::object(names.into_iter().zip(expected))]);
}

#[tokio::test(start_paused = true)]
async fn several_statements_are_one_call() {
    let registry = registry(|it| it.actor::<Desk>()).await;
    let desk = registry.get_or_create::<Desk>("a");
    let several = "create table t (n); -- one
        insert into t values (?), (?);
        insert into t values (?); /* the end */";
    let changes = desk
        .run(several.into(), vec![1.into(), 2.into(), 3.into()])
        .await;
    assert_eq!(changes.unwrap(), 3);
    run(&desk, "begin; update t set n = n + 1; commit").await;
    assert_eq!(number(&desk, "select sum(n) from t").await, 9);
    // The rows of the last statement that has any.
    let rows = desk
        .rows(
            "select 1; insert into t values (0); select 2 as n; delete from t".into(),
            vec![],
        )
        .await;
    assert_eq!(rows.unwrap(), [Value::object([("n", 2)])]);
    for nothing in ["", " ; ", "-- a comment"] {
        assert_eq!(run(&desk, nothing).await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_undoes_the_transaction_it_began() {
    let registry = registry(|it| it.actor::<Desk>()).await;
    let desk = registry.get_or_create::<Desk>("a");
    run(&desk, "create table t (n unique)").await;
    let failed = desk
        .run(
            "begin; insert into t values (1); insert into t values (1); commit".into(),
            vec![],
        )
        .await;
    assert_eq!(code(failed), "sql.constraint");
    assert_eq!(number(&desk, "select count(*) from t").await, 0);
    run(&desk, "begin; insert into t values (1); commit").await;
}

#[tokio::test(start_paused = true)]
async fn nothing_leaves_the_database() {
    let registry = registry(|it| it.actor::<Desk>()).await;
    let desk = registry.get_or_create::<Desk>("a");
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.db").display().to_string();
    let forbidden = [
        format!("attach '{other}' as other"),
        "attach 'file:x?mode=memory' as other".into(),
        "attach 'a' || 'b' as other".into(),
        format!("vacuum into '{other}'"),
        "select load_extension('x')".into(),
        "pragma journal_mode = off".into(),
        "pragma synchronous = off".into(),
        "pragma writable_schema = on".into(),
        "pragma temp_store_directory = '/'".into(),
        "pragma database_list".into(),
    ];
    for sql in forbidden {
        assert_eq!(
            code(desk.run(sql.clone(), vec![]).await),
            "sql.forbidden",
            "{sql}"
        );
    }
    let bound = desk
        .run(
            "attach ? as other".into(),
            vec![Value::from(other.as_str())],
        )
        .await;
    assert_eq!(code(bound), "sql.forbidden");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    // Defensive mode: the schema is not to be written by hand.
    let by_hand = desk.run("delete from sqlite_schema".into(), vec![]).await;
    assert_eq!(code(by_hand), "sql.failed");
    // What is harmless goes on working.
    run(
        &desk,
        "create table t (n); vacuum; pragma foreign_keys = off; pragma optimize",
    )
    .await;
    assert_eq!(
        desk.rows("pragma table_info(t)".into(), vec![])
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(number(&desk, "pragma foreign_keys").await, 0);
}

#[tokio::test(start_paused = true)]
async fn results_and_statements_are_bounded() {
    let registry = registry(|it| it.actor::<Desk>()).await;
    let desk = registry.get_or_create::<Desk>("a");
    let count = |n: u32| {
        format!(
            "with recursive c(n) as (select 1 union all select n + 1 from c limit {n}) select n from c"
        )
    };
    assert_eq!(
        desk.rows(count(100_000), vec![]).await.unwrap().len(),
        100_000
    );
    assert_eq!(
        code(desk.rows(count(100_001), vec![]).await),
        "sql.too_many_rows"
    );
    let long = format!("select '{}'", "x".repeat(1 << 20));
    assert_eq!(code(desk.run(long, vec![]).await), "sql.statement_too_long");
    let large = "select zeroblob(40000000) union all select zeroblob(40000000)";
    assert_eq!(
        code(desk.rows(large.into(), vec![]).await),
        "sql.result_too_large"
    );
    let larger = "select length(zeroblob(100000000))";
    assert_eq!(
        code(desk.rows(larger.into(), vec![]).await),
        "sql.result_too_large"
    );
    assert_eq!(code(desk.run("selec".into(), vec![]).await), "sql.failed");
}

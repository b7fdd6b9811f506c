//! The actors that are killed: they keep every id they counted, and notice what must never happen.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use actor_core::{
    prelude::*,
    sql::{SqlError, Transaction},
};
use serde::{Deserialize, Serialize};

/// Tells this process's actors from those of the one before.
static ROUND: OnceLock<u64> = OnceLock::new();
static CREATED: AtomicU64 = AtomicU64::new(1);

pub(crate) fn set_round(round: u64) {
    ROUND.set(round).unwrap();
}

/// A number that no other creation of an actor gets, in this process or in another round's.
fn birth() -> u64 {
    let round = ROUND.get().copied().unwrap_or_default();
    (round << 32) | CREATED.fetch_add(1, Ordering::Relaxed)
}

/// Numbers that mostly follow each other, kept as stretches so that thousands of rounds stay small.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Numbers(BTreeMap<u64, u64>);

impl Numbers {
    /// Adds a number; whether it is new.
    pub(crate) fn add(&mut self, n: u64) -> bool {
        if self.has(n) {
            return false;
        }
        let end = self.0.remove(&(n + 1)).unwrap_or(n);
        match self.0.range_mut(..n).next_back() {
            Some((_, last)) if *last + 1 == n => *last = end,
            _ => {
                self.0.insert(n, end);
            }
        }
        true
    }

    pub(crate) fn has(&self, n: u64) -> bool {
        let before = self.0.range(..=n).next_back();
        before.is_some_and(|(_, last)| n <= *last)
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }
}

/// What an actor has counted.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Book {
    /// Which creation of the actor this is.
    pub(crate) born: u64,
    /// How often it counted. Beside the ids, so that one counted twice shows here too.
    pub(crate) total: u64,
    /// Each caller's numbers.
    pub(crate) counted: BTreeMap<u64, Numbers>,
    /// Ids that came more than once.
    pub(crate) twice: Vec<(u64, u64)>,
    /// Connections whose `on_connect` ran and whose `on_disconnect` did not.
    pub(crate) present: BTreeSet<u64>,
    /// Connections that came and went.
    pub(crate) left: Numbers,
    /// Hooks of connections that ran in a wrong order or once too often.
    pub(crate) odd: Vec<String>,
}

impl Book {
    fn new() -> Self {
        Self {
            born: birth(),
            ..Self::default()
        }
    }

    fn count(&mut self, caller: u64, n: u64) -> Counted {
        self.total += 1;
        if !self.counted.entry(caller).or_default().add(n) {
            self.twice.push((caller, n));
        }
        Counted {
            born: self.born,
            place: self.total,
        }
    }

    fn joined(&mut self, conn: u64) {
        if self.left.has(conn) || !self.present.insert(conn) {
            self.odd.push(format!("{conn} joined again"));
        }
    }

    fn left(&mut self, conn: u64) {
        if !self.present.remove(&conn) {
            self.odd.push(format!("{conn} left without being there"));
        }
        if !self.left.add(conn) {
            self.odd.push(format!("{conn} left again"));
        }
    }
}

/// The answer to a count.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Counted {
    pub(crate) born: u64,
    /// The how-manieth it was.
    pub(crate) place: u64,
}

/// Acknowledges what is on disk. Sleeps so soon that a load meets sleeping ones.
#[actor(params = u64, sleep_after = "15ms")]
pub(crate) struct Ledger {
    book: Book,
}

#[actor]
impl Ledger {
    #[on_create]
    async fn create(_ctx: &Ctx<Self>) -> Self {
        Self { book: Book::new() }
    }

    #[on_connect]
    async fn joined(&mut self, conn: &Conn<Self>) {
        self.book.joined(*conn.params());
    }

    #[on_disconnect]
    async fn left(&mut self, conn: &Conn<Self>) {
        self.book.left(*conn.params());
    }

    #[action]
    async fn count(&mut self, caller: u64, n: u64) -> Counted {
        self.book.count(caller, n)
    }

    /// Gives way in the middle, so that commits start while a turn is under way.
    #[action]
    async fn count_slowly(&mut self, caller: u64, n: u64) -> Counted {
        let counted = self.book.count(caller, n);
        tokio::task::yield_now().await;
        counted
    }

    #[action]
    async fn book(&self) -> Book {
        self.book.clone()
    }
}

/// Acknowledges at once, and is saved soon.
#[actor(durability = "relaxed", save_interval = "30ms", sleep_after = "100ms")]
pub(crate) struct Draft {
    book: Book,
}

#[actor]
impl Draft {
    #[on_create]
    async fn create(_ctx: &Ctx<Self>) -> Self {
        Self { book: Book::new() }
    }

    #[action]
    async fn count(&mut self, caller: u64, n: u64) -> Counted {
        self.book.count(caller, n)
    }

    #[action(durability = "acked")]
    async fn count_surely(&mut self, caller: u64, n: u64) -> Counted {
        self.book.count(caller, n)
    }

    /// Only what is on disk, as what it shows is held against later.
    #[action(durability = "acked")]
    async fn book(&self) -> Book {
        self.book.clone()
    }
}

/// Counts in its own database first, then in its state, which must never know more.
#[actor(sleep_after = "20ms")]
pub(crate) struct Archive {
    book: Book,
}

#[actor]
impl Archive {
    #[on_migrate]
    async fn migrate(tx: &Transaction) -> Result<(), SqlError> {
        tx.migrate(&[
            "create table counted (caller integer, n integer, primary key (caller, n))",
            "create table total (rows integer not null); insert into total values (0)",
        ])
        .await
    }

    #[on_create]
    async fn create(_ctx: &Ctx<Self>) -> Self {
        Self { book: Book::new() }
    }

    #[action]
    async fn count(&mut self, ctx: &Ctx<Self>, caller: u64, n: u64) -> Result<Counted, SqlError> {
        ctx.sql()
            .transaction(|tx| async move {
                // Both or neither.
                tx.execute("insert into counted values (?, ?)", (caller, n))
                    .await?;
                tx.execute("update total set rows = rows + 1", ()).await
            })
            .await?;
        Ok(self.book.count(caller, n))
    }

    /// By one statement, without a transaction of its own.
    #[action]
    async fn count_briefly(
        &mut self,
        ctx: &Ctx<Self>,
        caller: u64,
        n: u64,
    ) -> Result<Counted, SqlError> {
        let both =
            "begin; insert into counted values (?, ?); update total set rows = rows + 1; commit";
        ctx.sql().execute(both, (caller, n)).await?;
        Ok(self.book.count(caller, n))
    }

    #[action]
    async fn book(&self, ctx: &Ctx<Self>) -> Result<Book, SqlError> {
        let sql = ctx.sql();
        let rows: BTreeSet<(u64, u64)> = sql
            .query("select caller, n from counted", ())
            .await?
            .into_iter()
            .collect();
        let total: usize = sql.query_one("select rows from total", ()).await?;
        let mut book = self.book.clone();
        if total != rows.len() {
            book.odd.push(format!(
                "{} rows, and {total} counted with them",
                rows.len()
            ));
        }
        for (caller, numbers) in &book.counted {
            let missing = numbers.iter().find(|n| !rows.contains(&(*caller, *n)));
            book.odd
                .extend(missing.map(|n| format!("no row of {n} by {caller}")));
        }
        Ok(book)
    }
}

/// Most answers that a [`Till`] keeps: more than callers at a time, less than calls in a round.
pub(crate) const KEPT: u64 = 200;

/// Is called with idempotency keys, and asked again after each kill.
#[actor(sleep_after = "15ms", max_idempotency_keys = 200)]
pub(crate) struct Till {
    book: Book,
}

#[actor]
impl Till {
    #[on_create]
    async fn create(_ctx: &Ctx<Self>) -> Self {
        Self { book: Book::new() }
    }

    #[action]
    async fn count(&mut self, caller: u64, n: u64) -> Counted {
        self.book.count(caller, n)
    }

    /// As that of [`Ledger`].
    #[action]
    async fn count_slowly(&mut self, caller: u64, n: u64) -> Counted {
        let counted = self.book.count(caller, n);
        tokio::task::yield_now().await;
        counted
    }

    #[action(atomic)]
    async fn count_wholly(&mut self, caller: u64, n: u64) -> Counted {
        self.book.count(caller, n)
    }

    #[action]
    async fn book(&self) -> Book {
        self.book.clone()
    }
}

#[test]
fn numbers_join_into_stretches() {
    let mut numbers = Numbers::default();
    for n in [5, 1, 2, 4, 9, 3] {
        assert!(numbers.add(n));
    }
    assert!(!numbers.add(3) && !numbers.add(1) && !numbers.add(9));
    assert_eq!(numbers.0, BTreeMap::from([(1, 5), (9, 9)]));
    assert_eq!(numbers.iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 9]);
    assert_eq!(numbers.len(), 6);
}

//! A state of 1 MiB of which each turn changes a little: how often it is encoded and committed, and
//! how long a turn takes beside one encoding and one SQLite commit of such a row.

mod counting;

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use actor_core::{prelude::*, storage::Sqlite};
use anyhow::Result;
use serde::{Deserialize, Serialize, Serializer};
use tokio::time::Instant;

use self::counting::Counting;
use crate::{
    calls::{Adder, adding},
    measure::{Figures, REPEAT, Side, each},
    raw_sqlite::Raw,
    report::{Report, Target, Unit},
};

const MIB: usize = 1024 * 1024;

/// Measures the section.
pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let raw = Rc::new(RefCell::new(Raw::open(&folder.path().join("raw.db"))?));
    let storage = Counting::new(Sqlite::open(folder.path().join("ours.db"))?);
    let commits = storage.commits();
    let registry = Registry::builder()
        .actor::<Big>()
        .storage(storage)
        .build()
        .await?;
    let big: Arc<[BigHandle]> = Arc::new([registry.get_or_create::<Big>("k")]);
    big[0].fill().await?;

    let ours = Side::new("ours", || {
        let big = big.clone();
        async { Ok(1.0 / adding(big, 1).await?) }
    });
    let floor = encode_and_commit(raw);
    report
        .compare(
            "turn, 1 caller",
            Unit::Time,
            ours,
            vec![(floor, Target::Shown)],
        )
        .await?;
    let ours = Side::new("ours", || adding(big.clone(), 64));
    report
        .compare("turns, 64 callers", Unit::PerSecond, ours, Vec::new())
        .await?;

    for (what, callers) in [("1 caller", 1), ("64 callers", 64)] {
        let turns_before = turns(&big).await?;
        let before = (ENCODED.load(Relaxed), commits.load(Relaxed));
        adding(big.clone(), callers).await?;
        // Answered when its commit is over, and so every commit before it.
        let turns = turns(&big).await? - turns_before;
        let encoded = ENCODED.load(Relaxed) - before.0;
        let committed = commits.load(Relaxed) - before.1;
        for (kind, count, of, among) in [
            (
                "encodings a commit",
                encoded,
                committed,
                Target::AtMost(1.0),
            ),
            ("commits a turn", committed, turns, Target::AtMost(1.0)),
        ] {
            let ratio = Figures::once(share(count, of));
            report.line(
                &format!("{kind}, {what}"),
                Unit::Count,
                None,
                Some(&ratio),
                among,
            );
        }
    }
    registry.shutdown().await;
    Ok(())
}

async fn turns(big: &[BigHandle]) -> Result<u64> {
    Ok(big[0].touch().await?)
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn share(count: u64, of: u64) -> f64 {
    count as f64 / of as f64
}

/// The least such a turn must do: encode the state once, commit it once.
fn encode_and_commit<'a>(raw: Rc<RefCell<Raw>>) -> Side<'a> {
    Side::new("encode + sqlite commit", move || {
        let raw = raw.clone();
        async move {
            let mut state = State {
                touched: 0,
                blob: Blob("x".repeat(MIB)),
            };
            let start = Instant::now();
            while start.elapsed() < REPEAT {
                state.touched += 1;
                let mut encoded = Vec::new();
                ciborium::into_writer(&state, &mut encoded)?;
                raw.borrow_mut().put(0, &mut encoded)?;
            }
            Ok(each(state.touched, start.elapsed()))
        }
    })
}

#[derive(Serialize)]
struct State {
    touched: u64,
    blob: Blob,
}

/// A large state with a small field.
#[actor(name = "big", sleep_after = "10m")]
#[derive(Default)]
pub(crate) struct Big {
    touched: u64,
    blob: Blob,
}

#[actor]
impl Big {
    /// Makes the state large.
    #[action]
    async fn fill(&mut self) {
        self.blob = Blob("x".repeat(MIB));
    }

    /// Changes the small field; how often that was done.
    #[action]
    async fn touch(&mut self) -> u64 {
        self.touched += 1;
        self.touched
    }
}

impl Adder for BigHandle {
    async fn add(&self, _: i64) -> Result<i64> {
        Ok(i64::try_from(self.touch().await?)?)
    }
}

/// Counts how often it is encoded.
#[derive(Default, Deserialize)]
pub(crate) struct Blob(String);

static ENCODED: AtomicU64 = AtomicU64::new(0);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ENCODED.fetch_add(1, Relaxed);
        self.0.serialize(serializer)
    }
}

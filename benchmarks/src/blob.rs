//! A state of 1 MiB of which each turn changes a little: how often it is encoded and committed, and
//! how long a turn takes beside one encoding and one SQLite commit of such a row.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use anyhow::Result;
use serde::{Deserialize, Serialize, Serializer};
use tokio::time::Instant;

use crate::{
    measure::{REPEAT, Side, each},
    raw_sqlite::Raw,
    report::{Report, Target, Unit},
};

const MIB: usize = 1024 * 1024;

/// Measures the section.
pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let raw = Rc::new(RefCell::new(Raw::open(&folder.path().join("raw.db"))?));
    report
        .compare(
            "one turn, 1 caller",
            Unit::Time,
            None,
            vec![(encode_and_commit(raw), Target::Shown)],
        )
        .await
}

/// The least such a turn must do: encode the state once, commit it once.
fn encode_and_commit(raw: Rc<RefCell<Raw>>) -> Side<'static> {
    Side::new("encode + sqlite commit", move || {
        let raw = raw.clone();
        async move {
            let state = State {
                touched: 0,
                blob: Blob("x".repeat(MIB)),
            };
            let start = Instant::now();
            let mut turns = 0;
            while start.elapsed() < REPEAT {
                let mut encoded = Vec::new();
                ciborium::into_writer(&state, &mut encoded)?;
                raw.borrow_mut().put(1, &mut encoded)?;
                turns += 1;
            }
            Ok(each(turns, start.elapsed()))
        }
    })
}

#[derive(Serialize)]
struct State {
    touched: u64,
    blob: Blob,
}

/// Counts how often it is encoded.
#[derive(Default, Deserialize)]
struct Blob(String);

static ENCODED: AtomicU64 = AtomicU64::new(0);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ENCODED.fetch_add(1, Relaxed);
        self.0.serialize(serializer)
    }
}

//! Creating, waking and putting to sleep, against what storage alone needs for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use tokio::time::Instant;

use crate::{
    measure::{Side, each},
    raw_sqlite::{ACTORS, Raw},
    report::{Report, Target, Unit},
};

/// Measures the section.
pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let raw = Arc::new(Mutex::new(Raw::open(&folder.path().join("raw.db"))?));
    report
        .compare(
            "create durably, alone",
            Unit::Time,
            None,
            vec![(
                creation("sqlite commit", 1, raw.clone()),
                Target::RatioAtMost(5.0),
            )],
        )
        .await?;
    report
        .compare(
            "create durably, 64 at once, each",
            Unit::Time,
            None,
            vec![(
                creation("sqlite, 64 a commit", 64, raw.clone()),
                Target::Shown,
            )],
        )
        .await?;
    report
        .compare(
            "wake and answer",
            Unit::Time,
            None,
            vec![(read_and_spawn(raw), Target::RatioAtMost(5.0))],
        )
        .await
}

fn creation(label: &'static str, at_once: u32, raw: Arc<Mutex<Raw>>) -> Side<'static> {
    Side::new(label, move || {
        let raw = raw.clone();
        async move { lock(&raw).one_creation(at_once) }
    })
}

/// The least a wake must do: read the state, start a task that has it.
fn read_and_spawn(raw: Arc<Mutex<Raw>>) -> Side<'static> {
    Side::new("sqlite read + spawn", move || {
        let raw = raw.clone();
        let wake_all = async move {
            let start = Instant::now();
            for _ in 0..ACTORS {
                let state = lock(&raw).read()?;
                tokio::spawn(async move { state.len() }).await?;
            }
            anyhow::Ok(each(ACTORS.into(), start.elapsed()))
        };
        async { tokio::spawn(wake_all).await? }
    })
}

fn lock(raw: &Mutex<Raw>) -> MutexGuard<'_, Raw> {
    raw.lock().unwrap_or_else(PoisonError::into_inner)
}

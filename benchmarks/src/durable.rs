//! Durable actions: acknowledged only when on disk, against SQLite alone committing the same rows.

use std::{cell::RefCell, rc::Rc};

use anyhow::Result;

use crate::{
    measure::Side,
    raw_sqlite::{Raw, SMALL},
    report::{Report, Target, Unit},
};

/// Measures the section.
pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let raw = Rc::new(RefCell::new(Raw::open(&folder.path().join("raw.db"))?));
    report
        .compare(
            "64 callers, 1000 actors",
            Unit::PerSecond,
            None,
            vec![(grouped(raw.clone()), Target::RatioAtLeast(0.5))],
        )
        .await?;
    report
        .compare(
            "1 caller, one turn",
            Unit::Time,
            None,
            vec![(single(raw), Target::RatioAtMost(3.0))],
        )
        .await
}

fn grouped(raw: Rc<RefCell<Raw>>) -> Side<'static> {
    Side::new("sqlite, 100 a commit", move || {
        let raw = raw.clone();
        async move { raw.borrow_mut().rows_per_second(100) }
    })
}

fn single(raw: Rc<RefCell<Raw>>) -> Side<'static> {
    Side::new("sqlite, 1 a commit", move || {
        let raw = raw.clone();
        async move { raw.borrow_mut().one_commit(SMALL) }
    })
}

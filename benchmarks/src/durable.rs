//! Durable actions: acknowledged only when on disk, against SQLite alone committing the same rows.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use actor_core::{Registry, gateway::Handled};
use anyhow::Result;

use crate::{
    calls::{Adder, adding},
    measure::Side,
    ours::{self, Counter, Ledger},
    raw_sqlite::{ACTORS, Raw, SMALL},
    report::{Report, Target, Unit},
};

const CALLERS: u32 = 64;

/// Measures the section.
pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let raw = Rc::new(RefCell::new(Raw::open(&folder.path().join("raw.db"))?));
    let registry = ours::on_disk(&folder.path().join("ours.db")).await?;
    report
        .compare(
            "64 callers, 1000 actors",
            Unit::PerSecond,
            turns::<Ledger>("ours", &registry, ACTORS, CALLERS).await?,
            vec![(grouped(raw.clone()), Target::RatioAtLeast(0.5))],
        )
        .await?;
    report
        .compare(
            "64 callers, 1 actor",
            Unit::PerSecond,
            turns::<Ledger>("ours", &registry, 1, CALLERS).await?,
            vec![(
                turns::<Counter>("durability none", &registry, 1, CALLERS).await?,
                Target::RatioAtLeast(0.5),
            )],
        )
        .await?;
    report
        .compare(
            "1 caller, one turn",
            Unit::Time,
            one_turn(&registry).await?,
            vec![(single(raw), Target::RatioAtMost(3.0))],
        )
        .await?;
    registry.shutdown().await;
    Ok(())
}

async fn turns<A>(
    label: &'static str,
    registry: &Registry,
    actors: u32,
    callers: u32,
) -> Result<Side<'static>>
where
    A: Handled<Handle: Adder>,
{
    let actors = started::<A>(registry, actors).await?;
    Ok(Side::new(label, move || {
        adding(actors.clone(), callers as usize)
    }))
}

async fn one_turn(registry: &Registry) -> Result<Side<'static>> {
    let actor = started::<Ledger>(registry, 1).await?;
    Ok(Side::new("ours", move || {
        let actor = actor.clone();
        async { Ok(1.0 / adding(actor, 1).await?) }
    }))
}

/// Handles to so many actors, all of them awake.
async fn started<A>(registry: &Registry, actors: u32) -> Result<Arc<[A::Handle]>>
where
    A: Handled<Handle: Adder>,
{
    let handles: Arc<[A::Handle]> = (0..actors)
        .map(|key| registry.get_or_create::<A>(key.to_string()))
        .collect();
    for handle in &*handles {
        handle.add(1).await?;
    }
    Ok(handles)
}

/// The same rows in groups of the same size: so many callers, each waiting for an answer, can never
/// have more than one row each in a commit.
fn grouped(raw: Rc<RefCell<Raw>>) -> Side<'static> {
    Side::new("sqlite, 64 a commit", move || {
        let raw = raw.clone();
        async move { raw.borrow_mut().rows_per_second(CALLERS) }
    })
}

fn single(raw: Rc<RefCell<Raw>>) -> Side<'static> {
    Side::new("sqlite, 1 a commit", move || {
        let raw = raw.clone();
        async move { raw.borrow_mut().one_commit(SMALL) }
    })
}

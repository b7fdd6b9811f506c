//! Calls within the process: one addition to an actor's counter and back, and what starting and
//! keeping an actor costs. The floor is a task behind a bounded channel; peers are actor libraries.

mod kameo;
mod ours;
mod ractor;
mod task;

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use tokio::time::{Instant, sleep};

use self::{kameo::Kameo, ours::Ours, ractor::Ractor, task::Task};
use crate::{
    measure::{Side, per_second, rate},
    report::{Report, Target, Unit},
};

/// A handle of a counter, whoever's.
pub(crate) trait Adder: Send + Sync + 'static {
    /// Adds to the counter; what it is then.
    fn add(&self, by: i64) -> impl Future<Output = Result<i64>> + Send;
}

/// Whose actors are measured.
trait Library: Send + Sync + Sized + 'static {
    /// Its name in the table.
    const LABEL: &'static str;

    /// A counter's handle.
    type Handle: Adder;

    /// All that is needed before the first actor starts.
    fn open() -> impl Future<Output = Result<Self>> + Send;

    /// Starts a counter.
    fn start(&self) -> impl Future<Output = Result<Self::Handle>> + Send;

    /// Ends all counters.
    fn close(self, started: Vec<Self::Handle>) -> impl Future<Output = Result<()>> + Send;
}

/// Calls per second by so many callers; each goes through all actors in turn, from a place of its
/// own.
pub(crate) async fn adding<A: Adder>(actors: Arc<[A]>, callers: usize) -> Result<f64> {
    let workers = (0..callers)
        .map(|caller| (actors.clone(), caller * actors.len() / callers))
        .collect();
    rate(workers, |(actors, next): (Arc<[A]>, usize)| async move {
        actors[next].add(1).await?;
        let next = (next + 1) % actors.len();
        Ok((actors, next))
    })
    .await
}

/// Measures the section.
pub(crate) async fn run(report: &mut Report) -> Result<()> {
    for (callers, actors) in [(1, 1), (64, 1), (1, 10_000), (64, 10_000)] {
        let what = format!(
            "call, {callers} caller{}, {actors} actor{}",
            if callers == 1 { "" } else { "s" },
            if actors == 1 { "" } else { "s" }
        );
        let rivals = vec![
            (
                calls::<Task>(callers, actors).await?,
                Target::RatioAtLeast(0.85),
            ),
            (
                calls::<Kameo>(callers, actors).await?,
                Target::RatioAtLeast(1.0),
            ),
            (
                calls::<Ractor>(callers, actors).await?,
                Target::RatioAtLeast(1.0),
            ),
        ];
        let ours = calls::<Ours>(callers, actors).await?;
        report.compare(&what, Unit::PerSecond, ours, rivals).await?;
    }
    let rivals = vec![
        (starts::<Task>(), Target::Shown),
        (starts::<Kameo>(), Target::RatioAtLeast(1.0)),
        (starts::<Ractor>(), Target::Shown),
    ];
    report
        .compare(
            "spawn with first reply",
            Unit::PerSecond,
            starts::<Ours>(),
            rivals,
        )
        .await?;
    let rivals = vec![
        (heap::<Task>(), Target::AtMost(HEAP)),
        (heap::<Kameo>(), Target::Shown),
        (heap::<Ractor>(), Target::Shown),
    ];
    report
        .compare(
            "heap of an idle live actor",
            Unit::Bytes,
            heap::<Ours>(),
            rivals,
        )
        .await
}

/// Most bytes an idle actor of ours may hold.
const HEAP: f64 = 2.5 * 1024.0;

async fn calls<L: Library>(callers: usize, actors: usize) -> Result<Side<'static>> {
    let library = L::open().await?;
    let mut started = Vec::with_capacity(actors);
    for _ in 0..actors {
        started.push(library.start().await?);
    }
    let started: Arc<[L::Handle]> = started.into();
    Ok(Side::new(L::LABEL, move || {
        // Actors may live only as long as their library.
        let _alive = &library;
        adding(started.clone(), callers)
    }))
}

/// Actors started for one figure of starting or keeping them.
const STARTS: u32 = 10_000;

/// Actors per second that were started and have answered once.
fn starts<L: Library>() -> Side<'static> {
    let start = async || {
        let library = L::open().await?;
        let start = Instant::now();
        let started = start_all(&library).await?;
        let figure = per_second(STARTS.into(), start.elapsed());
        library.close(started).await?;
        // Their end must not be timed as part of the next side.
        sleep(Duration::from_millis(100)).await;
        anyhow::Ok(figure)
    };
    Side::new(
        L::LABEL,
        move || async move { tokio::spawn(start()).await? },
    )
}

async fn start_all<L: Library>(library: &L) -> Result<Vec<L::Handle>> {
    let mut started = Vec::new();
    for _ in 0..STARTS {
        let handle = library.start().await?;
        handle.add(1).await?;
        started.push(handle);
    }
    Ok(started)
}

/// Bytes on the heap for each of many actors that live and wait.
fn heap<L: Library>() -> Side<'static> {
    Side::new(L::LABEL, || async {
        tokio::task::spawn_blocking(count_heap::<L>).await?
    })
}

/// Counts on one thread, on which the actors then must live.
fn count_heap<L: Library>() -> Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let library = runtime.block_on(L::open())?;
    let mut started = Ok(Vec::new());
    let counted = allocation_counter::measure(|| {
        started = runtime.block_on(start_all(&library));
    });
    runtime.block_on(library.close(started?))?;
    let bytes = i32::try_from(counted.bytes_current)?;
    Ok(f64::from(bytes) / f64::from(STARTS))
}

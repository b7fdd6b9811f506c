//! Takes figures: every side of a cell in turn, several times over, so that drift of the machine
//! falls on all of them. What the figures mean is `report`'s.

use std::{pin::Pin, time::Duration};

use anyhow::Result;
use tokio::time::Instant;

/// How long one repeat of a rate lasts.
pub(crate) const REPEAT: Duration = Duration::from_millis(250);

/// How often every side is measured; the median counts.
pub(crate) const REPEATS: usize = 5;

type Figure<'a> = Pin<Box<dyn Future<Output = Result<f64>> + 'a>>;

/// One contender of a cell: what it is called and how it is measured once.
pub(crate) struct Side<'a> {
    /// Its name in the table.
    pub(crate) label: &'static str,
    run: Box<dyn FnMut() -> Figure<'a> + 'a>,
}

impl<'a> Side<'a> {
    /// A side that is measured by running `run`.
    pub(crate) fn new<F, Fut>(label: &'static str, mut run: F) -> Self
    where
        F: FnMut() -> Fut + 'a,
        Fut: Future<Output = Result<f64>> + 'a,
    {
        Self {
            label,
            run: Box::new(move || Box::pin(run())),
        }
    }
}

/// What one side measured, round by round.
#[derive(Clone, Debug)]
pub(crate) struct Figures(Vec<f64>);

impl Figures {
    /// A figure taken only once.
    pub(crate) fn once(figure: f64) -> Self {
        Self(vec![figure])
    }

    /// The figure to show.
    pub(crate) fn median(&self) -> f64 {
        median(self.0.clone())
    }

    /// How many times the other's figure this is: the median of the rounds' ratios, since the sides
    /// of a round saw the same machine.
    pub(crate) fn ratio_to(&self, other: &Self) -> f64 {
        median(
            self.0
                .iter()
                .zip(&other.0)
                .map(|(this, other)| this / other)
                .collect(),
        )
    }
}

/// Measures all sides in turn, [`REPEATS`] times; what each measured, in the order of `sides`.
pub(crate) async fn interleave(sides: &mut [Side<'_>]) -> Result<Vec<Figures>> {
    let mut figures = vec![Figures(Vec::with_capacity(REPEATS)); sides.len()];
    for _ in 0..REPEATS {
        for (side, figures) in sides.iter_mut().zip(&mut figures) {
            figures.0.push((side.run)().await?);
        }
    }
    Ok(figures)
}

/// The middle one of some figures.
pub(crate) fn median(figures: Vec<f64>) -> f64 {
    quantile(figures, 0.5)
}

/// The figure below which the given share of all figures lies.
pub(crate) fn quantile(mut figures: Vec<f64>, share: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    let last = figures.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into at most some thousand figures"
    )]
    let index = (last as f64 * share).round() as usize;
    figures.get(index).copied().unwrap_or(f64::NAN)
}

/// Runs `one(worker)` over and over in as many tasks as `workers` says, for [`REPEAT`]; how many of
/// them were done per second.
pub(crate) async fn rate<W, F, Fut>(workers: Vec<W>, one: F) -> Result<f64>
where
    W: Send + 'static,
    F: Fn(W) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<W>> + Send + 'static,
{
    let start = Instant::now();
    let tasks: Vec<_> = workers
        .into_iter()
        .map(|mut worker| {
            let one = one.clone();
            tokio::spawn(async move {
                let mut done = 0_u64;
                while start.elapsed() < REPEAT {
                    worker = one(worker).await?;
                    done += 1;
                }
                anyhow::Ok(done)
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await??;
    }
    Ok(per_second(done, start.elapsed()))
}

/// So many in so long, per second.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) fn per_second(done: u64, took: Duration) -> f64 {
    done as f64 / took.as_secs_f64()
}

/// Seconds that one of `done` took.
pub(crate) fn each(done: u64, took: Duration) -> f64 {
    1.0 / per_second(done, took)
}

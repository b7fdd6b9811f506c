//! The table: one line for each cell, marked against its target, and a summary. Not how figures
//! are taken.

use anyhow::Result;

use crate::measure::{Figures, Side, interleave};

/// What a figure counts, and how it is written.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    /// So many per second.
    PerSecond,
    /// A time, in seconds.
    Time,
    /// Memory.
    Bytes,
    /// A plain number.
    Count,
}

/// What our figure should be.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// At least so many times the other's.
    RatioAtLeast(f64),
    /// At most so many times the other's.
    RatioAtMost(f64),
    /// At most this, whatever the others do.
    AtMost(f64),
    /// Only shown.
    Shown,
}

/// One side to compare with, and the target it sets.
pub(crate) type Rival<'a> = (Side<'a>, Target);

/// The table being printed.
#[derive(Default)]
pub(crate) struct Report {
    met: usize,
    missed: Vec<String>,
    shown: usize,
}

impl Report {
    /// Prints a section's name.
    pub(crate) fn section(&self, name: &str) {
        println!("\n{name}");
    }

    /// Measures `ours` and all rivals in turn, and prints a line for each rival, or one
    /// line if there is none.
    pub(crate) async fn compare<'a>(
        &mut self,
        what: &str,
        unit: Unit,
        ours: Side<'a>,
        rivals: Vec<Rival<'a>>,
    ) -> Result<()> {
        let (mut sides, targets): (Vec<_>, Vec<_>) = rivals.into_iter().unzip();
        let labels: Vec<_> = sides.iter().map(|side| side.label).collect();
        sides.push(ours);
        let mut figures = interleave(&mut sides).await?;
        let ours = figures.pop();
        if labels.is_empty() {
            self.line(what, unit, None, ours.as_ref(), Target::Shown);
        }
        for ((label, target), figure) in labels.into_iter().zip(targets).zip(figures) {
            self.line(what, unit, Some((label, &figure)), ours.as_ref(), target);
        }
        Ok(())
    }

    /// Prints one line.
    pub(crate) fn line(
        &mut self,
        what: &str,
        unit: Unit,
        other: Option<(&str, &Figures)>,
        ours: Option<&Figures>,
        target: Target,
    ) {
        let ratio = other
            .zip(ours)
            .map(|((_, other), ours)| ours.ratio_to(other))
            // Beside nothing there is none.
            .filter(|it| it.is_finite());
        let ours = ours.map(Figures::median);
        let met = match target {
            Target::RatioAtLeast(least) => ratio.map(|ratio| ratio >= least),
            Target::RatioAtMost(most) => ratio.map(|ratio| ratio <= most),
            Target::AtMost(most) => ours.map(|ours| ours <= most),
            Target::Shown => None,
        };
        let other = other.map_or_else(String::new, |(label, figure)| {
            format!("{label} {}", written(figure.median(), unit))
        });
        let line = format!(
            "  {what:<41} {other:<31} {:<10} {:<7} {:<9} {}",
            ours.map_or_else(|| "-".into(), |ours| written(ours, unit)),
            ratio.map_or_else(String::new, |ratio| format!("x{ratio:.2}")),
            wanted(target, unit),
            met.map_or("", |met| if met { "ok" } else { "below" }),
        );
        println!("{}", line.trim_end());
        match met {
            Some(true) => self.met += 1,
            Some(false) => self.missed.push(line),
            None => self.shown += 1,
        }
    }

    /// Prints how it went.
    pub(crate) fn summary(&self) {
        println!(
            "\n{} targets met, {} below, {} lines without a target",
            self.met,
            self.missed.len(),
            self.shown
        );
        for line in &self.missed {
            println!("{}", line.trim_end());
        }
    }
}

/// The head of the table.
pub(crate) fn head() {
    println!(
        "  {:<41} {:<31} {:<10} {:<7} {:<9}",
        "what", "beside", "ours", "ratio", "target"
    );
}

fn wanted(target: Target, unit: Unit) -> String {
    match target {
        Target::RatioAtLeast(least) => format!(">= {least:.2}"),
        Target::RatioAtMost(most) => format!("<= {most:.2}"),
        Target::AtMost(most) => format!("<= {}", written(most, unit)),
        Target::Shown => String::new(),
    }
}

fn written(figure: f64, unit: Unit) -> String {
    match unit {
        Unit::PerSecond if figure >= 1e6 => format!("{:.2} M/s", figure / 1e6),
        Unit::PerSecond if figure >= 1e4 => format!("{:.1} k/s", figure / 1e3),
        Unit::PerSecond => format!("{figure:.0} /s"),
        Unit::Time if figure >= 1.0 => format!("{figure:.1} s"),
        Unit::Time if figure >= 1e-3 => format!("{:.2} ms", figure * 1e3),
        Unit::Time => format!("{:.1} us", figure * 1e6),
        Unit::Bytes if figure >= 1024.0 * 1024.0 => format!("{:.1} MiB", figure / 1024.0 / 1024.0),
        Unit::Bytes => format!("{:.2} KiB", figure / 1024.0),
        Unit::Count if figure.fract() == 0.0 => format!("{figure:.0}"),
        Unit::Count => format!("{figure:.2}"),
    }
}

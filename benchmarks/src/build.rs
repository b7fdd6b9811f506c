//! What a user's build pays: crates in the tree, and the time of a cold build of the chat example.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use tokio::time::Instant;

use crate::measure::Figures;
use crate::report::{Report, Target, Unit};

/// Counts crates; builds from nothing only when `cold`, since it takes minutes.
pub(crate) async fn run(report: &mut Report, cold: bool) -> Result<()> {
    let crates = crates("chat").context("counting crates of the chat example")?;
    report.line(
        "crates in the tree of chat",
        Unit::Count,
        None,
        Some(&Figures::once(crates)),
        Target::Shown,
    );
    if cold {
        let took = tokio::task::spawn_blocking(cold_build).await??;
        report.line(
            "cold release build of chat",
            Unit::Time,
            None,
            Some(&Figures::once(took)),
            Target::Shown,
        );
    }
    Ok(())
}

/// Crates that building a package compiles, itself and build dependencies among them.
fn crates(package: &str) -> Result<f64> {
    let tree = cargo()
        .args([
            "tree",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--no-dedupe",
        ])
        .args(["--package", package])
        .output()?;
    ensure!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let mut names: Vec<_> = std::str::from_utf8(&tree.stdout)?.lines().collect();
    names.sort_unstable();
    names.dedup();
    Ok(f64::from(u32::try_from(names.len())?))
}

fn cold_build() -> Result<f64> {
    let target = tempfile::tempdir()?;
    let start = Instant::now();
    let status = cargo()
        .args(["build", "--release", "--package", "chat", "--target-dir"])
        .arg(target.path())
        .stderr(Stdio::null())
        .status()?;
    ensure!(status.success(), "the chat example does not build");
    Ok(start.elapsed().as_secs_f64())
}

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo
}

//! Measures the library beside its floors (the least any solution must do) and peers (libraries
//! one would take instead), both in one run on one machine, and prints the ratios.
//!
//! ```text
//! cargo run --release -p benchmarks                  # everything but the cold build
//! cargo run --release -p benchmarks -- calls http    # some sections
//! ```
//!
//! Sections: `calls http ws durable lifecycle memory broadcast blob build`. What is measured lives
//! in a module for each section; no figure is asserted, since machines differ.

#![expect(clippy::print_stdout, reason = "the table is what the program is for")]
#![expect(
    clippy::disallowed_methods,
    reason = "load is generated in tasks that no cell tracks"
)]

mod blob;
mod broadcast;
mod build;
mod calls;
mod client;
mod durable;
mod floor;
mod http;
mod lifecycle;
mod measure;
mod memory;
mod ours;
mod raw_sqlite;
mod report;
mod ws;

use anyhow::{Result, bail};

use self::report::Report;

const SECTIONS: [&str; 9] = [
    "calls",
    "http",
    "ws",
    "durable",
    "lifecycle",
    "memory",
    "broadcast",
    "blob",
    "build",
];

#[tokio::main]
async fn main() -> Result<()> {
    // Thousands of sockets, both ends of each in this process.
    rlimit::increase_nofile_limit(u64::MAX)?;
    let mut asked: Vec<String> = std::env::args().skip(1).collect();
    if let [side, database] = &asked[..]
        && let Some(side) = side.strip_prefix("--serve-")
    {
        return memory::serve(side, database).await;
    }
    if let Some(unknown) = asked.iter().find(|name| !SECTIONS.contains(&name.as_str())) {
        bail!("no section `{unknown}`; there are: {}", SECTIONS.join(" "));
    }
    let cold_build = asked.iter().any(|name| name == "build");
    if asked.is_empty() {
        asked = SECTIONS.map(String::from).to_vec();
    }

    let mut report = Report::default();
    report::head();
    for section in asked {
        report.section(&section);
        match section.as_str() {
            "calls" => calls::run(&mut report).await?,
            "http" => http::run(&mut report).await?,
            "ws" => ws::run(&mut report).await?,
            "durable" => durable::run(&mut report).await?,
            "lifecycle" => lifecycle::run(&mut report).await?,
            "memory" => memory::run(&mut report).await?,
            "broadcast" => broadcast::run(&mut report).await?,
            "blob" => blob::run(&mut report).await?,
            _ => build::run(&mut report, cold_build).await?,
        }
    }
    report.summary();
    Ok(())
}

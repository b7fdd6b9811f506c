//! Resident memory of idle sockets: each server in a process of its own, which is this program
//! started again with `--serve-..`; its parent holds the sockets' other ends.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::sleep,
};

use crate::{
    floor::{self, QUERY},
    measure::Figures,
    report::{Report, Target, Unit},
    ws::connect,
};

const SOCKETS: u32 = 5_000;
#[expect(dead_code, reason = "for our side")]
const ACTORS: u32 = 50;

/// Measures the section.
pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let floor = resident_per_socket("floor", |_| QUERY.into()).await?;
    report.line(
        "idle socket, of 5000 (50 actors asleep)",
        Unit::Bytes,
        Some(("axum", &Figures::once(floor))),
        None,
        Target::RatioAtMost(1.2),
    );
    Ok(())
}

/// Serves one side until the parent ends this process; says on stdout where.
pub(crate) async fn serve(side: &str) -> Result<()> {
    let router = match side {
        "floor" => floor::router(),
        _ => bail!("nothing to serve as `{side}`"),
    };
    let serving = floor::serve(router).await?;
    println!("{}", serving.addr);
    std::future::pending().await
}

/// Bytes by which a server grows for each socket opened to it and left alone.
async fn resident_per_socket(side: &str, query: impl Fn(u32) -> String) -> Result<f64> {
    let (server, addr) = start(side).await?;
    // The first socket pays for what all share.
    let first = connect(addr, &query(0)).await?;
    let before = settled(&server).await?;
    let mut lines = Vec::new();
    for socket in 0..SOCKETS {
        lines.push(connect(addr, &query(socket)).await?);
    }
    let after = settled(&server).await?;
    drop((first, lines));
    Ok((after - before) / f64::from(SOCKETS))
}

async fn start(side: &str) -> Result<(Child, SocketAddr)> {
    let mut server = Command::new(std::env::current_exe()?)
        .arg(format!("--serve-{side}"))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let said = server.stdout.take().context("a server without stdout")?;
    let addr = BufReader::new(said)
        .lines()
        .next_line()
        .await?
        .context("a server said nothing")?;
    Ok((server, addr.parse()?))
}

/// Resident bytes of a server, once they stand still.
async fn settled(server: &Child) -> Result<f64> {
    let pid = server.id().context("a server ended")?;
    let mut last = resident(pid)?;
    loop {
        sleep(Duration::from_millis(500)).await;
        let now = resident(pid)?;
        if (now - last).abs() < 64.0 * 1024.0 {
            return Ok(now);
        }
        last = now;
    }
}

fn resident(pid: u32) -> Result<f64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let pages: u32 = statm
        .split(' ')
        .nth(1)
        .context("statm has a second field")?
        .parse()?;
    Ok(f64::from(pages) * PAGE)
}

/// Bytes of a page on every machine this runs on.
const PAGE: f64 = 4096.0;

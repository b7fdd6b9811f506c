//! Resident memory of idle sockets: each server in a process of its own, which is this program
//! started again with `--serve-..`; its parent holds the sockets' other ends.

use std::{net::SocketAddr, path::Path, process::Stdio, time::Duration};

use actor_core::{prelude::*, storage::Sqlite};
use anyhow::{Context, Result, bail};
use axum::{Router, routing::post};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::sleep,
};

use crate::{
    client::{self, Line},
    floor::{self, QUERY},
    measure::Figures,
    report::{Report, Target, Unit},
    ws::{action, connect},
};

const SOCKETS: u32 = 5_000;
const ACTORS: u32 = 50;

/// Measures the section.
pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let floor = resident_per_socket("floor").await?;
    let ours = resident_per_socket("ours").await?;
    report.line(
        "idle socket, of 5000 (50 actors asleep)",
        Unit::Bytes,
        Some(("axum", &floor)),
        Some(&ours),
        Target::RatioAtMost(1.2),
    );
    Ok(())
}

/// Serves one side until the parent ends this process; says on stdout where.
pub(crate) async fn serve(side: &str, database: &str) -> Result<()> {
    let router = match side {
        "floor" => floor::router().route("/awake", post("0")),
        "ours" => sleepers(database).await?,
        _ => bail!("nothing to serve as `{side}`"),
    };
    let serving = floor::serve(router).await?;
    println!("{}", serving.addr);
    std::future::pending().await
}

/// Sleeps soon, its sockets open.
#[actor(name = "counter", sleep_after = "500ms")]
#[derive(Default)]
pub(crate) struct Sleeper {
    count: i64,
}

#[actor]
impl Sleeper {
    /// Adds; what the count is then.
    #[action]
    async fn increment(&mut self, by: i64) -> i64 {
        self.count += by;
        self.count
    }
}

async fn sleepers(database: &str) -> Result<Router> {
    let registry = Registry::builder()
        .actor::<Sleeper>()
        .storage(Sqlite::open(database)?)
        .build()
        .await?;
    let gateway = registry.gateway();
    let awake = async move || {
        let mut awake = 0;
        for actor in 0..ACTORS {
            let found = gateway
                .find_by_key("default", "counter", actor.to_string().into())
                .await;
            awake += u32::from(matches!(found, Ok(Some(actor)) if actor.is_awake()));
        }
        awake.to_string()
    };
    Ok(actor_axum::router(registry).route("/awake", post(awake)))
}

/// Bytes by which a server grows for each socket opened to it and left alone.
async fn resident_per_socket(side: &str) -> Result<Figures> {
    let folder = tempfile::tempdir()?;
    let (server, addr) = start(side, folder.path()).await?;
    // The first socket pays for what all share.
    let mut lines = vec![connect(addr, &query(0)).await?];
    let before = settled(&server, addr).await?;
    for socket in 0..SOCKETS {
        lines.push(connect(addr, &query(socket)).await?);
    }
    let after = settled(&server, addr).await?;
    // Whoever sleeps wakes: the sockets are not just forgotten.
    for line in &mut lines {
        line.exchange(&action("increment", "[1]")).await?;
    }
    Ok(Figures::once((after - before) / f64::from(SOCKETS)))
}

fn query(socket: u32) -> String {
    let actor = socket % ACTORS;
    QUERY.replace("rvt-key=k", &format!("rvt-key={actor}"))
}

async fn start(side: &str, folder: &Path) -> Result<(Child, SocketAddr)> {
    let mut server = Command::new(std::env::current_exe()?)
        .arg(format!("--serve-{side}"))
        .arg(folder.join("ours.db"))
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

/// Resident bytes of a server, once all its actors sleep and they stand still.
async fn settled(server: &Child, addr: SocketAddr) -> Result<f64> {
    let pid = server.id().context("a server ended")?;
    let mut line = Line::open(addr).await?;
    let mut last = f64::INFINITY;
    loop {
        sleep(Duration::from_millis(500)).await;
        let asleep = line.ask(&client::post("/awake", "")).await? == b"0";
        let now = resident(pid)?;
        if asleep && (now - last).abs() < 64.0 * 1024.0 {
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

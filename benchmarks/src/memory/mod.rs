//! What sockets cost that nobody speaks over: memory, time of the processor, and how long their actors
//! take to be back. Each server is in a process of its own, which is this program started again with
//! `--serve-..`; its parent holds the sockets' other ends.

mod crowd;
mod tables;

use std::{
    net::SocketAddr,
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actor_core::{prelude::*, storage::Sqlite};
use anyhow::{Context, Result, bail};
use axum::{Router, routing::post};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::mpsc,
    task::yield_now,
    time::{Instant, sleep},
};

use self::{
    crowd::Crowd,
    tables::{SHARING, TABLES, spread},
};
use crate::{
    client::{self, Line},
    floor::{self, QUERY},
    measure::{Figures, median},
    report::{Report, Target, Unit},
    ws::connect,
};

/// As many sockets as the limits of open files have room for, up to this.
const SOCKETS: u32 = 20_000;
const ACTORS: u32 = 50;
/// Sockets of one actor that come back together.
const RESTORED: u32 = 10_000;
/// Files that a process has open besides, sockets of the sections before among them.
const OTHER_FILES: u64 = 2_000;
/// How long nobody speaks.
const QUIET: Duration = Duration::from_secs(10);

/// What a socket asleep may cost, in bytes.
const PER_SOCKET: f64 = 6.0 * 1024.0;
/// How long another actor's call may wait for sockets that come back, in seconds.
const HELD_UP: f64 = 0.001;

/// Measures the section.
pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let room = rlimit::Resource::NOFILE.get_soft()? - OTHER_FILES;
    let room = u32::try_from(room).unwrap_or(u32::MAX);
    let each = (room / SHARING).min(SOCKETS / TABLES);
    let sockets = each * TABLES;
    let floor = idle("floor", each).await?;
    let ours = idle("ours", each).await?;
    let what = format!("idle socket, of {sockets} (50 actors asleep)");
    report.line(
        &what,
        Unit::Bytes,
        Some(("axum", &floor.bytes)),
        Some(&ours.bytes),
        Target::AtMost(PER_SOCKET),
    );
    report.line(
        "processor in 10 s without a word",
        Unit::Time,
        Some(("axum", &floor.busy)),
        Some(&ours.busy),
        Target::AtMost(0.02),
    );
    // As often as it would be answered awake, and a wake.
    let allowed = 3.0 * ours.awake.median() + ours.wake.median();
    report.line(
        "first message to one asleep",
        Unit::Time,
        Some(("awake", &ours.awake)),
        Some(&ours.first),
        Target::AtMost(allowed),
    );
    let (quiet, restoring) = held_up(room.min(RESTORED)).await?;
    report.line(
        "longest call beside 10000 sockets' return",
        Unit::Time,
        Some(("without", &quiet)),
        Some(&restoring),
        Target::AtMost(HELD_UP),
    );
    Ok(())
}

/// Serves one side until the parent ends this process; says on stdout at which addresses.
pub(crate) async fn serve(side: &str, database: &str) -> Result<()> {
    let router = match side {
        "floor" => floor::router()
            .route("/awake", post("0"))
            .route("/wake", post("0")),
        "ours" => sleepers(database).await?,
        _ => bail!("nothing to serve as `{side}`"),
    };
    let (tell, mut told) = mpsc::channel(1);
    let works = (0..TABLES).map(|_| {
        let (router, tell) = (router.clone(), tell.clone());
        async move || {
            let serving = floor::serve(router).await?;
            tell.send(serving.addr).await?;
            std::future::pending().await
        }
    });
    spread(works.collect())?;
    for _ in 0..TABLES {
        println!("{}", told.recv().await.context("a server's thread ended")?);
    }
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
    /// What the count is, and more.
    #[action]
    async fn get(&self, more: i64) -> i64 {
        self.count + more
    }
}

async fn sleepers(database: &str) -> Result<Router> {
    // A file that SQLite opens late is open in one table, so that it must work on its own threads only.
    let storage = Sqlite::options()
        .inline_reads(false)
        .inline_writes(Duration::ZERO);
    let registry = Registry::builder()
        .actor::<Sleeper>()
        .storage(storage.open(database)?)
        // The clients here answer no pings.
        .without_liveness()
        .build()
        .await?;
    let (probed, restoring) = (registry.clone(), registry.clone());
    let gateway = registry.gateway();
    let awake = async move || {
        let mut awake = 0;
        let keys = (0..ACTORS).map(|it| it.to_string());
        for key in keys.chain([BIG.to_owned()]) {
            let found = gateway.find_by_key("default", "counter", key.into()).await;
            awake += u32::from(matches!(found, Ok(Some(actor)) if actor.is_awake()));
        }
        awake.to_string()
    };
    Ok(actor_axum::router(registry)
        .route("/awake", post(awake))
        .route("/wake", post(async move || seconds(wake(&probed).await)))
        .route(
            "/quiet",
            post({
                let registry = restoring.clone();
                async move || seconds(longest_call(&registry, sleep(Duration::from_secs(1))).await)
            }),
        )
        .route(
            "/restore",
            post(async move || {
                let big = restoring.get_or_create::<Sleeper>(BIG);
                let back = async {
                    let _counted = big.get(0).await;
                };
                seconds(longest_call(&restoring, back).await)
            }),
        ))
}

/// The actor with many sockets.
const BIG: &str = "big";

fn seconds(took: Duration) -> String {
    took.as_secs_f64().to_string()
}

/// How long a call takes that wakes its actor, and has no sockets to bring back.
async fn wake(registry: &Registry) -> Duration {
    let mut took = Vec::new();
    for key in 0..20 {
        let lone = registry.get_or_create::<Sleeper>(format!("lone {key}"));
        let Ok(actor) = lone.actor().await else {
            continue;
        };
        let _created = lone.get(0).await;
        actor.sleep();
        while actor.is_awake() {
            yield_now().await;
        }
        let begun = Instant::now();
        let _woken = lone.get(0).await;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    took[took.len() / 2]
}

/// The longest that a call of another actor takes while `work` goes on.
async fn longest_call(registry: &Registry, work: impl Future<Output = ()>) -> Duration {
    let other = registry.get_or_create::<Sleeper>("other");
    let over = Arc::new(AtomicBool::new(false));
    let calls = tokio::spawn({
        let over = Arc::clone(&over);
        async move {
            let mut longest = Duration::ZERO;
            let _woken = other.get(0).await;
            while !over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let _counted = other.get(0).await;
                longest = longest.max(begun.elapsed());
                sleep(Duration::from_micros(100)).await;
            }
            longest
        }
    });
    sleep(Duration::from_millis(200)).await;
    work.await;
    over.store(true, Ordering::Relaxed);
    calls.await.unwrap_or_default()
}

/// What idle sockets cost.
struct Idle {
    /// By which the server grows for each.
    bytes: Figures,
    /// Seconds of the processor in [`QUIET`].
    busy: Figures,
    /// Until a message to an actor is answered: the first that wakes it, the next.
    first: Figures,
    awake: Figures,
    /// Until a call is answered that wakes an actor without sockets.
    wake: Figures,
}

/// With as many sockets in each table of open files.
async fn idle(side: &str, sockets: u32) -> Result<Idle> {
    let folder = tempfile::tempdir()?;
    let (server, addrs) = start(side, folder.path()).await?;
    let addr = addrs[0];
    let crowd = Crowd::new(addrs)?;
    // The first socket pays for what all share.
    crowd.connect(0..1).await?;
    let before = settled(&server, addr).await?;
    crowd.connect(1..sockets).await?;
    let after = settled(&server, addr).await?;
    let busy = processor(&server)?;
    sleep(QUIET).await;
    let busy = processor(&server)? - busy;
    let mut asked = Line::open(addr).await?;
    let wake = String::from_utf8_lossy(asked.ask(&client::post("/wake", "")).await?).parse()?;
    let first = crowd.speak(ACTORS).await?;
    let awake = crowd.speak(ACTORS).await?;
    // Whoever sleeps wakes: the sockets are not just forgotten.
    crowd.speak(sockets).await?;
    // The sockets of the second thread are of the same actors, which are awake already.
    let first = first.into_iter().take(ACTORS as usize).collect();
    Ok(Idle {
        bytes: Figures::once((after - before) / f64::from((sockets - 1) * TABLES)),
        busy: Figures::once(busy),
        first: Figures::once(median(first)),
        awake: Figures::once(median(awake)),
        wake: Figures::once(wake),
    })
}

/// The longest that an actor's call takes in a second without anything, and while the sockets of
/// another come back.
async fn held_up(sockets: u32) -> Result<(Figures, Figures)> {
    let folder = tempfile::tempdir()?;
    let (server, addrs) = start("ours", folder.path()).await?;
    let addr = addrs[0];
    let mut lines = Vec::new();
    for _ in 0..sockets {
        lines.push(connect(addr, &QUERY.replace("rvt-key=k", &format!("rvt-key={BIG}"))).await?);
    }
    settled(&server, addr).await?;
    let mut line = Line::open(addr).await?;
    let quiet = String::from_utf8_lossy(line.ask(&client::post("/quiet", "")).await?).parse()?;
    let held = String::from_utf8_lossy(line.ask(&client::post("/restore", "")).await?).parse()?;
    Ok((Figures::once(quiet), Figures::once(held)))
}

/// Seconds of the processor that a server has used.
fn processor(server: &Child) -> Result<f64> {
    let pid = server.id().context("a server ended")?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name before may hold anything; user and system time are the 12th and 13th after it.
    let (_, rest) = stat.rsplit_once(')').context("stat names the program")?;
    let mut ticks = 0.0;
    for field in rest.split_whitespace().skip(11).take(2) {
        ticks += field.parse::<f64>()?;
    }
    Ok(ticks / TICKS)
}

/// Ticks of a second on every Linux this runs on.
const TICKS: f64 = 100.0;

fn query(socket: u32) -> String {
    let actor = socket % ACTORS;
    QUERY.replace("rvt-key=k", &format!("rvt-key={actor}"))
}

async fn start(side: &str, folder: &Path) -> Result<(Child, Vec<SocketAddr>)> {
    let mut server = Command::new(std::env::current_exe()?)
        .arg(format!("--serve-{side}"))
        .arg(folder.join("ours.db"))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let said = server.stdout.take().context("a server without stdout")?;
    let mut said = BufReader::new(said).lines();
    let mut addrs = Vec::new();
    for _ in 0..TABLES {
        let addr = said.next_line().await?.context("a server said nothing")?;
        addrs.push(addr.parse()?);
    }
    Ok((server, addrs))
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

//! WebSocket actions (json) against an axum socket that speaks the same frames.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Result, ensure};
use tokio::time::{Instant, sleep};

use crate::{
    client::{Line, text},
    floor::{self, QUERY},
    measure::{Side, quantile, rate},
    ours,
    report::{Report, Target, Unit},
};

/// Lone round trips, and the rest between them in which a delayed acknowledgement would show.
const LONE: usize = 60;
const REST: Duration = Duration::from_millis(5);

/// Far above a round trip on loopback, far below the 40 ms of a delayed acknowledgement.
const NO_STEP: f64 = 0.010;

/// Measures the section.
pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let floor = floor::serve(floor::router()).await?;
    let ours = floor::serve(actor_axum::router(ours::in_memory().await?)).await?;
    for sockets in [1, 16] {
        let what = format!(
            "round trip, {sockets} socket{}",
            if sockets == 1 { "" } else { "s" }
        );
        report
            .compare(
                &what,
                Unit::PerSecond,
                trips("ours", ours.addr, sockets),
                vec![(
                    trips("axum", floor.addr, sockets),
                    Target::RatioAtLeast(0.6),
                )],
            )
            .await?;
    }
    report
        .compare(
            "slowest of 60 lone round trips",
            Unit::Time,
            lone("ours", ours.addr),
            vec![(lone("axum", floor.addr), Target::AtMost(NO_STEP))],
        )
        .await
}

/// Opens a `/connect` socket of the counter and reads its greeting.
pub(crate) async fn connect(addr: SocketAddr, query: &str) -> Result<Line> {
    let mut line = Line::open(addr).await?;
    line.upgrade(&format!("/gateway/counter/connect?{query}"))
        .await?;
    let init = line.frame().await?;
    ensure!(
        init.windows(6).any(|part| part == b"\"Init\""),
        "no greeting: {init:?}"
    );
    Ok(line)
}

/// The frame that asks for an action.
pub(crate) fn action(name: &str, args: &str) -> Vec<u8> {
    text(&format!(
        r#"{{"body":{{"tag":"ActionRequest","val":{{"id":1,"name":"{name}","args":{args}}}}}}}"#
    ))
}

fn trips(label: &'static str, addr: SocketAddr, sockets: usize) -> Side<'static> {
    Side::new(label, move || async move {
        let mut open = Vec::new();
        for _ in 0..sockets {
            open.push((connect(addr, QUERY).await?, action("increment", "[1]")));
        }
        rate(open, async |(mut line, frame)| {
            line.exchange(&frame).await?;
            Ok((line, frame))
        })
        .await
    })
}

fn lone(label: &'static str, addr: SocketAddr) -> Side<'static> {
    Side::new(label, move || async move {
        let mut line = connect(addr, QUERY).await?;
        let frame = action("increment", "[1]");
        let mut took = Vec::new();
        for _ in 0..LONE {
            sleep(REST).await;
            let start = Instant::now();
            line.exchange(&frame).await?;
            took.push(start.elapsed().as_secs_f64());
        }
        Ok(quantile(took, 1.0))
    })
}

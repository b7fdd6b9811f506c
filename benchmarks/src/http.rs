//! HTTP actions (json) against an axum handler that parses the same request.

use std::net::SocketAddr;

use anyhow::{Result, ensure};

use crate::{
    client::{Line, post},
    floor::{self, QUERY},
    measure::{Side, rate},
    ours,
    report::{Report, Target, Unit},
};

/// Measures the section.
pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let floor = floor::serve(floor::router()).await?;
    let ours = floor::serve(actor_axum::router(ours::in_memory().await?)).await?;
    for lines in [1, 16] {
        let what = format!(
            "action, {lines} connection{}",
            if lines == 1 { "" } else { "s" }
        );
        report
            .compare(
                &what,
                Unit::PerSecond,
                side("ours", ours.addr, lines).await?,
                vec![(
                    side("axum", floor.addr, lines).await?,
                    Target::RatioAtLeast(0.6),
                )],
            )
            .await?;
    }
    Ok(())
}

async fn side(label: &'static str, addr: SocketAddr, lines: usize) -> Result<Side<'static>> {
    let body = Line::open(addr).await?.ask(&request()).await?.to_vec();
    ensure!(
        body.starts_with(br#"{"output":"#),
        "{label}: {}",
        String::from_utf8_lossy(&body)
    );
    Ok(Side::new(label, move || requests(addr, lines)))
}

async fn requests(addr: SocketAddr, lines: usize) -> Result<f64> {
    let mut open = Vec::new();
    for _ in 0..lines {
        open.push((Line::open(addr).await?, request()));
    }
    rate(open, async |(mut line, request)| {
        line.ask(&request).await?;
        Ok((line, request))
    })
    .await
}

fn request() -> Vec<u8> {
    post(
        &format!("/gateway/counter/action/increment?{QUERY}"),
        r#"{"args":[1]}"#,
    )
}

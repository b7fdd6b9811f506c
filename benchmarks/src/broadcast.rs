//! One event to a thousand sockets: the time until the last one has it, against an axum loop that
//! sends the same frame.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use anyhow::Result;
use axum::{Router, extract::WebSocketUpgrade, routing::get};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    sync::{Mutex, Notify},
    time::Instant,
};

use crate::{
    client::Line,
    floor::{self, QUERY, Writer},
    measure::{Side, median},
    report::{Report, Target, Unit},
    ws::connect,
};

const SOCKETS: usize = 1_000;
const ROUNDS: usize = 20;

/// Measures the section.
pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let writers: Writers = Arc::default();
    let server = floor::serve(router(writers.clone())).await?;
    let mut lines = Vec::new();
    for _ in 0..SOCKETS {
        lines.push(connect(server.addr, QUERY).await?);
    }
    let listeners = Listeners::start(lines);
    let floor = Side::new("axum loop", || rounds(&writers, &listeners));
    report
        .compare(
            "1000 sockets, until the last has it",
            Unit::Time,
            None,
            vec![(floor, Target::RatioAtMost(1.5))],
        )
        .await
}

async fn rounds(writers: &Writers, listeners: &Listeners) -> Result<f64> {
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let writers = writers.clone();
        let send = async move || floor::broadcast(&mut writers.lock().await, [1]).await;
        took.push(listeners.hear(send).await?);
    }
    Ok(median(took))
}

type Writers = Arc<Mutex<Vec<Writer>>>;

fn router(writers: Writers) -> Router {
    let connect = async move |upgrade: WebSocketUpgrade| {
        floor::slim(upgrade).on_upgrade(async move |socket| {
            let (mut writer, mut reader) = socket.split();
            let Ok(init) = floor::init() else { return };
            if writer.send(init).await.is_ok() {
                writers.lock().await.push(writer);
                while reader.next().await.is_some() {}
            }
        })
    };
    Router::new().route("/gateway/{name}/connect", get(connect))
}

/// Clients that each count the events they hear.
struct Listeners {
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    events: AtomicUsize,
    all: Notify,
}

impl Listeners {
    fn start(lines: Vec<Line>) -> Self {
        let heard = Arc::<Heard>::default();
        for mut line in lines {
            let heard = heard.clone();
            tokio::spawn(async move {
                while line.frame().await.is_ok() {
                    if (heard.events.fetch_add(1, Relaxed) + 1).is_multiple_of(SOCKETS) {
                        heard.all.notify_one();
                    }
                }
            });
        }
        Self { heard }
    }

    /// Seconds from `send` until the last listener has heard.
    async fn hear<Fut>(&self, send: impl FnOnce() -> Fut) -> Result<f64>
    where
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        let start = Instant::now();
        let sent = tokio::spawn(send());
        self.heard.all.notified().await;
        let took = start.elapsed().as_secs_f64();
        sent.await??;
        Ok(took)
    }
}

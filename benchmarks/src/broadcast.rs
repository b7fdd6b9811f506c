//! One event to a thousand sockets: the time until the last one has it, against an axum loop that
//! sends the same frame.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use anyhow::Result;
use axum::{Router, extract::WebSocketUpgrade, routing::get};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    sync::{Mutex, Notify},
    time::Instant,
};

use crate::{
    client::{Line, text},
    floor::{self, QUERY, Writer},
    measure::{Side, median},
    ours::{self, Counter},
    report::{Report, Target, Unit},
    ws::{action, connect},
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
    let registry = ours::in_memory().await?;
    let server = floor::serve(actor_axum::router(registry.clone())).await?;
    let mut lines = Vec::new();
    for _ in 0..SOCKETS {
        lines.push(subscribed(server.addr).await?);
    }
    let our_listeners = Listeners::start(lines);
    let counter = registry.get_or_create::<Counter>("k");
    let floor = Side::new("axum loop", || {
        rounds(&listeners, || {
            let writers = writers.clone();
            async move { floor::broadcast(&mut writers.lock().await, [1]).await }
        })
    });
    let ours = Side::new("ours", || {
        rounds(&our_listeners, || {
            let counter = counter.clone();
            async move { Ok(counter.broadcast(1).await?) }
        })
    });
    report
        .compare(
            "1000 sockets, until the last has it",
            Unit::Time,
            ours,
            vec![(floor, Target::RatioAtMost(1.5))],
        )
        .await
}

/// A socket that hears `newCount`.
async fn subscribed(addr: SocketAddr) -> Result<Line> {
    let mut line = connect(addr, QUERY).await?;
    let subscribe = r#"{"eventName":"newCount","subscribe":true}"#;
    line.send(&text(&format!(
        r#"{{"body":{{"tag":"SubscriptionRequest","val":{subscribe}}}}}"#
    )))
    .await?;
    // Frames are taken in order: once this is answered, the subscription stands.
    line.exchange(&action("increment", "[1]")).await?;
    Ok(line)
}

async fn rounds<Fut>(listeners: &Listeners, send: impl Fn() -> Fut) -> Result<f64>
where
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        took.push(listeners.hear(send()).await?);
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
    async fn hear<Fut>(&self, send: Fut) -> Result<f64>
    where
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        let start = Instant::now();
        let sent = tokio::spawn(send);
        self.heard.all.notified().await;
        let took = start.elapsed().as_secs_f64();
        sent.await??;
        Ok(took)
    }
}

//! The network floor: axum alone, speaking what we speak, around one counter behind a mutex.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use axum::{
    Json, Router,
    extract::{
        Path, Query, State, WebSocketUpgrade,
        ws::{Message, Utf8Bytes, WebSocket},
    },
    http::HeaderMap,
    response::Response,
    routing::{get, post},
    serve::ListenerExt,
};
use futures_util::{SinkExt, stream::SplitSink};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, task::JoinHandle};

/// The actor's part of the path, with its query.
pub(crate) const QUERY: &str = "rvt-namespace=default&rvt-method=getOrCreate&rvt-runner=default\
                                &rvt-key=k&rvt-crash-policy=sleep";

/// A server that stops with this guard.
pub(crate) struct Serving {
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves a router on a free port, without Nagle's delay, in this process.
pub(crate) async fn serve(router: Router) -> Result<Serving> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let addr = listener.local_addr()?;
    let listener = listener.tap_io(|socket| {
        // Without it the figures would only be slower; nothing to give up for.
        let _kept_as_is = socket.set_nodelay(true);
    });
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            println!("  a server stopped: {error}");
        }
    });
    Ok(Serving { addr, task })
}

/// The floor's routes: an action over HTTP, and a socket that answers actions.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/gateway/{name}/action/{action}", post(action))
        .route("/gateway/{name}/connect", get(connect))
        .with_state(Arc::default())
}

/// The half of a socket that broadcasts are written to.
pub(crate) type Writer = SplitSink<WebSocket, Message>;

/// Sends one event to sockets one after the other, encoded once.
pub(crate) async fn broadcast(writers: &mut [Writer], args: [i64; 1]) -> Result<()> {
    let frame = FromServer::Event {
        name: "newCount",
        args,
    };
    let frame = Utf8Bytes::from(serde_json::to_string(&Envelope { body: frame })?);
    for writer in writers {
        writer.send(Message::Text(frame.clone())).await?;
    }
    Ok(())
}

type Counter = Arc<Mutex<i64>>;

#[derive(Deserialize)]
#[expect(
    dead_code,
    reason = "parsed as we must parse it; the floor has but one actor"
)]
struct ActorQuery {
    #[serde(rename = "rvt-namespace")]
    namespace: String,
    #[serde(rename = "rvt-method")]
    method: String,
    #[serde(rename = "rvt-runner")]
    runner: String,
    #[serde(rename = "rvt-key")]
    key: String,
    #[serde(rename = "rvt-crash-policy")]
    crash_policy: String,
}

#[derive(Deserialize)]
struct Call {
    args: (i64,),
}

#[derive(Serialize)]
struct Answer {
    output: i64,
}

async fn action(
    State(counter): State<Counter>,
    Path((_name, _action)): Path<(String, String)>,
    Query(_actor): Query<ActorQuery>,
    headers: HeaderMap,
    Json(call): Json<Call>,
) -> Json<Answer> {
    let _encoding = headers.get("x-rivet-encoding");
    Json(Answer {
        output: add(&counter, call.args.0),
    })
}

fn add(counter: &Counter, by: i64) -> i64 {
    let mut count = counter.lock().unwrap_or_else(PoisonError::into_inner);
    *count += by;
    *count
}

#[derive(Deserialize, Serialize)]
struct Envelope<B> {
    body: B,
}

#[derive(Deserialize)]
#[serde(tag = "tag", content = "val")]
#[expect(
    dead_code,
    reason = "parsed as we must parse it; the floor has but one action"
)]
enum FromClient {
    ActionRequest {
        id: u64,
        name: String,
        args: (i64,),
    },
    #[serde(rename_all = "camelCase")]
    SubscriptionRequest {
        event_name: String,
        subscribe: bool,
    },
}

#[derive(Serialize)]
#[serde(tag = "tag", content = "val")]
enum FromServer<'a> {
    #[serde(rename_all = "camelCase")]
    Init {
        actor_id: &'a str,
        connection_id: &'a str,
    },
    ActionResponse {
        id: (&'a str, String),
        output: i64,
    },
    Event {
        name: &'a str,
        args: [i64; 1],
    },
}

async fn connect(
    State(counter): State<Counter>,
    Path(_name): Path<String>,
    Query(_actor): Query<ActorQuery>,
    upgrade: WebSocketUpgrade,
) -> Response {
    slim(upgrade).on_upgrade(async move |mut socket| {
        // A client that leaves ends its socket's task, as it should.
        let _gone = answer_actions(&mut socket, &counter).await;
    })
}

/// An upgrade to a socket that reserves no more than small frames need: by default each would hold
/// 128 KiB, and be an easy floor to stay below.
pub(crate) fn slim(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .protocols(["rivet"])
        .read_buffer_size(4 * 1024)
        .write_buffer_size(0)
}

/// The frame that greets a connection.
pub(crate) fn init() -> Result<Message> {
    let init = FromServer::Init {
        actor_id: "floor",
        connection_id: "floor",
    };
    Ok(Message::text(serde_json::to_string(&Envelope {
        body: init,
    })?))
}

async fn answer_actions(socket: &mut WebSocket, counter: &Counter) -> Result<()> {
    socket.send(init()?).await?;
    while let Some(frame) = socket.recv().await {
        let Message::Text(text) = frame? else {
            continue;
        };
        let FromClient::ActionRequest { id, args, .. } =
            serde_json::from_str::<Envelope<FromClient>>(&text)?.body
        else {
            continue;
        };
        let output = add(counter, args.0);
        let answer = FromServer::ActionResponse {
            id: ("$BigInt", id.to_string()),
            output,
        };
        socket
            .send(Message::text(serde_json::to_string(&Envelope {
                body: answer,
            })?))
            .await?;
    }
    Ok(())
}

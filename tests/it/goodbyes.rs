//! How an actor parts from its sockets, at a sleep from those that do not hibernate, at a destroy from all: once all
//! else is over, and for good.

use std::{future::poll_fn, time::Duration};

use actor_core::{
    CloseFrame, Message, Socket, WebSocket,
    connection::{Delivery, Frame},
    gateway::ConnectRequest,
    prelude::*,
    protocol::{Args, Encoding, ToClient, ToServer, client},
    testing::TestRegistry,
};
use tokio::time::{Instant, sleep};

/// Answers each message after as many seconds as it says.
#[actor(sleep_after = "1h", sleep_grace = "10s")]
#[derive(Default)]
pub(crate) struct Late {
    log: Vec<String>,
}

#[actor]
impl Late {
    #[on_message]
    async fn heard(_ctx: &TaskCtx<Self>, socket: &Socket<Self>, message: Message) {
        let Message::Text(text) = message else { return };
        sleep(Duration::from_secs(text.parse().unwrap())).await;
        socket.send_text(text);
    }

    /// What it leaves behind has something to say too.
    #[on_sleep]
    async fn sleep(&mut self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
        self.log.push("sleep".into());
        let sockets = ctx.sockets();
        for socket in &sockets {
            socket.send_text("good night");
        }
        ctx.wait_until(|_| async move {
            sleep(Duration::from_secs(1)).await;
            for socket in sockets {
                socket.send_text("sleep well");
            }
        })
    }

    #[on_close]
    async fn closed(&mut self, frame: CloseFrame) {
        self.log.push(format!("{} {}", frame.code, frame.reason));
    }

    /// Answers after as many seconds as it is told.
    #[action]
    async fn answer(_ctx: &TaskCtx<Self>, seconds: u64) -> u64 {
        sleep(Duration::from_secs(seconds)).await;
        seconds
    }

    #[action]
    async fn rest(&self, ctx: &Ctx<Self>) {
        ctx.sleep();
    }

    #[action]
    async fn log(&self) -> Vec<String> {
        self.log.clone()
    }
}

/// What a client reads until its socket is closed, and after how many seconds; it says something in between.
async fn read(mut socket: WebSocket, since: Instant) -> (Vec<String>, CloseFrame, u64) {
    let mut read = Vec::new();
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message else { break };
        read.push(text);
        socket.send("0").await.unwrap();
    }
    let frame = socket.close_frame().unwrap().clone();
    (read, frame, since.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn c8_a_socket_closes_once_all_is_over() {
    let stopped = CloseFrame::new(1000, "actor.stopped");
    for (takes, answer, after) in [("3", Some("3"), 3), ("20", None, 10)] {
        for shuts_down in [false, true] {
            let registry = TestRegistry::start(|it| it.actor::<Late>()).await;
            let late = registry.get_or_create::<Late>("one");
            let socket = late.open_websocket("", Value::Undefined).await.unwrap();
            let actor = late.actor().await.unwrap();
            let since = Instant::now();
            socket.send(takes).await.unwrap();
            sleep(Duration::from_millis(1)).await;
            let reading = tokio::spawn(read(socket, since));
            if shuts_down {
                registry.shutdown().await;
            } else {
                late.rest().await.unwrap();
            }
            let mut expected = vec!["good night", "sleep well"];
            expected.extend(answer);
            let told = (
                expected.into_iter().map(Into::into).collect(),
                stopped.clone(),
                after,
            );
            assert_eq!(reading.await.unwrap(), told, "{takes} {shuts_down}");

            // Neither what the client said too late nor its leaving is worth a wake.
            sleep(Duration::from_secs(60)).await;
            assert_eq!((actor.is_awake(), actor.generation()), (false, 1));
            if !shuts_down {
                let log = late.log().await.unwrap();
                assert_eq!(log, ["sleep", "1000 actor.stopped"]);
            }
        }
    }
}

/// What a client reads who calls `answer` while the actor is about to be destroyed, and a raw socket that says as much.
#[tokio::test(start_paused = true)]
async fn b6_what_a_destroy_waits_for_is_answered_before_the_close() {
    let registry = TestRegistry::start(|it| it.actor::<Late>()).await;
    let late = registry.get_or_create::<Late>("one");
    let mut raw = late.open_websocket("", Value::Undefined).await.unwrap();
    let actor = late.actor().await.unwrap();
    let request = ConnectRequest {
        encoding: Encoding::Json,
        params: Value::Undefined,
        request: None,
    };
    let socket = registry.gateway().connect(&actor, request).await.unwrap();
    let call = ToServer::Action {
        id: 1,
        name: "answer".into(),
        args: Args::from_value(Value::from_serialize(&(3,)).unwrap()),
    };
    let bytes = client::encode(Encoding::Json, &call);
    socket.receive(Frame { bytes, text: true }).await.unwrap();
    raw.send("3").await.unwrap();
    sleep(Duration::from_millis(1)).await;
    late.destroy().await.unwrap();

    let Some(Delivery::Frame(frame)) = poll_fn(|cx| socket.poll_next(cx)).await else {
        panic!("closed without an answer");
    };
    let answer = client::decode(Encoding::Json, &frame.bytes).unwrap();
    assert!(
        matches!(answer, ToClient::Response { id: 1, .. }),
        "{answer:?}"
    );
    let gone = CloseFrame::new(1000, "");
    let closed = poll_fn(|cx| socket.poll_next(cx)).await;
    assert_eq!(closed, Some(Delivery::Close(gone.clone())));
    assert_eq!(raw.next().await, Some("3".into()));
    assert_eq!((raw.next().await, raw.close_frame()), (None, Some(&gone)));
}

//! What clients may do: who waits while that is decided.

use std::time::Duration;

use actor_core::{
    CloseFrame,
    connection::{Delivery, Frame},
    gateway::{ConnectRequest, Socket},
    prelude::*,
    protocol::{Args, Encoding, ToClient, ToServer, client},
};
use futures_util::future::poll_fn;
use tokio::time::{Instant, sleep};

use crate::registry;

const SLOW: Duration = Duration::from_secs(1);

/// Asks somewhere who may hear what, beside other readers.
#[actor(sleep_after = "1m")]
#[derive(Default)]
pub(crate) struct Gate {}

#[actor]
impl Gate {
    #[can_subscribe]
    async fn may_hear(&self, event: String) -> bool {
        sleep(SLOW).await;
        event == "open"
    }

    #[action]
    async fn look(&self) -> u32 {
        7
    }
}

async fn connect(registry: &Registry) -> Socket {
    let gate = registry.get_or_create::<Gate>("one");
    let request = ConnectRequest {
        encoding: Encoding::Json,
        params: Value::Undefined,
        request: None,
    };
    let actor = gate.actor().await.unwrap();
    registry.gateway().connect(&actor, request).await.unwrap()
}

async fn next(socket: &Socket) -> Result<ToClient, CloseFrame> {
    match poll_fn(|cx| socket.poll_next(cx)).await {
        Some(Delivery::Frame(frame)) => Ok(client::decode(Encoding::Json, &frame.bytes).unwrap()),
        Some(Delivery::Close(close)) => Err(close),
        other => panic!("{other:?}"),
    }
}

async fn send(socket: &Socket, message: &ToServer) {
    let bytes = client::encode(Encoding::Json, message);
    socket.receive(Frame { bytes, text: true }).await.unwrap();
}

async fn subscribe(socket: &Socket, event: &str) {
    let event = event.into();
    let subscribe = true;
    send(socket, &ToServer::Subscribe { event, subscribe }).await;
}

async fn look(socket: &Socket) {
    let call = ToServer::Action {
        id: 1,
        name: "look".into(),
        args: Args::none(),
    };
    send(socket, &call).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_client_sends_next_waits_for_the_check_and_others_do_not() {
    let registry = registry(|it| it.actor::<Gate>()).await;
    let (first, second) = (connect(&registry).await, connect(&registry).await);
    let began = Instant::now();
    let answered = |it| matches!(it, Ok(ToClient::Response { .. }));
    subscribe(&first, "open").await;
    look(&second).await;
    assert!(answered(next(&second).await));
    assert_eq!(began.elapsed(), Duration::ZERO);
    look(&first).await;
    assert!(answered(next(&first).await));
    assert_eq!(began.elapsed(), SLOW);
}

#[tokio::test(start_paused = true)]
async fn who_may_not_hear_what_it_asks_for_does_nothing_more() {
    let registry = registry(|it| it.actor::<Gate>()).await;
    let socket = connect(&registry).await;
    subscribe(&socket, "secret").await;
    look(&socket).await;
    let forbidden = CloseFrame::new(1011, "auth.forbidden");
    assert_eq!(next(&socket).await.unwrap_err(), forbidden);
}

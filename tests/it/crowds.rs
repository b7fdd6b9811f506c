//! Many who come at once: clients who open a socket wait for their turn, since RivetKit's give a connection up
//! that is refused.

use std::time::Duration;

use actor_core::{
    Socket,
    gateway::{ConnectRequest, WebSocketRequest},
    prelude::*,
    protocol::{Encoding, target::Route},
    testing::TestRegistry,
};
use axum::http::Request;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

/// Has next to no room, and takes its time to wake.
#[actor(mailbox = 4, on_wake_timeout = "10m", sleep_after = "1h")]
#[derive(Default)]
pub(crate) struct Narrow {}

thread_local! {
    /// How long a start takes, in this test, which has its thread to itself.
    static START: std::cell::Cell<u64> = const { std::cell::Cell::new(1) };
}

#[actor]
impl Narrow {
    #[on_wake]
    async fn wake(&self) {
        sleep(Duration::from_secs(START.get())).await;
    }

    #[on_message]
    async fn heard(&self, socket: &Socket<Self>) {
        socket.send_text("heard");
    }

    #[action]
    async fn listed(&self, ctx: &Ctx<Self>) -> usize {
        ctx.conns().len()
    }
}

fn connect() -> ConnectRequest {
    ConnectRequest {
        encoding: Encoding::Json,
        params: Value::Undefined,
        request: None,
    }
}

fn open() -> WebSocketRequest {
    let request = Request::get("http://localhost/websocket/").body(());
    WebSocketRequest {
        params: Value::Undefined,
        request: request.unwrap().into_parts().0,
    }
}

#[tokio::test(start_paused = true)]
async fn p6_sockets_that_open_together_wait_for_room() {
    const EACH: usize = 50;
    let registry = TestRegistry::start(|it| it.actor::<Narrow>()).await;
    let gateway = registry.gateway();
    let query = "rvt-namespace=default&rvt-method=getOrCreate&rvt-runner=default&rvt-key=one";
    let route = Route::below_gateway("narrow/connect", Some(query)).unwrap();
    let actor = gateway.resolve(&route.target).await.unwrap();
    let protocol = join_all((0..EACH).map(|_| gateway.connect(&actor, connect())));
    let raw = join_all((0..EACH).map(|_| gateway.open_websocket(&actor, open())));
    let (protocol, raw) = tokio::join!(protocol, raw);
    let sockets: Vec<_> = protocol
        .into_iter()
        .chain(raw)
        .map(Result::unwrap)
        .collect();
    let narrow = registry.get_or_create::<Narrow>("one");
    assert_eq!(narrow.listed().await.unwrap(), sockets.len());
}

/// As long as a request waits; its client comes again by itself after this code.
#[tokio::test(start_paused = true)]
async fn r1_a_socket_waits_for_a_start_but_not_for_ever() {
    let registry = TestRegistry::start(|it| it.actor::<Narrow>()).await;
    let gateway = registry.gateway();
    let narrow = registry.get_or_create::<Narrow>("one");
    let actor = narrow.actor().await.unwrap();
    START.set(29);
    let _patient = gateway.connect(&actor, connect()).await.unwrap();
    registry.hibernate(&narrow).await;

    START.set(100);
    let begun = Instant::now();
    let (protocol, raw) = tokio::join!(
        gateway.connect(&actor, connect()),
        gateway.open_websocket(&actor, open())
    );
    for error in [protocol.unwrap_err(), raw.unwrap_err()] {
        assert!(error.is("actor", "starting"), "{error}");
    }
    assert_eq!(begun.elapsed(), Duration::from_secs(30));
    // Nobody is let in who has gone.
    sleep(Duration::from_secs(80)).await;
    assert_eq!(narrow.listed().await.unwrap(), 1);
}

//! Raw WebSockets: hooks and their order, what passes, sleep, stop, failures.

use std::time::Duration;

use actor_core::{CloseFrame, Message, Socket, WebSocket, prelude::*, testing::TestRegistry};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::registry;

const LONG: Duration = Duration::from_secs(60);

#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Seen {
    messages: u32,
}

#[derive(Debug, Event)]
pub(crate) enum Told {
    All(String),
}

/// Does what it is told, and writes down what happens to it.
#[actor(params = String, conn = Seen, event = Told, hibernate_websockets, sleep_after = "5s")]
#[derive(Default)]
pub(crate) struct Wire {
    log: Vec<String>,
}

#[actor]
impl Wire {
    #[on_wake]
    async fn wake(&mut self, ctx: &Ctx<Self>) {
        self.log.push(format!("wake with {}", ctx.sockets().len()));
    }

    #[on_before_connect]
    async fn admit(&mut self, ctx: &Ctx<Self>, who: String) -> Result<Seen, ActorError> {
        let uri = ctx.request().map(|it| it.uri.to_string());
        self.log
            .push(format!("before {who} {}", uri.unwrap_or_default()));
        Ok(Seen::default())
    }

    #[on_connect]
    async fn joined(&mut self, conn: &Conn<Self>) {
        let has_socket = conn.socket().is_some();
        self.log
            .push(format!("connect {} {has_socket}", conn.params()));
    }

    #[on_websocket]
    async fn opened(&mut self, ctx: &Ctx<Self>, socket: &Socket<Self>) -> Result<(), ActorError> {
        self.log
            .push(format!("open {} of {}", socket.path(), ctx.conns().len()));
        if socket.query() == Some("refuse") {
            return Err(ActorError::user("not you").with_code("refused"));
        }
        socket.send_text("welcome");
        Ok(())
    }

    #[on_message]
    async fn message(
        &mut self,
        ctx: &Ctx<Self>,
        socket: &Socket<Self>,
        message: Message,
    ) -> Result<(), ActorError> {
        let messages = socket.conn().write(|it| {
            it.messages += 1;
            it.messages
        });
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(bytes) => {
                socket.send_binary(bytes);
                return Ok(());
            }
        };
        self.log.push(format!("{} {text}", socket.message_index()));
        match text.as_str() {
            "close" => socket.close(4001, "as you say"),
            "bad code" => socket.close(1005, "nobody may send this"),
            "sleep" => ctx.sleep(),
            "panic" => panic!("on purpose"),
            "fail" => return Err(ActorError::user("no")),
            "tell" => ctx.broadcast(Told::All("hello".into())),
            "where" => socket.send(format!("{} {:?}", socket.request().uri, socket.query())),
            _ => socket.send(format!("{} {messages} {text}", socket.message_index())),
        }
        Ok(())
    }

    #[on_close]
    async fn closed(&mut self, ctx: &Ctx<Self>, socket: &Socket<Self>, frame: CloseFrame) {
        socket.send_text("nobody hears this");
        let (code, reason) = (frame.code, frame.reason);
        self.log.push(format!(
            "close {code} {reason} leaving {}",
            ctx.conns().len()
        ));
    }

    #[on_disconnect]
    async fn left(&mut self, conn: &Conn<Self>) {
        self.log.push(format!("left {}", conn.params()));
    }

    #[action]
    async fn log(&self) -> Vec<String> {
        self.log.clone()
    }

    #[action]
    async fn listed(&self, ctx: &Ctx<Self>) -> usize {
        ctx.conns().len()
    }

    #[action]
    async fn say_to_all(&self, ctx: &Ctx<Self>) {
        for socket in ctx.sockets() {
            socket.send_text("to all");
        }
    }
}

async fn wire() -> WireHandle {
    registry(|it| it.actor::<Wire>())
        .await
        .get_or_create::<Wire>("one")
}

async fn open(wire: &WireHandle, path: &str) -> WebSocket {
    let mut socket = wire.open_websocket(path, "ann".into()).await.unwrap();
    assert_eq!(socket.next().await, Some("welcome".into()));
    socket
}

async fn ask(socket: &mut WebSocket, text: &str) -> String {
    socket.send(text).await.unwrap();
    match socket.next().await.unwrap() {
        Message::Text(text) => text,
        Message::Binary(_) => panic!("bytes"),
    }
}

#[tokio::test(start_paused = true)]
async fn hooks_run_in_order_and_see_what_they_should() {
    let wire = wire().await;
    let mut socket = open(&wire, "some/path?a=b").await;
    assert_eq!(ask(&mut socket, "hi").await, "1 1 hi");
    assert_eq!(wire.listed().await.unwrap(), 1);
    socket.close(4002, "done");
    assert_eq!(
        wire.log().await.unwrap(),
        [
            "wake with 0",
            "before ann http://localhost/websocket/some/path?a=b",
            "connect ann false",
            "open /some/path of 1",
            "1 hi",
            "close 4002 done leaving 0",
            "left ann",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn text_and_bytes_pass_as_they_are_and_each_has_its_number() {
    let wire = wire().await;
    let mut socket = open(&wire, "").await;
    socket.send(vec![0, 255, 1]).await.unwrap();
    assert_eq!(
        socket.next().await,
        Some(Message::Binary(vec![0, 255, 1].into()))
    );
    assert_eq!(ask(&mut socket, "").await, "2 2 ");
    assert_eq!(
        ask(&mut socket, "where").await,
        "http://localhost/websocket/ None"
    );
    let long = "x".repeat(508 * 1024);
    assert_eq!(ask(&mut socket, &long).await, format!("4 4 {long}"));
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_is_refused_was_never_open() {
    let wire = wire().await;
    let error = wire.open_websocket("?refuse", "ann".into()).await;
    assert!(error.unwrap_err().is("user", "refused"));
    let log = wire.log().await.unwrap();
    assert_eq!(log[3..], ["open / of 1", "left ann"], "no `close`");
    assert_eq!(wire.listed().await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_actor_closes_with_its_own_code_and_reason() {
    let wire = wire().await;
    let mut socket = open(&wire, "").await;
    socket.send("close").await.unwrap();
    assert_eq!(socket.next().await, None);
    assert_eq!(
        socket.close_frame(),
        Some(&CloseFrame::new(4001, "as you say"))
    );
    drop(socket);
    let log = wire.log().await.unwrap();
    assert_eq!(log[5..], ["close 4001 as you say leaving 0", "left ann"]);
    let mut socket = open(&wire, "").await;
    socket.send("bad code").await.unwrap();
    assert_eq!(socket.next().await, None);
    assert_eq!(socket.close_frame().unwrap().code, 1011);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_lost_is_told_of_as_1006() {
    let wire = wire().await;
    drop(open(&wire, "").await);
    let log = wire.log().await.unwrap();
    assert_eq!(log[4..], ["close 1006  leaving 0", "left ann"]);
}

#[tokio::test(start_paused = true)]
async fn c6_raw_sockets_hear_no_events() {
    let wire = wire().await;
    let mut socket = open(&wire, "").await;
    socket.send("tell").await.unwrap();
    assert_eq!(ask(&mut socket, "next").await, "2 2 next");
    wire.say_to_all().await.unwrap();
    assert_eq!(socket.next().await, Some("to all".into()));
}

#[tokio::test(start_paused = true)]
async fn p4_a_hibernating_socket_finds_its_handlers_after_a_wake() {
    let wire = wire().await;
    let mut socket = open(&wire, "deep?x=1").await;
    assert_eq!(ask(&mut socket, "one").await, "1 1 one");
    sleep(LONG).await;
    assert_eq!(ask(&mut socket, "two").await, "2 2 two");
    assert_eq!(
        ask(&mut socket, "where").await,
        "http://localhost/websocket/deep?x=1 Some(\"x=1\")"
    );
    sleep(LONG).await;
    wire.say_to_all().await.unwrap();
    assert_eq!(socket.next().await, Some("to all".into()));
    sleep(LONG).await;
    socket.close(4003, "enough");
    let log = wire.log().await.unwrap();
    assert_eq!(
        log[3..],
        [
            "open /deep of 1",
            "1 one",
            "wake with 1",
            "2 two",
            "3 where",
            "wake with 1",
            "wake with 1",
            "close 4003 enough leaving 0",
            "left ann"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn h3_messages_sent_as_the_actor_goes_to_sleep_wake_it() {
    let wire = wire().await;
    let mut socket = open(&wire, "").await;
    for text in ["sleep", "a", "b"] {
        socket.send(text).await.unwrap();
    }
    assert_eq!(socket.next().await, Some("2 2 a".into()));
    assert_eq!(socket.next().await, Some("3 3 b".into()));
}

#[tokio::test(start_paused = true)]
async fn p7_a_message_that_panics_costs_nobody_his_socket() {
    let wire = wire().await;
    let mut bob = open(&wire, "").await;
    let mut ann = open(&wire, "").await;
    assert_eq!(ask(&mut bob, "one").await, "1 1 one");
    ann.send("panic").await.unwrap();
    assert_eq!(ask(&mut ann, "two").await, "2 1 two");
    assert_eq!(ask(&mut bob, "three").await, "2 2 three");
    ann.send("fail").await.unwrap();
    assert_eq!(ask(&mut ann, "four").await, "4 3 four");
}

#[tokio::test(start_paused = true)]
async fn p2_nothing_is_sent_before_what_it_saw_is_durable() {
    let registry = TestRegistry::start(|it| it.actor::<Wire>()).await;
    let faults = registry.storage();
    let wire = registry.get_or_create::<Wire>("one");
    let mut socket = open(&wire, "").await;
    faults.hold();
    socket.send("one").await.unwrap();
    while faults.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(futures_util::poll!(Box::pin(socket.next())).is_pending());
    faults.release();
    assert_eq!(socket.next().await, Some("1 1 one".into()));
}

#[tokio::test(start_paused = true)]
async fn h12_a_socket_that_went_with_its_process_is_told_of_in_the_next() {
    let mut registry = TestRegistry::start(|it| it.actor::<Wire>()).await;
    let _socket = open(&registry.get_or_create::<Wire>("one"), "").await;
    registry.crash().await;
    let log = registry.get_or_create::<Wire>("one").log().await.unwrap();
    assert_eq!(
        log[4..],
        [
            "wake with 0",
            "close 1000 ws.stale_metadata leaving 0",
            "left ann"
        ]
    );
}

/// Its sockets do not hibernate.
#[actor(sleep_after = "5s", max_message = 10)]
#[derive(Default)]
pub(crate) struct Awake {
    log: Vec<String>,
}

#[actor]
impl Awake {
    #[on_message]
    async fn message(&mut self, socket: &Socket<Self>) {
        self.log.push(socket.conn().is_hibernatable().to_string());
    }

    #[on_sleep]
    async fn sleep(&mut self, ctx: &Ctx<Self>) {
        for socket in ctx.sockets() {
            socket.send_text("good night");
        }
        self.log.push("sleep".into());
    }

    #[on_close]
    async fn closed(&mut self, frame: CloseFrame) {
        self.log.push(format!("{} {}", frame.code, frame.reason));
    }

    #[action]
    async fn go_to_sleep(&self, ctx: &Ctx<Self>) {
        ctx.sleep();
    }

    #[action]
    async fn log(&self, ctx: &Ctx<Self>) -> (u64, Vec<String>) {
        (ctx.generation().number(), self.log.clone())
    }
}

async fn awake() -> AwakeHandle {
    registry(|it| it.actor::<Awake>())
        .await
        .get_or_create::<Awake>("one")
}

#[tokio::test(start_paused = true)]
async fn b1_an_open_socket_that_does_not_hibernate_keeps_the_actor_awake() {
    let awake = awake().await;
    let socket = awake.open_websocket("", Value::Undefined).await.unwrap();
    socket.send("one").await.unwrap();
    sleep(LONG).await;
    assert_eq!(awake.log().await.unwrap(), (1, vec!["false".into()]));
    drop(socket);
    sleep(LONG).await;
    let (life, log) = awake.log().await.unwrap();
    assert_eq!(
        (life, &log[1..]),
        (2, &["1006 ".into(), "sleep".into()][..])
    );
}

#[tokio::test(start_paused = true)]
async fn c8_a_stop_closes_it_after_all_that_on_sleep_sent() {
    let awake = awake().await;
    let mut socket = awake.open_websocket("", Value::Undefined).await.unwrap();
    awake.go_to_sleep().await.unwrap();
    assert_eq!(socket.next().await, Some("good night".into()));
    assert_eq!(socket.next().await, None);
    let stopped = CloseFrame::new(1000, "actor.stopped");
    assert_eq!(socket.close_frame(), Some(&stopped));
    assert!(socket.send("late").await.is_ok(), "as TCP would");
    let (life, log) = awake.log().await.unwrap();
    assert_eq!(
        (life, &log[..]),
        (2, &["sleep".into(), "1000 actor.stopped".into()][..])
    );
}

#[tokio::test(start_paused = true)]
async fn c10_too_long_a_message_is_not_taken() {
    let awake = awake().await;
    let socket = awake.open_websocket("", Value::Undefined).await.unwrap();
    assert!(socket.send("1234567890").await.is_ok());
    let error = socket.send("12345678901").await.unwrap_err();
    let expected = CloseFrame::new(1011, "message.incoming_too_long");
    assert_eq!(error, expected);
}

#[tokio::test(start_paused = true)]
async fn a_path_that_is_none_is_refused() {
    let error = awake().await.open_websocket("a b", Value::Undefined).await;
    assert!(error.unwrap_err().is("actor", "invalid_request"));
}

/// Its messages run free.
#[actor(hibernate_websockets = wants_to, durability = "none")]
#[derive(Default)]
pub(crate) struct Loose {
    started: Vec<u16>,
}

fn wants_to(request: &axum::http::request::Parts) -> bool {
    request.uri.query() == Some("stay")
}

#[actor]
impl Loose {
    #[on_message]
    async fn message(ctx: &TaskCtx<Self>, socket: &Socket<Self>, message: Message) {
        let index = socket.message_index().number();
        ctx.write(move |it| it.started.push(index)).await;
        sleep(Duration::from_secs(10 - u64::from(index))).await;
        socket.send(message);
    }

    #[on_close]
    async fn closed(ctx: &TaskCtx<Self>) {
        ctx.write(|it| it.started.push(0)).await;
    }

    #[action]
    async fn started(&self) -> Vec<u16> {
        self.started.clone()
    }

    #[action]
    async fn hibernating(&self, ctx: &Ctx<Self>) -> Vec<bool> {
        ctx.conns().iter().map(Conn::is_hibernatable).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn p1_messages_of_a_free_handler_start_in_order_and_run_beside_each_other() {
    let registry = registry(|it| it.actor::<Loose>()).await;
    let loose = registry.get_or_create::<Loose>("one");
    let mut socket = loose.open_websocket("", Value::Undefined).await.unwrap();
    for text in ["one", "two", "three"] {
        socket.send(text).await.unwrap();
    }
    for text in ["three", "two", "one"] {
        assert_eq!(socket.next().await, Some(text.into()));
    }
    assert_eq!(loose.started().await.unwrap(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn c5_whether_a_socket_hibernates_may_depend_on_its_request() {
    let registry = registry(|it| it.actor::<Loose>()).await;
    let loose = registry.get_or_create::<Loose>("one");
    let _stays = loose.open_websocket("?stay", Value::Undefined).await;
    let _goes = loose.open_websocket("?go", Value::Undefined).await;
    assert_eq!(loose.hibernating().await.unwrap(), [true, false]);
}

#[actor]
#[derive(Default)]
pub(crate) struct Deaf {}

#[actor]
impl Deaf {}

#[tokio::test(start_paused = true)]
async fn an_actor_without_handlers_takes_no_sockets() {
    let registry = registry(|it| it.actor::<Deaf>()).await;
    let deaf = registry.get_or_create::<Deaf>("one");
    let error = deaf.open_websocket("", Value::Undefined).await.unwrap_err();
    assert!(error.is("actor", "websocket_not_defined"));
}

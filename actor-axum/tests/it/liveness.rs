//! Clients that vanish without a word are found; those that are there cost no wake.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use actor_core::{CloseFrame, Liveness, Message, Socket, prelude::*, registry::RegistryBuilder};
use axum::Router;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    sync::Notify,
    task::JoinSet,
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message as Wire;

use crate::support::{Client, Server, soon, until};

/// Remembers who left, and how.
#[actor(hibernate_websockets, auto_reply = ("ping", "pong"), sleep_after = "never")]
#[derive(Default)]
pub(crate) struct Porch {
    left: Vec<String>,
}

#[actor]
impl Porch {
    #[on_message]
    async fn heard(&mut self, socket: &Socket<Self>, message: Message) {
        let replied = socket.auto_replied_at().is_some();
        let index = socket.message_index();
        socket.send_text(format!("{message:?} {} {replied}", index.number()));
    }

    #[on_close]
    async fn closed(&mut self, frame: CloseFrame) {
        self.left.push(format!("{} {}", frame.code, frame.reason));
    }

    #[on_disconnect]
    async fn gone(&mut self) {
        self.left.push("gone".to_owned());
    }

    /// Takes until it is told.
    #[action]
    async fn muse() -> u32 {
        MUSES.store(true, Ordering::SeqCst);
        ENOUGH.notified().await;
        7
    }

    #[action]
    async fn left(&self, ctx: &Ctx<Self>) -> (Vec<String>, usize) {
        (self.left.clone(), ctx.conns().len())
    }
}

static MUSES: AtomicBool = AtomicBool::new(false);
static ENOUGH: Notify = Notify::const_new();

async fn serve(
    declare: impl FnOnce(RegistryBuilder) -> RegistryBuilder,
) -> (Server, Registry, PorchHandle) {
    let builder = declare(Registry::builder().actor::<Porch>());
    let registry = builder.build().await.unwrap();
    let app = Router::new().merge(actor_axum::router(registry.clone()));
    let porch = registry.get_or_create::<Porch>("one");
    (Server::of(app).await, registry, porch)
}

fn often(builder: RegistryBuilder) -> RegistryBuilder {
    let time = Duration::from_millis(50);
    builder.liveness(Liveness::new(time, time))
}

fn target(path: &str) -> String {
    format!(
        "/gateway/porch{path}?rvt-namespace=default&rvt-method=getOrCreate&rvt-runner=default\
         &rvt-key=one"
    )
}

/// A client that shakes hands and is never heard of again, though its connection stays.
async fn vanish(server: &Server, path: &str) -> TcpStream {
    let stream = TcpStream::connect(server.address).await.unwrap();
    shake_hands(stream, path).await
}

async fn shake_hands(stream: TcpStream, path: &str) -> TcpStream {
    shake_hands_as(stream, &target(path), "rivet").await
}

async fn shake_hands_as(mut stream: TcpStream, target: &str, protocols: &str) -> TcpStream {
    let hello = format!(
        "GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-protocol: {protocols}\r\n\r\n",
    );
    stream.write_all(hello.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    stream
}

async fn fall_asleep(porch: &PorchHandle) -> u64 {
    let actor = porch.actor().await.unwrap();
    until(async || actor.is_awake()).await;
    actor.sleep();
    until(async || !actor.is_awake()).await;
    actor.generation()
}

async fn open(server: &Server) -> Client {
    server.connect(&target("/websocket/"), "rivet").await
}

async fn hear(client: &mut Client) -> Wire {
    soon(client.socket.next()).await.unwrap().unwrap()
}

#[tokio::test]
async fn h16_the_half_open_leave_the_list_and_their_hooks_run() {
    let (server, _registry, porch) = serve(often).await;
    let _raw = vanish(&server, "/websocket/").await;
    let _protocol = vanish(&server, "/connect").await;
    // Its own listening does not keep the others alive.
    let mut there = open(&server).await;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { while there.socket.next().await.is_some() {} });
    until(async || porch.left().await.unwrap().0.len() == 3).await;
    let (mut left, listed) = porch.left().await.unwrap();
    left.sort();
    assert_eq!(left, ["1006 ws.ping_timeout", "gone", "gone"]);
    // The one that is there, and this call's own is none.
    assert_eq!(listed, 1);
}

#[tokio::test]
async fn h3_a_client_that_vanishes_while_the_actor_sleeps_wakes_it() {
    let (server, _registry, porch) = serve(often).await;
    let _raw = vanish(&server, "/websocket/").await;
    let slept = fall_asleep(&porch).await;
    let actor = porch.actor().await.unwrap();
    until(async || slept < actor.generation()).await;
    until(async || porch.left().await.unwrap().0.len() == 2).await;
    assert_eq!(porch.left().await.unwrap().1, 0);
}

#[tokio::test]
async fn h3_pings_of_either_side_wake_nobody() {
    let (server, _registry, porch) = serve(often).await;
    let mut client = open(&server).await;
    let slept = fall_asleep(&porch).await;
    for _ in 0..5 {
        // Reading it answers it.
        assert!(matches!(hear(&mut client).await, Wire::Ping(_)));
    }
    let ping = Wire::Ping("are you there".into());
    soon(client.socket.send(ping)).await.unwrap();
    loop {
        match hear(&mut client).await {
            Wire::Ping(_) => {}
            Wire::Pong(payload) => break assert_eq!(payload, "are you there"),
            other => panic!("{other:?}"),
        }
    }
    let actor = porch.actor().await.unwrap();
    assert!(!actor.is_awake());
    assert_eq!(actor.generation(), slept);
}

#[tokio::test]
async fn an_auto_reply_wakes_nobody_and_has_no_number() {
    let (server, _registry, porch) = serve(RegistryBuilder::without_liveness).await;
    let mut client = open(&server).await;
    let slept = fall_asleep(&porch).await;
    for _ in 0..3 {
        soon(client.socket.send(Wire::text("ping"))).await.unwrap();
        assert_eq!(hear(&mut client).await, Wire::text("pong"));
    }
    let actor = porch.actor().await.unwrap();
    assert!(!actor.is_awake());
    assert_eq!(actor.generation(), slept);
    // Only the whole text is meant, and only as text.
    soon(client.socket.send(Wire::binary("ping")))
        .await
        .unwrap();
    let answer = Wire::text(r#"Binary(b"ping") 1 true"#);
    assert_eq!(hear(&mut client).await, answer);
    let mut other = open(&server).await;
    soon(other.socket.send(Wire::text("ping!"))).await.unwrap();
    let answer = Wire::text(r#"Text("ping!") 1 false"#);
    assert_eq!(hear(&mut other).await, answer);
    assert_eq!(actor.generation(), slept + 1);
}

#[tokio::test]
async fn shutting_down_does_not_wait_for_whoever_looks_after_clients() {
    let long = |it: RegistryBuilder| {
        let hours = Duration::from_secs(36_000);
        it.liveness(Liveness::new(hours, hours))
    };
    let (server, registry, _porch) = serve(long).await;
    let mut client = open(&server).await;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { while client.socket.next().await.is_some() {} });
    soon(registry.shutdown()).await;
    soon(tasks.join_next()).await.unwrap().unwrap();
}

/// Pings are answered, and the answers of one who does not read them must not pile up.
#[tokio::test]
async fn p6_who_pings_and_does_not_read_is_held_back() {
    const PINGS: usize = 32 << 20;
    let (server, _registry, _porch) = serve(|it| it).await;
    let small = TcpSocket::new_v4().unwrap();
    small.set_recv_buffer_size(4096).unwrap();
    let stream = small.connect(server.address).await.unwrap();
    let mut stream = shake_hands(stream, "/websocket/").await;
    // Masked, as clients' frames are, with zeroes.
    let mut ping = vec![0x89, 0x80 | 125];
    ping.resize(2 + 4 + 125, 0);
    let pings = ping.repeat(1000);
    let mut sent = 0;
    let held_back = loop {
        let write = timeout(Duration::from_secs(2), stream.write_all(&pings));
        match write.await {
            Ok(written) => written.unwrap(),
            Err(_) => break true,
        }
        sent += pings.len();
        if PINGS < sent {
            break false;
        }
    };
    assert!(held_back, "{sent} bytes of pings were taken");
    // Once it reads, it goes on.
    let mut read = 0;
    let mut answers = vec![0; 1 << 16];
    while read < sent / 2 {
        read += soon(stream.read(&mut answers)).await.unwrap();
    }
}

/// Who waits for an answer is not read from meanwhile, and so cannot be heard.
#[tokio::test]
async fn h16_an_inspector_that_waits_long_for_an_answer_is_not_given_up() {
    let (server, _registry, porch) = serve(|it| often(it).inspector("inspect")).await;
    porch.left().await.unwrap();
    let protocols = "rivet,rivet_inspector_token.inspect";
    let path = target("/inspector/connect") + "&protocol_version=6";
    let mut there = server.connect(&path, protocols).await;
    assert!(hear(&mut there).await.is_binary(), "the greeting");
    // A call: its id, its name, and no arguments.
    let call = b"\x03\x07\x04muse\x01\x80";
    soon(there.socket.send(Wire::binary(call.to_vec())))
        .await
        .unwrap();
    until(async || MUSES.load(Ordering::SeqCst)).await;
    // One who comes only now is given up meanwhile.
    let mut later = vanish(&server, "/websocket/").await;
    let mut read = Vec::new();
    soon(later.read_to_end(&mut read)).await.unwrap();
    ENOUGH.notify_one();
    let answer = loop {
        match hear(&mut there).await {
            Wire::Binary(answer) => break answer,
            Wire::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(answer[..2], [2, 7]);
}

/// H16 for those who look into actors, too.
#[tokio::test]
async fn h16_an_inspector_that_vanishes_is_given_up_and_one_that_is_there_is_not() {
    let (server, registry, porch) = serve(|it| often(it).inspector("inspect")).await;
    drop(registry);
    porch.left().await.unwrap();
    let protocols = "rivet,rivet_inspector_token.inspect";
    let stream = TcpStream::connect(server.address).await.unwrap();
    let path = target("/inspector/connect") + "&protocol_version=6";
    let mut vanished = shake_hands_as(stream, &path, protocols).await;
    let mut there = server.connect(&path, protocols).await;
    // The one that is there answers pings as it reads.
    let mut reading = JoinSet::new();
    reading.spawn(async move {
        let mut pings = 0;
        while pings < 10 {
            match there.socket.next().await {
                Some(Ok(Wire::Ping(_))) => pings += 1,
                Some(Ok(Wire::Binary(_))) => {}
                other => panic!("{other:?} after {pings} pings"),
            }
        }
    });
    let mut read = Vec::new();
    soon(vanished.read_to_end(&mut read)).await.unwrap();
    let reason = b"ws.ping_timeout";
    assert!(read.windows(reason.len()).any(|it| it == reason));
    soon(reading.join_next()).await.unwrap().unwrap();
}

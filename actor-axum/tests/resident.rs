//! What an idle socket keeps does not grow with what went over it. In a process of its own, whose memory nobody
//! else changes.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests are tests, which clippy does not see, and spawn as they like"
)]

use std::{fs, net::SocketAddr};

use actor_core::{Message, Socket, prelude::*};
use axum::Router;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Sends back so many bytes as it is asked for, or what it got.
#[actor(hibernate_websockets)]
#[derive(Default)]
struct Echo {}

#[actor]
impl Echo {
    #[on_message]
    async fn heard(&self, socket: &Socket<Self>, message: Message) {
        match message {
            Message::Text(bytes) => socket.send_binary(vec![0; bytes.parse().unwrap()]),
            Message::Binary(bytes) => socket.send_text(bytes.len().to_string()),
        }
    }
}

/// A message of this many bytes is large.
const LARGE: usize = 300_000;
/// Sockets beyond those that the first measure has.
const SOCKETS: usize = 300;
/// What one may take, with its other end, which is in this process too.
const EACH: usize = 12 * 1024;

/// A client that keeps no memory of what it says or hears.
struct Client(TcpStream);

impl Client {
    async fn open(server: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let hello = "GET /gateway/echo/websocket/?rvt-namespace=default&rvt-method=getOrCreate&rvt-runner=default\
             &rvt-key=one HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(hello.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101"));
        Self(stream)
    }

    /// Says something, masked with zeroes.
    async fn say(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            short @ ..126 => frame.push(0x80 | u8::try_from(short).unwrap()),
            long => {
                frame.push(0x80 | 127);
                frame.extend(u64::try_from(long).unwrap().to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        self.0.write_all(&frame).await.unwrap();
    }

    /// Reads a whole message; how long it was.
    async fn hear(&mut self) -> usize {
        let mut all = 0;
        loop {
            let head = [
                self.0.read_u8().await.unwrap(),
                self.0.read_u8().await.unwrap(),
            ];
            let len = match head[1] {
                126 => self.0.read_u16().await.unwrap().into(),
                127 => usize::try_from(self.0.read_u64().await.unwrap()).unwrap(),
                short => short.into(),
            };
            let mut payload = vec![0; len];
            self.0.read_exact(&mut payload).await.unwrap();
            all += len;
            if head[0] & 0x80 != 0 {
                return all;
            }
        }
    }
}

/// Resident bytes of this process.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// By how much each socket makes the process larger over which `talk` went.
async fn growth(server: SocketAddr, talk: impl AsyncFn(&mut Client)) -> usize {
    let mut clients = Vec::new();
    let mut before = 0;
    for number in 0..SOCKETS + 20 {
        if number == 20 {
            before = resident();
        }
        let mut client = Client::open(server).await;
        talk(&mut client).await;
        // It is idle once it has answered something small.
        client.say(1, b"1").await;
        assert_eq!(client.hear().await, 1);
        clients.push(client);
    }
    resident().saturating_sub(before) / SOCKETS
}

#[tokio::test]
async fn p6_an_idle_socket_keeps_nothing_of_what_was_large() {
    let registry = Registry::builder().actor::<Echo>().build().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let app = Router::new().merge(actor_axum::router(registry.clone()));
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });

    let nothing = growth(server, async |_| {}).await;
    let heard = growth(server, async |client| {
        client.say(1, LARGE.to_string().as_bytes()).await;
        assert_eq!(client.hear().await, LARGE);
    });
    let heard = heard.await;
    let large = vec![0; LARGE];
    let said = growth(server, async |client| {
        client.say(2, &large).await;
        assert_eq!(client.hear().await, LARGE.to_string().len());
    });
    let said = said.await;
    let all = format!("{nothing} bytes, {heard} where much was heard, {said} where much was said");
    assert!(nothing.max(heard).max(said) <= EACH, "{all}");
}

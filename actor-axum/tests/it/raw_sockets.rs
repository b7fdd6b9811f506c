//! Raw WebSockets over the wire: what passes, how they close, what the actor sees of the request.

use actor_core::{CloseFrame, Message, Socket, prelude::*};
use axum::Router;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::{Message as Wire, protocol::CloseFrame as WireClose};

use crate::support::{Client, Server, soon};

/// Says back what it hears, and how the last socket closed.
#[actor(params = Option<String>, hibernate_websockets)]
#[derive(Default)]
pub(crate) struct Parrot {
    closed: String,
    lives: u32,
}

#[actor]
impl Parrot {
    #[on_wake]
    async fn wake(&mut self) {
        self.lives += 1;
    }

    #[on_websocket]
    async fn opened(&self, socket: &Socket<Self>) -> Result<(), ActorError> {
        match socket.path() {
            "/refuse" => Err(ActorError::user("no").with_code("refused")),
            "/where" => {
                socket.send_text(socket.request().uri.to_string());
                Ok(())
            }
            "/last" => {
                socket.send_text(self.closed.clone());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    #[on_message]
    async fn heard(&self, ctx: &Ctx<Self>, socket: &Socket<Self>, message: Message) {
        match message {
            Message::Text(text) if text == "bye" => socket.close(4001, "bye.custom"),
            Message::Text(text) if text == "sleep" => ctx.sleep(),
            Message::Text(text) if text == "whence" => {
                let request = socket.request();
                let told = request.headers.get("sec-websocket-protocol");
                socket.send_text(format!(
                    "life {}: {} {told:?}",
                    self.lives,
                    request.uri.path()
                ));
            }
            other => socket.send(other),
        }
    }

    #[on_close]
    async fn closed(&mut self, frame: CloseFrame) {
        self.closed = format!("{} {}", frame.code, frame.reason);
    }
}

async fn serve() -> Server {
    let registry = Registry::builder().actor::<Parrot>().build().await.unwrap();
    Server::of(Router::new().merge(actor_axum::router(registry))).await
}

async fn open(server: &Server, path: &str) -> Client {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let target = format!(
        "/gateway/parrot{path}?{query}&rvt-namespace=default&rvt-method=getOrCreate\
         &rvt-runner=default&rvt-key=one"
    );
    let client = server.connect(&target, "rivet, rivet_encoding.bare").await;
    assert_eq!(client.protocol.as_deref(), Some("rivet"));
    client
}

async fn say(client: &mut Client, message: Wire) {
    soon(client.socket.send(message)).await.unwrap();
}

async fn hear(client: &mut Client) -> Wire {
    soon(client.socket.next()).await.unwrap().unwrap()
}

#[tokio::test]
async fn frames_pass_as_they_are_also_right_after_the_handshake() {
    let server = serve().await;
    let mut socket = open(&server, "/websocket/").await;
    say(&mut socket, Wire::text("one")).await;
    say(&mut socket, Wire::binary(vec![0, 1, 255])).await;
    say(&mut socket, Wire::text("sleep")).await;
    let long = "x".repeat(508 * 1024);
    say(&mut socket, Wire::text(long.clone())).await;
    assert_eq!(hear(&mut socket).await, Wire::text("one"));
    assert_eq!(hear(&mut socket).await, Wire::binary(vec![0, 1, 255]));
    assert_eq!(hear(&mut socket).await, Wire::text(long));
}

#[tokio::test]
async fn codes_and_reasons_pass_both_ways() {
    let server = serve().await;
    let mut socket = open(&server, "/websocket").await;
    say(&mut socket, Wire::text("bye")).await;
    assert_eq!(socket.closed().await, (4001, "bye.custom".to_owned()));
    let mut socket = open(&server, "/websocket").await;
    let frame = WireClose {
        code: 4002.into(),
        reason: "mine".into(),
    };
    say(&mut socket, Wire::Close(Some(frame))).await;
    assert_eq!(socket.closed().await, (4002, "mine".to_owned()));
    let mut next = open(&server, "/websocket/last").await;
    assert_eq!(hear(&mut next).await, Wire::text("4002 mine"));
    let mut socket = open(&server, "/websocket/refuse").await;
    assert_eq!(socket.closed().await, (1011, "user.refused".to_owned()));
}

#[tokio::test]
async fn the_actor_sees_an_absolute_url_without_what_is_the_gateways() {
    let server = serve().await;
    let mut socket = open(&server, "/websocket/where?a=b%20c").await;
    let expected = format!("http://{}/websocket/where?a=b%20c", server.address);
    assert_eq!(hear(&mut socket).await, Wire::text(expected));
}

#[tokio::test]
async fn p4_path_and_headers_are_there_after_a_wake() {
    let server = serve().await;
    let mut socket = open(&server, "/websocket/deep/down").await;
    let mut told = Vec::new();
    for _ in 0..2 {
        say(&mut socket, Wire::text("whence")).await;
        told.push(hear(&mut socket).await.into_text().unwrap());
        say(&mut socket, Wire::text("sleep")).await;
    }
    let whence = r#"/websocket/deep/down Some("rivet, rivet_encoding.bare")"#;
    assert_eq!(
        told,
        [format!("life 1: {whence}"), format!("life 2: {whence}")]
    );
}

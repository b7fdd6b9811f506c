//! How sockets end: for each code and reason a client can read, a client that reads it. Of those that
//! RivetKit's engine has, the guide on WebSockets says which cannot come up in one process.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use actor_axum::ActorRouter;
use actor_core::{
    ActorId, Liveness, Socket,
    prelude::*,
    storage::{
        Batch, Driver, Memory, Op,
        faults::{Fault, Faults},
    },
};
use axum::Router;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{
    Message as Wire,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use crate::support::{Client, Counter, Server, counter, soon, until};

/// Its raw sockets hibernate.
#[actor(params = Option<String>, hibernate_websockets, max_message = 1000, sleep_after = "never")]
#[derive(Default)]
pub(crate) struct Keeps {
    log: Vec<String>,
}

#[actor]
impl Keeps {
    #[on_websocket]
    async fn opened(&self, socket: &Socket<Self>) -> Result<(), ActorError> {
        match socket.path() {
            "/refuse" => Err(ActorError::user("no").with_code("refused")),
            _ => Ok(()),
        }
    }

    #[on_message]
    async fn heard(
        &mut self,
        ctx: &Ctx<Self>,
        socket: &Socket<Self>,
        message: actor_core::Message,
    ) {
        match message {
            actor_core::Message::Text(text) if text == "close" => socket.close(4001, "own reason"),
            actor_core::Message::Text(text) if text == "disconnect" => {
                socket.conn().disconnect("enough");
            }
            actor_core::Message::Text(text) if text == "destroy" => ctx.destroy(),
            other => socket.send(other),
        }
    }

    #[on_close]
    async fn closed(&mut self, frame: actor_core::CloseFrame) {
        self.log.push(format!("{} {}", frame.code, frame.reason));
    }

    #[action]
    async fn log(&self) -> Vec<String> {
        self.log.clone()
    }
}

/// Its raw sockets do not, and it says goodbye over them.
#[actor(sleep_after = "never")]
#[derive(Default)]
pub(crate) struct Forgets {}

#[actor]
impl Forgets {
    #[on_message]
    async fn heard(&mut self, ctx: &Ctx<Self>) {
        ctx.sleep();
    }

    #[on_sleep]
    async fn sleep(&mut self, ctx: &Ctx<Self>) {
        for socket in ctx.sockets() {
            socket.send_text("good night");
        }
    }
}

/// Has something to tell that cannot be written down.
#[actor(event = Untold, sleep_after = "never")]
#[derive(Default)]
pub(crate) struct Mute {}

#[derive(Event)]
pub(crate) enum Untold {
    Plain(Unspeakable),
    #[event(replay = 2)]
    Kept(Unspeakable),
}

pub(crate) struct Unspeakable;

impl serde::Serialize for Unspeakable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("there are no words for it"))
    }
}

#[actor]
impl Mute {
    #[action]
    async fn tell(&self, ctx: &Ctx<Self>, how: String) {
        match &*how {
            "everybody" => ctx.broadcast(Untold::Plain(Unspeakable)),
            "kept" => ctx.broadcast(Untold::Kept(Unspeakable)),
            "by name" => ctx.broadcast_named("plain", Unspeakable),
            "others" => ctx.everyone().broadcast_named("plain", Unspeakable),
            _ => ctx.conn().unwrap().send(Untold::Plain(Unspeakable)),
        }
    }
}

/// In a second, over one socket.
const MOST_MESSAGES: u32 = 100;

struct Row {
    server: Server,
    registry: Registry,
    driver: Arc<Faults<Memory>>,
}

impl Row {
    async fn new(liveness: Liveness) -> Self {
        let driver = Arc::new(Faults::new(Memory::new()));
        let registry = Registry::builder()
            .actor::<Counter>()
            .actor::<Keeps>()
            .actor::<Forgets>()
            .actor::<Mute>()
            .shared_storage(Arc::clone(&driver) as _)
            .inspector("inspect")
            .liveness(liveness)
            .build()
            .await
            .unwrap();
        let router = ActorRouter::new(registry.clone()).messages_per_second(MOST_MESSAGES);
        let server = Server::of(Router::new().merge(router.into_router())).await;
        Self {
            server,
            registry,
            driver,
        }
    }

    async fn raw(&self, actor: &str, path: &str) -> Client {
        let target = format!(
            "/gateway/{actor}{path}?rvt-namespace=default&rvt-method=getOrCreate\
             &rvt-runner=default&rvt-key=one"
        );
        self.server.connect(&target, "rivet").await
    }

    async fn protocol(&self) -> Client {
        let target = counter("k", "/connect");
        let mut client = self.server.connect(&target, "rivet").await;
        client.opened().await;
        client
    }

    /// A client that cannot be sent what it hears.
    async fn told(&self, how: &str) -> Client {
        let target = counter("k", "/connect").replacen("counter", "mute", 1);
        let mut client = self.server.connect(&target, "rivet").await;
        client.opened().await;
        client.subscribe("plain").await;
        client.subscribe("kept").await;
        client.call(1, "tell", (how,)).await;
        client
    }

    async fn keeps(&self) -> ActorId {
        let keeps = self.registry.get_or_create::<Keeps>("one");
        let actor = keeps.actor().await.unwrap();
        until(async || actor.is_awake()).await;
        actor.sleep();
        until(async || !actor.is_awake()).await;
        actor.id()
    }

    /// Changes the rows of the connections of a sleeping actor, as another process would that had it
    /// meanwhile.
    async fn change(&self, actor: ActorId, change: impl Fn(Vec<u8>, Bytes) -> Op) {
        let loaded = self.driver.load(actor, &[]).await.unwrap().unwrap();
        let is_row = |it: &[u8]| it.windows(6).any(|it| it == b"params");
        let rows = loaded.entries.into_iter().filter(|it| is_row(&it.value));
        let mut batch = Batch::new(actor, loaded.record.generation.next(), 1);
        batch.ops = rows.map(|it| change(it.key, it.value)).collect();
        assert!(!batch.ops.is_empty());
        let _ = self.driver.commit(batch).await.unwrap();
    }
}

async fn say(client: &mut Client, message: impl Into<Wire>) {
    soon(client.socket.send(message.into())).await.unwrap();
}

/// The close frame, whatever came before it, without the name of the request.
async fn end_of(client: &mut Client) -> String {
    loop {
        match soon(client.socket.next()).await {
            Some(Ok(Wire::Close(Some(frame)))) => {
                let reason = frame.reason.split('#').next().unwrap_or_default();
                break format!("{} {reason}", u16::from(frame.code));
            }
            Some(Ok(_)) => {}
            other => break format!("{other:?}"),
        }
    }
}

type Ending<'a> = Pin<Box<dyn Future<Output = Client> + 'a>>;

/// What ends a socket, and what its client reads.
type Case = (&'static str, for<'a> fn(&'a Row) -> Ending<'a>);

const CASES: &[Case] = &[
    ("1000 enough", |row| {
        Box::pin(async {
            let mut client = row.protocol().await;
            client.call(1, "disconnect", ("enough",)).await;
            client
        })
    }),
    ("1000 enough", |row| {
        Box::pin(async {
            let mut client = row.raw("keeps", "/websocket").await;
            say(&mut client, "disconnect").await;
            client
        })
    }),
    ("4001 own reason", |row| {
        Box::pin(async {
            let mut client = row.raw("keeps", "/websocket").await;
            say(&mut client, "close").await;
            client
        })
    }),
    // A socket that does not hibernate, not before its actor has said goodbye over it.
    ("1000 actor.stopped", |row| {
        Box::pin(async {
            let mut client = row.raw("forgets", "/websocket").await;
            say(&mut client, "sleep").await;
            let goodbye = soon(client.socket.next()).await.unwrap().unwrap();
            assert_eq!(goodbye, Wire::text("good night"));
            client
        })
    }),
    // The actor is destroyed, and its client goes on talking.
    ("1000 ", |row| {
        Box::pin(async {
            let mut client = row.raw("keeps", "/websocket").await;
            say(&mut client, "destroy").await;
            for _ in 0..20 {
                // The server may have closed.
                let _ = client.socket.feed(Wire::text("more")).await;
            }
            let _ = client.socket.flush().await;
            client
        })
    }),
    ("1000 ws.meta_not_found_during_restore", |row| {
        Box::pin(async {
            let mut client = row.raw("keeps", "/websocket").await;
            say(&mut client, "there").await;
            soon(client.socket.next()).await.unwrap().unwrap();
            let actor = row.keeps().await;
            row.change(actor, |key, _| Op::Delete { key }).await;
            say(&mut client, "again").await;
            client
        })
    }),
    ("1011 ws.restore_error", |row| {
        Box::pin(async {
            let mut client = row.raw("keeps", "/websocket").await;
            say(&mut client, "there").await;
            soon(client.socket.next()).await.unwrap().unwrap();
            let actor = row.keeps().await;
            let cut = |key, value: Bytes| Op::Put {
                key,
                value: value.slice(..value.len() - 1),
            };
            row.change(actor, cut).await;
            say(&mut client, "again").await;
            client
        })
    }),
    // Its connection cannot be stored as it opens.
    ("1011 actor.hibernation_persist_failed", |row| {
        Box::pin(async {
            let keeps = row.registry.get_or_create::<Keeps>("one");
            keeps.log().await.unwrap();
            row.driver.script([Some(Fault::Refuse)]);
            row.raw("keeps", "/websocket").await
        })
    }),
    ("1011 actor.hibernation_persist_failed", |row| {
        Box::pin(async {
            let actor = row.registry.get_or_create::<Counter>("k");
            actor.count().await.unwrap();
            row.driver.script([Some(Fault::Refuse)]);
            let target = counter("k", "/connect");
            row.server.connect(&target, "rivet").await
        })
    }),
    // An event that does not serialize.
    ("1011 actor.send_failed", |row| {
        Box::pin(row.told("everybody"))
    }),
    ("1011 actor.send_failed", |row| Box::pin(row.told("kept"))),
    ("1011 actor.send_failed", |row| {
        Box::pin(row.told("by name"))
    }),
    ("1011 actor.send_failed", |row| Box::pin(row.told("others"))),
    ("1011 actor.send_failed", |row| Box::pin(row.told("one"))),
    ("1003 actor.unsupported_websocket_encoding", |row| {
        Box::pin(async {
            let target = counter("k", "/connect");
            row.server
                .connect(&target, "rivet,rivet_encoding.xml")
                .await
        })
    }),
    ("1007 message.invalid_utf8", |row| {
        Box::pin(async {
            let mut client = row.raw("keeps", "/websocket").await;
            let bytes = Bytes::from_static(b"\xff");
            let frame = Frame::message(bytes, OpCode::Data(Data::Text), true);
            say(&mut client, Wire::Frame(frame)).await;
            client
        })
    }),
    // Its client speaks too fast, and the actor is told how it ended.
    ("1008 guard.message_rate_limit", |row| {
        Box::pin(async {
            let mut client = row.raw("keeps", "/websocket").await;
            for _ in 0..3 * MOST_MESSAGES {
                // The server may have closed.
                let _ = client.socket.feed(Wire::text("more")).await;
            }
            let _ = client.socket.flush().await;
            let keeps = row.registry.get_or_create::<Keeps>("one");
            let told = "1008 guard.message_rate_limit".to_owned();
            until(async || keeps.log().await.unwrap().contains(&told)).await;
            client
        })
    }),
    ("1008 inspector.unauthorized", |row| {
        Box::pin(async {
            let target = counter("k", "/inspector/connect");
            let protocols = "rivet,rivet_inspector_token.wrong";
            row.server.connect(&target, protocols).await
        })
    }),
    ("1011 message.incoming_too_long", |row| {
        Box::pin(async {
            let mut client = row.protocol().await;
            say(&mut client, "x".repeat(65_537)).await;
            client
        })
    }),
    ("1011 message.incoming_too_long", |row| {
        Box::pin(async {
            let mut client = row.raw("keeps", "/websocket").await;
            say(&mut client, "x".repeat(1_001)).await;
            client
        })
    }),
    // An event; a reply fails its call and leaves the socket.
    ("1011 message.outgoing_too_long", |row| {
        Box::pin(async {
            let mut client = row.protocol().await;
            client.subscribe("noise").await;
            client.call(1, "shout", (1, 1_100_000)).await;
            client
        })
    }),
    ("1011 actor.invalid_request", |row| {
        Box::pin(async {
            let mut client = row.protocol().await;
            say(&mut client, "no message").await;
            client
        })
    }),
    // A hook of opening fails.
    ("1011 user.unwelcome", |row| {
        Box::pin(async {
            let params = "rivet,rivet_conn_params.%7B%22name%22%3A%22mallory%22%7D";
            row.server.connect(&counter("k", "/connect"), params).await
        })
    }),
    ("1011 user.refused", |row| {
        Box::pin(async { row.raw("keeps", "/websocket/refuse").await })
    }),
    ("1011 actor.websocket_not_defined", |row| {
        Box::pin(async { row.raw("counter", "/websocket").await })
    }),
    ("1011 actor.not_found", |row| {
        Box::pin(async {
            let nobody = "/gateway/00000000-0000-7000-8000-000000000000/connect";
            row.server.connect(nobody, "rivet").await
        })
    }),
    ("1011 guard.query_invalid_params", |row| {
        Box::pin(async {
            let target = "/gateway/counter/connect?rvt-namespace=default&rvt-method=take";
            row.server.connect(target, "rivet").await
        })
    }),
    // A client that gives no sign of life, and is there after all: it reads nothing for a while.
    ("1011 ws.ping_timeout", |row| {
        Box::pin(async {
            let client = row.raw("keeps", "/websocket").await;
            let keeps = row.registry.get_or_create::<Keeps>("one");
            let lost = "1006 ws.ping_timeout".to_owned();
            until(async || keeps.log().await.unwrap().contains(&lost)).await;
            client
        })
    }),
    ("1012 actor.stopping", |row| {
        Box::pin(async {
            let client = row.protocol().await;
            row.registry.abort();
            client
        })
    }),
];

#[tokio::test]
async fn each_end_of_a_socket_has_its_code_and_reason() {
    let mut ends = Vec::new();
    for (at, (expected, ending)) in CASES.iter().enumerate() {
        let mut liveness = Liveness::default();
        if expected.ends_with("ws.ping_timeout") {
            let short = Duration::from_millis(50);
            liveness = Liveness::new(short, short);
        }
        let row = Row::new(liveness).await;
        // Shorter than other waits, so that each row says how it fared.
        let ended = timeout(Duration::from_secs(10), async {
            let mut client = ending(&row).await;
            end_of(&mut client).await
        });
        let end = ended.await.unwrap_or_else(|_| "no end".to_owned());
        if end != *expected {
            ends.push(format!("row {at}: {end} instead of {expected}"));
        }
    }
    assert!(ends.is_empty(), "{ends:#?}");
}

/// The one end that no client reads: its socket went with its process, and the actor hears of it.
#[tokio::test]
async fn h12_the_next_process_tells_of_sockets_that_went_with_the_last() {
    let first = Row::new(Liveness::default()).await;
    let mut client = first.raw("keeps", "/websocket").await;
    say(&mut client, "there").await;
    soon(client.socket.next()).await.unwrap().unwrap();
    first.registry.abort();
    let next = Registry::builder()
        .actor::<Keeps>()
        .shared_storage(Arc::clone(&first.driver) as _)
        .build()
        .await
        .unwrap();
    let keeps = next.get::<Keeps>("one");
    until(async || keeps.log().await.unwrap() == ["1000 ws.stale_metadata"]).await;
}

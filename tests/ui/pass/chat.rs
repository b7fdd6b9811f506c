//! Every kind of handler, under the lints a careful crate turns on.

#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, rust_2018_idioms)]
#![deny(unused, clippy::all)]
#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};

use actor_core::{CallError, prelude::*};
use serde::{Deserialize, Serialize};

/// What a room is made with.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Topic(String);

/// What a client says.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Join {
    name: String,
}

/// What is remembered of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Member {
    name: String,
    lines: u32,
}

/// What goes wrong.
#[derive(Debug, thiserror::Error, ActionError)]
#[action_error(status = 400)]
pub enum RoomError {
    /// Public.
    #[error("the room has {limit} members already")]
    #[action_error(status = 409)]
    RoomIsFull {
        /// So many.
        limit: u32,
    },
    /// Hidden.
    #[error("the archive cannot be read")]
    #[action_error(internal)]
    Archive(#[from] std::io::Error),
    /// Says what the other one says.
    #[error(transparent)]
    #[action_error(transparent)]
    Actor(#[from] ActorError),
    /// With what was wrong.
    #[error("bad word")]
    #[action_error(code = "bad_word", group = "filter")]
    Word(#[action_error(metadata)] String),
}

type Answer<T> = Result<T, RoomError>;
type RoomResult<T> = Result<T, RoomError>;

/// What clients hear.
#[derive(Clone, Debug, Event)]
#[event(rename_all = "snake_case")]
pub enum RoomEvent {
    /// A line.
    Line(String, u32),
    /// Someone.
    #[serde(rename_all = "camelCase")]
    Joined {
        /// Their name.
        full_name: String,
        /// Theirs.
        #[serde(skip_serializing_if = "Option::is_none")]
        age: Option<u8>,
    },
    /// Nobody.
    #[event(name = "theEnd")]
    Closed,
}

fn upgrade(_found: u32, old: Value) -> Result<Value, std::fmt::Error> {
    Ok(old)
}

/// A struct in spite of its name.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SearchResult {
    found: bool,
}

/// One chat room.
#[actor(
    input = Topic,
    params = Join,
    conn = Member,
    event = RoomEvent,
    name = "room",
    rename_all = "kebab-case",
    version = 2,
    migrate = upgrade,
    durability = "acked",
    sleep_after = "30s",
    sleep_grace = "1m",
    save_interval = "250ms",
    action_timeout = "1h",
    on_create_timeout = "5s",
    on_wake_timeout = "5s",
    on_before_connect_timeout = "5s",
    on_connect_timeout = "5s",
    on_disconnect_timeout = "5s",
    on_state_change_timeout = "5s",
    mailbox = 64,
    outbox = 4_194_304,
    max_incoming = 65536,
    max_outgoing = 1048576,
    max_connections = 10,
)]
#[derive(Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct ChatRoom {
    topic: String,
    #[serde(default)]
    lines: Vec<String>,
    #[serde(default, rename = "seen")]
    last_seen: HashMap<String, u64>,
    #[actor(transient)]
    typing: HashSet<ConnId>,
}

#[actor]
impl ChatRoom {
    const MOST: u32 = 8;

    #[on_create]
    async fn create(_ctx: &Ctx<Self>, topic: Topic) -> Result<Self, RoomError> {
        Ok(Self {
            topic: topic.0,
            lines: Vec::new(),
            last_seen: HashMap::new(),
            typing: HashSet::new(),
        })
    }

    #[on_wake]
    async fn wake(&mut self, ctx: &Ctx<Self>) -> RoomResult<()> {
        self.typing.clear();
        let _ = ctx.id();
        Ok(())
    }

    #[on_sleep]
    async fn sleep(&self) {}

    #[on_destroy]
    async fn destroy(&mut self, _ctx: &Ctx<Self>) {}

    #[on_before_connect]
    async fn admit(&self, ctx: &Ctx<Self>, join: Join) -> Result<Member, RoomError> {
        if ctx.conns().len() < 8 {
            return Ok(Member { name: join.name, lines: 0 });
        }
        Err(RoomError::RoomIsFull { limit: Self::MOST })
    }

    #[on_connect]
    async fn joined(&mut self, ctx: &Ctx<Self>, conn: &Conn<Self>) -> Answer<()> {
        let full_name = conn.params().name.clone();
        ctx.broadcast(RoomEvent::Joined { full_name, age: None });
        Ok(())
    }

    #[on_disconnect]
    async fn left(ctx: &TaskCtx<Self>, conn: &Conn<Self>) {
        let id = conn.id();
        ctx.write(move |it| it.typing.remove(&id)).await;
    }

    /// Adds a line.
    #[action]
    async fn send_line(&mut self, ctx: &Ctx<Self>, text: String) -> Result<usize, RoomError> {
        let conn = ctx.require_conn()?;
        let lines = conn.write(|it| {
            it.lines += 1;
            it.lines
        });
        ctx.broadcast(RoomEvent::Line(text.clone(), lines));
        self.lines.push(text);
        Ok(self.lines.len())
    }

    #[action(name = "all.lines", durability = "relaxed", timeout = "50ms")]
    async fn history(&self, #[default = 10] last: usize, mut of: Option<String>) -> Vec<String> {
        let of = of.take();
        let lines = self.lines.iter().rev().filter(|it| of.as_ref().is_none_or(|of| *it == of));
        lines.take(last).cloned().collect()
    }

    #[action]
    async fn last(&self, #[default] skip: usize) -> Option<String> {
        self.lines.iter().rev().nth(skip).cloned()
    }

    #[action]
    async fn ask(ctx: &TaskCtx<Self>, prompt: String) -> RoomResult<String> {
        ctx.read(|it| it.topic.len()).await;
        Ok(prompt)
    }

    #[action]
    async fn search(&self, text: String) -> SearchResult {
        SearchResult { found: self.lines.contains(&text) }
    }

    #[action]
    async fn ping() {}

    fn ordinary(&self) -> usize {
        self.lines.len()
    }
}

/// A use of every method of the handle.
pub async fn uses(room: ChatRoomHandle) -> Result<(), Box<dyn std::error::Error>> {
    let count: Result<usize, CallError<RoomError>> = room.send_line("hi".to_owned()).await;
    let lines: Result<Vec<String>, CallError> = room.history(3, None).await;
    let asked: Result<String, CallError<RoomError>> = room.ask("hi".to_owned()).await;
    let pinged: Result<(), CallError> = room.ping().await;
    let last: Option<String> = room.last(0).await?;
    let _ = (count?, lines?, asked?, pinged?, last, room.clone());
    Ok(())
}

fn main() {
    let _ = ChatRoom::ordinary;
    let _ = uses;
}

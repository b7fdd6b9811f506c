//! One chat room: its lines are durable, its members' connections outlive its sleep.

use std::collections::{BTreeSet, VecDeque};

use actor_core::{clock::Timestamp, prelude::*};
use serde::{Deserialize, Serialize};

/// The state, which is on disk before anybody hears of a change.
#[actor(params = Join, conn = Member, event = RoomEvent, sleep_after = "30s")]
#[derive(Debug, Default)]
pub(crate) struct ChatRoom {
    /// How many lines were ever said.
    said: u64,
    /// The last [`KEPT`] of them, oldest first.
    lines: VecDeque<Line>,
}

/// What somebody said.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Line {
    /// Counts from 1 in each room.
    pub(crate) id: u64,
    pub(crate) from: String,
    pub(crate) text: String,
    pub(crate) at: Timestamp,
}

/// What a client says when it connects.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Join {
    pub(crate) name: String,
}

/// What the room remembers of a connection, also while it sleeps.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Member {
    name: String,
}

/// What members hear, each under the name of the variant: `line`, `joined`, `left`, `typing`.
#[derive(Debug, Event)]
pub(crate) enum RoomEvent {
    Line(Line),
    Joined { name: String },
    Left { name: String },
    Typing { name: String, typing: bool },
}

/// What clients are told when they are refused: `user.no_name`, `user.name_too_long`, ..
#[derive(Debug, thiserror::Error, ActionError)]
#[action_error(status = 400)]
pub(crate) enum RoomError {
    #[error("a name cannot be empty")]
    NoName,
    #[error("a name has at most {limit} characters")]
    NameTooLong { limit: usize },
    #[error("a line cannot be empty")]
    NoText,
    #[error("a line has at most {limit} characters")]
    TextTooLong { limit: usize },
    #[error(transparent)]
    #[action_error(transparent)]
    Actor(#[from] ActorError),
}

#[actor]
impl ChatRoom {
    /// Runs before a client is let in: refuses it, or says who it is.
    #[on_before_connect]
    async fn admit(&self, join: Join) -> Result<Member, RoomError> {
        let name = join.name.trim();
        if name.is_empty() {
            return Err(RoomError::NoName);
        }
        if LONGEST_NAME < name.chars().count() {
            let limit = LONGEST_NAME;
            return Err(RoomError::NameTooLong { limit });
        }
        let name = name.to_owned();
        Ok(Member { name })
    }

    #[on_connect]
    async fn joined(&self, ctx: &Ctx<Self>, conn: &Conn<Self>) {
        if is_member(conn) {
            let name = name_of(conn);
            ctx.broadcast(RoomEvent::Joined { name });
        }
    }

    #[on_disconnect]
    async fn left(&self, ctx: &Ctx<Self>, conn: &Conn<Self>) {
        if is_member(conn) {
            let name = name_of(conn);
            ctx.broadcast(RoomEvent::Left { name });
        }
    }

    /// Adds a line and tells everybody. Answers how many lines were said so far.
    #[action]
    async fn say(&mut self, ctx: &Ctx<Self>, text: String) -> Result<u64, RoomError> {
        if text.trim().is_empty() {
            return Err(RoomError::NoText);
        }
        if LONGEST_TEXT < text.chars().count() {
            let limit = LONGEST_TEXT;
            return Err(RoomError::TextTooLong { limit });
        }
        let from = name_of(&ctx.require_conn()?);
        self.said += 1;
        let line = Line {
            id: self.said,
            from,
            text,
            at: ctx.now(),
        };
        if KEPT <= self.lines.len() {
            self.lines.pop_front();
        }
        self.lines.push_back(line.clone());
        ctx.broadcast(RoomEvent::Line(line));
        Ok(self.said)
    }

    /// The last lines, or the last before the one with id `before`; oldest first.
    #[action]
    async fn history(&self, before: Option<u64>) -> Vec<Line> {
        let known = self.lines.iter();
        let mut page: Vec<_> = known
            .rev()
            .filter(|it| before.is_none_or(|before| it.id < before))
            .take(PAGE)
            .cloned()
            .collect();
        page.reverse();
        page
    }

    /// Who is here, each name once.
    #[action]
    async fn members(&self, ctx: &Ctx<Self>) -> BTreeSet<String> {
        let conns = ctx.conns();
        conns
            .iter()
            .filter(|it| is_member(it))
            .map(name_of)
            .collect()
    }

    /// Tells everybody who is typing. Nothing is remembered, so `&self` does: no save.
    #[action]
    async fn set_typing(&self, ctx: &Ctx<Self>, typing: bool) -> Result<(), RoomError> {
        let name = name_of(&ctx.require_conn()?);
        ctx.broadcast(RoomEvent::Typing { name, typing });
        Ok(())
    }
}

/// A single HTTP call is a connection too, but nobody who stays.
fn is_member(conn: &Conn<ChatRoom>) -> bool {
    conn.is_hibernatable()
}

fn name_of(conn: &Conn<ChatRoom>) -> String {
    conn.read(|member| member.name.clone())
}

/// Most characters of a name.
const LONGEST_NAME: usize = 32;
/// Most characters of a line.
const LONGEST_TEXT: usize = 4_000;
/// Most lines a room remembers: its state is saved whole.
const KEPT: usize = 500;
/// Most lines in one answer.
const PAGE: usize = 50;

//! A to-do board. Who adds to it is known by the session, not by what clients say.

use actor_core::prelude::*;
use serde::{Deserialize, Serialize};
use tower_sessions::Session;

use crate::pages::SIGNED_IN_AS;

/// The state.
#[actor(conn = User, event = BoardEvent)]
#[derive(Debug, Default)]
pub(crate) struct Board {
    items: Vec<Item>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Item {
    pub(crate) text: String,
    pub(crate) by: String,
    pub(crate) done: bool,
}

/// Who is connected.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct User {
    name: String,
}

#[derive(Debug, Event)]
pub(crate) enum BoardEvent {
    /// `changed`: the items as they are now.
    Changed(Vec<Item>),
}

#[derive(Debug, thiserror::Error, ActionError)]
pub(crate) enum BoardError {
    #[error("sign in first")]
    #[action_error(group = "auth", code = "forbidden", status = 403)]
    NotSignedIn,
    #[error("the session cannot be read")]
    #[action_error(internal)]
    Session(#[from] tower_sessions::session::Error),
    #[error("an item has 1 to {LONGEST} characters, a board at most {MOST} items")]
    #[action_error(status = 400)]
    NoRoom,
    #[error("there is no item {at}")]
    #[action_error(status = 404)]
    NoItem { at: usize },
    #[error(transparent)]
    #[action_error(transparent)]
    Actor(#[from] ActorError),
}

#[actor]
impl Board {
    /// The app's session layer ran before this and left the session in the request.
    #[on_before_connect]
    async fn admit(&self, ctx: &Ctx<Self>) -> Result<User, BoardError> {
        let request = ctx.request().ok_or(BoardError::NotSignedIn)?;
        let session = request.extensions.get::<Session>();
        let session = session.ok_or(BoardError::NotSignedIn)?;
        let name = session.get(SIGNED_IN_AS).await?;
        let name = name.ok_or(BoardError::NotSignedIn)?;
        Ok(User { name })
    }

    #[action]
    async fn items(&self) -> Vec<Item> {
        self.items.clone()
    }

    #[action]
    async fn add(&mut self, ctx: &Ctx<Self>, text: String) -> Result<(), BoardError> {
        let by = ctx.require_conn()?.read(|user| user.name.clone());
        let length = text.chars().count();
        if length == 0 || LONGEST < length || MOST <= self.items.len() {
            return Err(BoardError::NoRoom);
        }
        let done = false;
        self.items.push(Item { text, by, done });
        ctx.broadcast(BoardEvent::Changed(self.items.clone()));
        Ok(())
    }

    #[action]
    async fn set_done(&mut self, ctx: &Ctx<Self>, at: usize, done: bool) -> Result<(), BoardError> {
        let item = self.items.get_mut(at).ok_or(BoardError::NoItem { at })?;
        item.done = done;
        ctx.broadcast(BoardEvent::Changed(self.items.clone()));
        Ok(())
    }
}

/// Most characters of an item.
const LONGEST: usize = 200;
/// Most items.
const MOST: usize = 100;

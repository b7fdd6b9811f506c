//! The app's own pages. Who visits is in the session.

use actor_axum::Actor;
use actor_core::CallError;
use axum::{
    Form,
    extract::{Path, State},
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use serde_json::json;
use tower_sessions::Session;

use crate::{App, board::Board};

/// Asks who is there.
pub(crate) async fn welcome(State(app): State<App>) -> Html<String> {
    Html(include_str!("../page/welcome.html").replace("{title}", &app.title))
}

#[derive(Debug, Deserialize)]
pub(crate) struct SignIn {
    name: String,
}

/// Remembers who is there. An app of yours would ask for more than a name.
pub(crate) async fn sign_in(
    session: Session,
    Form(form): Form<SignIn>,
) -> Result<Redirect, Failure> {
    let name = form.name.trim();
    if name.is_empty() || LONGEST_NAME < name.chars().count() {
        return Ok(Redirect::to("/"));
    }
    session.insert(SIGNED_IN_AS, name).await?;
    Ok(Redirect::to("/boards/team"))
}

/// A page with the board's items already in it; from then on the page listens to the board itself.
pub(crate) async fn board(
    State(app): State<App>,
    session: Session,
    Path(key): Path<String>,
    Actor(board): Actor<Board>,
) -> Result<Response, Failure> {
    let Some(user) = session.get::<String>(SIGNED_IN_AS).await? else {
        return Ok(Redirect::to("/").into_response());
    };
    let items = board.items().await?;
    let data = json!({ "key": key, "user": user, "items": items }).to_string();
    let page = include_str!("../page/board.html")
        .replace("{title}", &app.title)
        // JSON in a page must not close the element it stands in.
        .replace("{data}", &data.replace('<', "\\u003c"));
    Ok(Html(page).into_response())
}

/// Why a page could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the session: {0}")]
    Session(#[from] tower_sessions::session::Error),
    #[error("the board: {0}")]
    Board(#[from] CallError),
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        tracing::error!(error = %self, "a page failed");
        match self {
            Self::Session(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            Self::Board(error) => actor_axum::Error::from(error).into_response(),
        }
    }
}

/// The session's entry with the visitor's name.
pub(crate) const SIGNED_IN_AS: &str = "signed-in-as";
/// Most characters of a name.
const LONGEST_NAME: usize = 40;

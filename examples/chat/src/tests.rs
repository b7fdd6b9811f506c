//! Rooms, called in the process; the page, over HTTP.

use std::time::Duration;

use actor_core::Connection;
use axum::{body::Body, http::Request};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::{
    room::{Join, RoomEvent},
    *,
};

async fn in_memory() -> Registry {
    Registry::builder()
        .actor::<ChatRoom>()
        .build()
        .await
        .unwrap()
}

async fn enter(registry: &Registry, name: &str) -> Connection<ChatRoom> {
    let room = registry.get_or_create::<ChatRoom>("lobby");
    room.connect(Join { name: name.into() }).await.unwrap()
}

/// The events that have arrived, in short.
fn heard(member: &mut Connection<ChatRoom>) -> Vec<String> {
    let mut heard = Vec::new();
    while let Some(event) = member.try_next() {
        heard.push(match &*event {
            RoomEvent::Line(line) => format!("{}: {}", line.from, line.text),
            RoomEvent::Joined { name } => format!("+{name}"),
            RoomEvent::Left { name } => format!("-{name}"),
            RoomEvent::Typing { name, typing } => format!("{name} types: {typing}"),
        });
    }
    heard
}

#[tokio::test(start_paused = true)]
async fn members_hear_each_other() {
    let registry = in_memory().await;
    let mut ann = enter(&registry, "ann").await;
    let mut bob = enter(&registry, " Bob ").await;
    assert_eq!(
        ann.members().await.unwrap().into_iter().collect::<Vec<_>>(),
        ["Bob", "ann"]
    );
    bob.set_typing(true).await.unwrap();
    assert_eq!(bob.say("hello".into()).await.unwrap(), 1);
    assert_eq!(ann.say("hi".into()).await.unwrap(), 2);
    assert_eq!(
        heard(&mut ann),
        ["+ann", "+Bob", "Bob types: true", "Bob: hello", "ann: hi"]
    );
    assert_eq!(
        heard(&mut bob),
        ["+Bob", "Bob types: true", "Bob: hello", "ann: hi"]
    );
    drop(bob);
    assert_eq!(ann.members().await.unwrap().len(), 1);
    assert_eq!(heard(&mut ann), ["-Bob"]);
}

#[tokio::test(start_paused = true)]
async fn a_room_sleeps_under_its_members() {
    let registry = in_memory().await;
    let mut ann = enter(&registry, "ann").await;
    ann.say("before".into()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(ann.say("after".into()).await.unwrap(), 2);
    assert_eq!(heard(&mut ann), ["+ann", "ann: before", "ann: after"]);
    assert_eq!(ann.members().await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn names_and_texts_have_limits() {
    let registry = in_memory().await;
    let room = registry.get_or_create::<ChatRoom>("lobby");
    for (name, code) in [(" ".into(), "no_name"), ("x".repeat(33), "name_too_long")] {
        let error = room.connect(Join { name }).await.unwrap_err();
        assert_eq!((error.code(), error.status()), (code, 400));
    }
    let ann = enter(&registry, &"ä".repeat(32)).await;
    ann.say("ä".repeat(4_000)).await.unwrap();
    for (text, code) in [
        (" \n".into(), "no_text"),
        ("x".repeat(4_001), "text_too_long"),
    ] {
        let error = ann.say(text).await.unwrap_err().to_actor_error();
        assert_eq!((error.group(), error.code()), ("user", code));
    }
}

#[tokio::test(start_paused = true)]
async fn history_comes_in_pages_and_has_an_end() {
    let registry = in_memory().await;
    let ann = enter(&registry, "ann").await;
    for i in 1..=520 {
        ann.say(format!("line {i}")).await.unwrap();
    }
    let ids = |page: Vec<room::Line>| page.first().zip(page.last()).map(|(a, b)| (a.id, b.id));
    assert_eq!(ids(ann.history(None).await.unwrap()), Some((471, 520)));
    assert_eq!(ids(ann.history(Some(471)).await.unwrap()), Some((421, 470)));
    assert_eq!(ids(ann.history(Some(31)).await.unwrap()), Some((21, 30)));
    assert_eq!(ids(ann.history(Some(21)).await.unwrap()), None);
}

#[tokio::test]
async fn lines_outlive_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("chat.db");
    for said in 1..=2 {
        let registry = actors(&database).await.unwrap();
        let ann = enter(&registry, "ann").await;
        assert_eq!(ann.say("again".into()).await.unwrap(), said);
        assert_eq!(ann.history(None).await.unwrap().len() as u64, said);
        assert_eq!(ann.members().await.unwrap().len(), 1);
        registry.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_is_served_with_all_it_needs() {
    let app = app(&in_memory().await);
    let pages = [
        ("/", "text/html"),
        ("/app.js", "text/javascript"),
        ("/room.js", "text/javascript"),
        ("/wire.js", "text/javascript"),
        ("/style.css", "text/css"),
        ("/health", "text/plain"),
    ];
    for (path, expected) in pages {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let found = response.headers()["content-type"].to_str().unwrap();
        assert!(found.starts_with(expected), "{path} is {found}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(!body.is_empty(), "{path}");
    }
}

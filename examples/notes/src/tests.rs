//! Notes in the process, over HTTP, and after a restart.

use axum::{body::Body, http::Request};
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use super::*;

async fn in_memory() -> Registry {
    let builder = Registry::builder().actor::<Notes>();
    builder.build().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn finds_what_was_added_by_the_same_user() {
    let registry = in_memory().await;
    let ann = registry.get_or_create::<Notes>("ann");
    let milk = ann
        .add("Buy milk".into(), vec!["home".into(), "soon".into()])
        .await
        .unwrap();
    ann.add("Call bob".into(), Vec::new()).await.unwrap();
    let found = ann.search("milk".into()).await.unwrap();
    let expected = Note {
        id: milk,
        text: "Buy milk".into(),
        tags: "home soon".into(),
    };
    assert_eq!(found, [expected]);
    // What a user types is words.
    let typed = "\" OR text:*".to_owned();
    assert_eq!(ann.search(typed).await.unwrap(), []);
    let bob = registry.get_or_create::<Notes>("bob");
    assert_eq!(bob.search("milk".into()).await.unwrap(), []);

    assert!(ann.remove(milk).await.unwrap());
    assert!(!ann.remove(milk).await.unwrap());
    assert_eq!(ann.search("milk".into()).await.unwrap(), []);
    let refused = ann.add(" ".into(), Vec::new()).await;
    assert_eq!(
        refused.unwrap_err().to_actor_error().to_string(),
        "user.empty: a note cannot be empty"
    );
}

#[tokio::test(start_paused = true)]
async fn answers_over_http() {
    let app = app(&in_memory().await);
    let uri = "/gateway/notes/action/add\
        ?rvt-namespace=default&rvt-method=getOrCreate&rvt-pool=default&rvt-key=ann";
    let body = json!({ "args": ["buy milk", ["home"]] }).to_string();
    let response = app
        .oneshot(Request::post(uri).body(Body::from(body)).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, r#"{"output":1}"#);
}

#[tokio::test]
async fn remembers_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("notes.db");
    for expected in 1..=3 {
        let registry = actors(&database).await.unwrap();
        let notes = registry.get_or_create::<Notes>("ann");
        notes.add("again".into(), Vec::new()).await.unwrap();
        let found = notes.search("again".into()).await.unwrap();
        assert_eq!(found.len(), expected);
        registry.shutdown().await;
    }
}

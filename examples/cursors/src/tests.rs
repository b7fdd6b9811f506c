//! Visitors come and go, reload, and see each other's cursors.

use actor_core::{Connection, testing::TestRegistry};
use axum::{body::Body, http::Request};
use tower::ServiceExt as _;

use super::*;

fn heard(conn: &mut Connection<Canvas>) -> Vec<String> {
    let events = std::iter::from_fn(|| conn.try_next());
    let shown = events.map(|it| match &*it {
        Change::Here(names) => names.join(" "),
        Change::Moved { name, x, y } => format!("{name} at {x},{y}"),
    });
    shown.collect()
}

fn named(name: &str) -> Visitor {
    let name = name.into();
    Visitor { name }
}

#[tokio::test(start_paused = true)]
async fn cursors_are_seen_and_reloads_are_not() {
    let registry = TestRegistry::start(declare).await;
    let page = registry.get_or_create::<Canvas>("start");
    let mut ann = page.connect(named("ann")).await.unwrap();
    let mut bob = page.connect(named("bob")).await.unwrap();
    bob.moved(0.5, 0.25).await.unwrap();
    registry.advance(Duration::from_millis(1)).await;
    assert_eq!(heard(&mut ann), ["ann", "ann bob", "bob at 0.5,0.25"]);
    assert_eq!(heard(&mut bob), ["ann bob"]);

    drop(bob);
    registry.advance(Duration::from_secs(3)).await;
    let bob = page.connect(named("bob")).await.unwrap();
    registry.advance(Duration::from_secs(10)).await;
    assert!(heard(&mut ann).is_empty(), "a reload");

    drop(bob);
    registry.advance(Duration::from_secs(10)).await;
    assert_eq!(heard(&mut ann), ["ann"]);
    assert_eq!(page.here().await.unwrap(), ["ann"]);
}

#[tokio::test(start_paused = true)]
async fn who_could_never_be_gone_does_not_come() {
    let registry = TestRegistry::start(declare).await;
    let page = registry.get_or_create::<Canvas>("start");
    for (bytes, fits) in [(0, false), (64, true), (65, false)] {
        let came = page.connect(named(&"x".repeat(bytes))).await;
        assert_eq!(came.is_ok(), fits, "{bytes}");
    }
    registry.advance(Duration::from_secs(10)).await;
    assert!(page.here().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn has_a_page() {
    let registry = TestRegistry::start(declare).await;
    let page = Request::get("/").body(Body::empty()).unwrap();
    let page = app(&registry).oneshot(page).await.unwrap();
    assert_eq!(page.status(), 200);
}

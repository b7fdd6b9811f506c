//! The counter, called in the process, over HTTP, and after a restart.

use actor_core::Value;
use axum::{body::Body, http::Request};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::*;

async fn in_memory() -> Registry {
    Registry::builder()
        .actor::<Counter>()
        .build()
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn counts_and_tells_everybody() {
    let registry = in_memory().await;
    let counter = registry.get_or_create::<Counter>("visits");
    let mut watching = counter.connect(Value::Undefined).await.unwrap();
    assert_eq!(counter.increment(2).await.unwrap(), 2);
    assert_eq!(counter.increment(-3).await.unwrap(), -1);
    assert!(matches!(
        watching.next().await.as_deref(),
        Some(CounterEvent::NewCount(2))
    ));
    assert!(matches!(
        watching.next().await.as_deref(),
        Some(CounterEvent::NewCount(-1))
    ));
    assert_eq!(counter.get().await.unwrap(), -1);
    assert_eq!(
        registry
            .get_or_create::<Counter>("other")
            .get()
            .await
            .unwrap(),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn answers_over_http() {
    let app = app(&in_memory().await);
    let uri = "/gateway/counter/action/increment\
        ?rvt-namespace=default&rvt-method=getOrCreate&rvt-pool=default&rvt-key=visits";
    let request = Request::post(uri)
        .body(Body::from(r#"{"args":[5]}"#))
        .unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, r#"{"output":5}"#);
}

#[tokio::test]
async fn remembers_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("counter.db");
    for expected in 1..=3 {
        let registry = actors(&database).await.unwrap();
        let counter = registry.get_or_create::<Counter>("visits");
        assert_eq!(counter.increment(1).await.unwrap(), expected);
        registry.shutdown().await;
    }
}

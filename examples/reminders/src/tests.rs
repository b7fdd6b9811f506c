//! Reminders come on time, to an actor that sleeps and after a crash too.

use actor_core::testing::TestRegistry;
use axum::{body::Body, http::Request};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::*;

#[tokio::test(start_paused = true)]
async fn comes_on_time_and_wakes_who_sleeps() {
    let mut registry = TestRegistry::start(declare).await;
    let mine = registry.get_or_create::<Reminders>("me");
    mine.add("tea".into(), 60).await.unwrap();
    let cake = mine.add("cake".into(), 90).await.unwrap();
    mine.add("bread".into(), 30).await.unwrap();
    let texts = |all: Vec<Reminder>| all.into_iter().map(|it| it.text).collect::<Vec<_>>();
    assert_eq!(texts(mine.list().await.unwrap()), ["bread", "tea", "cake"]);
    assert!(mine.cancel(cake).await.unwrap());
    registry.advance(Duration::from_secs(45)).await;
    assert_eq!(mine.told().await.unwrap(), ["bread"]);
    registry.crash().await;
    registry.advance(Duration::from_secs(45)).await;
    let mine = registry.get_or_create::<Reminders>("me");
    assert_eq!(mine.told().await.unwrap(), ["bread", "tea"]);
    registry.advance(Duration::from_secs(24 * 3600)).await;
    assert_eq!(mine.told().await.unwrap(), [""; 0], "forgotten at four");
}

#[tokio::test(start_paused = true)]
async fn has_a_page_and_answers_over_http() {
    let registry = TestRegistry::start(declare).await;
    let page = Request::get("/").body(Body::empty()).unwrap();
    let page = app(&registry).oneshot(page).await.unwrap();
    assert_eq!(page.status(), 200);
    let uri = "/gateway/reminders/action/add\
        ?rvt-namespace=default&rvt-method=getOrCreate&rvt-pool=default&rvt-key=me";
    let add = Request::post(uri)
        .body(Body::from(r#"{"args":["tea",5]}"#))
        .unwrap();
    let answer = app(&registry).oneshot(add).await.unwrap();
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(body.starts_with(br#"{"output":""#), "{body:?}");
}

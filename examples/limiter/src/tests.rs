//! A burst passes, then what the rate allows, each client for itself.

use actor_core::testing::TestRegistry;
use axum::body::Body;
use tower::ServiceExt as _;

use super::*;

async fn ask(registry: &Registry, client: &str) -> (u16, Option<String>) {
    let request = Request::get("/quote").header("x-client", client);
    let request = request.body(Body::empty()).unwrap();
    let response = app(registry).oneshot(request).await.unwrap();
    let wait = response.headers().get(RETRY_AFTER);
    let wait = wait.map(|it| it.to_str().unwrap().to_owned());
    (response.status().as_u16(), wait)
}

#[tokio::test(start_paused = true)]
async fn a_burst_passes_then_the_rate() {
    let registry = TestRegistry::start(declare).await;
    for _ in 0..5 {
        assert_eq!(ask(&registry, "ann").await, (200, None));
    }
    assert_eq!(ask(&registry, "ann").await, (429, Some("1".into())));
    assert_eq!(ask(&registry, "bob").await, (200, None));
    registry.advance(Duration::from_secs(2)).await;
    assert_eq!(ask(&registry, "ann").await.0, 200);
    assert_eq!(ask(&registry, "ann").await.0, 200);
    assert_eq!(ask(&registry, "ann").await.0, 429);
    registry.advance(Duration::from_secs(60)).await;
    assert_eq!(registry.actors_in_memory(), 0, "unused buckets are gone");
    assert_eq!(ask(&registry, "ann").await.0, 200);
}

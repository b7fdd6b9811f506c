//! Requests that name their actor in headers or subprotocols.

use actor_axum::ActorRouter;
use axum::{Router, routing::get};

use crate::support::{Server, code, counter, header, registry};

async fn server() -> (Server, String) {
    let registry = registry().await;
    let app = Router::new()
        .route("/connect", get("the app's own"))
        .route("/request/page", get("the app's own"))
        .merge(actor_axum::router(registry.clone()))
        .layer(ActorRouter::new(registry).into_target_layer());
    let server = Server::of(app).await;
    let answer = server.get(&counter("k", "/health")).await;
    let id = header(&answer, "x-rivet-actor").unwrap().to_owned();
    (server, id)
}

#[tokio::test]
async fn sockets_find_their_actor_by_subprotocol() {
    let (server, id) = server().await;
    let offer = format!(
        "rivet,rivet_encoding.bare,rivet_target.actor,rivet_actor.{id},rivet_skip_ready_wait"
    );
    let mut client = server.connect("/connect", &offer).await;
    assert_eq!(client.opened().await.0, id);
    client.call(1, "increment", (1,)).await;
    assert_eq!(client.output::<i64>(1).await, 1);

    let mut client = server.connect("/websocket/x", &offer).await;
    assert_eq!(
        client.closed().await,
        (1011, "actor.websocket_not_defined".into())
    );

    let offer = "rivet,rivet_target.actor";
    let mut client = server.connect("/connect", offer).await;
    client.next().await;
    let (code, reason) = client.closed().await;
    assert_eq!(code, 1011);
    assert!(reason.starts_with("guard.missing_header#"), "{reason}");
}

#[tokio::test]
async fn raw_requests_find_their_actor_by_header() {
    let (server, id) = server().await;
    let call = |target: &str| {
        server
            .request("GET", target)
            .header("x-rivet-target", "actor")
    };
    // No actor answers raw requests yet; the empty 404 is the actor's own.
    let answer = call("/request/page")
        .header("x-rivet-actor", &id)
        .send()
        .await;
    assert_eq!((answer.status().as_u16(), answer.body().len()), (404, 0));
    assert_eq!(header(&answer, "x-rivet-actor"), Some(&*id));

    let answer = call("/request").send().await;
    assert_eq!(
        (answer.status().as_u16(), &*code(&answer)),
        (400, "guard.missing_header")
    );
    // Other paths are not routed so.
    let answer = call("/action/count")
        .header("x-rivet-actor", &id)
        .send()
        .await;
    assert_eq!(answer.status(), 404);
}

#[tokio::test]
async fn requests_without_a_target_are_the_apps() {
    let (server, id) = server().await;
    for target in ["/connect", "/request/page"] {
        assert_eq!(server.get(target).await.body(), "the app's own");
    }
    // The Rust client names the actor twice.
    let call = server
        .request("POST", &format!("/gateway/{id}/action/count"))
        .header("x-rivet-target", "actor")
        .header("x-rivet-actor", &id);
    assert_eq!(&call.body("{}").send().await.body()[..], br#"{"output":0}"#);
}

#[tokio::test]
async fn browsers_are_told_that_they_may_send_a_target() {
    let (server, _) = server().await;
    let ask = server
        .request("OPTIONS", "/request/page")
        .header("origin", "https://page.example")
        .header("access-control-request-method", "GET")
        .header(
            "access-control-request-headers",
            "x-rivet-actor, X-Rivet-Target",
        );
    assert_eq!(ask.send().await.status(), 204);
}

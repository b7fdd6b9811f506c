//! What browsers are told.

use actor_axum::{ActorRouter, Cors};
use axum::Router;
use http::Response;

use crate::support::{Server, counter, header, registry};

async fn server(cors: Cors) -> Server {
    let actors = ActorRouter::new(registry().await).cors(cors);
    Server::of(Router::new().merge(actors.into_router())).await
}

const PAGE: &str = "https://page.example";

fn allowed(answer: &Response<bytes::Bytes>) -> (Option<&str>, Option<&str>) {
    (
        header(answer, "access-control-allow-origin"),
        header(answer, "access-control-allow-credentials"),
    )
}

#[tokio::test]
async fn preflights_do_not_reach_the_actor() {
    let server = server(Cors::any()).await;
    let ask = |target: &str| {
        server
            .request("OPTIONS", target)
            .header("origin", PAGE)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "x-rivet-encoding, idempotency-key",
            )
            .send()
    };
    let answer = ask(&counter("k", "/action/count")).await;
    assert_eq!((answer.status().as_u16(), answer.body().len()), (204, 0));
    assert_eq!(allowed(&answer), (Some(PAGE), None));
    let methods = header(&answer, "access-control-allow-methods");
    assert_eq!(methods, Some("GET, POST, PUT, DELETE, OPTIONS, PATCH"));
    let headers = header(&answer, "access-control-allow-headers");
    assert_eq!(headers, Some("x-rivet-encoding, idempotency-key"));
    assert_eq!(header(&answer, "access-control-max-age"), Some("86400"));
    let found = server.get("/actors?name=counter&key=k").await;
    assert!(found.body().starts_with(br#"{"actors":[]"#));

    let answer = ask("/actors").await;
    assert_eq!(answer.status(), 204);
    assert_eq!(allowed(&answer), (Some(PAGE), Some("true")));
    assert_eq!(
        header(&answer, "access-control-allow-methods"),
        Some("POST")
    );
}

#[tokio::test]
async fn answers_and_errors_are_marked() {
    let server = server(Cors::any()).await;
    for target in [counter("k", "/health"), "/gateway/0/health".into()] {
        let answer = server
            .request("GET", &target)
            .header("origin", PAGE)
            .send()
            .await;
        assert_eq!(allowed(&answer), (Some(PAGE), None), "{target}");
        assert_eq!(header(&answer, "access-control-expose-headers"), Some("*"));
        assert_eq!(header(&answer, "vary"), Some("Origin"));
        assert_eq!(allowed(&server.get(&target).await), (None, None));
    }
    for target in ["/metadata", "/actors", "/health"] {
        let answer = server
            .request("GET", target)
            .header("origin", PAGE)
            .send()
            .await;
        assert_eq!(allowed(&answer), (Some(PAGE), Some("true")), "{target}");
    }
}

#[tokio::test]
async fn a_list_of_origins_is_kept() {
    let server = server(Cors::origins([PAGE])).await;
    let target = counter("k", "/health");
    let call = |origin| {
        server
            .request("GET", &target)
            .header("origin", origin)
            .send()
    };
    assert_eq!(allowed(&call(PAGE).await), (Some(PAGE), Some("true")));
    assert_eq!(allowed(&call("https://other.example").await), (None, None));
}

#[tokio::test]
async fn off_is_off() {
    let server = server(Cors::off()).await;
    for target in [counter("k", "/health"), "/metadata".into()] {
        let answer = server
            .request("GET", &target)
            .header("origin", PAGE)
            .send()
            .await;
        assert_eq!(allowed(&answer), (None, None));
        assert_eq!(header(&answer, "vary"), None);
    }
    let preflight = server
        .request("OPTIONS", &counter("k", "/action/count"))
        .header("origin", PAGE)
        .header("access-control-request-method", "POST");
    assert_eq!(preflight.send().await.status(), 405);
}

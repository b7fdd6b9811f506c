//! Who is let in: tokens, and limits by where a request comes from.

use std::net::{IpAddr, Ipv4Addr};

use actor_axum::ActorRouter;
use actor_core::{
    Registry,
    gateway::{Limits, Quota},
    protocol::ToClient,
};
use axum::Router;
use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt as _;

use crate::support::{Client, Server, code, counter, header, registry, soon, until};

async fn serve(open: impl FnOnce(ActorRouter) -> ActorRouter) -> (Server, Registry) {
    let registry = registry().await;
    let router = open(ActorRouter::new(registry.clone()));
    let app = Router::new().merge(router.into_router());
    (Server::of(app).await, registry)
}

const BODY: &str = r#"{"args":[]}"#;

async fn count(server: &Server, target: &str, headers: &[(&'static str, &str)]) -> Response<Bytes> {
    let call = server.request("POST", target).body(BODY);
    let call = headers
        .iter()
        .fold(call, |call, (name, value)| call.header(name, value));
    call.send().await
}

/// The code in a close frame's reason, without the request's name.
async fn refused(mut client: Client) -> String {
    let ToClient::Error { .. } = client.next().await else {
        panic!("no error frame");
    };
    let (code, reason) = client.closed().await;
    assert_eq!(code, 1011);
    reason.split('#').next().unwrap().to_owned()
}

#[tokio::test]
async fn without_the_token_nobody_reaches_an_actor() {
    let (server, registry) = serve(|it| it.token("let me in")).await;
    let target = counter("k", "/action/count");
    let wrong: [&[_]; 4] = [
        &[],
        &[("x-rivet-token", "let me")],
        &[("x-rivet-token", "")],
        // Who asks to skip the wait for the actor is asked all the same.
        &[("x-rivet-skip-ready-wait", "1"), ("x-rivet-token", "wrong")],
    ];
    for headers in wrong {
        let answer = count(&server, &target, headers).await;
        assert_eq!(answer.status(), 401);
        assert_eq!(code(&answer), "api.unauthorized");
        assert_eq!(header(&answer, "x-rivet-error"), Some("api.unauthorized"));
    }
    for protocols in ["rivet", "rivet,rivet_token.wrong,rivet_skip_ready_wait"] {
        let client = server.connect(&counter("k", "/connect"), protocols).await;
        assert_eq!(refused(client).await, "api.unauthorized");
    }
    let list = "/actors?name=counter&key=k&namespace=default";
    assert_eq!(code(&server.get(list).await), "api.unauthorized");
    assert_eq!(registry.actors_in_memory(), 0);
    for open in ["/metadata", "/health"] {
        assert_eq!(server.get(open).await.status(), 200, "{open}");
    }
}

#[tokio::test]
async fn a_token_is_found_wherever_clients_put_it() {
    let (server, _registry) = serve(|it| it.check_token(|it| it == "let me in")).await;
    let target = counter("k", "/action/count");
    let in_header = count(&server, &target, &[("x-rivet-token", "let me in")]).await;
    assert_eq!(in_header.status(), 200);
    let id = header(&in_header, "x-rivet-actor").unwrap();
    let in_query = count(&server, &format!("{target}&rvt-token=let%20me%20in"), &[]).await;
    assert_eq!(in_query.status(), 200);
    let direct = format!("/gateway/{id}@let%20me%20in/action/count");
    // What is in the path goes before what is in a header.
    let in_path = count(&server, &direct, &[("x-rivet-token", "wrong")]).await;
    assert_eq!(in_path.status(), 200);
    let protocols = "rivet,rivet_token.let%20me%20in";
    let mut client = server.connect(&counter("k", "/connect"), protocols).await;
    client.opened().await;
    let list = "/actors?name=counter&key=k&namespace=default";
    let call = server.request("GET", list);
    let answer = call
        .header("authorization", "Bearer let me in")
        .send()
        .await;
    assert_eq!(answer.status(), 200);
}

fn from_header(parts: &http::request::Parts) -> Option<IpAddr> {
    parts.headers.get("x-from")?.to_str().ok()?.parse().ok()
}

#[tokio::test]
async fn each_address_has_a_rate_of_its_own_at_each_actor() {
    let limits = Limits::default()
        .per_actor(Quota::new(2, 100))
        .per_address(Quota::new(5, 100));
    let (server, registry) = serve(|it| it.limits(limits).client_address(from_header)).await;
    let ask = async |key: &str, from: &str| {
        let target = counter(key, "/action/count");
        let answer = count(&server, &target, &[("x-from", from)]).await;
        (answer.status() == 200).then_some(()).ok_or_else(|| {
            assert_eq!(answer.status(), 429);
            let told = header(&answer, "x-rivet-error").map(str::to_owned);
            assert_eq!(told, Some(code(&answer)));
            // Two in a minute, and five: one comes back in half of it at the latest.
            let wait: u64 = header(&answer, "retry-after").unwrap().parse().unwrap();
            assert!((1..=30).contains(&wait), "{wait}");
            code(&answer)
        })
    };
    let limited = Err("guard.rate_limit".to_owned());
    for (key, from, expected) in [
        ("a", "10.0.0.1", &Ok(())),
        ("a", "10.0.0.1", &Ok(())),
        ("a", "10.0.0.1", &limited),
        ("b", "10.0.0.1", &Ok(())),
        ("b", "10.0.0.1", &Ok(())),
        // Six in all.
        ("c", "10.0.0.1", &limited),
        ("a", "10.0.0.2", &Ok(())),
    ] {
        assert_eq!(&ask(key, from).await, expected, "{key} {from}");
    }
    // The one over the limit was not even made.
    assert_eq!(registry.actors_in_memory(), 2);
}

#[tokio::test]
async fn sockets_count_for_as_long_as_they_are_open() {
    let limits = Limits::default().per_actor(Quota::new(1_000, 2));
    let local = |_: &http::request::Parts| Some(Ipv4Addr::LOCALHOST.into());
    let (server, _registry) = serve(|it| it.limits(limits).client_address(local)).await;
    let connect = counter("k", "/connect");
    let open = || server.connect(&connect, "rivet");
    let (mut first, mut second) = (open().await, open().await);
    first.opened().await;
    second.opened().await;
    assert_eq!(refused(open().await).await, "guard.in_flight_limit");
    let target = counter("k", "/action/count");
    let answer = count(&server, &target, &[]).await;
    assert_eq!(answer.status(), 429);
    assert_eq!(code(&answer), "guard.in_flight_limit");
    drop(first);
    until(async || count(&server, &target, &[]).await.status() == 200).await;
    let mut third = open().await;
    third.opened().await;
}

#[tokio::test]
async fn a_response_counts_until_it_has_been_read() {
    let limits = Limits::default().per_actor(Quota::new(1_000, 1));
    let registry = registry().await;
    let router = ActorRouter::new(registry)
        .limits(limits)
        .into_router::<()>();
    let ask = || {
        let request = http::Request::post(counter("k", "/action/count"));
        let request = request.body(axum::body::Body::from(BODY)).unwrap();
        tower::ServiceExt::oneshot(router.clone(), request)
    };
    let first = soon(ask()).await.unwrap();
    assert_eq!(soon(ask()).await.unwrap().status(), 429);
    first.into_body().collect().await.unwrap();
    assert_eq!(soon(ask()).await.unwrap().status(), 200);
}

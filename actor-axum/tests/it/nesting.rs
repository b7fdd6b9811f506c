//! The router inside apps: under a prefix, beside other routes, below layers.

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
    routing::get,
};

use crate::support::{Client, Server, Session, counter, json, registry};

#[derive(Clone)]
struct AppState {
    greeting: &'static str,
}

async fn session(mut request: Request, next: Next) -> Response {
    let user = request.headers().get("x-user");
    if let Some(user) = user.and_then(|it| it.to_str().ok()) {
        let session = Session(user.to_owned());
        request.extensions_mut().insert(session);
    }
    next.run(request).await
}

/// An app with a state, routes, a fallback and a layer of its own.
async fn app() -> Server {
    let actors = actor_axum::router(registry().await);
    let greet = async |State(state): State<AppState>| state.greeting;
    let app = Router::new()
        .route("/", get(greet))
        .route("/connect", get("the app's own"))
        .nest("/api/v1", actors)
        .fallback(async || "nothing here")
        .layer(middleware::from_fn(session))
        .with_state(AppState { greeting: "hello" });
    Server::of(app).await
}

#[tokio::test]
async fn everything_works_below_a_prefix() {
    let server = app().await;
    assert_eq!(
        json(&server.get("/api/v1/metadata").await)["runtime"],
        "actor-axum"
    );

    let target = format!("/api/v1{}", counter("a%2Fb", "/action/parts"));
    let answer = server.request("POST", &target).body("{}").send().await;
    assert_eq!(&answer.body()[..], br#"{"output":["a/b"]}"#);
    let id = answer.headers()["x-rivet-actor"].to_str().unwrap();
    let one = server.get(&format!("/api/v1/actors/{id}")).await;
    assert_eq!(json(&one)["actor"]["actor_id"], id);
    let sleep = server.request("POST", &format!("/api/v1/actors/{id}/sleep"));
    assert_eq!(sleep.send().await.status(), 200);

    let target = format!("/api/v1{}", counter("k", "/connect"));
    let mut client = server.connect(&target, "rivet,rivet_encoding.bare").await;
    client.opened().await;
    client.call(1, "increment", (2,)).await;
    assert_eq!(client.output::<i64>(1).await, 2);
}

#[tokio::test]
async fn the_apps_own_routes_and_fallback_stay() {
    let server = app().await;
    for (target, body) in [
        ("/", "hello"),
        ("/connect", "the app's own"),
        ("/gateway/x/health", "nothing here"),
        ("/api/v1/gateway", "nothing here"),
        ("/api/v1/request", "nothing here"),
        ("/api/v1/elsewhere", "nothing here"),
    ] {
        assert_eq!(server.get(target).await.body(), body, "{target}");
    }
}

#[tokio::test]
async fn what_layers_put_into_requests_reaches_actors() {
    let server = app().await;
    let target = format!("/api/v1{}", counter("k", "/action/session"));
    let call = server.request("POST", &target).header("x-user", "ann");
    let answer = call.body("{}").send().await;
    assert_eq!(&answer.body()[..], br#"{"output":"ann"}"#);
}

#[tokio::test]
async fn connections_see_their_upgrade_request_and_what_layers_put_into_it() {
    let server = app().await;
    let target = format!("/api/v1{}", counter("k", "/connect"));
    let mut client = Client::connect_as(server.address, &target, "rivet", "ann").await;
    client.opened().await;
    client.call(1, "upgrade", ()).await;
    let (uri, agent) = client.output::<(String, String)>(1).await;
    let own = format!("http://{}/connect", server.address);
    assert_eq!((uri, &*agent), (own, "ann"));

    let mut client = Client::connect_as(server.address, &target, "rivet", "mallory").await;
    client.next().await;
    assert_eq!(client.closed().await, (1011, "user.unwelcome".into()));
}

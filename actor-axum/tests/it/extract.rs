//! Typed handles in the app's own handlers.

use actor_axum::{Actor, ExistingActor};
use actor_core::Registry;
use axum::{Router, extract::FromRef, routing::get};

use crate::support::{Counter, Server, code, registry};

#[derive(Clone)]
struct AppState {
    registry: Registry,
}

impl FromRef<AppState> for Registry {
    fn from_ref(state: &AppState) -> Self {
        state.registry.clone()
    }
}

async fn visit(Actor(counter): Actor<Counter>) -> Result<String, actor_axum::Error> {
    Ok(counter.increment(1).await?.to_string())
}

async fn show(ExistingActor(counter): ExistingActor<Counter>) -> Result<String, actor_axum::Error> {
    Ok(counter.count().await?.to_string())
}

async fn key(Actor(counter): Actor<Counter>) -> Result<String, actor_axum::Error> {
    Ok(counter.parts().await?.join("|"))
}

async fn vault(Actor(counter): Actor<Counter>) -> Result<(), actor_axum::Error> {
    Ok(counter.open_vault().await?)
}

async fn server() -> Server {
    let registry = registry().await;
    let app = Router::new()
        .route("/pages/{page}/visit", get(visit))
        .route("/pages/{page}", get(show))
        .route("/orgs/{org}/keys/{name}", get(key))
        .route("/all/{first}/{key}", get(key))
        .route("/vault/{key}", get(vault))
        .route("/nowhere", get(key))
        .with_state(AppState { registry });
    Server::of(app).await
}

#[tokio::test]
async fn the_path_names_the_actor() {
    let server = server().await;
    for (target, body) in [
        ("/pages/home/visit", "1"),
        ("/pages/home/visit", "2"),
        ("/pages/home", "2"),
        ("/orgs/acme%2Finc/keys/b", "acme/inc|b"),
        ("/all/a/b", "b"),
    ] {
        assert_eq!(server.get(target).await.body(), body, "{target}");
    }
}

#[tokio::test]
async fn errors_become_responses() {
    let server = server().await;
    let missing = server.get("/pages/other").await;
    assert_eq!(
        (missing.status().as_u16(), &*code(&missing)),
        (404, "actor.not_found")
    );
    let hidden = server.get("/vault/k").await;
    assert_eq!(
        (hidden.status().as_u16(), &*code(&hidden)),
        (500, "rivetkit.internal_error")
    );
    assert!(!String::from_utf8_lossy(hidden.body()).contains("secret"));
    let long = server
        .get(&format!("/pages/{}/visit", "x".repeat(200)))
        .await;
    assert_eq!(
        (long.status().as_u16(), &*code(&long)),
        (400, "actor.key_too_large")
    );
    assert_eq!(server.get("/nowhere").await.status(), 500);
    assert_eq!(server.get("/pages/%FF").await.status(), 400);
}

//! What clients may do, and what an actor that denies by default lets them.

use actor_core::{Registry, prelude::*, protocol::ToClient};
use axum::Router;

use crate::support::{Server, code};

#[derive(Debug, Event)]
pub(crate) enum News {
    Public(u32),
    Secret(u32),
}

/// Lets clients do what something says they may.
#[actor(event = News, params = String, conn = String, deny_by_default = true)]
#[derive(Default)]
pub(crate) struct Vault {
    asked: Vec<String>,
}

#[actor]
impl Vault {
    #[on_before_connect]
    async fn admit(name: String) -> Result<String, ActorError> {
        if name == "stranger" {
            return Err(ActorError::forbidden());
        }
        Ok(name)
    }

    #[can_subscribe]
    async fn may_hear(&mut self, ctx: &Ctx<Self>, event: String) -> bool {
        let name = ctx.conn().map(|it| it.read(String::clone));
        self.asked
            .push(format!("{} {event}", name.unwrap_or_default()));
        assert_ne!(event, "explosive", "on purpose");
        event != "secret"
    }

    fn is_keeper(ctx: &Ctx<Self>) -> bool {
        ctx.conn()
            .is_some_and(|it| it.read(|name| name == "keeper"))
    }

    fn explodes(_: &Ctx<Self>) -> Result<(), ActorError> {
        panic!("on purpose")
    }

    #[action(guard = Self::is_keeper)]
    async fn unlock(&mut self) -> bool {
        true
    }

    #[action(guard = Self::explodes)]
    async fn explode(&self) {}

    #[action(guard = Self::is_keeper)]
    async fn unlock_slowly(ctx: &TaskCtx<Self>) -> usize {
        ctx.read(|it| it.asked.len()).await
    }

    #[action(open)]
    async fn knock(&self, ctx: &Ctx<Self>) -> u32 {
        ctx.broadcast(News::Public(1));
        ctx.broadcast(News::Secret(2));
        7
    }

    #[action]
    async fn forgotten(&self) -> u32 {
        8
    }

    #[action]
    async fn asked(&self) -> Vec<String> {
        self.asked.clone()
    }
}

/// Says nothing about anybody, and denies by default.
#[actor(deny_by_default = true)]
#[derive(Default)]
pub(crate) struct Closed {}

#[actor]
impl Closed {
    #[action(open)]
    async fn knock(&self) {}
}

async fn server() -> (Server, Registry) {
    let builder = Registry::builder().actor::<Vault>().actor::<Closed>();
    let registry = builder.build().await.unwrap();
    let app = Router::new().merge(actor_axum::router(registry.clone()));
    (Server::of(app).await, registry)
}

fn at(actor: &str, path: &str) -> String {
    format!(
        "/gateway/{actor}{path}?rvt-method=getOrCreate&rvt-namespace=default&rvt-runner=default&rvt-key=k"
    )
}

/// What a single HTTP call of an action comes to: its value, or the error's code.
async fn call(server: &Server, name: &str, action: &str) -> String {
    let answer = server
        .request("POST", &at("vault", &format!("/action/{action}")))
        .header("x-rivet-encoding", "json")
        .header("x-rivet-conn-params", format!("\"{name}\""))
        .body(r#"{"args":[]}"#)
        .send()
        .await;
    if answer.status() == 200 {
        return String::from_utf8_lossy(answer.body()).into_owned();
    }
    format!("{} {}", answer.status().as_u16(), code(&answer))
}

#[tokio::test]
async fn actions_ask_their_guard_and_the_rest_is_denied() {
    let (server, registry) = server().await;
    for (name, action, answer) in [
        ("keeper", "unlock", r#"{"output":true}"#),
        ("guest", "unlock", "403 auth.forbidden"),
        ("keeper", "unlockSlowly", r#"{"output":0}"#),
        ("guest", "unlockSlowly", "403 auth.forbidden"),
        ("guest", "knock", r#"{"output":7}"#),
        ("keeper", "forgotten", "403 auth.forbidden"),
        ("stranger", "knock", "403 auth.forbidden"),
        ("keeper", "explode", "500 actor.panicked"),
        ("guest", "knock", r#"{"output":7}"#),
    ] {
        assert_eq!(call(&server, name, action).await, answer, "{name} {action}");
    }
    // The program itself may do everything.
    let vault = registry.get::<Vault>("k");
    assert_eq!(vault.forgotten().await.unwrap(), 8);
    assert!(vault.unlock().await.unwrap());
}

#[tokio::test]
async fn who_may_not_hear_an_event_is_closed() {
    let (server, registry) = server().await;
    let vault = registry.get_or_create::<Vault>("k");
    let offer = "rivet,rivet_encoding.json,rivet_conn_params.%22guest%22";
    let mut client = server.connect(&at("vault", "/connect"), offer).await;
    client.opened().await;
    client.subscribe("public").await;
    client.call(1, "knock", ()).await;
    assert!(matches!(client.next().await, ToClient::Event { name, .. } if name == "public"));
    assert_eq!(client.output::<u32>(1).await, 7);
    client.call(2, "unlock", ()).await;
    match client.next().await {
        ToClient::Error { error, .. } => assert!(error.is("auth", "forbidden"), "{error}"),
        other => panic!("{other:?} is not the error"),
    }
    client.subscribe("secret").await;
    assert_eq!(client.closed().await, (1011, "auth.forbidden".into()));
    assert_eq!(
        vault.asked().await.unwrap(),
        ["guest public", "guest secret"]
    );
}

#[tokio::test]
async fn a_check_that_panics_lets_nobody_hear() {
    let (server, _registry) = server().await;
    let offer = "rivet,rivet_encoding.json,rivet_conn_params.%22guest%22";
    let mut client = server.connect(&at("vault", "/connect"), offer).await;
    client.opened().await;
    client.subscribe("explosive").await;
    let (code, _) = client.closed().await;
    assert_eq!(code, 1011);
    assert_eq!(call(&server, "guest", "knock").await, r#"{"output":7}"#);
}

#[tokio::test]
async fn an_actor_that_denies_by_default_admits_nobody_unasked() {
    let (server, registry) = server().await;
    let answer = server
        .request("POST", &at("closed", "/action/knock"))
        .header("x-rivet-encoding", "json")
        .body(r#"{"args":[]}"#)
        .send()
        .await;
    assert_eq!(
        (answer.status().as_u16(), &*code(&answer)),
        (403, "auth.forbidden")
    );
    registry.get_or_create::<Closed>("k").knock().await.unwrap();
}

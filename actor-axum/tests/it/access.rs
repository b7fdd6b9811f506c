//! What clients may do, and what an actor that denies by default lets them.

use actor_core::{Registry, prelude::*, protocol::ToClient, queue::QueueError};
use axum::Router;

use crate::support::{Server, code};

#[derive(Debug, Event)]
pub(crate) enum News {
    Public(u32),
    Secret(u32),
}

#[derive(Debug, Queue)]
pub(crate) enum Post {
    Letters(String),
    Orders(String),
}

/// Lets clients do what something says they may.
#[actor(event = News, queue = Post, params = String, conn = String, deny_by_default = true)]
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

    #[can_publish]
    async fn may_send(&self, ctx: &Ctx<Self>, queue: String) -> Result<bool, ActorError> {
        assert_ne!(
            ctx.conn().map(|it| it.read(String::clone)).as_deref(),
            Some("explosive"),
            "on purpose"
        );
        Ok(queue == "letters" || Self::is_keeper(ctx))
    }

    #[on_request]
    async fn fetch(&self) -> String {
        "fetched".to_owned()
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
    async fn received(&mut self, ctx: &Ctx<Self>) -> Result<Vec<String>, QueueError> {
        let all = ctx.queue().try_batch(9).await?;
        let text = |it| match it {
            Post::Letters(text) | Post::Orders(text) => text,
        };
        Ok(all.into_iter().map(text).collect())
    }

    #[action]
    async fn asked(&self) -> Vec<String> {
        self.asked.clone()
    }
}

/// Says nothing about anybody, and denies by default.
#[actor(queue = Post, deny_by_default = true)]
#[derive(Default)]
pub(crate) struct Closed {}

#[actor]
impl Closed {
    #[action(open)]
    async fn knock(&self) {}

    #[on_request]
    async fn fetch(&self) -> String {
        "fetched".to_owned()
    }

    #[on_websocket]
    async fn opened(&self) {}
}

/// Admits everybody, and says nothing of queues and events.
#[actor(queue = Post, deny_by_default = true)]
#[derive(Default)]
pub(crate) struct Hall {}

#[actor]
impl Hall {
    #[on_before_connect]
    async fn admit() {}
}

async fn server() -> (Server, Registry) {
    let builder = Registry::builder()
        .actor::<Vault>()
        .actor::<Closed>()
        .actor::<Hall>();
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
    let path = format!("/action/{action}");
    ask(server, name, "vault", &path, r#"{"args":[]}"#).await
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

/// What a single HTTP request comes to: its body, or the error's code.
async fn ask(server: &Server, name: &str, actor: &str, path: &str, body: &str) -> String {
    let answer = server
        .request("POST", &at(actor, path))
        .header("x-rivet-encoding", "json")
        .header("x-rivet-conn-params", format!("\"{name}\""))
        .body(body.to_owned())
        .send()
        .await;
    if answer.status() == 200 {
        return String::from_utf8_lossy(answer.body()).into_owned();
    }
    format!("{} {}", answer.status().as_u16(), code(&answer))
}

#[tokio::test]
async fn a_message_gets_into_the_queue_that_its_sender_may_use() {
    let (server, registry) = server().await;
    let done = r#"{"status":"completed"}"#;
    for (name, queue, answer) in [
        ("guest", "letters", done),
        ("guest", "orders", "403 auth.forbidden"),
        ("keeper", "orders", done),
        ("stranger", "letters", "403 auth.forbidden"),
        ("explosive", "letters", "500 actor.panicked"),
        ("guest", "letters", done),
    ] {
        let body = format!(r#"{{"body":"{name}"}}"#);
        let path = format!("/queue/{queue}");
        let answered = ask(&server, name, "vault", &path, &body).await;
        assert_eq!(answered, answer, "{name} {queue}");
    }
    let vault = registry.get::<Vault>("k");
    // The program itself is not asked.
    vault.send(Post::Orders("own".into())).await.unwrap();
    assert_eq!(
        vault.received().await.unwrap(),
        ["guest", "keeper", "guest", "own"]
    );
}

#[tokio::test]
async fn all_that_nothing_speaks_of_is_denied() {
    let (server, registry) = server().await;
    let forbidden = "403 auth.forbidden";
    for (actor, path, answer) in [
        ("closed", "/action/knock", forbidden),
        ("closed", "/request/x", forbidden),
        ("closed", "/queue/letters", forbidden),
        ("hall", "/queue/letters", forbidden),
        ("vault", "/request/x", "fetched"),
    ] {
        let body = r#"{"args":[],"body":"x"}"#;
        let answered = ask(&server, "guest", actor, path, body).await;
        assert_eq!(answered, answer, "{actor} {path}");
    }
    for (actor, path) in [("closed", "/connect"), ("closed", "/websocket/x")] {
        let mut client = server
            .connect(&at(actor, path), "rivet,rivet_encoding.json")
            .await;
        if path == "/connect" {
            // Says so in the protocol first.
            let told = client.next().await;
            assert!(matches!(told, ToClient::Error { error, .. } if error.is("auth", "forbidden")));
        }
        let closed = client.closed().await;
        assert_eq!(closed, (1011, "auth.forbidden".into()), "{path}");
    }
    let mut client = server
        .connect(&at("hall", "/connect"), "rivet,rivet_encoding.json")
        .await;
    client.opened().await;
    client.subscribe("anything").await;
    assert_eq!(client.closed().await, (1011, "auth.forbidden".into()));
    registry.get_or_create::<Closed>("k").knock().await.unwrap();
}

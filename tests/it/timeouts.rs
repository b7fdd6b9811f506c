//! Every hook and handler that never returns is cut off after the time that its option allows, by
//! default and when that says another, and what is told names it (P5). One table.

use std::{cell::RefCell, future::pending, time::Duration};

use actor_core::{
    Failure, FailureKind, Message,
    connection::Frame,
    gateway::{ConnectRequest, QueueRequest},
    prelude::*,
    protocol::{Encoding, ToServer, client},
    request::{Body, Request, Response},
    schedule::ScheduleError,
    testing::TestRegistry,
};
use tokio::time::Instant;

thread_local! {
    /// What hangs in this test, which has its thread to itself; once.
    static HANGS: RefCell<&'static str> = const { RefCell::new("") };
    /// What `on_error` was told, and when.
    static TOLD: RefCell<Vec<(Instant, Failure)>> = const { RefCell::new(Vec::new()) };
}

/// Never returns if it is its turn to.
async fn may_hang(name: &str) {
    if HANGS.with_borrow(|it| *it == name) {
        HANGS.set("");
        pending().await
    }
}

#[derive(Queue)]
pub(crate) enum Post {
    Letters(String),
}

/// What is to be done so that the handler of this name runs; what its caller is told, if it has one.
type Provoked = Option<ActorError>;

/// Two actors that differ in nothing but their options.
macro_rules! stuck {
    ($module:ident: $($options:tt)*) => {
        mod $module {
            use super::*;

            #[actor(queue = Post, $($options)*)]
            pub(crate) struct Stuck {}

            #[actor]
            impl Stuck {
                #[on_migrate]
                async fn migrate() {
                    may_hang("on_migrate").await;
                }

                #[on_create]
                async fn create() -> Self {
                    may_hang("on_create").await;
                    Self {}
                }

                #[on_wake]
                async fn wake(&self) {
                    may_hang("on_wake").await;
                }

                #[run]
                async fn run(_ctx: &TaskCtx<Self>) {
                    may_hang("run").await;
                }

                #[on_before_connect]
                async fn admit(&self) {
                    may_hang("on_before_connect").await;
                }

                #[on_connect]
                async fn joined(&self) {
                    may_hang("on_connect").await;
                }

                #[on_disconnect]
                async fn left(&self) {
                    may_hang("on_disconnect").await;
                }

                #[on_websocket]
                async fn opened(&self) {
                    may_hang("on_websocket").await;
                }

                #[on_message]
                async fn message(&self, _message: Message) {
                    may_hang("on_message").await;
                }

                #[on_close]
                async fn closed(&self) {
                    may_hang("on_close").await;
                }

                #[can_subscribe]
                async fn may_hear(&self) -> bool {
                    may_hang("can_subscribe").await;
                    true
                }

                #[can_publish]
                async fn may_send(&self) -> bool {
                    may_hang("can_publish").await;
                    true
                }

                #[on_state_change]
                async fn changed(&self) {
                    may_hang("on_state_change").await;
                }

                #[on_error]
                async fn failed(&self, failure: Failure) {
                    TOLD.with_borrow_mut(|it| it.push((Instant::now(), failure)));
                    may_hang("on_error").await;
                }

                #[on_sleep]
                async fn sleep(&self) {
                    may_hang("on_sleep").await;
                }

                #[on_destroy]
                async fn destroyed(&self) {
                    may_hang("on_destroy").await;
                }

                #[on_request]
                async fn fetch(&self) -> Response {
                    may_hang("on_request").await;
                    Response::new(Body::empty())
                }

                #[action]
                async fn look(&self) {
                    may_hang("look").await;
                }

                #[action]
                async fn change(&mut self) {
                    may_hang("change").await;
                }

                #[action]
                async fn work(_ctx: &TaskCtx<Self>) {
                    may_hang("work").await;
                }

                #[action]
                async fn refuse(&self) -> Result<(), ActorError> {
                    Err(ActorError::user("no"))
                }

                #[action]
                async fn plan(&self, ctx: &Ctx<Self>) -> Result<(), ScheduleError> {
                    ctx.after(Duration::ZERO).remind()?;
                    Ok(())
                }

                #[scheduled]
                async fn remind(&self) {
                    may_hang("remind").await;
                }
            }

            pub(super) async fn start() -> TestRegistry {
                TestRegistry::start(|it| it.actor::<Stuck>()).await
            }

            #[expect(clippy::too_many_lines, reason = "one arm for each handler")]
            pub(super) async fn provoke(registry: &TestRegistry, handler: &str) -> Provoked {
                let actor = registry.get_or_create::<Stuck>("it");
                let nothing = Value::Undefined;
                match handler {
                    "on_migrate" | "on_create" | "on_wake" | "look" => {
                        Some(actor.look().await.unwrap_err().to_actor_error())
                    }
                    "change" => Some(actor.change().await.unwrap_err().to_actor_error()),
                    "work" => Some(actor.work().await.unwrap_err().to_actor_error()),
                    "on_before_connect" | "on_connect" => {
                        Some(actor.connect(nothing).await.unwrap_err())
                    }
                    "on_disconnect" => {
                        drop(actor.connect(nothing).await.unwrap());
                        None
                    }
                    "on_websocket" => {
                        // Whether it hears of that by an error or by a close is not the question here.
                        if let Ok(mut socket) = actor.open_websocket("", nothing).await {
                            while socket.next().await.is_some() {}
                        }
                        None
                    }
                    "on_message" | "on_close" => {
                        let socket = actor.open_websocket("", nothing).await.unwrap();
                        socket.send(Message::Text("hello".into())).await.unwrap();
                        registry.advance(Duration::ZERO).await;
                        if handler == "on_message" {
                            registry.advance(LONGEST).await;
                        }
                        None
                    }
                    "can_subscribe" => {
                        let request = ConnectRequest {
                            encoding: Encoding::Json,
                            params: nothing,
                            request: None,
                        };
                        let reached = actor.actor().await.unwrap();
                        let socket = registry.gateway().connect(&reached, request).await.unwrap();
                        let subscribe = ToServer::Subscribe {
                            event: "paper".into(),
                            subscribe: true,
                        };
                        let bytes = client::encode(Encoding::Json, &subscribe);
                        socket.receive(Frame { bytes, text: true }).await.unwrap();
                        registry.advance(LONGEST).await;
                        None
                    }
                    "can_publish" => {
                        let request = QueueRequest {
                            name: "letters".into(),
                            encoding: Encoding::Json,
                            body: r#"{"body":"dear"}"#.into(),
                            params: nothing,
                            request: None,
                        };
                        let reached = actor.actor().await.unwrap();
                        let answer = registry.gateway().queue_send(&mut reached.clone(), request).await;
                        assert_eq!(answer.status, 500);
                        None
                    }
                    "on_state_change" => {
                        actor.change().await.unwrap();
                        None
                    }
                    "on_request" => {
                        let request = Request::get("/").body(Body::empty()).unwrap();
                        Some(actor.fetch(nothing, request).await.unwrap_err())
                    }
                    "remind" => {
                        actor.plan().await.unwrap();
                        None
                    }
                    "on_sleep" | "run" => {
                        registry.hibernate(&actor).await;
                        None
                    }
                    "on_destroy" => {
                        actor.destroy().await.unwrap();
                        None
                    }
                    "on_error" => {
                        actor.refuse().await.unwrap_err();
                        // Waits for it.
                        actor.change().await.unwrap();
                        None
                    }
                    other => panic!("{other}"),
                }
            }
        }
    };
}

stuck!(defaults: sleep_after = "1h");

// Each another time, so that none is taken for another.
stuck!(told: sleep_after = "1h", on_migrate_timeout = "1s", on_create_timeout = "2s",
    on_wake_timeout = "3s", on_before_connect_timeout = "4s", on_connect_timeout = "6s",
    on_disconnect_timeout = "7s", on_state_change_timeout = "8s", on_error_timeout = "9s",
    sleep_grace = "10s", action_timeout = "11s");

const LONGEST: Duration = Duration::from_secs(100);

/// Each handler, its time in seconds by default and as told, and whether whoever is told of failures is
/// told of this one: of those of a start the next life is.
const TABLE: [(&str, u64, u64, bool); 21] = [
    ("on_migrate", 30, 1, false),
    ("on_create", 5, 2, false),
    ("on_wake", 5, 3, false),
    ("on_before_connect", 5, 4, true),
    ("on_connect", 5, 6, true),
    ("on_disconnect", 5, 7, true),
    ("on_websocket", 5, 6, true),
    ("on_message", 60, 11, true),
    ("on_close", 5, 7, true),
    ("can_subscribe", 5, 4, true),
    ("can_publish", 5, 4, true),
    ("on_state_change", 5, 8, true),
    ("on_error", 5, 9, false),
    ("on_request", 60, 11, true),
    ("look", 60, 11, true),
    ("change", 60, 11, true),
    ("work", 60, 11, true),
    ("remind", 60, 11, true),
    ("on_sleep", 15, 10, false),
    ("on_destroy", 15, 10, false),
    ("run", 15, 10, false),
];

#[tokio::test(start_paused = true)]
async fn p5_whatever_never_returns_is_cut_off_in_its_time_and_named() {
    let mut wrong = Vec::new();
    for (handler, default, told, is_told) in TABLE {
        for (seconds, by_default) in [(default, true), (told, false)] {
            let registry = match by_default {
                true => defaults::start().await,
                false => self::told::start().await,
            };
            TOLD.take();
            HANGS.set(handler);
            if ["run", "on_sleep", "on_destroy"].contains(&handler) {
                // There has to be one first; its `run` hangs from the start.
                match by_default {
                    true => registry.get_or_create::<defaults::Stuck>("it").look().await,
                    false => {
                        registry
                            .get_or_create::<self::told::Stuck>("it")
                            .look()
                            .await
                    }
                }
                .unwrap();
            }
            let start = Instant::now();
            let answer = match by_default {
                true => defaults::provoke(&registry, handler).await,
                false => self::told::provoke(&registry, handler).await,
            };
            let answered = start.elapsed();
            let time = Duration::from_secs(seconds);
            registry.advance(LONGEST).await;
            let mut check = |is_so: bool, what: &str| {
                if !is_so {
                    wrong.push(format!("{handler} after {time:?}: {what}"));
                }
            };
            check(HANGS.take().is_empty(), "it did not run");
            let told = TOLD.take();
            let named = format!("`{handler}` took longer than {} ms", time.as_millis());
            let found = told.iter().find(|(_, it)| it.handler == handler);
            check(found.is_some() == is_told, &format!("told {told:?}"));
            if let Some((at, failure)) = found {
                let says = failure.error.message().contains(&named);
                let is_timeout = failure.kind == FailureKind::Timeout;
                check(says && is_timeout, &format!("{failure:?}"));
                let after = *at - start;
                check(is_about(after, time), &format!("told after {after:?}"));
            }
            if let Some(error) = &answer {
                check(error.message().contains(&named), &format!("{error}"));
            }
            if answer.is_some() || !is_told {
                let after = format!("answered after {answered:?}");
                check(is_about(answered, time), &after);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// To the few milliseconds that a turn of the clock or of the actor may take.
fn is_about(elapsed: Duration, time: Duration) -> bool {
    time <= elapsed && elapsed < time + Duration::from_millis(10)
}

//! Connections: hook order, visibility, events, disconnects.

use std::{sync::Arc, time::Duration};

use actor_core::{CallError, prelude::*, storage::Driver as _, testing::TestRegistry};
use serde::{Deserialize, Serialize};

use tokio::time::sleep;

use crate::registry;

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Join {
    name: String,
    refuse_before: bool,
    refuse_after: bool,
    panic_before: bool,
}

fn named(name: &str) -> Join {
    Join {
        name: name.into(),
        ..Join::default()
    }
}

#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Member {
    name: String,
    said: u32,
}

#[derive(Debug, Event, PartialEq)]
pub(crate) enum HallEvent {
    Said(String),
    Whisper { text: String },
}

#[actor(params = Join, conn = Member, event = HallEvent)]
#[derive(Default)]
pub(crate) struct Hall {
    log: Vec<String>,
}

#[actor]
impl Hall {
    #[on_before_connect]
    async fn admit(&mut self, ctx: &Ctx<Self>, join: Join) -> Result<Member, ActorError> {
        assert!(!join.panic_before, "on purpose");
        self.log
            .push(format!("before {} of {}", join.name, ctx.conns().len()));
        if join.refuse_before {
            return Err(ActorError::user("not you").with_code("refused"));
        }
        Ok(Member {
            name: join.name,
            said: 0,
        })
    }

    #[on_connect]
    async fn joined(&mut self, ctx: &Ctx<Self>, conn: &Conn<Self>) -> Result<(), ActorError> {
        let listed = ctx.conn_by_id(conn.id()).is_some();
        self.log
            .push(format!("joined {} {listed}", conn.params().name));
        if conn.params().refuse_after {
            return Err(ActorError::user("not you either"));
        }
        conn.send(HallEvent::Whisper {
            text: "welcome".into(),
        });
        Ok(())
    }

    #[on_disconnect]
    async fn left(&mut self, ctx: &Ctx<Self>, conn: &Conn<Self>) {
        let said = conn.read(|it| it.said);
        self.log.push(format!(
            "left {} said {said} leaving {}",
            conn.params().name,
            ctx.conns().len()
        ));
    }

    #[action]
    async fn say(&mut self, ctx: &Ctx<Self>, text: String) -> Result<u32, ActorError> {
        let conn = ctx.require_conn()?;
        ctx.broadcast(HallEvent::Said(text));
        Ok(conn.write(|it| {
            it.said += 1;
            it.said
        }))
    }

    #[action]
    async fn say_and_panic(&mut self, ctx: &Ctx<Self>) {
        ctx.broadcast(HallEvent::Said("never".into()));
        if let Some(conn) = ctx.conn() {
            conn.write(|it| it.said = 99);
        }
        panic!("on purpose");
    }

    #[action]
    async fn kick_all(&mut self, ctx: &Ctx<Self>) {
        for conn in ctx.conns() {
            conn.disconnect("kicked");
        }
    }

    #[action]
    async fn names(&self, ctx: &Ctx<Self>) -> Vec<String> {
        ctx.conns()
            .iter()
            .map(|it| it.read(|member| member.name.clone()))
            .collect()
    }

    #[action]
    async fn log(&self) -> Vec<String> {
        self.log.clone()
    }
}

async fn hall() -> HallHandle {
    registry(|it| it.actor::<Hall>())
        .await
        .get_or_create::<Hall>("one")
}

#[tokio::test(start_paused = true)]
async fn c2_c3_hooks_run_in_order_and_see_the_right_list() {
    let hall = hall().await;
    let mut ann = hall.connect(named("ann")).await.unwrap();
    let bob = hall.connect(named("bob")).await.unwrap();
    assert_eq!(hall.names().await.unwrap(), ["ann", "bob"]);
    assert_eq!(bob.say("hi".into()).await.unwrap(), 1);
    assert_eq!(bob.say("ho".into()).await.unwrap(), 2);
    assert_eq!(
        *ann.next().await.unwrap(),
        HallEvent::Whisper {
            text: "welcome".into()
        }
    );
    assert_eq!(*ann.next().await.unwrap(), HallEvent::Said("hi".into()));
    drop(bob);
    assert_eq!(hall.names().await.unwrap(), ["ann"]);
    assert_eq!(
        hall.log().await.unwrap(),
        [
            "before ann of 0",
            "joined ann true",
            "before bob of 1",
            "joined bob true",
            "left bob said 2 leaving 1"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_never_shows_and_never_leaves() {
    let hall = hall().await;
    let refused = Join {
        refuse_before: true,
        ..named("ann")
    };
    let error = hall.connect(refused).await.unwrap_err();
    assert_eq!((error.group(), error.code()), ("user", "refused"));
    let refused = Join {
        refuse_after: true,
        ..named("bob")
    };
    let error = hall.connect(refused).await.unwrap_err();
    assert_eq!(error.code(), "user_error");
    assert_eq!(hall.names().await.unwrap(), [""; 0]);
    assert_eq!(
        hall.log().await.unwrap(),
        ["before ann of 0", "before bob of 0", "joined bob true"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_connect_hook_refuses_that_connection_only() {
    let hall = hall().await;
    let ann = hall.connect(named("ann")).await.unwrap();
    let error = hall
        .connect(Join {
            panic_before: true,
            ..named("bob")
        })
        .await
        .unwrap_err();
    assert_eq!((error.group(), error.code()), ("actor", "panicked"));
    assert_eq!(ann.say("still here".into()).await.unwrap(), 1);
    assert_eq!(hall.names().await.unwrap(), ["ann"]);
}

#[tokio::test(start_paused = true)]
async fn p7_a_panic_takes_its_events_and_connection_changes_with_it() {
    let hall = hall().await;
    let mut ann = hall.connect(named("ann")).await.unwrap();
    ann.say("one".into()).await.unwrap();
    ann.say_and_panic().await.unwrap_err();
    assert_eq!(ann.say("two".into()).await.unwrap(), 2);
    let mut heard = Vec::new();
    while let Some(event) = ann.try_next() {
        heard.push(event);
    }
    let heard: Vec<_> = heard.iter().map(|it| format!("{it:?}")).collect();
    assert_eq!(
        heard,
        [
            "Whisper { text: \"welcome\" }",
            "Said(\"one\")",
            "Said(\"two\")"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn c7_disconnect_closes_removes_and_tells_once() {
    let hall = hall().await;
    let mut ann = hall.connect(named("ann")).await.unwrap();
    ann.next().await.unwrap();
    hall.kick_all().await.unwrap();
    assert!(ann.next().await.is_none());
    drop(ann);
    let log = hall.log().await.unwrap();
    assert_eq!(log.iter().filter(|it| it.starts_with("left")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_over_a_handle_has_no_connection() {
    let error = hall().await.say("hi".into()).await.unwrap_err();
    assert!(matches!(error, CallError::Action(ref it) if it.is("actor", "no_connection")));
}

#[tokio::test(start_paused = true)]
async fn p6_a_listener_that_does_not_read_loses_its_connection_only() {
    let hall = hall().await;
    let mut deaf = hall.connect(named("deaf")).await.unwrap();
    let ann = Arc::new(hall.connect(named("ann")).await.unwrap());
    for _ in 0..1100 {
        ann.say("la".into()).await.unwrap();
    }
    let mut heard = 0;
    while deaf.next().await.is_some() {
        heard += 1;
    }
    assert_eq!(heard, 1024);
}

#[tokio::test(start_paused = true)]
async fn an_open_that_is_given_up_leaves_nothing_behind() {
    let hall = hall().await;
    hall.names().await.unwrap();
    drop(Box::pin(hall.connect(named("ann"))));
    let opening = hall.connect(named("bob"));
    tokio::select! {
        biased;
        () = std::future::ready(()) => {}
        _ = opening => {}
    }
    let mut opening = Box::pin(hall.connect(named("carl")));
    assert!(futures_util::poll!(&mut opening).is_pending());
    drop(opening);
    assert_eq!(hall.names().await.unwrap(), [""; 0]);
}

#[actor(params = String, sleep_after = "5s")]
#[derive(Default)]
pub(crate) struct Trap {
    joined: u32,
    leaving: u32,
}

#[actor]
impl Trap {
    #[on_connect]
    async fn joined(&mut self) {
        self.joined += 1;
    }

    #[on_disconnect]
    async fn left(&mut self, conn: &Conn<Self>) {
        self.leaving += 1;
        assert!(conn.params() != "bad", "on purpose");
    }

    #[action]
    async fn counts(&self) -> (u32, u32) {
        (self.joined, self.leaving)
    }
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_hook_that_panics_is_not_run_again() {
    let registry = TestRegistry::start(|it| it.actor::<Trap>()).await;
    let trap = registry.get_or_create::<Trap>("one");
    let bad = trap.connect("bad".into()).await.unwrap();
    let good = trap.connect("good".into()).await.unwrap();
    assert_eq!(trap.counts().await.unwrap(), (2, 0));
    drop((bad, good));
    // The state is that before the panic; the good one's hook has run since, once.
    assert_eq!(trap.counts().await.unwrap(), (2, 1));
    sleep(Duration::from_secs(10)).await;
    assert_eq!(trap.counts().await.unwrap(), (2, 1));
    let id = trap.resolve().await.unwrap();
    let entries = registry
        .storage()
        .load(id, &[])
        .await
        .unwrap()
        .unwrap()
        .entries;
    assert_eq!(entries.len(), 1, "no row is left");
}

#[actor]
#[derive(Default)]
pub(crate) struct Quiet {}

#[actor]
impl Quiet {
    #[action]
    async fn ping(&self) {}
}

#[tokio::test(start_paused = true)]
async fn connections_that_open_together_wait_for_nothing() {
    let quiet = registry(|it| it.actor::<Quiet>())
        .await
        .get_or_create::<Quiet>("one");
    quiet.ping().await.unwrap();
    let start = tokio::time::Instant::now();
    let open = || quiet.connect(Value::Undefined);
    let (first, second) = tokio::join!(open(), open());
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(start.elapsed(), std::time::Duration::ZERO);
}

#[derive(Debug, Event, PartialEq)]
pub(crate) enum Greeting {
    ToYou,
    ToAll,
}

#[actor(event = Greeting)]
#[derive(Default)]
pub(crate) struct Porch {}

#[actor]
impl Porch {
    #[on_connect]
    async fn greet(&self, ctx: &Ctx<Self>, conn: &Conn<Self>) {
        conn.send(Greeting::ToYou);
        ctx.broadcast(Greeting::ToAll);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_shared_hook_sends_keeps_its_order() {
    let porch = registry(|it| it.actor::<Porch>())
        .await
        .get_or_create::<Porch>("one");
    let mut conn = porch.connect(Value::Undefined).await.unwrap();
    assert_eq!(conn.next().await.as_deref(), Some(&Greeting::ToYou));
    assert_eq!(conn.next().await.as_deref(), Some(&Greeting::ToAll));
}

/// Takes its time to admit somebody, and has room for one.
#[actor(max_connections = 1)]
#[derive(Default)]
pub(crate) struct Closet {}

#[actor]
impl Closet {
    #[on_before_connect]
    async fn admit(_ctx: &TaskCtx<Self>) {
        sleep(Duration::from_millis(10)).await;
    }

    #[action]
    async fn inside(&self, ctx: &Ctx<Self>) -> usize {
        ctx.conns().len()
    }
}

#[tokio::test(start_paused = true)]
async fn p6_those_who_are_admitted_together_are_no_more_than_may_be() {
    let closet = registry(|it| it.actor::<Closet>())
        .await
        .get_or_create::<Closet>("one");
    let open = || closet.connect(Value::Undefined);
    let opened = tokio::join!(open(), open(), open());
    let refused = [&opened.0, &opened.1, &opened.2]
        .into_iter()
        .filter_map(|it| it.as_ref().err());
    let refused: Vec<_> = refused.collect();
    assert_eq!(refused.len(), 2);
    for error in refused {
        assert!(error.is("actor", "too_many_connections"), "{error}");
    }
    assert_eq!(closet.inside().await.unwrap(), 1);
}

//! Actors that call, tell and hear each other.

use std::time::Duration;

use actor_core::{
    ActorHandle, CallError,
    prelude::*,
    request::{Body, Request},
    testing::TestRegistry,
};
use futures_util::poll;
use tokio::{
    runtime::Handle,
    task::block_in_place,
    time::{Instant, sleep},
};

use crate::registry;

#[derive(Debug, Event)]
pub(crate) enum Said {
    Said(String),
}

/// Calls whoever it is told to.
#[actor(event = Said, sleep_after = "1s")]
#[derive(Default)]
pub(crate) struct Node {
    heard: Vec<String>,
}

fn told(error: &CallError<ActorError>) -> ActorError {
    error.to_actor_error()
}

#[actor]
impl Node {
    /// Calls the first of `path` by its way, and has it call the next.
    #[action]
    async fn alone(&mut self, ctx: &Ctx<Self>, path: Vec<String>) -> Result<u32, ActorError> {
        self.heard.push("alone".into());
        follow(&ctx.actors(), path).await
    }

    #[action]
    async fn beside(&self, ctx: &Ctx<Self>, path: Vec<String>) -> Result<u32, ActorError> {
        follow(&ctx.actors(), path).await
    }

    #[action]
    async fn free(ctx: &TaskCtx<Self>, path: Vec<String>) -> Result<u32, ActorError> {
        follow(&ctx.actors(), path).await
    }

    #[action(timeout = "100ms")]
    async fn hasty(&mut self, ctx: &Ctx<Self>, to: String) -> Result<(), ActorError> {
        let to = ctx.actors().get_or_create::<Self>(to);
        Ok(to.slow(1_000).await?)
    }

    /// As `hasty`, with somebody in between whose own time is longer.
    #[action(timeout = "100ms")]
    async fn hasty_through(
        &self,
        ctx: &Ctx<Self>,
        via: String,
        to: String,
    ) -> Result<(), ActorError> {
        let via = ctx.actors().get_or_create::<Self>(via);
        Ok(via.pass_on(to).await?)
    }

    #[action]
    async fn pass_on(&self, ctx: &Ctx<Self>, to: String) -> Result<(), ActorError> {
        let to = ctx.actors().get_or_create::<Self>(to);
        Ok(to.slow(1_000).await?)
    }

    #[action]
    async fn slow(&mut self, millis: u64) {
        self.heard.push("begun".into());
        sleep(Duration::from_millis(millis)).await;
        self.heard.push("done".into());
    }

    #[action]
    async fn hear(&mut self, ctx: &Ctx<Self>, what: String) {
        ctx.broadcast(Said::Said(what.clone()));
        self.heard.push(what);
    }

    /// Holds up its thread, as an author should not.
    #[action]
    async fn block_on(&self, ctx: &Ctx<Self>, to: String) -> usize {
        let node = ctx.actors().get_or_create::<Self>(to);
        let heard = || Handle::current().block_on(node.heard());
        block_in_place(heard).map_or(usize::MAX, |it| it.len())
    }

    #[action]
    async fn heard(&self) -> Vec<String> {
        self.heard.clone()
    }

    /// Tells, then does as it was told itself.
    #[action]
    async fn gossip(
        &mut self,
        ctx: &Ctx<Self>,
        to: String,
        then: String,
    ) -> Result<(), ActorError> {
        let to = ctx.actors().get_or_create::<Self>(to);
        let what = then.clone();
        ctx.tell(async move { to.hear(what).await })?;
        self.heard.push("told".into());
        match &*then {
            "panic" => panic!("as it was told"),
            "destroy" => ctx.destroy(),
            "sleep" => ctx.sleep(),
            _ => {}
        }
        Ok(())
    }

    /// Leaves a call of itself to the background.
    #[action]
    async fn later(&mut self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
        let own = ctx.actors().get_for_id::<Self>(ctx.id());
        ctx.wait_until(|_| async move { own.hear("later".into()).await })
    }
}

/// `path` is a list of `way:key`.
async fn follow(
    actors: &actor_core::gateway::Actors,
    mut path: Vec<String>,
) -> Result<u32, ActorError> {
    if path.is_empty() {
        return Ok(0);
    }
    let first = path.remove(0);
    let (way, key) = first.split_once(':').unwrap();
    let next = actors.get_or_create::<Node>(key);
    let called = match way {
        "alone" => next.alone(path).await,
        "beside" => next.beside(path).await,
        _ => next.free(path).await,
    };
    Ok(called? + 1)
}

async fn nodes() -> (Registry, impl Fn(&str) -> NodeHandle) {
    let registry = registry(|it| it.actor::<Node>()).await;
    let nodes = registry.clone();
    (registry, move |key: &str| nodes.get_or_create::<Node>(key))
}

fn path(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn a_circle_fails_at_once_with_its_chain() {
    let (_registry, node) = nodes().await;
    for (way, chain) in [
        ("alone:a", vec!["node/a", "node/a"]),
        ("beside:a", vec!["node/a", "node/a"]),
        ("alone:b alone:a", vec!["node/a", "node/b", "node/a"]),
        ("free:b beside:a", vec!["node/a", "node/b", "node/a"]),
        (
            "alone:b free:c beside:d alone:b",
            vec!["node/a", "node/b", "node/c", "node/d", "node/b"],
        ),
    ] {
        let began = Instant::now();
        let error = told(&node("a").alone(path(way)).await.unwrap_err());
        assert!(error.is("actor", "call_cycle"), "{way}: {error}");
        assert_eq!(began.elapsed(), Duration::ZERO, "{way}");
        let chain = Value::Array(chain.into_iter().map(Value::from).collect());
        let metadata = error.metadata().unwrap();
        assert_eq!(metadata.member("chain"), Some(&chain), "{way}");
        assert_eq!(error.status(), 508);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_nobody_who_waits_for_them_go_through() {
    let (_registry, node) = nodes().await;
    for way in [
        "",
        "alone:b",
        "beside:b alone:c free:d",
        // Handlers without a receiver hold nothing.
        "free:a",
        "alone:b free:a free:b",
    ] {
        let hops = path(way).len();
        let done = node("a").alone(path(way)).await;
        assert_eq!(done.unwrap() as usize, hops, "{way}");
    }
    // Nor do their own calls close a circle.
    assert_eq!(node("a").free(path("alone:b alone:a")).await.unwrap(), 2);
    // One after the other is no circle.
    assert_eq!(node("a").alone(path("alone:b")).await.unwrap(), 1);
    assert_eq!(node("b").alone(path("alone:a")).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_leaves_behind_is_in_no_circle() {
    let (_registry, node) = nodes().await;
    node("a").later().await.unwrap();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(node("a").heard().await.unwrap(), ["later"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_works_for_longer_than_its_caller_waits() {
    let (_registry, node) = nodes().await;
    let began = Instant::now();
    let error = node("a").hasty("b".into()).await.unwrap_err();
    assert!(told(&error).is("actor", "action_timed_out"), "{error}");
    assert_eq!(began.elapsed(), Duration::from_millis(100));
    // The callee is cut short too, and what it changed is undone.
    assert!(node("b").heard().await.unwrap().is_empty());
    assert!(began.elapsed() < Duration::from_millis(110));
}

#[tokio::test(start_paused = true)]
async fn over_several_hops_the_shortest_time_counts() {
    let (_registry, node) = nodes().await;
    let began = Instant::now();
    let error = node("a").hasty_through("b".into(), "c".into()).await;
    let error = error.unwrap_err();
    assert!(told(&error).is("actor", "action_timed_out"), "{error}");
    assert!(node("c").heard().await.unwrap().is_empty());
    assert!(began.elapsed() < Duration::from_millis(110));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_could_not_begin_in_time_is_not_run() {
    let (_registry, node) = nodes().await;
    let (busy, caller) = (node("b"), node("a"));
    let mut working = Box::pin(busy.slow(500));
    assert!(poll!(&mut working).is_pending());
    sleep(Duration::from_millis(1)).await;
    let error = caller.hasty("b".into()).await.unwrap_err();
    assert!(told(&error).is("actor", "action_timed_out"), "{error}");
    working.await.unwrap();
    assert_eq!(node("b").heard().await.unwrap(), ["begun", "done"]);
}

/// Its guard hears nothing of the call while the thread is held up, so the call goes without a frame.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_a_handler_blocks_on_goes_through() {
    let (_registry, node) = nodes().await;
    assert_eq!(node("a").block_on("b".into()).await.unwrap(), 0);
}

/// P2: what an actor tells others rests on what it has saved.
#[tokio::test(start_paused = true)]
async fn p2_it_is_told_once_the_teller_is_durable() {
    let registry = TestRegistry::start(|it| it.actor::<Node>()).await;
    let faults = registry.storage();
    let (a, b) = (
        registry.get_or_create::<Node>("a"),
        registry.get_or_create::<Node>("b"),
    );
    a.heard().await.unwrap();
    b.heard().await.unwrap();
    faults.hold();
    let mut telling = Box::pin(a.gossip("b".into(), "news".into()));
    assert!(poll!(&mut telling).is_pending());
    sleep(Duration::from_millis(5)).await;
    assert!(poll!(&mut telling).is_pending());
    assert!(b.heard().await.unwrap().is_empty());
    faults.release();
    telling.await.unwrap();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(b.heard().await.unwrap(), ["news"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_turn_told_is_not_said() {
    let (_registry, node) = nodes().await;
    node("a")
        .gossip("b".into(), "panic".into())
        .await
        .unwrap_err();
    sleep(Duration::from_secs(1)).await;
    assert!(node("b").heard().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn it_is_told_by_one_who_goes_too() {
    let (_registry, node) = nodes().await;
    for then in ["sleep", "destroy"] {
        let began = Instant::now();
        node("a").gossip("b".into(), then.into()).await.unwrap();
        sleep(Duration::from_millis(1)).await;
        assert_eq!(node("b").heard().await.unwrap().last().unwrap(), then);
        // And whoever goes is gone without delay.
        node("a").heard().await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(1), "{then}");
    }
}

/// Hears another, unless it sleeps.
#[actor(sleep_after = "1s")]
#[derive(Default)]
pub(crate) struct Listener {
    heard: Vec<String>,
    lives: u32,
}

#[actor]
impl Listener {
    #[run]
    async fn run(ctx: &TaskCtx<Self>) -> Result<(), ActorError> {
        ctx.write(|it| it.lives += 1).await;
        let node = ctx.actors().get_or_create::<Node>("a");
        let mut events = node.connect(Value::Undefined).await?;
        while let Some(Some(event)) = ctx.park(events.next()).await {
            let Said::Said(what) = &*event;
            let what = what.clone();
            ctx.write(move |it| it.heard.push(what)).await;
        }
        Ok(())
    }

    #[action]
    async fn heard(&self) -> (Vec<String>, u32) {
        (self.heard.clone(), self.lives)
    }
}

#[tokio::test(start_paused = true)]
async fn an_actor_hears_another_while_it_is_awake() {
    let registry = registry(|it| it.actor::<Node>().actor::<Listener>()).await;
    let node = registry.get_or_create::<Node>("a");
    let listener = registry.get_or_create::<Listener>("l");
    listener.heard().await.unwrap();
    sleep(Duration::from_millis(10)).await;
    node.hear("first".into()).await.unwrap();
    sleep(Duration::from_millis(10)).await;
    assert_eq!(listener.heard().await.unwrap(), (vec!["first".into()], 1));
    // Waiting for events does not keep it awake.
    sleep(Duration::from_secs(10)).await;
    assert!(!listener.actor().await.unwrap().is_awake());
    node.hear("missed".into()).await.unwrap();
    listener.heard().await.unwrap();
    sleep(Duration::from_millis(10)).await;
    node.hear("second".into()).await.unwrap();
    sleep(Duration::from_millis(10)).await;
    let both = vec!["first".into(), "second".into()];
    assert_eq!(listener.heard().await.unwrap(), (both, 2));
}

/// Calls another as it is made and as it wakes.
#[actor]
pub(crate) struct Born {
    of: u32,
}

#[actor]
impl Born {
    #[on_create]
    async fn create(ctx: &Ctx<Self>) -> Result<Self, ActorError> {
        let node = ctx.actors().get_or_create::<Node>("a");
        Ok(Self {
            of: node.beside(vec![]).await?,
        })
    }

    #[on_wake]
    async fn wake(&mut self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
        let own = ctx.actors().get_for_id::<Self>(ctx.id());
        let error = own.of().await.unwrap_err().to_actor_error();
        if error.is("actor", "call_cycle") {
            self.of += 1;
        }
        Ok(())
    }

    #[action]
    async fn of(&self) -> u32 {
        self.of
    }
}

#[tokio::test(start_paused = true)]
async fn start_hooks_call_others_but_not_themselves() {
    let registry = registry(|it| it.actor::<Node>().actor::<Born>()).await;
    let born = registry.get_or_create::<Born>("b");
    let began = Instant::now();
    assert_eq!(born.of().await.unwrap(), 1);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// Calls another as it wakes.
#[actor(sleep_after = "1s")]
#[derive(Default)]
pub(crate) struct Riser {
    whom: Option<String>,
}

#[actor]
impl Riser {
    #[on_wake]
    async fn wake(&mut self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
        match &self.whom {
            Some(whom) => Ok(ctx.actors().get_or_create::<Self>(whom).hello().await?),
            None => Ok(()),
        }
    }

    #[action]
    async fn set(&mut self, whom: String) {
        self.whom = Some(whom);
    }

    #[action]
    async fn hello(&self) {}

    #[action]
    async fn call_to(&mut self, ctx: &Ctx<Self>, whom: String) -> Result<(), ActorError> {
        Ok(ctx.actors().get_or_create::<Self>(whom).hello().await?)
    }

    #[action]
    async fn connect_to(&mut self, ctx: &Ctx<Self>, whom: String) -> Result<(), ActorError> {
        let whom = ctx.actors().get_or_create::<Self>(whom);
        whom.connect(Value::Undefined).await.map(drop)
    }
}

#[tokio::test(start_paused = true)]
async fn a_circle_that_closes_in_a_start_fails_at_once_with_its_chain() {
    let registry = registry(|it| it.actor::<Riser>()).await;
    let (a, b) = (
        registry.get_or_create::<Riser>("a"),
        registry.get_or_create::<Riser>("b"),
    );
    b.set("a".into()).await.unwrap();
    for connects in [false, true] {
        sleep(Duration::from_secs(5)).await;
        assert!(!b.actor().await.unwrap().is_awake());
        let began = Instant::now();
        let called = if connects {
            a.connect_to("b".into()).await
        } else {
            a.call_to("b".into()).await
        };
        let error = told(&called.unwrap_err());
        assert!(error.is("actor", "call_cycle"), "{error}");
        let text = error.to_string();
        assert!(text.ends_with("riser/a -> riser/b -> riser/a"), "{text}");
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
    // Who is not waited for wakes it well.
    sleep(Duration::from_secs(60)).await;
    b.hello().await.unwrap();
}

#[derive(Queue)]
pub(crate) enum Post {
    Letter(u32),
}

/// Goes to another by every way there is. Who connects to it, or sends it a request, says whom it is to
/// call meanwhile, or that it is to be slow.
#[actor(queue = Post, params = Option<String>, sleep_after = "1h")]
#[derive(Default)]
pub(crate) struct Mesh {
    log: Vec<String>,
}

#[actor]
impl Mesh {
    #[on_connect]
    async fn joined(&mut self, ctx: &Ctx<Self>, conn: &Conn<Self>) -> Result<(), ActorError> {
        self.log.push("connect".into());
        match conn.params().clone() {
            Some(key) => self.follow(ctx, &key).await,
            None => Ok(()),
        }
    }

    #[on_request]
    async fn fetch(&mut self, ctx: &Ctx<Self>, request: Request) -> Result<(), ActorError> {
        self.log.push("request".into());
        self.follow(ctx, request.uri().path().trim_start_matches('/'))
            .await
    }

    #[action(timeout = "100ms")]
    async fn hasty(&mut self, ctx: &Ctx<Self>, how: String) -> Result<(), ActorError> {
        go(ctx, &how).await
    }

    #[action]
    async fn alone(&mut self, ctx: &Ctx<Self>, how: String) -> Result<(), ActorError> {
        go(ctx, &how).await
    }

    #[action]
    async fn beside(&self, ctx: &Ctx<Self>, how: String) -> Result<(), ActorError> {
        go(ctx, &how).await
    }

    #[action]
    async fn free(ctx: &TaskCtx<Self>, how: String) -> Result<(), ActorError> {
        go(ctx, &how).await
    }

    #[action]
    async fn slow(&mut self, millis: u64) {
        sleep(Duration::from_millis(millis)).await;
    }

    #[action]
    async fn log(&self) -> Vec<String> {
        self.log.clone()
    }
}

impl Mesh {
    async fn follow(&mut self, ctx: &Ctx<Self>, what: &str) -> Result<(), ActorError> {
        match what {
            "" => {}
            "slow" => {
                sleep(Duration::from_secs(1)).await;
                self.log.push("done".into());
            }
            key => drop(ctx.actors().get_or_create::<Self>(key).log().await?),
        }
        Ok(())
    }
}

/// `how` is `way:key`; `over b, way:key` has another go that way.
async fn go(ctx: &Ctx<Mesh>, how: &str) -> Result<(), ActorError> {
    let other = |key: &str| ctx.actors().get_or_create::<Mesh>(key);
    if let Some((_, how)) = how.split_once("over b, ") {
        return Ok(other("b").beside(how.to_owned()).await?);
    }
    let (way, key) = how.split_once(':').unwrap();
    let params = Some(key.to_owned()).filter(|it| !it.is_empty());
    match way {
        "send" => drop(ActorHandle::send(&other(key), Post::Letter(1)).await?),
        "destroy" => ActorHandle::destroy(&other(key)).await?,
        "connect to b" => drop(other("b").connect(params).await?),
        "fetch of b" => {
            let request = Request::get(format!("/{key}")).body(Body::empty());
            drop(other("b").fetch(None, request.unwrap()).await?);
        }
        other => panic!("{other}"),
    }
    Ok(())
}

async fn meshes() -> (Registry, MeshHandle, MeshHandle) {
    let registry = registry(|it| it.actor::<Mesh>()).await;
    let mesh = |key: &str| registry.get_or_create::<Mesh>(key);
    let (a, b) = (mesh("a"), mesh("b"));
    (registry, a, b)
}

/// P5: not only calls can wait for themselves, nor do calls alone carry the chain along.
#[tokio::test(start_paused = true)]
async fn whatever_would_wait_for_itself_fails_at_once_with_its_chain() {
    let (near, far) = (
        ["mesh/a"; 2].as_slice(),
        ["mesh/a", "mesh/b", "mesh/a"].as_slice(),
    );
    for (how, chain) in [
        ("send:a", near),
        ("over b, send:a", far),
        ("destroy:a", near),
        ("over b, destroy:a", far),
        ("connect to b:a", far),
        ("fetch of b:a", far),
    ] {
        for receiver in ["alone", "beside"] {
            let (_registry, a, _) = meshes().await;
            let began = Instant::now();
            let refused = match receiver {
                "alone" => a.alone(how.into()).await,
                _ => a.beside(how.into()).await,
            };
            let error = told(&refused.unwrap_err());
            assert!(error.is("actor", "call_cycle"), "{receiver} {how}: {error}");
            assert_eq!(began.elapsed(), Duration::ZERO, "{receiver} {how}");
            let chain = Value::Array(chain.iter().copied().map(Value::from).collect());
            let metadata = error.metadata().unwrap();
            assert_eq!(metadata.member("chain"), Some(&chain), "{receiver} {how}");
            // It is there still, and nothing was sent.
            assert_eq!(a.log().await.unwrap(), [""; 0]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_nobody_who_waits_for_it_goes_through() {
    for how in [
        "send:b",
        "over b, send:c",
        "connect to b:c",
        "fetch of b:c",
        "connect to b:",
    ] {
        let (_registry, a, _) = meshes().await;
        a.alone(how.into()).await.unwrap();
    }
    // Who borrows no state keeps nobody from a turn, but an end waits for it all the same.
    for how in ["send:a", "over b, send:a", "connect to b:a", "fetch of b:a"] {
        let (_registry, a, _) = meshes().await;
        a.free(how.into()).await.unwrap();
    }
    let (_registry, a, b) = meshes().await;
    let error = a.free("destroy:a".into()).await.unwrap_err();
    assert!(told(&error).is("actor", "call_cycle"), "{error}");
    b.log().await.unwrap();
    a.free("destroy:b".into()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_answers_a_request_for_longer_than_its_caller_waits() {
    for (how, first) in [
        ("fetch of b:slow", "request"),
        ("connect to b:slow", "connect"),
    ] {
        let (_registry, a, b) = meshes().await;
        let began = Instant::now();
        let error = a.hasty(how.into()).await.unwrap_err();
        assert!(
            error.to_string().contains("took longer than 100 ms"),
            "{how}: {error}"
        );
        // The callee is cut short too, and what it changed is undone.
        let log = b.log().await.unwrap();
        assert!(
            !log.iter().any(|it| it == "done" || it == first),
            "{how}: {log:?}"
        );
        assert!(began.elapsed() < Duration::from_millis(110), "{how}");

        // One that could not begin in time does not.
        let mut working = Box::pin(b.slow(500));
        assert!(poll!(&mut working).is_pending());
        sleep(Duration::from_millis(1)).await;
        let at_once = how.replace("slow", "");
        a.hasty(at_once).await.unwrap_err();
        working.await.unwrap();
        assert_eq!(b.log().await.unwrap(), log, "{how}");
    }
}

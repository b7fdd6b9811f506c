//! Why an actor is awake: each kind of reason comes and goes, and one that keeps an actor with clients
//! awake for very long is warned of, once.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use actor_core::{
    BlockerKind, Message,
    actor::KeepAwake,
    config::LONG_STAY,
    gateway::{ActionRequest, ActorRef},
    prelude::*,
    protocol::Encoding,
    request::{Body, Request},
    schedule::ScheduleError,
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::{
    spawn,
    time::{sleep, timeout},
};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::registry;

const SECOND: Duration = Duration::from_secs(1);

/// Stays awake for whatever reason it is told.
#[actor(sleep_after = "10s", sleep_grace = "5s")]
#[derive(Default)]
pub(crate) struct Owl {
    nights: u32,
    #[actor(transient)]
    guard: Option<KeepAwake>,
}

/// The line after the name of `hunt`.
static HUNT: AtomicU32 = AtomicU32::new(0);

/// What `Owl` does slowly takes so long.
const SLOW: Duration = Duration::from_secs(3);

fn is(ctx: &Ctx<Owl>, key: &str) -> bool {
    *ctx.key() == key.into()
}

#[actor]
impl Owl {
    #[on_wake]
    async fn wake(&mut self, ctx: &Ctx<Self>) {
        if is(ctx, "late riser") {
            let why = ctx.why_awake().await;
            assert_eq!(why[0].kind, BlockerKind::Starting);
            sleep(SLOW).await;
        }
    }

    #[run]
    async fn run(ctx: &TaskCtx<Self>) {
        if is(ctx, "parks") {
            ctx.park(std::future::pending::<()>()).await;
            sleep(SLOW).await;
        } else if is(ctx, "runs") {
            sleep(SLOW).await;
        }
    }

    #[on_connect]
    async fn joined(ctx: &TaskCtx<Self>) {
        if is(ctx, "shy") {
            sleep(SLOW).await;
        }
    }

    #[on_message]
    async fn message(&mut self, _message: Message) {}

    #[on_request]
    async fn fetch(ctx: &TaskCtx<Self>, request: Request) -> String {
        sleep(SLOW).await;
        format!("{} {}", ctx.key(), request.uri())
    }

    #[on_sleep]
    async fn sleep(&mut self, ctx: &Ctx<Self>) {
        if is(ctx, "leaves late") {
            ctx.wait_until(|_| sleep(SLOW)).unwrap();
        }
    }

    /// Answers the line of its guard.
    #[action]
    async fn hold(&mut self, ctx: &Ctx<Self>) -> u32 {
        let (guard, line) = (ctx.keep_awake(), line!());
        self.guard = Some(guard);
        line
    }

    #[action]
    async fn let_go(&mut self) {
        self.guard = None;
    }

    #[action]
    async fn hunt(&mut self) -> u32 {
        HUNT.store(line!(), Relaxed);
        self.nights += 1;
        sleep(SLOW).await;
        self.nights
    }

    #[action]
    async fn look(&self) -> u32 {
        sleep(SLOW).await;
        self.nights
    }

    #[action]
    async fn fly(ctx: &TaskCtx<Self>) -> bool {
        sleep(SLOW).await;
        ctx.why_awake().await[0].handler == Some("fly")
    }

    /// Asks from a turn, which goes on meanwhile.
    #[action]
    async fn wonder(&mut self, ctx: &Ctx<Self>) -> Vec<String> {
        let why = ctx.why_awake().await;
        why.iter().map(ToString::to_string).collect()
    }

    #[action]
    async fn set(&mut self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
        ctx.timer(SECOND, |_| sleep(SLOW)).map(drop)
    }

    #[action]
    async fn work(&mut self, ctx: &Ctx<Self>, ms: u64) -> Result<(), ActorError> {
        ctx.keep_awake_while(move |_| sleep(Duration::from_millis(ms)))
    }

    /// Works for a second, again and again, with so many milliseconds between.
    #[action]
    async fn pulse(&mut self, ctx: &Ctx<Self>, ms: u64, times: u32) -> Result<(), ActorError> {
        let again = Duration::from_millis(ms);
        ctx.timer(again, move |ctx| async move {
            sleep(SECOND).await;
            match times.checked_sub(1) {
                Some(0) | None => Ok(()),
                Some(times) => ctx.after(again).pulse(ms, times).map(drop),
            }
        })
        .map(drop)
    }

    #[action]
    async fn plan(&mut self, ctx: &Ctx<Self>) -> Result<(), ScheduleError> {
        ctx.after(SECOND).fly().map(drop)
    }
}

/// Is told of its changes slowly, and never sleeps.
#[actor(sleep_after = "never")]
#[derive(Default)]
pub(crate) struct Clock {
    ticks: u32,
}

#[actor]
impl Clock {
    #[on_state_change]
    async fn changed(&self) {
        sleep(SLOW).await;
    }

    #[action]
    async fn tick(&mut self) -> u32 {
        self.ticks += 1;
        self.ticks
    }
}

async fn owl(key: &str) -> (Registry, OwlHandle, ActorRef) {
    let registry = registry(|it| it.actor::<Owl>().actor::<Clock>()).await;
    let owl = registry.get_or_create::<Owl>(key);
    let actor = owl.actor().await.unwrap();
    (registry, owl, actor)
}

/// What keeps it awake, without places.
async fn why(actor: &ActorRef) -> Vec<String> {
    let all = timeout(Duration::from_millis(1), actor.why_awake()).await;
    let all = all.expect("an answer without delay");
    all.iter()
        .map(|it| {
            let text = it.to_string();
            let end = text.find(" at ").unwrap_or(text.len());
            text[..end].to_owned()
        })
        .collect()
}

/// Runs something for two seconds of the three that it takes, looks, and looks again afterwards.
async fn during<T>(actor: &ActorRef, work: impl Future<Output = T>) -> Vec<String> {
    let look = async {
        sleep(2 * SECOND).await;
        why(actor).await
    };
    let (seen, _) = tokio::join!(look, work);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(why(actor).await, [""; 0], "nothing is left");
    seen
}

#[tokio::test(start_paused = true)]
async fn b1_handlers_are_seen_with_name_place_and_age() {
    let (_registry, owl, actor) = owl("one").await;
    assert_eq!(why(&actor).await, [""; 0], "it sleeps");
    assert!(!actor.is_awake(), "the question wakes nobody");
    for _ in 0..2 {
        assert_eq!(
            during(&actor, owl.hunt()).await,
            ["handler `hunt` for 2.0s"]
        );
        assert_eq!(
            during(&actor, owl.look()).await,
            ["handler `look` for 2.0s"]
        );
        assert_eq!(during(&actor, owl.fly()).await, ["handler `fly` for 2.0s"]);
    }
    assert!(owl.fly().await.unwrap(), "it sees itself");
    let many = during(&actor, async { tokio::join!(owl.look(), owl.look()) }).await;
    assert_eq!(many, ["2 handler `look` for 2.0s"]);
    let behind = during(&actor, async { tokio::join!(owl.look(), owl.let_go()) }).await;
    assert_eq!(behind, ["handler `look` for 2.0s", "messages for 0.0ns"]);
    let (_, why) = tokio::join!(owl.hunt(), actor.why_awake());
    let at = why[0].location.unwrap();
    assert_eq!((at.line(), at.file()), (HUNT.load(Relaxed) - 1, file!()));
}

#[tokio::test(start_paused = true)]
async fn b4_guards_and_futures_are_seen_with_the_line_that_made_them() {
    let (_registry, owl, actor) = owl("one").await;
    let line = owl.hold().await.unwrap();
    sleep(1000 * SECOND).await;
    let [it] = &actor.why_awake().await[..] else {
        panic!("one guard keeps it awake");
    };
    let at = it.location.unwrap();
    assert_eq!((at.line(), at.file()), (line, file!()));
    assert_eq!((it.kind, it.count), (BlockerKind::KeepAwake, 1));
    assert_eq!(it.age.as_secs(), 1000);
    owl.let_go().await.unwrap();
    assert_eq!(why(&actor).await, [""; 0]);
    for _ in 0..3 {
        owl.work(3000).await.unwrap();
    }
    sleep(SECOND).await;
    assert_eq!(why(&actor).await, ["3 keep_awake for 1.0s"]);
    sleep(SLOW).await;
    assert_eq!(why(&actor).await, [""; 0]);
    owl.set().await.unwrap();
    assert_eq!(why(&actor).await, [""; 0], "B3: a timer that waits");
    sleep(2 * SECOND).await;
    assert_eq!(why(&actor).await, ["keep_awake for 1.0s"]);
    sleep(12 * SECOND).await;
    sleep(SECOND).await;
    assert!(!actor.is_awake());
}

#[tokio::test(start_paused = true)]
async fn b1_what_runs_by_itself_is_seen() {
    let (registry, owl_of_day, actor) = owl("runs").await;
    owl_of_day.let_go().await.unwrap();
    assert_eq!(why(&actor).await, ["run for 0.0ns"]);
    sleep(2 * SECOND).await;
    assert_eq!(why(&actor).await, ["run for 2.0s"]);
    let at = actor.why_awake().await[0].location.unwrap();
    assert!(at.file().ends_with("awake.rs"));
    sleep(2 * SECOND).await;
    assert_eq!(why(&actor).await, [""; 0]);
    owl_of_day.plan().await.unwrap();
    sleep(2 * SECOND).await;
    let seen = why(&actor).await;
    assert_eq!(seen[0], "handler `fly` for 1.0s");
    assert!(seen[1].starts_with("scheduled for"), "{seen:?}");

    let clock = registry.get_or_create::<Clock>("one");
    let actor = clock.actor().await.unwrap();
    clock.tick().await.unwrap();
    assert_eq!(
        why(&actor).await,
        [
            "never_sleeps for 0.0ns",
            "handler `on_state_change` for 0.0ns",
            "state_change for 0.0ns"
        ]
    );
    sleep(2 * SLOW).await;
    assert_eq!(why(&actor).await, ["never_sleeps for 0.0ns"]);
}

#[tokio::test(start_paused = true)]
async fn b1_calls_requests_and_connections_are_seen() {
    let (registry, owl_of_day, actor) = owl("one").await;
    let gateway = registry.gateway();
    let request = ActionRequest {
        name: "fly".into(),
        encoding: Encoding::Json,
        body: "{\"args\":[]}".into(),
        params: Value::Undefined,
        request: None,
        idempotency_key: None,
    };
    let seen = during(&actor, gateway.action(&mut actor.clone(), request)).await;
    assert_eq!(seen[0], "handler `fly` for 2.0s");
    assert!(seen[1].starts_with("http_call for"), "{seen:?}");
    let request = Request::get("/x").body(Body::empty()).unwrap();
    let seen = during(&actor, owl_of_day.fetch(Value::Undefined, request)).await;
    assert_eq!(seen[0], "handler `on_request` for 2.0s");
    assert!(seen[1].starts_with("request for"), "{seen:?}");

    let shy = registry.get_or_create::<Owl>("shy");
    let actor = shy.actor().await.unwrap();
    let seen = during(&actor, shy.connect(Value::Undefined)).await;
    assert_eq!(seen[0], "handler `on_connect` for 2.0s");
    assert!(seen[1].starts_with("connecting for"), "{seen:?}");

    let socket = owl_of_day
        .open_websocket("", Value::Undefined)
        .await
        .unwrap();
    let actor = owl_of_day.actor().await.unwrap();
    sleep(100 * SECOND).await;
    assert_eq!(why(&actor).await, ["socket for 100.0s"]);
    drop(socket);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(why(&actor).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn b6_starts_and_stops_say_what_they_wait_for() {
    let (registry, late, actor) = owl("late riser").await;
    let look = async {
        sleep(SECOND).await;
        why(&actor).await
    };
    let (seen, woken) = tokio::join!(look, late.let_go());
    woken.unwrap();
    assert_eq!(seen, ["starting for 0.0ns"]);

    let late = registry.get_or_create::<Owl>("leaves late");
    let actor = late.actor().await.unwrap();
    late.let_go().await.unwrap();
    sleep(9 * SECOND).await;
    assert_eq!(why(&actor).await, [""; 0]);
    sleep(2 * SECOND).await;
    assert_eq!(why(&actor).await, ["wait_until for 1.0s"]);
    sleep(SLOW).await;
    assert!(!actor.is_awake());

    let parked = registry.get_or_create::<Owl>("parks");
    let actor = parked.actor().await.unwrap();
    parked.let_go().await.unwrap();
    sleep(9 * SECOND).await;
    assert_eq!(why(&actor).await, [""; 0]);
    sleep(2 * SECOND).await;
    // It was told to stop, parks no more, and is slow.
    assert_eq!(why(&actor).await, ["run for 11.0s"]);
    sleep(SLOW).await;
    assert!(!actor.is_awake());
}

#[tokio::test(start_paused = true)]
async fn a_turn_may_ask_and_sees_itself() {
    let (_registry, owl, _) = owl("one").await;
    owl.hold().await.unwrap();
    let seen = owl.wonder().await.unwrap();
    assert_eq!(seen.len(), 2);
    assert!(seen[0].starts_with("handler `wonder` for 0"), "{seen:?}");
    assert!(seen[1].starts_with("keep_awake for 0"), "{seen:?}");
}

/// What was logged as a warning.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(ToOwned::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn p5_an_actor_that_overstays_under_clients_is_warned_of_once() {
    let log = Log::default();
    let writer = log.clone();
    let _logs = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(move || writer.clone())
        .finish()
        .set_default();
    let recorder = DebuggingRecorder::new();
    let meters = recorder.snapshotter();
    let _meters = metrics::set_default_local_recorder(&recorder);
    let (_registry, owl, _) = owl("one").await;
    let long = LONG_STAY * 10 * SECOND;

    // Nobody listens: nobody would save anything by sleeping.
    let line = owl.hold().await.unwrap();
    sleep(3 * long).await;
    assert_eq!(log.take(), [""; 0]);

    // Somebody does, and speaks now and then.
    let conn = owl.connect(Value::Undefined).await.unwrap();
    for _ in 0..5 {
        sleep(long / 2).await;
        conn.hold().await.unwrap();
    }
    assert_eq!(log.take(), [""; 0]);

    sleep(long - SECOND).await;
    assert_eq!(log.take(), [""; 0]);
    sleep(2 * SECOND).await;
    let [warning] = &log.take()[..] else {
        panic!("one warning");
    };
    let place = format!("awake.rs:{line}");
    assert!(
        warning.contains("does not sleep") && warning.contains(&place),
        "{warning}"
    );
    let counted = meters.snapshot().into_vec().into_iter().find_map(|it| {
        let (key, _, _, value) = it;
        let kind = key.key().labels().find(|it| it.key() == "kind")?;
        (key.key().name() == "actor_overstays_total").then(|| (kind.value().to_owned(), value))
    });
    assert_eq!(counted, Some(("keep_awake".into(), DebugValue::Counter(1))));
    sleep(3 * long).await;
    assert_eq!(log.take(), [""; 0], "once for each life");

    // Pulses of work that never let it rest count as well, in the next life.
    owl.let_go().await.unwrap();
    sleep(60 * SECOND).await;
    let pulses = spawn(async move {
        conn.pulse(5000, 2 * LONG_STAY).await.map_err(drop)?;
        Ok::<_, ()>(conn)
    });
    sleep(3 * long).await;
    assert_eq!(log.take().len(), 1);
    drop(pulses.await.unwrap().unwrap());
}

//! What is counted: each turn in an actor's life, and what each limit turns away (P6).

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc, time::Duration};

use actor_core::{
    CloseFrame, Socket,
    gateway::{ActionRequest, ConnectRequest, Limiter, Limits, Quota},
    metrics::{ALL, Kind},
    prelude::*,
    protocol::Encoding,
    registry::RegistryBuilder,
    testing::{Fault, TestRegistry},
};
use bytes::Bytes;
use futures_util::future::join_all;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::time::sleep;

#[derive(Debug, Event)]
pub(crate) enum Noise {
    Noise(String),
}

#[derive(Queue)]
pub(crate) enum Letters {
    Letter(String),
}

#[actor(
    name = "metered",
    event = Noise,
    queue = Letters,
    sleep_after = "10s",
    action_timeout = "5s",
    mailbox = 4,
    max_connections = 2,
    outbox = 200,
    max_incoming = 100,
    max_outgoing = 150,
    max_queue_size = 1,
    max_queue_message_size = 64,
    max_schedules = 1,
    max_idempotency_keys = 1
)]
#[derive(Default)]
pub(crate) struct Metered {
    count: u32,
}

#[actor]
impl Metered {
    /// More than fits into the outbox of one who does not read.
    #[on_connect]
    async fn greet(&self, conn: &Conn<Self>) {
        for _ in 0..3 {
            conn.send(Noise::Noise("x".repeat(80)));
        }
    }

    #[action]
    async fn text(&self, length: usize) -> String {
        "x".repeat(length)
    }

    #[action]
    async fn add(&mut self) -> u32 {
        self.count += 1;
        self.count
    }

    #[action]
    async fn fail(&mut self, slowly: bool) {
        if slowly {
            sleep(Duration::from_secs(100)).await;
        }
        panic!("on purpose");
    }

    #[action]
    async fn wait(&mut self) {
        sleep(Duration::from_secs(1)).await;
    }

    /// One thing too many of each kind, or one too large.
    #[action]
    async fn overdo(&self, ctx: &Ctx<Self>) {
        let large = vec![0; 129 * 1024];
        ctx.kv().put_bytes("key", large).unwrap_err();
        ctx.kv().put_bytes(vec![0; 2049], "value").unwrap_err();
        ctx.kv().delete_all((0_u8..129).map(|it| [it])).unwrap_err();
        let queue = ctx.queue();
        queue
            .send(Letters::Letter("x".repeat(64)))
            .await
            .unwrap_err();
        queue.send(Letters::Letter("one".into())).await.unwrap();
        queue.send(Letters::Letter("two".into())).await.unwrap_err();
        let later = ctx.after(Duration::from_secs(100));
        later.add().unwrap();
        later.add().unwrap_err();
        let long = "x".repeat(2 << 20);
        ctx.sql().execute(&long, ()).await.unwrap_err();
    }

    #[action]
    async fn end(&self, ctx: &Ctx<Self>) {
        ctx.destroy();
    }
}

struct Watched {
    registry: TestRegistry,
    meters: Snapshotter,
    gauges: BTreeMap<String, f64>,
}

impl Watched {
    /// What changed since the last look, by name and labels without the actor's: counters by how much,
    /// gauges to what.
    fn changes(&mut self) -> Vec<String> {
        let mut changes = Vec::new();
        for (key, _, _, value) in self.meters.snapshot().into_vec() {
            let (_, key) = key.into_parts();
            let mut name = key.name().to_owned();
            for label in key.labels() {
                if label.key() == "actor" {
                    assert_eq!(label.value(), "metered");
                } else {
                    name = format!("{name} {}", label.value());
                }
            }
            // The recorder hands out what changed since the last time.
            let shown = match value {
                DebugValue::Counter(0) => continue,
                DebugValue::Counter(more) => more.to_string(),
                DebugValue::Gauge(more) if *more == 0.0 => continue,
                DebugValue::Gauge(more) => {
                    let now = self.gauges.entry(name.clone()).or_default();
                    *now += *more;
                    now.to_string()
                }
                // Nobody can say how long a commit takes.
                DebugValue::Histogram(_) => continue,
            };
            changes.push(format!("{name} {shown}"));
        }
        changes.sort_unstable();
        changes
    }
}

async fn watched() -> (Watched, metrics::LocalRecorderGuard<'static>) {
    watched_of(|it| it.actor::<Metered>()).await
}

async fn watched_of(
    declare: fn(RegistryBuilder) -> RegistryBuilder,
) -> (Watched, metrics::LocalRecorderGuard<'static>) {
    let recorder = Box::leak(Box::new(DebuggingRecorder::new()));
    let meters = recorder.snapshotter();
    let guard = metrics::set_default_local_recorder(recorder);
    let registry = TestRegistry::start(declare).await;
    let watched = Watched {
        registry,
        meters,
        gauges: BTreeMap::new(),
    };
    (watched, guard)
}

#[tokio::test(start_paused = true)]
async fn lives_are_counted() {
    let (mut watched, _guard) = watched().await;
    let one = watched.registry.get_or_create::<Metered>("one");
    one.add().await.unwrap();
    assert_eq!(watched.changes(), ["actor_awake 1", "actor_wakes_total 1"]);
    one.add().await.unwrap();
    assert!(watched.changes().is_empty());
    sleep(Duration::from_secs(60)).await;
    assert_eq!(
        watched.changes(),
        ["actor_awake 0", "actor_stops_total sleep 1"]
    );

    one.fail(false).await.unwrap_err();
    one.fail(true).await.unwrap_err();
    watched.registry.storage().script([Some(Fault::Refuse)]);
    one.add().await.unwrap_err();
    one.end().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(
        watched.changes(),
        [
            "actor_commit_failures_total 1",
            "actor_handler_faults_total panicked 1",
            "actor_handler_faults_total timed_out 1",
            "actor_reloads_total handler 2",
            "actor_reloads_total storage 1",
            "actor_stops_total destroy 1",
            "actor_wakes_total 4",
        ]
    );

    watched
        .registry
        .get_or_create::<Metered>("two")
        .add()
        .await
        .unwrap();
    watched.changes();
    watched.registry.shutdown().await;
    assert_eq!(
        watched.changes(),
        ["actor_awake 0", "actor_stops_total shutdown 1"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_is_counted() {
    let (mut watched, _guard) = watched().await;
    let one = watched.registry.get_or_create::<Metered>("one");
    one.resolve().await.unwrap();
    // Others read too.
    watched.registry.storage().fail_reads(100);
    one.add().await.unwrap_err();
    assert_eq!(watched.changes(), ["actor_start_failures_total 1"]);
}

#[tokio::test(start_paused = true)]
async fn connections_are_counted_awake_and_asleep() {
    let (mut watched, _guard) = watched().await;
    let one = watched.registry.get_or_create::<Metered>("one");
    let first = one.connect(Value::Undefined).await.unwrap();
    let second = one.connect(Value::Undefined).await.unwrap();
    one.connect(Value::Undefined).await.unwrap_err();
    let open = [
        "actor_awake 1",
        "actor_connection_refusals_total 1",
        "actor_connections 2",
        "actor_wakes_total 1",
    ];
    assert_eq!(watched.changes(), open);
    sleep(Duration::from_secs(60)).await;
    let asleep = [
        "actor_awake 0",
        "actor_connections 0",
        "actor_connections_hibernating 2",
        "actor_stops_total sleep 1",
    ];
    assert_eq!(watched.changes(), asleep);
    drop(first);
    second.add().await.unwrap();
    let one_left = [
        "actor_awake 1",
        "actor_connections 1",
        "actor_connections_hibernating 0",
        "actor_connections_restored_total restored 2",
        "actor_wakes_total 1",
    ];
    assert_eq!(watched.changes(), one_left);
}

/// What a connection of it has said cannot be read back.
#[actor(name = "metered", conn = Unreadable, sleep_after = "10s")]
#[derive(Default)]
pub(crate) struct Forgetful;

#[derive(Debug, Default)]
pub(crate) struct Unreadable;

impl Serialize for Unreadable {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for Unreadable {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("on purpose"))
    }
}

#[actor]
impl Forgetful {
    #[action]
    async fn count(&self, ctx: &Ctx<Self>) -> usize {
        ctx.conns().len()
    }

    #[action]
    async fn nothing(&self) {}
}

/// H12: one that is found to be unreadable when somebody asks for it is counted no more.
#[tokio::test(start_paused = true)]
async fn a_connection_that_cannot_be_read_back_is_not_counted() {
    let (mut watched, _guard) = watched_of(|it| it.actor::<Forgetful>()).await;
    let one = watched.registry.get_or_create::<Forgetful>("one");
    let _lost = one.connect(Value::Undefined).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    watched.changes();
    one.nothing().await.unwrap();
    let nobody_asked = [
        "actor_awake 1",
        "actor_connections 1",
        "actor_connections_hibernating 0",
        "actor_connections_restored_total restored 1",
        "actor_wakes_total 1",
    ];
    assert_eq!(watched.changes(), nobody_asked);
    assert_eq!(one.count().await.unwrap(), 0);
    let it_is_gone = [
        "actor_connections 0",
        "actor_connections_restored_total failed 1",
    ];
    assert_eq!(watched.changes(), it_is_gone);
}

#[tokio::test(start_paused = true)]
async fn p6_what_limits_turn_away_is_counted() {
    let (mut watched, _guard) = watched().await;
    let one = watched.registry.get_or_create::<Metered>("one");
    let calls = join_all((0..10).map(|_| one.wait())).await;
    let refused = calls.iter().filter(|it| it.is_err()).count();
    assert_ne!(refused, 0);
    let id = one.resolve().await.unwrap().to_string();
    let gateway = watched.registry.gateway();
    let mut one = gateway.find_by_id(&id).await.unwrap().unwrap();
    let ask = |body: String| ActionRequest {
        name: "text".into(),
        encoding: Encoding::Json,
        body: body.into(),
        params: Value::Undefined,
        request: None,
        idempotency_key: None,
    };
    let answer = gateway
        .action(&mut one, ask("{\"args\":[200]}".into()))
        .await;
    assert_eq!(answer.status, 400);
    let answer = gateway.action(&mut one, ask(" ".repeat(101))).await;
    assert_eq!(answer.status, 400);
    let connect = ConnectRequest {
        encoding: Encoding::Json,
        params: Value::Undefined,
        request: None,
    };
    let socket = gateway.connect(&one, connect).await.unwrap();
    let limiter = Limiter::new(Limits::default().per_address(Quota::new(100, 1)));
    let local = Ipv4Addr::LOCALHOST.into();
    let _admitted = limiter.admit(local, None).unwrap();
    limiter.admit(local, None).unwrap_err();

    let metered = watched.registry.get_or_create::<Metered>("one");
    for key in ["a", "b", "c"] {
        metered.idempotency_key(key).add().await.unwrap();
    }

    let changes = watched.changes();
    for expected in [
        format!("actor_mailbox_refusals_total {refused}"),
        "actor_idempotency_answers_dropped_total 2".into(),
        "actor_gateway_refusals_total address 1".into(),
        "actor_messages_too_long_total in 1".into(),
        "actor_messages_too_long_total out 1".into(),
        "actor_outbox_overflows_total 1".into(),
    ] {
        assert!(changes.contains(&expected), "{expected}: {changes:?}");
    }
    drop(socket);
}

#[tokio::test(start_paused = true)]
async fn p6_what_handlers_overdo_is_counted() {
    let (mut watched, _guard) = watched().await;
    let one = watched.registry.get_or_create::<Metered>("one");
    one.overdo().await.unwrap();
    let refused: Vec<_> = watched
        .changes()
        .into_iter()
        .filter_map(|it| Some(it.strip_prefix("actor_limit_refusals_total ")?.to_owned()))
        .collect();
    assert_eq!(
        refused,
        [
            "kv.batch_too_large 1",
            "kv.key_too_large 1",
            "kv.value_too_large 1",
            "queue.full 1",
            "queue.message_too_large 1",
            "schedule.max_schedules_exceeded 1",
            "sql.statement_too_long 1",
        ]
    );
}

/// Takes whatever comes, and saves it.
#[actor(name = "metered", hibernate_websockets)]
#[derive(Default)]
pub(crate) struct Heavy {
    heard: u32,
}

#[actor]
impl Heavy {
    #[on_message]
    async fn heard(&mut self, socket: &Socket<Self>) {
        self.heard += 1;
        socket.send_text(self.heard.to_string());
    }
}

/// H10: at most 128 MiB of what a client sent are kept until what they did is durable.
#[tokio::test(start_paused = true)]
async fn h10_what_waits_of_a_client_is_warned_of_and_bounded() {
    let (mut watched, _guard) = watched_of(|it| it.actor::<Heavy>()).await;
    let storage = Arc::clone(watched.registry.storage());
    let heavy = watched.registry.get_or_create::<Heavy>("one");
    let mut socket = heavy.open_websocket("", Value::Undefined).await.unwrap();
    let large = Bytes::from(vec![0; 30 << 20]);
    watched.changes();
    storage.hold();
    for _ in 0..4 {
        socket.send(large.clone()).await.unwrap();
    }
    let refused = socket.send(large.clone()).await.unwrap_err();
    let expected = CloseFrame::new(1011, "guard.websocket_pending_limit_reached");
    assert_eq!(refused, expected);
    let counted = [
        "actor_inbox_refusals_total 1",
        "actor_inbox_warnings_total 50 1",
        "actor_inbox_warnings_total 75 1",
    ];
    assert_eq!(watched.changes(), counted);
    // What is dealt with makes room again.
    storage.release();
    for heard in 1..=4 {
        assert_eq!(socket.next().await, Some(heard.to_string().into()));
    }
    socket.send(large).await.unwrap();
    assert_eq!(socket.next().await, Some("5".into()));
}

/// The guide has all of them, with their labels.
#[test]
fn the_guide_is_complete() {
    let guide = include_str!("../../actor-core/src/docs/metrics.md");
    for it in ALL {
        let row = guide
            .lines()
            .find(|row| row.starts_with(&format!("| `{}` |", it.name)));
        let row = row.unwrap_or_else(|| panic!("{} is not in the guide", it.name));
        for label in it.labels {
            assert!(row.contains(&format!("`{label}`")), "{row}: {label}");
        }
        assert_eq!(
            it.kind == Kind::Counter,
            it.name.ends_with("_total"),
            "{it:?}"
        );
        assert!(!it.help.is_empty());
    }
}

//! What a client sends over its socket takes effect once: whatever panics, sleeps and fails meanwhile.
//!
//! `ACTOR_REPLAY_SEEDS=1000000 RUST_BACKTRACE=0 cargo test --release -p actor-tests --test replay -- --nocapture`
//! tries a million orders of events, in a quarter of an hour on one core; `ACTOR_REPLAY_FROM=500000` beside it
//! leaves out the first half. Captured, what the panics on purpose say would fill the memory.
//! `ACTOR_REPLAY_SEED=7` tries one again. A program of its own, which is optimised in a minute.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail by panicking, and spawns as it likes"
)]

use std::{collections::BTreeMap, env, future::poll_fn, thread, time::Duration};

use actor_core::{
    Message, WebSocket,
    connection::{Delivery, Frame},
    gateway::{ConnectRequest, Socket},
    kv::KvError,
    prelude::*,
    protocol::{Args, Encoding, ToClient, ToServer, client},
    testing::{Fault, TestRegistry},
};
use tokio::{
    task::yield_now,
    time::{sleep, timeout},
};

/// Orders of events in a normal run.
const SEEDS: u64 = 3000;

const LONG: Duration = Duration::from_secs(60);

/// How often storage may fail.
const FAULTS: u32 = 40;

/// Longer than all of it may take: storage that does not answer is waited for half a minute each time.
const WORST: Duration = LONG.saturating_mul(FAULTS);

/// In one of so many, the numbers of a socket wrap around on the way.
const WRAPS: u64 = 500;

/// Writes down every message it takes.
#[actor(conn = BTreeMap<u64, u64>, hibernate_websockets, sleep_after = "5s")]
#[derive(Default)]
pub(crate) struct Ledger {
    messages: Vec<u64>,
    calls: Vec<u64>,
}

#[actor]
impl Ledger {
    #[on_message]
    async fn message(&mut self, ctx: &Ctx<Self>, message: Message) {
        let Message::Text(text) = message else { return };
        let (what, number) = text.split_once(' ').unwrap();
        self.messages.push(number.parse().unwrap());
        match what {
            "panic" => panic!("on purpose"),
            "sleep" => ctx.sleep(),
            "wait" => yield_now().await,
            _ => {}
        }
    }

    #[action]
    async fn add(&mut self, number: u64) -> u64 {
        self.calls.push(number);
        number
    }

    #[action]
    async fn boom(&mut self, number: u64) -> u64 {
        self.calls.push(number);
        panic!("on purpose");
    }

    #[action]
    async fn look(&self, number: u64) -> u64 {
        number
    }

    /// A reader that waits.
    #[action]
    async fn stare(&self, number: u64) -> u64 {
        sleep(Duration::from_millis(number)).await;
        number
    }

    /// A reader that writes beside the state, and waits before and after.
    #[action]
    async fn note(&self, ctx: &Ctx<Self>, number: u64) -> Result<u64, KvError> {
        yield_now().await;
        let key = format!("note {number}");
        let before: Option<u64> = ctx.kv().get(&key).await?;
        let count = before.unwrap_or(0) + 1;
        ctx.kv().put(&key, &count)?;
        if let Some(conn) = ctx.conn() {
            conn.write(|it| *it.entry(number).or_default() += 1);
        }
        sleep(Duration::from_millis(number % 3)).await;
        Ok(number)
    }

    /// How often each of these was noted: among the keys, and by the connection that asks.
    #[action]
    async fn noted(&self, ctx: &Ctx<Self>, upto: u64) -> Result<Vec<(u64, u64, u64)>, KvError> {
        let mut noted = Vec::new();
        for number in 1..=upto {
            let keys: Option<u64> = ctx.kv().get(format!("note {number}")).await?;
            let conns = ctx.conns();
            let seen = conns
                .iter()
                .map(|it| it.read(|it| it.get(&number).copied()));
            let seen = seen.flatten().max().unwrap_or_default();
            noted.push((number, keys.unwrap_or_default(), seen));
        }
        Ok(noted)
    }

    #[action]
    async fn taken(&self) -> (Vec<u64>, Vec<u64>) {
        (self.messages.clone(), self.calls.clone())
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// No two failures in a row: a life that cannot save anything, after another that could not, says so
/// and gives up.
fn script(random: &mut Random) -> Vec<Option<Fault>> {
    let mut script = vec![None; 3];
    for _ in 0..FAULTS {
        match random.below(7) {
            0 => script.extend([Some(Fault::Refuse), None]),
            1 => script.extend([Some(Fault::Tear), None]),
            // Storage that never answers is given up in the end, and what it may still do fenced off.
            2 => script.extend([Some(Fault::Swallow), None, None]),
            3 => script.extend([Some(Fault::Silence), None, None]),
            _ => script.push(None),
        }
    }
    script
}

async fn call(socket: &Socket, name: &str, number: u64) {
    let message = ToServer::Action {
        id: number,
        name: name.into(),
        args: Args::from_value(Value::from_serialize(&(number,)).unwrap()),
    };
    let bytes = client::encode(Encoding::Json, &message);
    socket.receive(Frame { bytes, text: true }).await.unwrap();
}

/// Reads answers until there is one for each call; how each ended.
async fn answers(socket: &Socket, calls: usize) -> BTreeMap<u64, String> {
    let mut seen = BTreeMap::new();
    while seen.len() < calls {
        let frame = match poll_fn(|cx| socket.poll_next(cx)).await {
            Some(Delivery::Frame(frame)) => frame,
            other => panic!("{other:?} instead of an answer"),
        };
        let (id, how) = match client::decode(Encoding::Json, &frame.bytes).unwrap() {
            ToClient::Response { id, .. } => (id, "done".to_owned()),
            ToClient::Error {
                error, action_id, ..
            } => (action_id.unwrap(), error.code().to_owned()),
            other => panic!("{other:?}"),
        };
        assert!(seen.insert(id, how).is_none(), "{id} is answered twice");
    }
    seen
}

async fn connect(registry: &Registry) -> Result<Socket, ActorError> {
    let gateway = registry.gateway();
    let found = gateway
        .find_by_key("default", "ledger", "one".into())
        .await
        .unwrap();
    let request = ConnectRequest {
        encoding: Encoding::Json,
        params: Value::Undefined,
        request: None,
    };
    gateway.connect(&found.unwrap(), request).await
}

/// What a client sent over one line, and what has to come of it.
#[derive(Default)]
struct Sent {
    messages: Vec<u64>,
    calls: Vec<u64>,
    notes: Vec<u64>,
    expected: BTreeMap<u64, &'static str>,
}

/// What a client has open, two lines to the same actor.
struct Lines {
    raw: WebSocket,
    socket: Socket,
    sent: Sent,
}

impl Lines {
    /// As often as it takes: storage fails meanwhile.
    async fn open(registry: &Registry, ledger: &LedgerHandle) -> Self {
        loop {
            let raw = ledger.open_websocket("", Value::Undefined).await;
            let socket = connect(registry).await;
            if let (Ok(raw), Ok(socket)) = (raw, socket) {
                let sent = Sent::default();
                return Self { raw, socket, sent };
            }
        }
    }

    async fn send(&mut self, random: &mut Random, number: u64) {
        let Self { raw, socket, sent } = self;
        let tell = async |what: &str| raw.send(format!("{what} {number}")).await.unwrap();
        let (name, expected) = match random.below(14) {
            0..=3 => {
                sent.messages.push(number);
                return tell("note").await;
            }
            4 => {
                sent.messages.push(number);
                return tell("wait").await;
            }
            5 => {
                sent.messages.push(number);
                return tell("sleep").await;
            }
            // It is answered by nothing, and is not in the state.
            6 => return tell("panic").await,
            7 | 8 => {
                sent.calls.push(number);
                ("add", "done")
            }
            9 => ("boom", "panicked"),
            10 => ("look", "done"),
            11 => ("stare", "done"),
            12 => {
                sent.notes.push(number);
                ("note", "done")
            }
            _ => return sleep(Duration::from_secs(10)).await,
        };
        sent.expected.insert(number, expected);
        call(socket, name, number).await;
    }
}

/// So many messages that do nothing, up to just before the numbers begin again.
async fn wind_up(socket: &Socket) {
    for _ in 0..131 {
        for number in 0..500 {
            call(socket, "look", number).await;
        }
        answers(socket, 500).await;
    }
}

async fn one(seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let registry = TestRegistry::start(|it| it.actor::<Ledger>()).await;
    let faults = registry.storage();
    let ledger = registry.get_or_create::<Ledger>("one");
    let mut lines = Lines::open(&registry, &ledger).await;
    if seed % WRAPS == WRAPS - 1 {
        wind_up(&lines.socket).await;
    }
    faults.script(script(&mut random));
    // What was sent over lines that were cut may have happened, once, and in order.
    let mut cut = Vec::new();
    let most = 10 + random.below(30);
    for number in 1..=most {
        if random.below(25) == 0 {
            // Opened again before the old is seen to be gone, as who reconnects does; and the old one
            // may say something yet.
            let new = timeout(WORST, Lines::open(&registry, &ledger)).await;
            let new = new.unwrap_or_else(|_| panic!("seed {seed}: no new line"));
            let mut old = std::mem::replace(&mut lines, new);
            old.send(&mut random, number).await;
            cut.push(old.sent);
            continue;
        }
        lines.send(&mut random, number).await;
        for _ in 0..random.below(20) {
            yield_now().await;
        }
    }
    let Lines { raw, socket, sent } = lines;
    let answers = answers(&socket, sent.expected.len()).await;
    for (number, how) in answers {
        let fine = how == sent.expected[&number] || how == "answer_lost";
        assert!(fine, "seed {seed}: call {number} ended with {how}");
    }
    faults.heal();
    // A reader first: the last messages may still be on their way to a second life.
    sleep(LONG).await;
    let (messages, calls) = ledger.taken().await.unwrap();
    let over: Vec<_> = cut.iter().map(|it| &*it.messages).collect();
    check(seed, &messages, &sent.messages, &over);
    let over: Vec<_> = cut.iter().map(|it| &*it.calls).collect();
    check(seed, &calls, &sent.calls, &over);
    let over_cut: Vec<_> = cut.iter().flat_map(|it| &it.notes).collect();
    for (number, keys, seen) in ledger.noted(most).await.unwrap() {
        if sent.notes.contains(&number) {
            assert_eq!((keys, seen), (1, 1), "seed {seed}: note {number}");
        } else {
            let most = u64::from(over_cut.contains(&&number));
            assert!(keys <= most && seen <= most, "seed {seed}: note {number}");
        }
    }
    drop((raw, socket));
}

/// What was taken is what was sent, in order; and of what was sent over each line that was cut, some.
fn check(seed: u64, taken: &[u64], sent: &[u64], cut: &[&[u64]]) {
    let of = |line: &[u64]| -> Vec<u64> {
        let all = taken.iter().copied();
        all.filter(|it| line.contains(it)).collect()
    };
    assert_eq!(of(sent), sent, "seed {seed}");
    let mut all = sent.len();
    for line in cut {
        let some = of(line);
        assert!(some.is_sorted_by(|a, b| a < b), "seed {seed}: {some:?}");
        all += some.len();
    }
    assert_eq!(taken.len(), all, "seed {seed}: {taken:?}");
}

#[tokio::test(start_paused = true)]
async fn p3_each_message_takes_effect_once() {
    let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
    let seeds = match number("ACTOR_REPLAY_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("ACTOR_REPLAY_FROM").unwrap_or(0);
            first..number("ACTOR_REPLAY_SEEDS").unwrap_or(SEEDS)
        }
    };
    for seed in seeds {
        let _named = Named(seed);
        let ended = timeout(2 * WORST, one(seed)).await;
        ended.unwrap_or_else(|_| panic!("it never ends"));
    }
}

/// Names the seed of whatever fails, wherever that is.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            let Self(seed) = self;
            eprintln!("seed {seed} failed, ACTOR_REPLAY_SEED={seed} tries it again");
        }
    }
}

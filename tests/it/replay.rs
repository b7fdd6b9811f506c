//! What a client sends over its socket takes effect once: whatever panics, sleeps and fails meanwhile.
//!
//! `ACTOR_REPLAY_SEEDS=1000000 cargo test --release -p actor-tests --test it replay` tries a million
//! orders of events; `ACTOR_REPLAY_SEED=7` tries one again.

use std::{collections::BTreeMap, env, future::poll_fn, sync::Arc, time::Duration};

use actor_core::{
    Message,
    connection::{Delivery, Frame},
    gateway::{ConnectRequest, Socket},
    prelude::*,
    protocol::{Args, Encoding, ToClient, ToServer, client},
    storage::{
        Driver, Memory,
        faults::{Fault, Faults},
    },
};
use tokio::{task::yield_now, time::sleep};

use crate::registry_over;

/// Orders of events in a normal run.
const SEEDS: u64 = 1000;

/// Writes down every message it takes.
#[actor(hibernate_websockets, sleep_after = "5s")]
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
    for _ in 0..40 {
        match random.below(5) {
            0 => script.extend([Some(Fault::Refuse), None]),
            1 => script.extend([Some(Fault::Tear), None]),
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

async fn connect(registry: &Registry) -> Socket {
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
    gateway.connect(&found.unwrap(), request).await.unwrap()
}

async fn one(seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let faults = Arc::new(Faults::new(Memory::new()));
    let driver: Arc<dyn Driver> = Arc::clone(&faults) as _;
    let registry = registry_over(&driver, |it| it.actor::<Ledger>()).await;
    let ledger = registry.get_or_create::<Ledger>("one");
    let raw = ledger.open_websocket("", Value::Undefined).await.unwrap();
    let socket = connect(&registry).await;
    faults.script(script(&mut random));
    let (mut messages, mut calls, mut expected) = (Vec::new(), Vec::new(), BTreeMap::new());
    for number in 1..=10 + random.below(30) {
        match random.below(12) {
            0..=3 => {
                raw.send(format!("note {number}")).await.unwrap();
                messages.push(number);
            }
            4 => {
                raw.send(format!("wait {number}")).await.unwrap();
                messages.push(number);
            }
            5 => {
                raw.send(format!("sleep {number}")).await.unwrap();
                messages.push(number);
            }
            // It is answered by nothing, and is not in the state.
            6 => raw.send(format!("panic {number}")).await.unwrap(),
            7 | 8 => {
                call(&socket, "add", number).await;
                calls.push(number);
                expected.insert(number, "done");
            }
            9 => {
                call(&socket, "boom", number).await;
                expected.insert(number, "panicked");
            }
            10 => {
                call(&socket, "look", number).await;
                expected.insert(number, "done");
            }
            _ => sleep(Duration::from_secs(10)).await,
        }
        for _ in 0..random.below(20) {
            yield_now().await;
        }
    }
    let answers = answers(&socket, expected.len()).await;
    for (number, how) in answers {
        let fine = how == expected[&number] || how == "answer_lost";
        assert!(fine, "seed {seed}: call {number} ended with {how}");
    }
    faults.heal();
    // A reader first: the last messages may still be on their way to a second life.
    sleep(Duration::from_secs(60)).await;
    let taken = ledger.taken().await.unwrap();
    assert_eq!(taken, (messages, calls), "seed {seed}");
}

#[tokio::test(start_paused = true)]
async fn p3_each_message_takes_effect_once() {
    let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
    let seeds = match number("ACTOR_REPLAY_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ACTOR_REPLAY_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        one(seed).await;
    }
}

//! Events across a reconnect: who says what it saw last gets what it missed, once and in order, or is
//! told that this cannot be; who says nothing sees nothing of it.

use std::{collections::BTreeMap, future::poll_fn, sync::Arc, time::Duration};

use actor_core::{
    connection::{Delivery, Frame},
    gateway::{ConnectRequest, Socket},
    prelude::*,
    protocol::{Encoding, ToClient, ToServer, client},
    storage::Memory,
    testing::{Fault, Faults, TestRegistry},
};
use tokio::time::{sleep, timeout};

/// Events of a kind that are kept here.
const KEEP: u64 = 5;

#[derive(Debug, Event)]
pub(crate) enum News {
    #[event(replay = 5)]
    Line(u64),
    #[event(replay = 5)]
    Other {
        text: String,
    },
    Fleeting(u64),
}

#[actor(event = News, sleep_after = "10s")]
#[derive(Default)]
pub(crate) struct Paper {
    lines: u64,
}

#[actor]
impl Paper {
    #[action]
    async fn print(&mut self, ctx: &Ctx<Self>, lines: u64) -> u64 {
        for _ in 0..lines {
            self.lines += 1;
            ctx.broadcast(News::Line(self.lines));
            ctx.broadcast(News::Fleeting(self.lines));
        }
        self.lines
    }

    #[action]
    async fn tell(&self, ctx: &Ctx<Self>, text: String) {
        ctx.broadcast(News::Other { text });
    }

    #[action]
    async fn spoil(&mut self, ctx: &Ctx<Self>) {
        ctx.broadcast(News::Line(u64::MAX));
        panic!("on purpose");
    }

    #[action]
    async fn end(&self, ctx: &Ctx<Self>) {
        ctx.destroy();
    }
}

/// As `Paper`, and tells before it saves.
#[actor(event = News, durability = "relaxed", save_interval = "1h", sleep_after = "10s")]
#[derive(Default)]
pub(crate) struct Rumour {
    heard: u64,
}

#[actor]
impl Rumour {
    #[action]
    async fn spread(&mut self, ctx: &Ctx<Self>, by: u64) {
        self.heard += by;
        ctx.broadcast(News::Line(self.heard));
    }

    #[action]
    async fn spoil(&mut self) {
        panic!("on purpose");
    }
}

/// A client as a browser's would be: it remembers where each event stood that it saw.
struct Reader {
    socket: Socket,
    follows: bool,
    seen: BTreeMap<String, String>,
}

impl Reader {
    async fn open(registry: &Registry, name: &str, seen: Option<BTreeMap<String, String>>) -> Self {
        let gateway = registry.gateway();
        let actor = gateway.find_by_key("default", name, "one".into()).await;
        let own = seen.clone().map_or(Value::Undefined, |seen| {
            Value::object([("$seen", Value::object(seen))])
        });
        let request = ConnectRequest {
            encoding: Encoding::Json,
            params: own,
            request: None,
        };
        let actor = actor.unwrap().unwrap();
        let reader = Self {
            socket: gateway.connect(&actor, request).await.unwrap(),
            follows: seen.is_some(),
            seen: seen.unwrap_or_default(),
        };
        for event in ["line", "other", "fleeting", "$resync"] {
            reader.subscribe(event, true).await;
        }
        reader
    }

    async fn subscribe(&self, event: &str, subscribe: bool) {
        let message = ToServer::Subscribe {
            event: event.into(),
            subscribe,
        };
        let bytes = client::encode(Encoding::Json, &message);
        let frame = Frame { bytes, text: true };
        self.socket.receive(frame).await.unwrap();
    }

    /// What came, until nothing does for a moment.
    async fn read(&mut self) -> Vec<String> {
        let mut events = Vec::new();
        loop {
            let next = poll_fn(|cx| self.socket.poll_next(cx));
            let Ok(next) = timeout(Duration::from_millis(1), next).await else {
                return events;
            };
            let Some(Delivery::Frame(frame)) = next else {
                panic!("{next:?}");
            };
            let message = client::decode(Encoding::Json, &frame.bytes).unwrap();
            let ToClient::Event { name, args } = message else {
                panic!("{message:?}");
            };
            let Value::Array(mut args) = args else {
                panic!("{args:?}");
            };
            if name == "$resync" {
                let [Value::Text(event), Value::Text(at)] = &args[..] else {
                    panic!("{args:?}");
                };
                self.seen.insert(event.clone(), at.clone());
                events.push(format!("resync {event}"));
                continue;
            }
            if self.follows && name != "fleeting" {
                let Some(Value::Text(at)) = args.pop() else {
                    panic!("{name} says not where it stands");
                };
                self.seen.insert(name.clone(), at);
            }
            let [arg] = &args[..] else {
                panic!("{name} has {args:?}");
            };
            match arg {
                Value::Int(it) => events.push(format!("{name} {it}")),
                other => events.push(format!("{name} {:?}", other.member("text").unwrap())),
            }
        }
    }

    /// Its line is cut; it comes again.
    async fn again(self, registry: &Registry, name: &str) -> Self {
        drop(self.socket);
        Self::open(registry, name, Some(self.seen)).await
    }
}

fn lines(range: impl Iterator<Item = u64>) -> Vec<String> {
    range.map(|it| format!("line {it}")).collect()
}

async fn paper() -> (Arc<Faults<Memory>>, TestRegistry, PaperHandle) {
    let registry = TestRegistry::start(|it| it.actor::<Paper>().actor::<Rumour>()).await;
    let faults = Arc::clone(registry.storage());
    let paper = registry.get_or_create::<Paper>("one");
    paper.print(0).await.unwrap();
    (faults, registry, paper)
}

#[tokio::test(start_paused = true)]
async fn p4_a_client_that_was_away_gets_what_it_missed() {
    let (_faults, registry, paper) = paper().await;
    let mut reader = Reader::open(&registry, "paper", Some(BTreeMap::new())).await;
    let first = reader.read().await;
    assert_eq!(
        first,
        ["resync line", "resync other"],
        "the state is to be loaded"
    );
    // From the very place where the state was loaded, before any event.
    reader = reader.again(&registry, "paper").await;
    assert_eq!(reader.read().await, [""; 0]);
    drop(reader.socket);
    let mut next = 1;
    let mut seen = reader.seen;
    for missed in [1, KEEP, 0, 2, KEEP] {
        paper.print(missed).await.unwrap();
        if missed == 2 {
            // Also from disk.
            sleep(Duration::from_secs(60)).await;
            assert!(!paper.actor().await.unwrap().is_awake());
        }
        let mut reader = Reader::open(&registry, "paper", Some(seen)).await;
        assert_eq!(reader.read().await, lines(next..next + missed));
        next += missed;
        // What comes now is heard once, the sleep between hurts nobody.
        sleep(Duration::from_secs(60)).await;
        paper.print(1).await.unwrap();
        paper.tell("x".into()).await.unwrap();
        let heard = reader.read().await;
        let expected = [
            format!("line {next}"),
            format!("fleeting {next}"),
            "other Text(\"x\")".to_owned(),
        ];
        assert_eq!(heard, expected);
        next += 1;
        seen = reader.seen;
    }
    // One too many.
    paper.print(KEEP + 1).await.unwrap();
    let mut reader = Reader::open(&registry, "paper", Some(seen)).await;
    assert_eq!(reader.read().await, ["resync line"]);
    reader = reader.again(&registry, "paper").await;
    assert_eq!(reader.read().await, [""; 0]);
    // Who begins to listen anew, without a word on what it saw, is told to load.
    reader.subscribe("line", false).await;
    reader.subscribe("line", true).await;
    assert_eq!(reader.read().await, ["resync line"]);
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_sees_nothing_of_it() {
    let (_faults, registry, paper) = paper().await;
    paper.print(3).await.unwrap();
    let mut plain = Reader::open(&registry, "paper", None).await;
    let mut inside = paper.connect(Value::Undefined).await.unwrap();
    paper.print(1).await.unwrap();
    assert_eq!(plain.read().await, ["line 4", "fleeting 4"]);
    assert!(matches!(
        inside.next().await.as_deref(),
        Some(News::Line(4))
    ));
}

#[tokio::test(start_paused = true)]
async fn p2_an_event_that_never_was_is_not_sent_again() {
    let (faults, registry, paper) = paper().await;
    let mut reader = Reader::open(&registry, "paper", Some(BTreeMap::new())).await;
    reader.read().await;
    paper.print(1).await.unwrap();
    paper.spoil().await.unwrap_err();
    faults.script([Some(Fault::Refuse)]);
    paper.print(1).await.unwrap_err();
    faults.heal();
    assert_eq!(reader.read().await, ["line 1", "fleeting 1"]);
    paper.print(1).await.unwrap();
    assert_eq!(reader.read().await, ["line 2", "fleeting 2"]);
    // What is on its way to disk when a client comes is sent once it is there.
    let mut seen = reader.seen.clone();
    faults.hold();
    let printing = paper.print(1);
    let reading = async {
        sleep(Duration::from_millis(1)).await;
        let opening = Reader::open(&registry, "paper", Some(seen.clone()));
        let (mut late, ()) = tokio::join!(opening, async {
            sleep(Duration::from_millis(5)).await;
            assert_eq!(reader.read().await, [""; 0]);
            faults.release();
        });
        late.read().await
    };
    let (printed, read) = tokio::join!(printing, reading);
    assert_eq!((printed.unwrap(), read), (3, lines(3..4)));

    // A new actor of the old name: the numbers of the old one mean nothing.
    paper.end().await.unwrap();
    registry
        .get_or_create::<Paper>("one")
        .print(3)
        .await
        .unwrap();
    seen.remove("other");
    let mut reader = Reader::open(&registry, "paper", Some(seen)).await;
    assert_eq!(reader.read().await, ["resync line", "resync other"]);
    let nonsense = [("line", "nonsense"), ("other", "1.2.3")];
    let nonsense = nonsense.map(|(a, b)| (a.to_owned(), b.to_owned())).into();
    let mut reader = Reader::open(&registry, "paper", Some(nonsense)).await;
    assert_eq!(reader.read().await, ["resync line", "resync other"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_life_lost_is_not_taken_for_what_came_instead() {
    let (faults, registry, _paper) = paper().await;
    let rumour = registry.get_or_create::<Rumour>("one");
    rumour.spread(1).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    let mut reader = Reader::open(&registry, "rumour", Some(BTreeMap::new())).await;
    reader.read().await;
    rumour.spread(1).await.unwrap();
    assert_eq!(reader.read().await, ["line 2"]);
    // Told, and lost.
    faults.script([Some(Fault::Refuse)]);
    rumour.spoil().await.unwrap_err();
    faults.heal();
    let seen = reader.seen.clone();
    drop(reader.socket);
    rumour.spread(10).await.unwrap();
    let mut reader = Reader::open(&registry, "rumour", Some(seen)).await;
    assert_eq!(reader.read().await, ["resync line"]);
}

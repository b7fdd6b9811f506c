//! The connections of an actor that slept, as its next life in the same process finds them: each is read
//! when somebody asks for it, and nobody can tell.

use std::{
    cell::{Cell, RefCell},
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actor_core::{
    ActorId, Address, CloseFrame, Message, Socket, WebSocket,
    clock::Timestamp,
    prelude::*,
    storage::{
        ActorRecord, Alarm, Batch, Committed, Creation, Driver, Entry, Loaded, Memory, NewActor,
        ScanRange, StorageError,
    },
    testing::{Fault, TestRegistry},
};
use async_trait::async_trait;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::time::sleep;

use crate::{registry, registry_over};

const LONG: Duration = Duration::from_secs(60);

thread_local! {
    /// How many connections were read back in this test, which has its thread to itself.
    static READ: Cell<usize> = const { Cell::new(0) };
    /// Whether `on_sleep` ends at all.
    static STUCK: Cell<bool> = const { Cell::new(false) };
    /// What a connection asks, once, when it is read back or written down.
    static ASKS: RefCell<Option<TaskCtx<Foyer>>> = const { RefCell::new(None) };
    /// How many connections it was told of.
    static TOLD: Cell<usize> = const { Cell::new(0) };
}

/// What is remembered of a connection, unless it heard thirteen messages: that cannot be read back.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Seat {
    #[serde(deserialize_with = "unless_thirteen", serialize_with = "curious")]
    heard: u32,
}

fn ask() {
    let asks = ASKS.take();
    if let Some(ctx) = asks {
        TOLD.set(ctx.conns().len());
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it by reference"
)]
fn curious<S: Serializer>(heard: &u32, to: S) -> Result<S::Ok, S::Error> {
    ask();
    heard.serialize(to)
}

fn unless_thirteen<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    READ.set(READ.get() + 1);
    ask();
    let heard = u32::deserialize(from)?;
    if heard == 13 {
        return Err(serde::de::Error::custom("thirteen"));
    }
    Ok(heard)
}

/// Counts what each socket says, and writes down who went.
#[actor(
    params = String,
    conn = Seat,
    event = Called,
    hibernate_websockets,
    durability = "relaxed",
    save_interval = "1h",
    sleep_after = "5s",
    sleep_grace = "1s"
)]
#[derive(Default)]
pub(crate) struct Foyer {
    gone: Vec<String>,
}

#[derive(Clone, Event)]
pub(crate) enum Called {
    Bell(u32),
}

#[actor]
impl Foyer {
    #[on_message]
    async fn heard(&mut self, socket: &Socket<Self>, message: Message) {
        let Message::Text(times) = message else {
            return;
        };
        let more: u32 = times.parse().unwrap();
        let heard = socket.conn().write(|it| {
            it.heard += more;
            it.heard
        });
        socket.send_text(heard.to_string());
    }

    #[on_disconnect]
    async fn left(&mut self, conn: &Conn<Self>) {
        self.gone.push(conn.params().clone());
    }

    #[action]
    async fn ring(&self, ctx: &Ctx<Self>, times: u32) {
        ctx.broadcast(Called::Bell(times));
    }

    #[action]
    async fn names(&self, ctx: &Ctx<Self>) -> Vec<String> {
        let conns = ctx.conns().into_iter();
        conns
            .map(|it| format!("{} {}", it.params(), it.read(|seat| seat.heard)))
            .collect()
    }

    /// From now on, the next connection that is read or written asks.
    #[action]
    async fn make_curious(&self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
        ctx.timer(Duration::ZERO, |ctx| async move { ASKS.set(Some(ctx)) })?;
        Ok(())
    }

    /// What came before is stored when it returns.
    #[action(durability = "acked")]
    async fn save(&mut self) {}

    #[action]
    async fn gone(&self) -> Vec<String> {
        self.gone.clone()
    }
}

async fn say(socket: &mut WebSocket, more: u32) -> Option<String> {
    socket.send(more.to_string()).await.unwrap();
    match socket.next().await? {
        Message::Text(text) => Some(text),
        Message::Binary(bytes) => panic!("{bytes:?}"),
    }
}

async fn foyer() -> (TestRegistry, FoyerHandle) {
    let registry = TestRegistry::start(|it| it.actor::<Foyer>()).await;
    let foyer = registry.get_or_create::<Foyer>("one");
    (registry, foyer)
}

async fn sockets(foyer: &FoyerHandle, count: usize) -> Vec<WebSocket> {
    let mut sockets = Vec::new();
    for number in 0..count {
        let socket = foyer.open_websocket("", number.to_string()).await;
        sockets.push(socket.unwrap());
    }
    sockets
}

async fn asleep(foyer: &FoyerHandle) {
    sleep(LONG).await;
    assert!(!foyer.actor().await.unwrap().is_awake());
    READ.set(0);
}

/// Counts what waking reads.
#[derive(Debug, Default)]
struct Counted {
    memory: Memory,
    read: AtomicUsize,
}

#[async_trait]
impl Driver for Counted {
    async fn create(&self, actor: NewActor) -> Result<Creation, StorageError> {
        self.memory.create(actor).await
    }
    async fn find(&self, address: &Address) -> Result<Option<ActorRecord>, StorageError> {
        self.memory.find(address).await
    }
    async fn record(&self, id: ActorId) -> Result<Option<ActorRecord>, StorageError> {
        self.memory.record(id).await
    }
    async fn load(&self, id: ActorId, prefix: &[u8]) -> Result<Option<Loaded>, StorageError> {
        self.memory.load(id, prefix).await
    }
    async fn load_without(
        &self,
        id: ActorId,
        prefix: &[u8],
        without: &[&[u8]],
    ) -> Result<Option<Loaded>, StorageError> {
        let loaded = self.memory.load_without(id, prefix, without).await?;
        let read = loaded.as_ref().map_or(0, |it| it.entries.len());
        self.read.store(read, Ordering::Relaxed);
        Ok(loaded)
    }
    async fn scan(&self, id: ActorId, range: ScanRange) -> Result<Vec<Entry>, StorageError> {
        self.memory.scan(id, range).await
    }
    async fn commit(&self, batch: Batch) -> Result<Committed, StorageError> {
        self.memory.commit(batch).await
    }
    async fn destroy(&self, id: ActorId) -> Result<(), StorageError> {
        self.memory.destroy(id).await
    }
    async fn alarms(&self, until: Timestamp, limit: usize) -> Result<Vec<Alarm>, StorageError> {
        self.memory.alarms(until, limit).await
    }
    async fn next_alarm(&self) -> Result<Option<Timestamp>, StorageError> {
        self.memory.next_alarm().await
    }
    async fn close(&self) -> Result<(), StorageError> {
        self.memory.close().await
    }
}

#[tokio::test(start_paused = true)]
async fn p4_the_first_message_waits_for_the_connection_that_sent_it() {
    const SOCKETS: usize = 300;
    let counted = Arc::new(Counted::default());
    let driver: Arc<dyn Driver> = Arc::clone(&counted) as _;
    // By hand: the storage is the test's own.
    let registry = registry_over(&driver, |it| it.actor::<Foyer>()).await;
    let foyer = registry.get_or_create::<Foyer>("one");
    let mut sockets = sockets(&foyer, SOCKETS).await;
    asleep(&foyer).await;
    for (expected, number) in [("1", 7), ("1", 200), ("2", 7)] {
        let said = say(&mut sockets[number], 1).await;
        assert_eq!(said.as_deref(), Some(expected));
        // The state, and of all connections the one that spoke.
        assert_eq!((counted.read.load(Ordering::Relaxed), READ.get()), (1, 1));
        asleep(&foyer).await;
    }
    // Whoever asks for all gets all, as they came.
    let names = foyer.names().await.unwrap();
    assert_eq!(READ.get(), SOCKETS);
    let heard = |it| match it {
        7 => 2,
        200 => 1,
        _ => 0,
    };
    let expected: Vec<_> = (0..SOCKETS)
        .map(|it| format!("{it} {}", heard(it)))
        .collect();
    assert_eq!(names, expected);
}

#[tokio::test(start_paused = true)]
async fn c6_an_event_reaches_those_whom_nobody_asked_for() {
    let (_registry, foyer) = foyer().await;
    let mut conns = Vec::new();
    for number in 0..3 {
        conns.push(foyer.connect(number.to_string()).await.unwrap());
    }
    for times in 0..3 {
        asleep(&foyer).await;
        conns[0].ring(times).await.unwrap();
        for conn in &mut conns {
            let Some(Called::Bell(rung)) = conn.next().await.as_deref().cloned() else {
                panic!("no event");
            };
            assert_eq!(rung, times);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn h12_a_client_that_goes_while_the_actor_sleeps_is_told_of_and_nobody_else() {
    let (_registry, foyer) = foyer().await;
    let mut sockets = sockets(&foyer, 3).await;
    asleep(&foyer).await;
    drop(sockets.remove(1));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(foyer.gone().await.unwrap(), ["1"]);
    asleep(&foyer).await;
    assert_eq!(foyer.names().await.unwrap(), ["0 0", "2 0"]);
    assert_eq!(foyer.gone().await.unwrap(), ["1"]);
}

/// H12, H14: one that cannot be read back costs its own socket, whoever asked for it, and is forgotten.
#[tokio::test(start_paused = true)]
async fn h12_one_that_cannot_be_read_is_closed_and_its_row_goes() {
    let (registry, foyer) = foyer().await;
    let mut sockets = sockets(&foyer, 4).await;
    for damaged in [1, 2] {
        let said = say(&mut sockets[damaged], 13).await;
        assert_eq!(said.as_deref(), Some("13"));
    }
    asleep(&foyer).await;
    assert_eq!(say(&mut sockets[0], 1).await.as_deref(), Some("1"));
    // It speaks itself; the other is found by who asks for all.
    assert_eq!(say(&mut sockets[1], 1).await, None);
    assert_eq!(foyer.names().await.unwrap(), ["0 1", "3 0"]);
    assert_eq!(sockets[2].next().await, None);
    for damaged in [1, 2] {
        let closed = sockets[damaged].close_frame();
        assert_eq!(closed, Some(&CloseFrame::new(1011, "ws.restore_error")));
    }
    asleep(&foyer).await;
    let actor = foyer.resolve().await.unwrap();
    let entries = registry
        .storage()
        .load(actor, &[])
        .await
        .unwrap()
        .unwrap()
        .entries;
    let is_row = |it: &&Entry| it.value.windows(6).any(|it| it == b"params");
    assert_eq!(entries.iter().filter(is_row).count(), 2);
    assert_eq!(foyer.gone().await.unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn g4_after_a_save_that_failed_connections_are_what_is_stored() {
    let (registry, foyer) = foyer().await;
    let faults = registry.storage();
    let mut sockets = sockets(&foyer, 2).await;
    assert_eq!(say(&mut sockets[0], 1).await.as_deref(), Some("1"));
    foyer.save().await.unwrap();
    assert_eq!(say(&mut sockets[0], 1).await.as_deref(), Some("2"));
    faults.script([Some(Fault::Refuse); 3]);
    asleep(&foyer).await;
    faults.heal();
    let mut names = foyer.names().await.unwrap();
    // Read from storage, in the order of their ids.
    names.sort();
    assert_eq!(names, ["0 1", "1 0"]);
}

/// P5: reading and writing connections is user code, and nobody holds what that may ask for.
#[tokio::test(start_paused = true)]
async fn p5_a_connection_may_ask_who_is_there_while_it_is_read_or_written() {
    let (_registry, foyer) = foyer().await;
    let mut sockets = sockets(&foyer, 3).await;
    asleep(&foyer).await;
    foyer.make_curious().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    // The one that speaks is read, and has all of them read meanwhile, itself too.
    assert_eq!(say(&mut sockets[1], 1).await.as_deref(), Some("1"));
    assert_eq!((TOLD.take(), READ.get()), (3, 4));
    // Who was listed first stayed.
    assert_eq!(say(&mut sockets[1], 1).await.as_deref(), Some("2"));
    assert_eq!(foyer.names().await.unwrap(), ["0 0", "1 2", "2 0"]);
    foyer.save().await.unwrap();
    foyer.make_curious().await.unwrap();
    asleep(&foyer).await;
    assert_eq!(TOLD.take(), 3);
    assert_eq!(foyer.names().await.unwrap(), ["0 0", "1 2", "2 0"]);
}

/// Its sockets do not hibernate, and it may be long in going to sleep.
#[actor(params = String, sleep_after = "never", sleep_grace = "1s")]
#[derive(Default)]
pub(crate) struct Porch {
    gone: Vec<String>,
}

#[actor]
impl Porch {
    #[on_message]
    async fn heard(&mut self) {}

    #[on_sleep]
    async fn sleep(&mut self) {
        if STUCK.get() {
            pending::<()>().await;
        }
    }

    #[on_disconnect]
    async fn left(&mut self, conn: &Conn<Self>) {
        self.gone.push(conn.params().clone());
    }

    #[action]
    async fn gone(&self) -> Vec<String> {
        self.gone.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn h12_whose_hook_was_cut_off_is_told_of_in_the_next_life() {
    let registry = registry(|it| it.actor::<Porch>()).await;
    let porch = registry.get_or_create::<Porch>("one");
    let stays = porch.connect("stays".into()).await.unwrap();
    let goes = porch.open_websocket("", "goes".into()).await.unwrap();
    STUCK.set(true);
    let actor = porch.actor().await.unwrap();
    actor.sleep();
    sleep(LONG).await;
    assert!(!actor.is_awake());
    assert_eq!(stays.gone().await.unwrap(), ["goes"]);
    drop(goes);
}

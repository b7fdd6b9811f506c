//! What an actor that wakes finds of its connections: rows, sockets, either, neither.

use std::{cell::Cell, time::Duration};

use actor_core::{
    ActorId, CloseFrame, Message, Socket, WebSocket,
    prelude::*,
    storage::{Batch, Driver as _, Entry, Memory, Op},
    testing::{Fault, Faults, TestRegistry},
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use serde::{Deserialize, Serialize};
use tokio::{
    runtime::Handle,
    task::yield_now,
    time::{sleep, timeout},
};

const LONG: Duration = Duration::from_secs(60);

#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Seat {
    heard: u32,
}

/// Counts what each socket says, and writes down who went.
#[actor(params = String, conn = Seat, hibernate_websockets, sleep_after = "5s")]
#[derive(Default)]
pub(crate) struct Hall {
    log: Vec<String>,
}

#[actor]
impl Hall {
    /// Everybody is there, with all that is known of them.
    #[on_wake]
    async fn wake(&mut self, ctx: &Ctx<Self>) {
        let seats = ctx.sockets().into_iter();
        let heard: Vec<_> = seats.map(|it| it.conn().read(|seat| seat.heard)).collect();
        self.log.push(format!("wake {heard:?}"));
    }

    #[on_message]
    async fn heard(&mut self, socket: &Socket<Self>) {
        let heard = socket.conn().write(|it| {
            it.heard += 1;
            it.heard
        });
        socket.send_text(heard.to_string());
    }

    #[on_close]
    async fn closed(&mut self, frame: CloseFrame) {
        self.log.push(format!("{} {}", frame.code, frame.reason));
    }

    #[on_disconnect]
    async fn left(&mut self, conn: &Conn<Self>) {
        self.log.push(format!("{} left", conn.params()));
    }

    #[action]
    async fn log(&self) -> Vec<String> {
        self.log.clone()
    }
}

async fn say(socket: &mut WebSocket) -> String {
    socket.send("something").await.unwrap();
    match socket.next().await {
        Some(Message::Text(text)) => text,
        other => panic!("{other:?}, {:?}", socket.close_frame()),
    }
}

/// The bytes by which storage knows a connection.
fn bytes(id: ConnId) -> [u8; 16] {
    let digits = id.to_string().replace('-', "");
    u128::from_str_radix(&digits, 16).unwrap().to_be_bytes()
}

/// The row of a connection.
async fn row(driver: &Faults<Memory>, actor: ActorId, conn: ConnId) -> Option<Entry> {
    let loaded = driver.load(actor, &[]).await.unwrap().unwrap();
    let mut entries = loaded.entries.into_iter();
    let has_params = |it: &Entry| it.value.windows(6).any(|it| it == b"params");
    entries.find(|it| it.key.ends_with(&bytes(conn)) && has_params(it))
}

/// Writes as another process would that had the actor meanwhile.
async fn write(driver: &Faults<Memory>, actor: ActorId, ops: Vec<Op>) {
    let record = driver.record(actor).await.unwrap().unwrap();
    let mut batch = Batch::new(actor, record.generation.next(), 1);
    batch.ops = ops;
    let _ = driver.commit(batch).await.unwrap();
}

/// Storage as a process leaves it that had the actor meanwhile: the row of one socket is as it was, that of another
/// gone, and of the third unreadable. Answers with those rows that are to go.
async fn spoil(
    driver: &Faults<Memory>,
    actor: ActorId,
    [fine, lost, damaged]: [&WebSocket; 3],
) -> [Entry; 3] {
    let of = async |it: &WebSocket| row(driver, actor, it.id()).await.unwrap();
    let (good, gone, mut bad) = (of(fine).await, of(lost).await, of(damaged).await);
    // Params of another type.
    let at = bad
        .value
        .windows(7)
        .position(|it| it == b"damaged")
        .unwrap();
    let mut value = bad.value.to_vec();
    value.splice(at - 1..at + 7, [0xf6]);
    bad.value = value.into();
    // One whose socket went with another process.
    let mut stale = good.clone();
    let end = stale.key.len() - 16;
    stale.key[end..].copy_from_slice(&[7; 16]);
    let put = |it: Entry| Op::Put {
        key: it.key,
        value: it.value,
    };
    // And one that cannot be read besides.
    let mut lone = bad.clone();
    lone.key[end..].copy_from_slice(&[8; 16]);
    let ops = vec![
        Op::Delete { key: gone.key },
        put(bad.clone()),
        put(stale.clone()),
        put(lone.clone()),
    ];
    write(driver, actor, ops).await;
    [bad, stale, lone]
}

#[tokio::test(start_paused = true)]
async fn h12_each_connection_fares_by_itself() {
    let recorder = DebuggingRecorder::new();
    let meters = recorder.snapshotter();
    let recorder = Box::leak(Box::new(recorder));
    let _guard = metrics::set_default_local_recorder(recorder);
    let registry = TestRegistry::start(|it| it.actor::<Hall>()).await;
    let driver = registry.storage();
    let hall = registry.get_or_create::<Hall>("one");
    let actor = hall.resolve().await.unwrap();
    let open = async |name: &str| {
        let mut socket = hall.open_websocket("", name.into()).await.unwrap();
        assert_eq!(say(&mut socket).await, "1");
        socket
    };
    let mut fine = open("fine").await;
    let mut lost = open("lost").await;
    let mut damaged = open("damaged").await;
    sleep(LONG).await;

    let left = spoil(driver, actor, [&fine, &lost, &damaged]).await;

    restored(&meters);
    assert_eq!(say(&mut fine).await, "2");
    let counted = [
        ("failed", 2),
        ("not_stored", 1),
        ("restored", 1),
        ("stale", 1),
    ];
    assert_eq!(
        restored(&meters),
        counted.map(|(how, n)| (how.to_owned(), n))
    );
    assert_eq!(lost.next().await, None);
    let expected = CloseFrame::new(1000, "ws.meta_not_found_during_restore");
    assert_eq!(lost.close_frame(), Some(&expected));
    assert_eq!(damaged.next().await, None);
    let expected = CloseFrame::new(1011, "ws.restore_error");
    assert_eq!(damaged.close_frame(), Some(&expected));
    let log = hall.log().await.unwrap();
    let expected = ["wake []", "wake [1]", "1000 ws.stale_metadata", "fine left"];
    assert_eq!(log, expected);

    // Nothing is found twice, and what could not be read is forgotten.
    drop((lost, damaged));
    sleep(LONG).await;
    assert_eq!(say(&mut fine).await, "3");
    assert_eq!(hall.log().await.unwrap()[4..], ["wake [2]"]);
    let entries = driver.load(actor, &[]).await.unwrap().unwrap().entries;
    for gone in left {
        assert!(!entries.iter().any(|it| it.key == gone.key), "{gone:?}");
    }
}

/// Sockets and rows are found by their ids, which are random.
#[tokio::test(start_paused = true)]
async fn h12_connections_come_back_oldest_first() {
    const SOCKETS: u32 = 8;
    let mut registry = TestRegistry::start(|it| it.actor::<Hall>()).await;
    let hall = registry.get_or_create::<Hall>("one");
    let actor = hall.resolve().await.unwrap();
    let mut sockets = Vec::new();
    for number in 1..=SOCKETS {
        let mut socket = hall.open_websocket("", number.to_string()).await.unwrap();
        for said in 1..=number {
            assert_eq!(say(&mut socket).await, said.to_string());
        }
        sockets.push(socket);
    }
    // Each time what waking finds is read from storage, because another process had the actor.
    for wake in 1..=3 {
        sleep(LONG).await;
        write(registry.storage(), actor, Vec::new()).await;
        let log = hall.log().await.unwrap();
        let mut heard: Vec<_> = (1..=SOCKETS).collect();
        heard.extend(std::iter::repeat_n(1, wake - 1));
        assert_eq!(log[wake], format!("wake {heard:?}"));
        // Who comes after a wake is younger than all who came back.
        let mut socket = hall.open_websocket("", "late".into()).await.unwrap();
        assert_eq!(say(&mut socket).await, "1");
        sockets.push(socket);
    }

    // Those that are lost with their process leave in the same order.
    registry.crash().await;
    let log = registry.get::<Hall>("one").log().await.unwrap();
    let left: Vec<_> = log
        .iter()
        .filter_map(|it| it.strip_suffix(" left"))
        .collect();
    let mut expected: Vec<_> = (1..=SOCKETS).map(|it| it.to_string()).collect();
    expected.extend(["late", "late", "late"].map(str::to_owned));
    assert_eq!(left, expected);
}

thread_local! {
    /// How often somebody left.
    static LEFT: Cell<u32> = const { Cell::new(0) };
    /// How many wakes are to fail.
    static ILL: Cell<u32> = const { Cell::new(0) };
}

/// Cannot bear that somebody leaves.
#[actor(sleep_after = "5s")]
#[derive(Default)]
pub(crate) struct Widow {}

#[actor]
impl Widow {
    #[on_wake]
    async fn wake(&self) -> Result<(), ActorError> {
        if let Some(left) = ILL.get().checked_sub(1) {
            ILL.set(left);
            return Err(ActorError::internal("ill"));
        }
        Ok(())
    }

    #[on_disconnect]
    async fn left(&mut self) {
        LEFT.set(LEFT.get() + 1);
        panic!("on purpose");
    }

    #[action]
    async fn ping(&self) {}
}

/// Its row stays until a commit takes it, and neither a start nor a commit that fails may have it run again.
#[tokio::test(start_paused = true)]
async fn c7_a_hook_of_leaving_that_panicked_does_not_run_again() {
    let registry = TestRegistry::start(|it| it.actor::<Widow>()).await;
    let driver = registry.storage();
    let widow = registry.get_or_create::<Widow>("one");
    let actor = widow.resolve().await.unwrap();
    drop(widow.connect(Value::Undefined).await.unwrap());
    sleep(LONG).await;
    assert_eq!(LEFT.get(), 1);
    let rows = async || {
        let loaded = driver.load(actor, &[]).await.unwrap().unwrap();
        loaded.entries.len() - 1
    };
    assert_eq!(rows().await, 1, "beside the state");
    ILL.set(2);
    for _ in 0..2 {
        widow.ping().await.unwrap_err();
    }
    driver.script([Some(Fault::Refuse)]);
    let _ = widow.ping().await;
    sleep(LONG).await;
    widow.ping().await.unwrap();
    sleep(LONG).await;
    assert_eq!((LEFT.get(), rows().await), (1, 0));
}

/// How connections fared that were found since this was last asked.
fn restored(meters: &Snapshotter) -> Vec<(String, u64)> {
    let all = meters.snapshot().into_vec().into_iter();
    let mut counted: Vec<_> = all
        .filter(|(key, ..)| key.key().name() == "actor_connections_restored_total")
        .filter_map(|(key, _, _, value)| {
            let how = key.key().labels().find(|it| it.key() == "outcome")?;
            match value {
                DebugValue::Counter(times) => Some((how.value().to_owned(), times)),
                _ => None,
            }
        })
        .filter(|(_, times)| *times != 0)
        .collect();
    counted.sort();
    counted
}

thread_local! {
    /// Most tasks that there were while somebody's params were read.
    static TASKS: Cell<usize> = const { Cell::new(0) };
}

/// Looks who else is there as it is read.
#[derive(Clone, Serialize)]
pub(crate) struct Looking(u32);

impl<'de> Deserialize<'de> for Looking {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let tasks = Handle::current().metrics().num_alive_tasks();
        TASKS.set(TASKS.get().max(tasks));
        u32::deserialize(from).map(Self)
    }
}

#[actor(params = Looking, hibernate_websockets, sleep_after = "5s")]
#[derive(Default)]
pub(crate) struct Crowd {}

#[actor]
impl Crowd {
    #[on_message]
    async fn heard(&self, socket: &Socket<Self>) {
        socket.send_text("heard");
    }
}

/// Rows are read side by side, by four at a time.
#[tokio::test(start_paused = true)]
async fn p6_many_rows_are_read_by_few() {
    let registry = TestRegistry::start(|it| it.actor::<Crowd>()).await;
    let crowd = registry.get_or_create::<Crowd>("one");
    let mut sockets = Vec::new();
    for number in 0..1_000 {
        let socket = crowd.open_websocket("", Looking(number)).await;
        sockets.push(socket.unwrap());
    }
    sleep(LONG).await;
    let before = Handle::current().metrics().num_alive_tasks();
    TASKS.set(0);
    sockets[0].send("there?").await.unwrap();
    assert_eq!(sockets[0].next().await, Some("heard".into()));
    // The actor's own task, and those who read.
    assert_eq!(TASKS.get() - before, 1 + 4);
}

thread_local! {
    /// How often another task had its turn in this test, which has its thread to itself.
    static TURNS: Cell<usize> = const { Cell::new(0) };
}

#[tokio::test(start_paused = true)]
async fn h12_many_sockets_come_back_and_hold_up_nobody() {
    const SOCKETS: usize = 1_000;
    let registry = TestRegistry::start(|it| it.actor::<Hall>()).await;
    let hall = registry.get_or_create::<Hall>("one");
    let mut sockets = Vec::new();
    for number in 0..SOCKETS {
        let socket = hall.open_websocket("", number.to_string()).await;
        sockets.push(socket.unwrap());
    }
    sleep(LONG).await;
    assert!(!hall.actor().await.unwrap().is_awake());
    let other = tokio::spawn(async {
        loop {
            TURNS.set(TURNS.get() + 1);
            yield_now().await;
        }
    });
    let before = TURNS.get();
    assert_eq!(say(&mut sockets[SOCKETS / 2]).await, "1");
    let turns = TURNS.get() - before;
    other.abort();
    // Once for every 64 at least.
    assert!(SOCKETS / 64 <= turns, "{turns}");
    for (number, socket) in sockets.iter_mut().enumerate() {
        let expected = if number == SOCKETS / 2 { "2" } else { "1" };
        assert_eq!(say(socket).await, expected);
    }
}

/// Saves late, and takes its time to welcome somebody.
#[actor(durability = "relaxed", params = String, hibernate_websockets, sleep_after = "1h")]
#[derive(Default)]
pub(crate) struct Lounge {
    n: u32,
}

#[actor]
impl Lounge {
    #[on_connect]
    async fn welcome(_ctx: &TaskCtx<Self>) {
        sleep(Duration::from_secs(4)).await;
    }

    #[action]
    async fn add(&mut self) -> u32 {
        self.n += 1;
        self.n
    }

    #[on_message]
    async fn heard(&self, socket: &Socket<Self>) {
        socket.send_text("heard");
    }

    #[action]
    async fn guests(&self, ctx: &Ctx<Self>) -> Vec<String> {
        let all = ctx.conns().into_iter();
        all.map(|it| it.params().clone()).collect()
    }
}

/// A row says that `on_connect` is over, so there is none before, whatever has to be saved anew.
#[tokio::test(start_paused = true)]
async fn h12_a_connection_that_is_not_open_has_no_row_after_a_failed_save() {
    let registry = TestRegistry::start(|it| it.actor::<Lounge>()).await;
    let driver = registry.storage();
    let lounge = registry.get_or_create::<Lounge>("one");
    lounge.add().await.unwrap();
    let actor = lounge.resolve().await.unwrap();
    sleep(Duration::from_secs(2)).await;
    driver.script([Some(Fault::Refuse)]);
    let guest = lounge.clone();
    let guest = tokio::spawn(async move { guest.connect("guest".into()).await });
    lounge.add().await.unwrap();
    sleep(Duration::from_secs(3)).await;
    let entries = driver.load(actor, &[]).await.unwrap().unwrap().entries;
    assert_eq!(entries.len(), 1, "the state alone");
    let _guest = guest.await.unwrap().unwrap();
    sleep(Duration::from_secs(2)).await;
    let entries = driver.load(actor, &[]).await.unwrap().unwrap().entries;
    assert_eq!(entries.len(), 2);
}

/// Nothing could wake what storage has never heard of, so its client is told as the actor falls asleep, and
/// nobody else's.
#[tokio::test(start_paused = true)]
async fn p4_a_socket_that_was_never_stored_does_not_hibernate() {
    let registry = TestRegistry::start(|it| it.actor::<Lounge>()).await;
    let driver = registry.storage();
    let lounge = registry.get_or_create::<Lounge>("one");
    let mut early = lounge.open_websocket("", "early".into()).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    driver.seeded(1, 1);
    let mut late = lounge.open_websocket("", "late".into()).await.unwrap();
    let actor = lounge.actor().await.unwrap();
    actor.sleep();
    assert_eq!(timeout(LONG, late.next()).await, Ok(None));
    let expected = CloseFrame::new(1011, "actor.hibernation_persist_failed");
    assert_eq!(late.close_frame(), Some(&expected));
    sleep(LONG).await;
    assert!(!actor.is_awake());

    driver.heal();
    early.send("there?").await.unwrap();
    assert_eq!(early.next().await, Some("heard".into()));
    assert_eq!(lounge.guests().await.unwrap(), ["early"]);
}

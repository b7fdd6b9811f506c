//! What user code and storage must not be able to do to an actor: wedge it, starve it, make it spin,
//! or let it show what was never saved.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use actor_core::{
    prelude::*,
    storage::Memory,
    testing::{Fault, Faults, TestRegistry},
};
use futures_util::poll;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::time::{Instant, sleep, timeout};

#[derive(Debug, Event, PartialEq)]
pub(crate) enum Said {
    Said(u32),
}

/// Serializes until it is told not to.
#[derive(Clone, Copy, Default)]
pub(crate) enum Mood {
    #[default]
    Fine,
    Panics,
    Fails,
}

impl Serialize for Mood {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fine => to.serialize_u32(0),
            Self::Panics => panic!("on purpose"),
            Self::Fails => Err(serde::ser::Error::custom("on purpose")),
        }
    }
}

impl<'de> Deserialize<'de> for Mood {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        u32::deserialize(from).map(|_| Self::Fine)
    }
}

#[actor(event = Said, sleep_after = "10s", sleep_grace = "3s")]
#[derive(Default)]
pub(crate) struct Victim {
    n: u32,
    wakes: u32,
    mood: Mood,
    #[actor(transient)]
    kept: HashMap<ConnId, Conn<Self>>,
}

#[actor]
impl Victim {
    #[on_wake]
    async fn wake(&mut self) {
        self.wakes += 1;
    }

    #[on_connect]
    async fn joined(&mut self, conn: &Conn<Self>) {
        self.kept.insert(conn.id(), conn.clone());
    }

    #[action]
    async fn add(&mut self) -> u32 {
        self.n += 1;
        self.n
    }

    #[action]
    async fn read(&self, ms: u64) -> u32 {
        sleep(Duration::from_millis(ms)).await;
        self.n
    }

    #[action]
    async fn wakes(&self) -> u32 {
        self.wakes
    }

    #[action]
    async fn spoil(&mut self, panics: bool) {
        self.mood = if panics { Mood::Panics } else { Mood::Fails };
    }

    #[action]
    async fn tell_kept(&self) {
        for conn in self.kept.values() {
            conn.send(Said::Said(1));
        }
    }

    #[action]
    async fn kick(&mut self, ctx: &Ctx<Self>) {
        for conn in ctx.conns() {
            conn.disconnect("kicked");
        }
    }

    #[action]
    async fn boom(&mut self) {
        panic!("on purpose");
    }

    #[action]
    async fn hang(&mut self) {
        std::future::pending().await
    }

    #[action]
    async fn send_inside_read(ctx: &TaskCtx<Self>) -> u32 {
        let conns = ctx.conns();
        ctx.read(move |it| {
            for conn in &conns {
                conn.send(Said::Said(7));
            }
            it.n
        })
        .await
    }

    #[action]
    async fn write_later(ctx: &TaskCtx<Self>) -> u32 {
        ctx.write(|it| {
            it.n += 100;
            it.n
        })
        .await
    }

    #[action]
    async fn panic_inside_read(ctx: &TaskCtx<Self>) -> u32 {
        ctx.read(|_| panic!("on purpose")).await
    }
}

static CREATED: AtomicUsize = AtomicUsize::new(0);

/// Counts how often it is created, and can never be saved if `mood` says so.
#[actor(input = bool)]
pub(crate) struct Newborn {
    mood: Mood,
}

#[actor]
impl Newborn {
    #[on_create]
    async fn create(fails: bool) -> Self {
        CREATED.fetch_add(1, SeqCst);
        Self {
            mood: if fails { Mood::Fails } else { Mood::Fine },
        }
    }

    #[action]
    async fn poke(&mut self) {}
}

static DESTROYED: AtomicUsize = AtomicUsize::new(0);

#[actor(sleep_after = "10s")]
#[derive(Default)]
pub(crate) struct Mayfly {
    n: u32,
}

#[actor]
impl Mayfly {
    #[on_sleep]
    async fn sleep(&mut self, ctx: &Ctx<Self>) {
        ctx.destroy();
    }

    #[on_destroy]
    async fn destroy(&mut self) {
        DESTROYED.fetch_add(1, SeqCst);
    }

    #[action]
    async fn add(&mut self) -> u32 {
        self.n += 1;
        self.n
    }
}

/// Panics when it is dropped, once it is armed.
#[derive(Default)]
struct Bomb(bool);

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!self.0, "on purpose");
    }
}

#[actor(sleep_after = "10s")]
#[derive(Default)]
pub(crate) struct Bomber {
    left: u32,
    #[actor(transient)]
    bomb: Bomb,
}

#[actor]
impl Bomber {
    #[on_disconnect]
    async fn left(&mut self) {
        self.left += 1;
    }

    #[action]
    async fn arm(&mut self) {
        sleep(Duration::from_millis(100)).await;
        self.bomb.0 = true;
        panic!("on purpose");
    }

    #[action]
    async fn count(&self) -> u32 {
        self.left
    }
}

async fn open() -> (Arc<Faults<Memory>>, TestRegistry) {
    let registry = TestRegistry::start(|it| {
        it.actor::<Victim>()
            .actor::<Newborn>()
            .actor::<Mayfly>()
            .actor::<Bomber>()
    })
    .await;
    let faults = Arc::clone(registry.storage());
    (faults, registry)
}

async fn victim() -> (Arc<Faults<Memory>>, TestRegistry, VictimHandle) {
    let (faults, registry) = open().await;
    let victim = registry.get_or_create::<Victim>("one");
    victim.add().await.unwrap();
    (faults, registry, victim)
}

/// Readers that overlap for ever, until dropped.
fn endless_readers(victim: &VictimHandle) -> tokio::task::JoinHandle<()> {
    let victim = victim.clone();
    tokio::spawn(async move {
        for _ in 0..2000 {
            let victim = victim.clone();
            tokio::spawn(async move { victim.read(100).await.map_err(drop) });
            sleep(Duration::from_millis(50)).await;
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_read_may_send_while_readers_run() {
    let (_faults, _registry, victim) = victim().await;
    let _listener = victim.connect(Value::Undefined).await.unwrap();
    let (slow, sent) = tokio::join!(victim.read(100), async {
        sleep(Duration::from_millis(10)).await;
        victim.send_inside_read().await
    });
    assert_eq!((slow.unwrap(), sent.unwrap()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn state_that_cannot_be_serialized_costs_its_changes_only() {
    let (_faults, _registry, victim) = victim().await;
    for panics in [true, false] {
        victim.spoil(panics).await.unwrap_err();
        let again = timeout(Duration::from_secs(60), victim.add()).await;
        again.expect("the actor answers").unwrap();
    }
    assert_eq!(victim.read(0).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_new_actor_that_cannot_be_saved_does_not_spin() {
    let (faults, registry) = open().await;
    let newborn = registry
        .get_or_create_with::<Newborn>("one", &false)
        .unwrap();
    newborn.resolve().await.unwrap();
    faults.script(std::iter::repeat_n(Some(Fault::Refuse), 3000));
    newborn.poke().await.unwrap_err();
    sleep(Duration::from_secs(1)).await;
    let never = registry
        .get_or_create_with::<Newborn>("two", &true)
        .unwrap();
    faults.heal();
    never.poke().await.unwrap_err();
    sleep(Duration::from_secs(1)).await;
    let created = CREATED.load(SeqCst);
    assert!(created <= 4, "on_create ran {created} times for two calls");
}

#[tokio::test(start_paused = true)]
async fn g8_destroy_asked_for_by_on_sleep_runs_on_destroy() {
    let (_faults, registry) = open().await;
    let mayfly = registry.get_or_create::<Mayfly>("one");
    mayfly.add().await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(DESTROYED.load(SeqCst), 1);
    assert_eq!(mayfly.add().await.unwrap(), 1, "a new one");
}

#[tokio::test(start_paused = true)]
async fn changes_of_on_wake_are_saved() {
    let (_faults, _registry, victim) = victim().await;
    for wakes in 1..4 {
        assert_eq!(victim.wakes().await.unwrap(), wakes);
        sleep(Duration::from_secs(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_kept_in_the_state_speaks_from_any_handler() {
    let (_faults, _registry, victim) = victim().await;
    let mut listener = victim.connect(Value::Undefined).await.unwrap();
    victim.tell_kept().await.unwrap();
    let heard = timeout(Duration::from_secs(5), listener.next()).await;
    assert_eq!(*heard.expect("the event came").unwrap(), Said::Said(1));
}

#[tokio::test(start_paused = true)]
async fn a_kick_whose_commit_fails_leaves_no_open_line_to_nobody() {
    let (faults, _registry, victim) = victim().await;
    let mut listener = victim.connect(Value::Undefined).await.unwrap();
    faults.script([Some(Fault::Refuse)]);
    victim.kick().await.unwrap_err();
    let closed = timeout(Duration::from_secs(60), listener.next()).await;
    assert_eq!(closed.expect("the line is closed"), None);
}

#[tokio::test(start_paused = true)]
async fn readers_do_not_hold_up_a_shutdown_or_a_write() {
    let (_faults, registry, victim) = victim().await;
    let load = endless_readers(&victim);
    sleep(Duration::from_millis(200)).await;
    let start = Instant::now();
    assert_eq!(victim.write_later().await.unwrap(), 101);
    assert!(
        start.elapsed() <= Duration::from_millis(200),
        "{:?}",
        start.elapsed()
    );
    let start = Instant::now();
    registry.shutdown().await;
    assert!(
        start.elapsed() <= Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
    load.abort();
}

#[tokio::test(start_paused = true)]
async fn g3_a_running_turn_does_not_hold_up_a_shutdown_past_the_grace() {
    let (_faults, registry, victim) = victim().await;
    let start = Instant::now();
    let (hung, ()) = tokio::join!(victim.hang(), async {
        sleep(Duration::from_secs(1)).await;
        registry.shutdown().await;
    });
    hung.unwrap_err();
    assert_eq!(start.elapsed(), Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn p2_an_earlier_reply_never_waits_for_a_later_reader() {
    let (faults, _registry, victim) = victim().await;
    victim.add().await.unwrap();
    faults.hold();
    let mut one = Box::pin(victim.add());
    assert!(poll!(&mut one).is_pending());
    sleep(Duration::from_millis(1)).await;
    let mut two = Box::pin(victim.add());
    assert!(poll!(&mut two).is_pending());
    let mut slow = Box::pin(victim.read(30_000));
    assert!(poll!(&mut slow).is_pending());
    sleep(Duration::from_millis(1)).await;
    faults.release();
    let start = Instant::now();
    assert_eq!((one.await.unwrap(), two.await.unwrap()), (3, 4));
    assert!(
        start.elapsed() <= Duration::from_millis(1),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_read_that_panics_fails_its_handler_at_once() {
    let (_faults, _registry, victim) = victim().await;
    let start = Instant::now();
    let error = victim
        .panic_inside_read()
        .await
        .unwrap_err()
        .to_actor_error();
    assert!(error.is("actor", "panicked"), "{error}");
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn p2_a_panic_does_not_fail_a_commit_under_way() {
    let (faults, _registry, victim) = victim().await;
    faults.hold();
    let mut first = Box::pin(victim.add());
    assert!(poll!(&mut first).is_pending());
    sleep(Duration::from_millis(1)).await;
    victim.boom().await.unwrap_err();
    sleep(Duration::from_millis(1)).await;
    faults.release();
    assert_eq!(first.await.unwrap(), 2);
    assert_eq!(victim.read(0).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn p7_a_state_that_panics_as_it_is_dropped_forgets_nobody() {
    let (_faults, registry) = open().await;
    let bomber = registry.get_or_create::<Bomber>("one");
    let guest = bomber.connect(Value::Undefined).await.unwrap();
    let leaving = async {
        sleep(Duration::from_millis(50)).await;
        drop(guest);
    };
    let (armed, ()) = tokio::join!(bomber.arm(), leaving);
    armed.unwrap_err();
    assert_eq!(bomber.count().await.unwrap(), 1, "who left has left");
}

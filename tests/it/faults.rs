//! Storage that fails: nothing acknowledged is lost, nothing unsaved was shown (P2), under a clock
//! that the test moves.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actor_core::{
    ActorId, Address, CloseFrame,
    clock::Timestamp,
    connection::Frame,
    gateway::ConnectRequest,
    kv::KvError,
    prelude::*,
    protocol::{Encoding, ToServer, client},
    storage::{
        ActorRecord, Alarm, Batch, Committed, Creation, Driver, Entry, Loaded, Memory, NewActor,
        ScanRange, StorageError,
    },
    testing::{Fault, TestRegistry},
};
use async_trait::async_trait;
use tokio::time::sleep;

use crate::registry_over;

#[actor(conn = u32, sleep_after = "5s")]
#[derive(Default)]
pub(crate) struct Tally {
    counted: Vec<u64>,
}

#[actor]
impl Tally {
    #[action]
    async fn count(&mut self, n: u64) -> u64 {
        self.counted.push(n);
        n
    }

    #[action]
    async fn counted(&self) -> Vec<u64> {
        self.counted.clone()
    }
}

async fn open() -> TestRegistry {
    TestRegistry::start(|it| it.actor::<Tally>()).await
}

#[tokio::test(start_paused = true)]
async fn a_failed_commit_fails_its_replies_and_reloads() {
    let registry = open().await;
    let faults = registry.storage();
    let tally = registry.get_or_create::<Tally>("one");
    let conn = tally.connect(Value::Undefined).await.unwrap();
    assert_eq!(conn.count(1).await.unwrap(), 1);
    faults.script([Some(Fault::Refuse)]);
    let error = conn.count(2).await.unwrap_err().to_actor_error();
    assert!(error.is("actor", "storage_failed"), "{error}");
    assert_eq!(
        conn.count(3).await.unwrap(),
        3,
        "the connection is still there"
    );
    assert_eq!(tally.counted().await.unwrap(), [1, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_torn_commit_is_reported_failed_and_kept() {
    let registry = open().await;
    let faults = registry.storage();
    let tally = registry.get_or_create::<Tally>("one");
    tally.count(1).await.unwrap();
    faults.script([Some(Fault::Tear)]);
    tally.count(2).await.unwrap_err();
    assert_eq!(
        tally.counted().await.unwrap(),
        [1, 2],
        "what is on disk is the state"
    );
}

#[tokio::test(start_paused = true)]
async fn a_start_that_cannot_read_fails_and_the_next_tries_again() {
    let registry = open().await;
    let faults = registry.storage();
    let tally = registry.get_or_create::<Tally>("one");
    tally.count(1).await.unwrap();
    sleep(Duration::from_secs(10)).await;
    faults.fail_reads(1);
    let error = tally.counted().await.unwrap_err().to_actor_error();
    assert!(error.is("actor", "storage_failed"), "{error}");
    assert_eq!(tally.counted().await.unwrap(), [1]);
}

#[tokio::test(start_paused = true)]
async fn p5_storage_that_never_answers_is_not_waited_for_for_ever() {
    let registry = open().await;
    let faults = registry.storage();
    let tally = registry.get_or_create::<Tally>("one");
    tally.count(1).await.unwrap();
    // Its time is the second's own, and not what was left of the first's.
    sleep(Duration::from_secs(1)).await;
    faults.hold();
    let start = tokio::time::Instant::now();
    let error = tally.count(2).await.unwrap_err().to_actor_error();
    assert!(error.is("actor", "storage_failed"), "{error}");
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    faults.release();
    tally.count(3).await.unwrap();
    // What became of the second is not known, but it happened once at most.
    let counted = tally.counted().await.unwrap();
    assert!(counted == [1, 3] || counted == [1, 2, 3], "{counted:?}");
}

/// Callers count up over several actors while writes fail, tear and the process dies at a point the
/// seed chooses; then everything is opened again.
async fn round(seed: u64) {
    let mut registry = open().await;
    let faults = registry.storage();
    faults.seeded(seed, 5);
    faults.crash_after(usize::try_from(seed % 40).unwrap() + 1);
    let mut callers = Vec::new();
    for caller in 0..6_u64 {
        let tally = registry.get_or_create::<Tally>(format!("actor {}", caller % 3));
        callers.push(tokio::spawn(async move {
            let (mut acked, mut unsure) = (Vec::new(), Vec::new());
            for n in 0..20 {
                let n = caller * 1000 + n;
                match tally.count(n).await {
                    Ok(n) => acked.push(n),
                    Err(_) => unsure.push(n),
                }
                if (seed + n).is_multiple_of(7) {
                    sleep(Duration::from_secs(6)).await;
                }
            }
            (caller % 3, acked, unsure)
        }));
    }
    let mut results = Vec::new();
    for caller in callers {
        results.push(caller.await.unwrap());
    }
    registry.crash().await;
    for (actor, acked, unsure) in results {
        let tally = registry.get_or_create::<Tally>(format!("actor {actor}"));
        let counted = tally.counted().await.unwrap();
        for n in acked {
            let times = counted.iter().filter(|it| **it == n).count();
            assert_eq!(
                times, 1,
                "seed {seed}: {n} was acknowledged and counted {times} times"
            );
        }
        for n in unsure {
            let times = counted.iter().filter(|it| **it == n).count();
            assert!(times <= 1, "seed {seed}: {n} was counted {times} times");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p2_nothing_acknowledged_is_lost_and_nothing_counted_twice() {
    let rounds = std::env::var("ACTOR_FAULT_ROUNDS")
        .ok()
        .and_then(|it| it.parse().ok());
    for seed in 0..rounds.unwrap_or(150) {
        round(seed).await;
    }
}

/// Has room for two messages.
#[actor(mailbox = 2, sleep_after = "5s")]
#[derive(Default)]
pub(crate) struct Inn {
    left: u32,
}

#[actor]
impl Inn {
    #[on_disconnect]
    async fn left(&mut self) {
        self.left += 1;
    }

    #[action]
    async fn count(&self) -> u32 {
        self.left
    }
}

/// That clients have gone is kept for an actor that cannot start, however many they are: then there is
/// no room, and who comes next has to start it all the same.
#[tokio::test(start_paused = true)]
async fn p6_what_waits_for_an_actor_that_cannot_start_does_not_lock_it_up() {
    let registry = TestRegistry::start(|it| it.actor::<Inn>()).await;
    let faults = registry.storage();
    let inn = registry.get_or_create::<Inn>("one");
    let mut guests = Vec::new();
    for _ in 0..3 {
        guests.push(inn.connect(Value::Undefined).await.unwrap());
    }
    sleep(Duration::from_secs(10)).await;
    faults.fail_reads(usize::MAX);
    drop(guests);
    sleep(Duration::from_secs(10)).await;
    faults.heal();
    assert_eq!(inn.count().await.unwrap(), 3);
}

/// What clients want to hear is kept for an actor that cannot start, but not without end.
#[tokio::test(start_paused = true)]
async fn p6_subscriptions_to_an_actor_that_cannot_start_are_bounded() {
    let registry = TestRegistry::start(|it| it.actor::<Inn>()).await;
    let faults = registry.storage();
    let inn = registry.get_or_create::<Inn>("one").actor().await.unwrap();
    let request = ConnectRequest {
        encoding: Encoding::Json,
        params: Value::Undefined,
        request: None,
    };
    let client = registry.gateway().connect(&inn, request).await.unwrap();
    sleep(Duration::from_secs(10)).await;
    faults.fail_reads(usize::MAX);
    let subscribe = ToServer::Subscribe {
        event: "any".into(),
        subscribe: true,
    };
    let bytes = client::encode(Encoding::Json, &subscribe);
    for times in 0.. {
        let frame = Frame {
            bytes: bytes.clone(),
            text: true,
        };
        if let Err(closed) = client.receive(frame).await {
            assert_eq!(closed, CloseFrame::new(1011, "actor.overloaded"));
            break;
        }
        assert!(times < 2000, "nothing bounds them");
        // Each is told that the actor does not start.
        sleep(Duration::from_millis(1)).await;
    }
}

/// Passes on what it is told, except that commits happen a minute late while it is told so, and nobody
/// hears of those.
#[derive(Debug, Default)]
struct Late {
    inner: Arc<Memory>,
    is_late: AtomicBool,
}

#[async_trait]
impl Driver for Late {
    async fn create(&self, actor: NewActor) -> Result<Creation, StorageError> {
        self.inner.create(actor).await
    }

    async fn find(&self, address: &Address) -> Result<Option<ActorRecord>, StorageError> {
        self.inner.find(address).await
    }

    async fn record(&self, id: ActorId) -> Result<Option<ActorRecord>, StorageError> {
        self.inner.record(id).await
    }

    async fn load(&self, id: ActorId, prefix: &[u8]) -> Result<Option<Loaded>, StorageError> {
        self.inner.load(id, prefix).await
    }

    async fn scan(&self, id: ActorId, range: ScanRange) -> Result<Vec<Entry>, StorageError> {
        self.inner.scan(id, range).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, StorageError> {
        if !self.is_late.load(Ordering::SeqCst) {
            return self.inner.commit(batch).await;
        }
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            sleep(Duration::from_secs(60)).await;
            inner.commit(batch).await.map(drop)
        });
        pending().await
    }

    async fn destroy(&self, id: ActorId) -> Result<(), StorageError> {
        self.inner.destroy(id).await
    }

    async fn alarms(&self, until: Timestamp, limit: usize) -> Result<Vec<Alarm>, StorageError> {
        self.inner.alarms(until, limit).await
    }

    async fn next_alarm(&self) -> Result<Option<Timestamp>, StorageError> {
        self.inner.next_alarm().await
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.inner.close().await
    }
}

/// Keeps the same number in its state and under a key.
#[actor(sleep_after = "1h")]
#[derive(Default)]
pub(crate) struct Twice {
    n: u32,
}

#[actor]
impl Twice {
    #[action]
    async fn set(&mut self, ctx: &Ctx<Self>, n: u32) -> Result<(), KvError> {
        self.n = n;
        ctx.kv().put("n", &n)
    }

    #[action]
    async fn both(&self, ctx: &Ctx<Self>) -> Result<(u32, Option<u32>), KvError> {
        Ok((self.n, ctx.kv().get("n").await?))
    }
}

/// A commit that nobody waits for any more may still happen, as storage that hung for a while does what
/// it was asked. The next life must not have read what was before it.
#[tokio::test(start_paused = true)]
async fn k6_a_commit_that_comes_after_its_life_does_not_happen() {
    let late = Arc::new(Late::default());
    let driver: Arc<dyn Driver> = Arc::clone(&late) as _;
    // By hand: the storage is the test's own.
    let registry = registry_over(&driver, |it| it.actor::<Twice>()).await;
    let twice = registry.get_or_create::<Twice>("one");
    twice.set(1).await.unwrap();
    late.is_late.store(true, Ordering::SeqCst);
    twice.set(2).await.unwrap_err();
    late.is_late.store(false, Ordering::SeqCst);
    assert_eq!(twice.both().await.unwrap(), (1, Some(1)));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(twice.both().await.unwrap(), (1, Some(1)));
}

//! A hundred thousand actors that sleep until a schedule is due cost one timer: only those who are due
//! are looked at.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actor_core::{
    ActorId, Address, Generation, Registry,
    clock::Timestamp,
    prelude::*,
    storage::{
        ActorRecord, Alarm, Batch, Committed, Creation, Driver, Entry, Loaded, Memory, NewActor,
        ScanRange, StorageError,
    },
    testing::VirtualClock,
};
use async_trait::async_trait;
use tokio::time::sleep;

const SLEEPERS: u64 = 100_000;
/// Those who are due together, within the first minute.
const EARLY: usize = 2_000;

#[actor(sleep_after = "1s")]
#[derive(Default)]
struct Sleeper {}

#[actor]
impl Sleeper {}

/// Counts what is asked of storage.
#[derive(Debug, Default)]
struct Counted {
    memory: Memory,
    /// Lives that began.
    loads: AtomicUsize,
    /// Questions for alarms, and alarms told.
    looks: AtomicUsize,
    told: AtomicUsize,
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
        self.loads.fetch_add(1, Ordering::Relaxed);
        self.memory.load(id, prefix).await
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
        let found = self.memory.alarms(until, limit).await?;
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.told.fetch_add(found.len(), Ordering::Relaxed);
        Ok(found)
    }
    async fn next_alarm(&self) -> Result<Option<Timestamp>, StorageError> {
        self.memory.next_alarm().await
    }
    async fn close(&self) -> Result<(), StorageError> {
        self.memory.close().await
    }
}

/// An actor with this alarm, as it would be found on disk.
async fn fall_asleep(driver: &Counted, number: u64, alarm: Timestamp) {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    let id = ActorId::from_bytes(bytes);
    let address = Address {
        namespace: "default".into(),
        name: "sleeper".into(),
        key: number.to_string().into(),
    };
    let actor = NewActor {
        id,
        address,
        created: Timestamp::default(),
        input: None,
    };
    driver.create(actor).await.unwrap();
    let mut batch = Batch::new(id, Generation::from_number(1), 1);
    batch.alarm = Some(Some(alarm));
    let _ = driver.commit(batch).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn t7_only_who_is_due_is_looked_at() {
    let driver = Arc::new(Counted::default());
    let clock = VirtualClock::default();
    let now = actor_core::clock::Clock::now(&clock);
    let early = std::iter::repeat_n(60, EARLY);
    let waits = early.chain((0..SLEEPERS).map(|it| 86_400 + it));
    for (number, wait) in (0..SLEEPERS).zip(waits) {
        fall_asleep(&driver, number, now.after(Duration::from_secs(wait))).await;
    }
    let asked =
        || [&driver.loads, &driver.looks, &driver.told].map(|it| it.swap(0, Ordering::Relaxed));
    // By hand: the storage is the test's own.
    let builder = Registry::builder().shared_storage(Arc::clone(&driver) as Arc<dyn Driver>);
    let registry = builder
        .clock(clock.clone())
        .actor::<Sleeper>()
        .build()
        .await
        .unwrap();

    sleep(Duration::from_secs(59)).await;
    let [loads, looks, told] = asked();
    assert_eq!(loads, 0);
    assert!(looks <= 4 && told <= 4, "{looks} looks, {told} alarms");

    sleep(Duration::from_secs(11)).await;
    let [loads, looks, told] = asked();
    assert_eq!(loads, EARLY, "each is woken once");
    // Each look is at those who are due still, and at the one after them.
    assert!(
        looks < 200 && told < 100_000,
        "{looks} looks, {told} alarms"
    );

    sleep(Duration::from_secs(3_600)).await;
    let [loads, looks, told] = asked();
    assert_eq!(loads, 0);
    assert!(looks <= 140 && told <= 140, "{looks} looks, {told} alarms");
    assert_eq!(registry.actors_in_memory(), 0);
    registry.shutdown().await;
}

//! Rules about the end: what closing does, and what is there after opening again.

use std::ops::Range;

use bytes::Bytes;
use tokio::task::JoinSet;

use super::{
    super::{Batch, Driver, NewActor, StorageError},
    Bench, actor, delete, entry, id, put,
};
use crate::{
    clock::Timestamp,
    id::{ActorId, Generation},
};

pub(super) async fn check_close<D: Driver>(bench: &impl AsyncFn(&'static str) -> Bench<D>) {
    closed(&bench("after close every call fails with `Closed`, and closing again is fine").await)
        .await;
}

pub(super) async fn check_reopen<D: Driver>(bench: &impl AsyncFn(&'static str) -> Bench<D>) {
    written(&bench("what was acknowledged is there after opening again").await).await;
    let after_drop = bench("what was acknowledged is there after opening again").await;
    kept(&after_drop).await;
    after_drop.ok(after_drop.driver.close().await);
    drop(after_drop);
    kept(&bench("what was there before closing is there after opening again").await).await;
    fence(&bench("a generation is remembered after opening again").await).await;
    let acknowledged =
        handed_in(&bench("what was handed in before close is finished by it").await).await;
    found_whole(
        &bench("what was handed in before close is finished by it").await,
        &acknowledged,
    )
    .await;
}

async fn closed<D: Driver>(it: &Bench<D>) {
    let id = it.made(1).await;
    it.ok(it.driver.close().await);
    let driver = &it.driver;
    let all = [
        driver.create(actor(2)).await.err(),
        driver.find(&actor(1).address).await.err(),
        driver.record(id).await.err(),
        driver.load(id, &[]).await.err(),
        driver
            .commit(Batch::new(id, Generation::default(), 1))
            .await
            .err(),
        driver
            .clone()
            .hand_in(Batch::new(id, Generation::default(), 1))
            .await
            .err(),
        driver.destroy(id).await.err(),
        driver.alarms(Timestamp::default(), 1).await.err(),
        driver.next_alarm().await.err(),
    ];
    it.holds(
        all.iter()
            .all(|it| matches!(it, Some(StorageError::Closed))),
        &format!("calls gave {all:?}"),
    );
    it.ok(it.driver.close().await);
}

async fn written<D: Driver>(it: &Bench<D>) {
    it.create(NewActor {
        input: Some(Bytes::from_static(b"input")),
        ..actor(1)
    })
    .await;
    it.made(2).await;
    it.commit(
        id(2),
        vec![put("a", "1"), put("b", "2"), put("c", vec![3; 1 << 20])],
    )
    .await;
    it.commit(id(2), vec![delete("a"), put("b", "3")]).await;
    it.alarm(id(2), Some(77)).await;
    it.made(3).await;
    it.commit(id(3), vec![put("a", "1")]).await;
    it.ok(it.driver.destroy(id(3)).await);
}

async fn kept<D: Driver>(it: &Bench<D>) {
    let first = it
        .ok(it.driver.find(&actor(1).address).await)
        .expect("the first is found");
    it.same(
        first.input,
        Some(Bytes::from_static(b"input")),
        "input before the first commit",
    );
    it.same(first.created, actor(1).created, "when it was created");
    let second = it
        .ok(it.driver.load(id(2), &[]).await)
        .expect("the second is found");
    it.same(
        second.record.generation,
        Generation::from_number(1),
        "its generation",
    );
    it.holds(
        second.entries == [entry("b", "3"), entry("c", vec![3; 1 << 20])],
        "its entries are those of the last commit",
    );
    it.same(
        it.ok(it.driver.next_alarm().await),
        Some(Timestamp::from_millis(77)),
        "the alarm",
    );
    it.same(
        it.ok(it.driver.record(id(3)).await),
        None,
        "a destroyed actor",
    );
}

async fn fence<D: Driver>(it: &Bench<D>) {
    let late = it
        .driver
        .commit(Batch::new(id(2), Generation::default(), 1))
        .await;
    it.holds(
        matches!(late, Err(StorageError::Fenced { .. })),
        "an older one is refused",
    );
    it.commit(id(2), Vec::new()).await;
}

/// Closes while commits are on their way; returns whose were acknowledged.
async fn handed_in<D: Driver>(it: &Bench<D>) -> Vec<ActorId> {
    let mut working = JoinSet::new();
    for number in HANDED_IN {
        let id = it.made(number).await;
        let driver = it.driver.clone();
        working.spawn(async move {
            let ops = vec![put("a", "1"), put("b", "1")];
            let batch = Batch {
                ops,
                ..Batch::new(id, Generation::from_number(1), 1)
            };
            driver.commit(batch).await.is_ok().then_some(id)
        });
    }
    tokio::task::yield_now().await;
    it.ok(it.driver.close().await);
    working.join_all().await.into_iter().flatten().collect()
}

async fn found_whole<D: Driver>(it: &Bench<D>, acknowledged: &[ActorId]) {
    for number in HANDED_IN {
        let found = it.entries(id(number)).await.len();
        it.holds(
            found == 0 || found == 2,
            "a batch is there whole or not at all",
        );
        if acknowledged.contains(&id(number)) {
            it.same(found, 2, "entries of an acknowledged batch");
        }
    }
}

/// Actors whose commits race the closing.
const HANDED_IN: Range<u64> = 100..150;

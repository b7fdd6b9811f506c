//! Rules about addresses and ids: who gets one, who finds whom.

use bytes::Bytes;
use tokio::task::JoinSet;

use super::{
    super::{ActorRecord, Batch, Creation, Driver, Entry, NewActor, StorageError},
    Bench, actor, address, id, put,
};
use crate::{
    clock::Timestamp,
    id::Generation,
    key::{ActorKey, Address},
};

pub(super) async fn check<D: Driver>(bench: &impl AsyncFn(&'static str) -> Bench<D>) {
    found_as_created(
        &bench("a created actor is found by address and by id, as it was created").await,
    )
    .await;
    nobody(&bench("an actor that was never created is not there").await).await;
    taken(&bench("an address is given once, and the second to ask is told who was first").await)
        .await;
    apart(&bench("namespace, name and every part of the key tell addresses apart").await).await;
    one_id(&bench("an id names one actor").await).await;
    raced(&bench("when many ask for one address at once, one gets it").await).await;
    destroyed(&bench("destroying removes an actor and all its data, and frees its address").await)
        .await;
}

async fn found_as_created<D: Driver>(it: &Bench<D>) {
    let inputs = [
        None,
        Some(Bytes::new()),
        Some(Bytes::from(vec![7; 300_000])),
    ];
    for (number, input) in (1..).zip(inputs) {
        let new = NewActor {
            input: input.clone(),
            ..actor(number)
        };
        let expected = ActorRecord {
            id: new.id,
            address: new.address.clone(),
            created: new.created,
            generation: Generation::default(),
            input,
        };
        let made = it.ok(it.driver.create(new.clone()).await);
        it.same(
            made,
            Creation::Made(expected.clone()),
            "create returns the record",
        );
        let found = it.ok(it.driver.find(&new.address).await);
        it.same(found, Some(expected.clone()), "find");
        let found = it.ok(it.driver.record(new.id).await);
        it.same(found, Some(expected.clone()), "record");
        let loaded = it.ok(it.driver.load(new.id, &[]).await);
        it.same(loaded.map(|it| it.record), Some(expected), "load");
    }
}

async fn nobody<D: Driver>(it: &Bench<D>) {
    it.made(1).await;
    it.same(
        it.ok(it.driver.find(&address("nobody")).await),
        None,
        "find",
    );
    it.same(it.ok(it.driver.record(id(2)).await), None, "record");
    it.same(it.ok(it.driver.load(id(2), &[]).await), None, "load");
    it.same(it.entries(id(2)).await, Vec::<Entry>::new(), "scan");
    let batch = Batch {
        ops: vec![put("k", "v")],
        ..Batch::new(id(2), Generation::default(), 1)
    };
    let refused = it.driver.commit(batch).await;
    it.holds(
        matches!(refused, Err(StorageError::Missing(who)) if who == id(2)),
        "commit fails with `Missing`",
    );
}

async fn taken<D: Driver>(it: &Bench<D>) {
    it.made(1).await;
    let first = it
        .ok(it.driver.record(id(1)).await)
        .expect("it was just created");
    let second = NewActor {
        id: id(2),
        created: Timestamp::from_millis(9),
        ..actor(1)
    };
    let answer = it.ok(it.driver.create(second).await);
    it.same(answer, Creation::Taken(first.clone()), "the second create");
    it.same(it.ok(it.driver.record(id(2)).await), None, "the second id");
    let again = it.ok(it.driver.create(actor(1)).await);
    it.same(again, Creation::Taken(first), "creating the first again");
}

async fn apart<D: Driver>(it: &Bench<D>) {
    let keys: [&[&str]; 9] = [
        &[],
        &[""],
        &["a"],
        &["A"],
        &["a", "b"],
        &["a/b"],
        &[r"a\", "b"],
        &["a", ""],
        &["é\0%_"],
    ];
    let mut addresses: Vec<Address> = keys.map(|key| address(ActorKey::from(key))).into();
    addresses.push(Address {
        namespace: "other".into(),
        ..address("a")
    });
    addresses.push(Address {
        name: "other".into(),
        ..address("a")
    });
    for (number, address) in (1..).zip(&addresses) {
        it.create(NewActor {
            address: address.clone(),
            ..actor(number)
        })
        .await;
    }
    for (number, address) in (1..).zip(&addresses) {
        let found = it
            .ok(it.driver.find(address).await)
            .map(|it| (it.id, it.address));
        it.same(found, Some((id(number), address.clone())), "find");
    }
}

async fn one_id<D: Driver>(it: &Bench<D>) {
    it.made(1).await;
    let thief = NewActor {
        address: address("elsewhere"),
        ..actor(1)
    };
    it.holds(
        it.driver.create(thief).await.is_err(),
        "creating a second with it fails",
    );
    it.same(
        it.ok(it.driver.find(&address("elsewhere")).await),
        None,
        "find",
    );
    it.holds(
        it.ok(it.driver.record(id(1)).await).is_some(),
        "the first is unharmed",
    );
}

async fn raced<D: Driver>(it: &Bench<D>) {
    for round in 0..8 {
        let mut racing = JoinSet::new();
        for runner in 0..16 {
            let driver = it.driver.clone();
            let new = NewActor {
                id: id(100 * round + runner + 1),
                ..actor(round)
            };
            racing.spawn(async move { driver.create(new).await });
        }
        let mut made = Vec::new();
        let mut taken = Vec::new();
        for answer in racing.join_all().await {
            match it.ok(answer) {
                Creation::Made(record) => made.push(record.id),
                Creation::Taken(record) => taken.push(record.id),
            }
        }
        it.same(made.len(), 1, "how many got it");
        it.holds(
            taken.iter().all(|id| *id == made[0]),
            "the others are told who did",
        );
        let found = it.ok(it.driver.find(&actor(round).address).await);
        it.same(found.map(|it| it.id), Some(made[0]), "find");
    }
}

async fn destroyed<D: Driver>(it: &Bench<D>) {
    it.made(1).await;
    it.made(2).await;
    for id in [id(1), id(2)] {
        it.commit(id, vec![put("a", "1"), put("b", vec![1; 50_000])])
            .await;
        it.alarm(id, Some(5)).await;
    }
    it.ok(it.driver.destroy(id(1)).await);
    it.same(it.ok(it.driver.find(&actor(1).address).await), None, "find");
    it.same(it.ok(it.driver.record(id(1)).await), None, "record");
    it.same(it.ok(it.driver.load(id(1), &[]).await), None, "load");
    it.same(it.entries(id(1)).await, Vec::new(), "scan");
    let due = it.ok(it.driver.alarms(Timestamp::from_millis(9), 9).await);
    it.same(
        due.iter().map(|it| it.id).collect(),
        vec![id(2)],
        "whose alarms are left",
    );
    let late = it
        .driver
        .commit(Batch::new(id(1), Generation::from_number(2), 2))
        .await;
    it.holds(
        matches!(late, Err(StorageError::Missing(_))),
        "a late commit fails with `Missing`",
    );
    it.ok(it.driver.destroy(id(1)).await);

    let heir = NewActor {
        id: id(3),
        ..actor(1)
    };
    it.create(heir).await;
    let loaded = it.ok(it.driver.load(id(3), &[]).await).map(|it| it.entries);
    it.same(
        loaded,
        Some(Vec::new()),
        "what the next at its address inherits",
    );
    it.same(it.keys(id(2)).await.len(), 2, "keys of an actor that stays");
}

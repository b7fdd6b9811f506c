//! Rules about batches: all or nothing, in order, fenced.

use bytes::Bytes;
use tokio::task::JoinSet;

use super::{
    super::{Batch, Driver, NewActor, StorageError},
    Bench, actor, delete, entry, id, put,
};
use crate::id::Generation;

pub(super) async fn check<D: Driver>(bench: &impl AsyncFn(&'static str) -> Bench<D>) {
    version(&bench("a commit returns the version of its batch").await).await;
    order(&bench("operations of a batch take effect in the order they stand").await).await;
    together(&bench("nobody sees half a batch").await).await;
    own_writes(&bench("a read started after a commit returned sees it").await).await;
    input(&bench("the first commit drops the input, even when it changes nothing").await).await;
    fenced(&bench("a batch of an older generation is refused and changes nothing (K6)").await)
        .await;
    many(&bench("commits of many actors at once each do their own work").await).await;
    handed_in(&bench("a commit that is handed in is one like another").await).await;
    strangers(&bench("a refused commit does not harm those beside it").await).await;
}

async fn version<D: Driver>(it: &Bench<D>) {
    let id = it.made(1).await;
    for version in [1, 2, 40] {
        let batch = Batch::new(id, Generation::from_number(1), version);
        let committed = it.ok(it.driver.commit(batch).await);
        it.same(committed.version(), version, "the version");
    }
}

async fn handed_in<D: Driver>(it: &Bench<D>) {
    let id = it.made(1).await;
    let batch = |generation, version, value: &str| Batch {
        ops: vec![put("a", value)],
        ..Batch::new(id, Generation::from_number(generation), version)
    };
    let committed = it.ok(it.driver.clone().hand_in(batch(2, 7, "1")).await);
    it.same(committed.version(), 7, "the version");
    it.same(it.entries(id).await, vec![entry("a", "1")], "the entries");
    let late = it.driver.clone().hand_in(batch(1, 8, "2")).await;
    it.holds(
        matches!(late, Err(StorageError::Fenced { .. })),
        "an older generation is refused",
    );
    let nobody = Batch::new(super::id(9), Generation::from_number(1), 1);
    let nobody = it.driver.clone().hand_in(nobody).await;
    it.holds(
        matches!(nobody, Err(StorageError::Missing(_))),
        "an actor that is not there is missing",
    );
    // Whether this one is applied is open, and those after it are not to wait for it.
    drop(it.driver.clone().hand_in(batch(2, 8, "3")));
    let last = it.driver.clone().hand_in(batch(2, 9, "4")).await;
    it.ok(last.map(drop));
    it.same(
        it.entries(id).await,
        vec![entry("a", "4")],
        "the last entries",
    );
}

async fn order<D: Driver>(it: &Bench<D>) {
    let id = it.made(1).await;
    it.commit(
        id,
        vec![
            put("put twice", "1"),
            put("put twice", "2"),
            put("put, deleted", "1"),
            delete("put, deleted"),
            delete("deleted, put"),
            put("deleted, put", "1"),
            delete("never there"),
        ],
    )
    .await;
    let expected = vec![entry("deleted, put", "1"), entry("put twice", "2")];
    it.same(it.entries(id).await, expected, "one batch");
    it.commit(id, vec![delete("put twice"), put("deleted, put", "2")])
        .await;
    it.same(
        it.entries(id).await,
        vec![entry("deleted, put", "2")],
        "the next batch",
    );
}

async fn together<D: Driver>(it: &Bench<D>) {
    let id = it.made(1).await;
    it.commit(id, vec![put("a", "0"), put("b", "0")]).await;
    let driver = it.driver.clone();
    let mut writing = JoinSet::new();
    writing.spawn(async move {
        for round in 1..200 {
            let text = round.to_string();
            let ops = vec![put("a", &text), delete("b"), put("b", &text)];
            let batch = Batch {
                ops,
                ..Batch::new(id, Generation::from_number(1), round)
            };
            let _ = driver.commit(batch).await?;
        }
        Ok::<_, StorageError>(())
    });
    loop {
        let entries = it.ok(it.driver.load(id, &[]).await).map(|it| it.entries);
        let values: Vec<_> = entries.iter().flatten().map(|it| &it.value).collect();
        it.holds(
            matches!(values[..], [a, b] if a == b),
            &format!("two keys always written together differ: {values:?}"),
        );
        if let Some(done) = writing.try_join_next() {
            break it.ok(done.expect("the writer does not panic"));
        }
        tokio::task::yield_now().await;
    }
}

async fn own_writes<D: Driver>(it: &Bench<D>) {
    let id = it.made(1).await;
    for round in 0..100 {
        let text = format!("{round}");
        it.commit(id, vec![put("k", &text)]).await;
        let loaded = it.ok(it.driver.load(id, b"k").await).map(|it| it.entries);
        it.same(loaded, Some(vec![entry("k", &text)]), "load");
        it.same(it.entries(id).await, vec![entry("k", &text)], "scan");
    }
}

async fn input<D: Driver>(it: &Bench<D>) {
    let input = Some(Bytes::from_static(b"input"));
    for (number, generation) in [(1, 1), (2, 0)] {
        let id = it
            .create(NewActor {
                input: input.clone(),
                ..actor(number)
            })
            .await;
        let record = it.ok(it.driver.record(id).await);
        it.same(
            record.and_then(|it| it.input),
            input.clone(),
            "before the first commit",
        );
        let batch = Batch::new(id, Generation::from_number(generation), 1);
        let _ = it.ok(it.driver.commit(batch).await);
        let record = it.ok(it.driver.record(id).await);
        it.same(
            record.and_then(|it| it.input),
            None,
            "after the first commit",
        );
    }
}

async fn fenced<D: Driver>(it: &Bench<D>) {
    let id = it.made(1).await;
    let commit = async |generation, value: &str| {
        let ops = vec![put("k", value), delete("other")];
        let generation = Generation::from_number(generation);
        it.driver
            .commit(Batch {
                ops,
                alarm: None,
                ..Batch::new(id, generation, 1)
            })
            .await
    };
    let _ = it.ok(commit(2, "second").await);
    for old in [0, 1] {
        let refused = commit(old, "late").await;
        let expected = (Generation::from_number(old), Generation::from_number(2));
        it.holds(
            matches!(refused, Err(StorageError::Fenced { batch, stored }) if (batch, stored) == expected),
            &format!("generation {old} after 2 gives {refused:?}"),
        );
    }
    it.same(
        it.entries(id).await,
        vec![entry("k", "second")],
        "after the refusals",
    );
    let _ = it.ok(commit(2, "second again").await);
    let _ = it.ok(commit(5, "fifth").await);
    it.holds(
        commit(4, "late").await.is_err(),
        "generation 4 after 5 is refused",
    );
    it.same(
        it.entries(id).await,
        vec![entry("k", "fifth")],
        "at the end",
    );
    let record = it.ok(it.driver.record(id).await);
    it.same(
        record.map(|it| it.generation),
        Some(Generation::from_number(5)),
        "the record",
    );
}

async fn many<D: Driver>(it: &Bench<D>) {
    let mut working = JoinSet::new();
    for number in 1..=32 {
        let id = it.made(number).await;
        let driver = it.driver.clone();
        working.spawn(async move {
            for round in 1..=20 {
                let ops = vec![
                    put("round", round.to_string()),
                    put(format!("k{round}"), ""),
                ];
                let batch = Batch {
                    ops,
                    ..Batch::new(id, Generation::from_number(1), round)
                };
                let _ = driver.commit(batch).await?;
            }
            Ok::<_, StorageError>(())
        });
    }
    for done in working.join_all().await {
        it.ok(done);
    }
    for number in 1..=32 {
        let entries = it.entries(id(number)).await;
        it.same(entries.len(), 21, "keys of one actor");
        it.same(
            entries.last(),
            Some(&entry("round", "20")),
            "its last round",
        );
    }
}

async fn strangers<D: Driver>(it: &Bench<D>) {
    let mut working = JoinSet::new();
    for number in 1..=40 {
        let id = if number % 4 == 0 {
            id(1_000)
        } else {
            it.made(number).await
        };
        let driver = it.driver.clone();
        working.spawn(async move {
            let ops = vec![put("k", number.to_string())];
            let batch = Batch {
                ops,
                ..Batch::new(id, Generation::from_number(1), 1)
            };
            (number, driver.commit(batch).await.is_ok())
        });
    }
    for (number, done) in working.join_all().await {
        it.same(done, number % 4 != 0, "whether a commit went through");
        if done {
            let expected = vec![entry("k", number.to_string())];
            it.same(it.entries(id(number)).await, expected, "what it left");
        }
    }
}

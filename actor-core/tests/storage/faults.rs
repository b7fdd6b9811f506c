//! The driver that fails on purpose fails as told, and only so.

use actor_core::storage::faults::{Fault, Faults};
use futures_util::FutureExt;

use super::*;

async fn faulty() -> Faults<Memory> {
    let faults = Faults::new(Memory::new());
    faults.create(actor(1)).await.unwrap();
    faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_faults_it_conforms() {
    conformance::check(async || Faults::new(Memory::new())).await;
}

#[tokio::test]
#[should_panic(expected = "rule `namespace, name and every part of the key tell addresses apart`")]
async fn a_driver_that_fails_is_told_at_which_rule() {
    conformance::check(async || {
        let faults = Faults::new(Memory::new());
        // The rules before this one write three times at most.
        faults.script([None, None, None, Some(Fault::Refuse)]);
        faults
    })
    .await;
}

#[tokio::test]
async fn a_refused_write_does_not_happen_and_a_torn_one_does() {
    let faults = faulty().await;
    faults.script([None, Some(Fault::Refuse), Some(Fault::Tear)]);
    let mut done = Vec::new();
    for key in ["a", "b", "c", "d"] {
        done.push(faults.commit(put(1, key, "v")).await.is_ok());
    }
    assert_eq!(done, [true, false, false, true]);
    assert_eq!(keys(&faults, 1).await, ["a", "c", "d"]);
    assert_eq!(faults.writes(), 5);
}

#[tokio::test]
async fn a_crash_keeps_the_writes_before_it() {
    let faults = faulty().await;
    faults.crash_after(2);
    for (key, done) in [("a", true), ("b", true), ("c", false), ("d", false)] {
        assert_eq!(faults.commit(put(1, key, "v")).await.is_ok(), done, "{key}");
    }
    assert!(matches!(
        faults.record(id(1)).await,
        Err(StorageError::Closed)
    ));
    faults.close().await.unwrap();
    let restarted = faults.restart();
    assert_eq!(keys(&restarted, 1).await, ["a", "b"]);

    restarted.script([Some(Fault::CrashTorn)]);
    let torn = restarted.commit(put(1, "c", "v")).await;
    assert!(matches!(torn, Err(StorageError::Closed)));
    assert!(restarted.commit(put(1, "d", "v")).await.is_err());
    assert_eq!(keys(&restarted.restart(), 1).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_restart_ends_the_driver_before_it() {
    let faults = faulty().await;
    faults.hold();
    let mut held = faults.commit(put(1, "a", "v"));
    assert!(held.as_mut().now_or_never().is_none());
    let restarted = faults.restart();
    assert!(matches!(held.await, Err(StorageError::Closed)));
    assert_eq!(keys(&restarted, 1).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn held_writes_wait_for_their_release_and_no_clock() {
    let faults = faulty().await;
    faults.hold();
    let mut held = faults.commit(put(1, "a", "v"));
    let long = Duration::from_secs(3600);
    assert!(tokio::time::timeout(long, held.as_mut()).await.is_err());
    assert_eq!(faults.waiting(), 1);
    assert_eq!(keys(&faults, 1).await, [""; 0]);
    faults.release();
    let _ = held.await.unwrap();
    assert_eq!(
        (keys(&faults, 1).await, faults.waiting()),
        (vec!["a".to_owned()], 0)
    );
    faults.hold();
    let mut dropped = faults.commit(put(1, "b", "v"));
    assert!(dropped.as_mut().now_or_never().is_none());
    assert_eq!(faults.waiting(), 1);
    drop(dropped);
    assert_eq!(faults.waiting(), 0);
}

#[tokio::test]
async fn reads_fail_as_often_as_told() {
    let faults = faulty().await;
    faults.fail_reads(2);
    assert!(faults.record(id(1)).await.is_err());
    assert!(faults.load(id(1), &[]).await.is_err());
    assert!(faults.next_alarm().await.is_ok());
}

#[tokio::test]
async fn a_seed_draws_the_same_faults_every_time() {
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let faults = faulty().await;
        faults.seeded(seed, 4);
        let mut run = Vec::new();
        for i in 0..200 {
            run.push(faults.commit(put(1, &i.to_string(), "v")).await.is_ok());
        }
        let failed = run.iter().filter(|it| !**it).count();
        assert!((25..=75).contains(&failed), "{failed} of 200 failed");
        // Some of those that failed happened.
        faults.heal();
        assert!(200 - failed < keys(&faults, 1).await.len());
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test]
async fn a_full_disk_is_one_that_says_so() {
    let faults = faulty().await;
    faults.script([Some(Fault::Full)]);
    let full = faults.commit(put(1, "k", "v")).await;
    assert!(matches!(full, Err(StorageError::Full(_))), "{full:?}");
    let _ = faults.commit(put(1, "k", "v")).await.unwrap();
}

//! Jobs are done once, given up after three attempts, and outlive the process.

use actor_core::{queue::Ask, testing::TestRegistry};

use super::*;

fn shrink_to(percent: u8) -> Shrink {
    let image = "cat.png".into();
    Shrink { image, percent }
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_told_and_what_fails_is_given_up() {
    let registry = TestRegistry::start(declare).await;
    let jobs = registry.get_or_create::<Jobs>("a");
    let ask: Ask<Job, String> = Job::shrink(shrink_to(50));
    let told = jobs.send_and_wait(ask, Duration::from_secs(5)).await;
    assert_eq!(told.unwrap().unwrap(), "50-cat.png");
    jobs.send(Job::Shrink(shrink_to(0))).await.unwrap();
    jobs.send(Job::Shrink(shrink_to(10))).await.unwrap();
    registry.advance(Duration::from_secs(60)).await;
    assert_eq!(jobs.done().await.unwrap(), ["50-cat.png", "10-cat.png"]);
    assert_eq!(jobs.take_failed().await.unwrap(), [shrink_to(0)]);
    assert!(jobs.take_failed().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_job_outlives_a_crash_in_its_middle() {
    let mut registry = TestRegistry::start(declare).await;
    let jobs = registry.get_or_create::<Jobs>("a");
    jobs.send(Job::Shrink(shrink_to(50))).await.unwrap();
    registry.advance(Duration::from_millis(100)).await;
    drop(jobs);
    registry.crash().await;
    let jobs = registry.get_or_create::<Jobs>("a");
    assert!(jobs.done().await.unwrap().is_empty());
    registry.advance(Duration::from_secs(1)).await;
    assert_eq!(jobs.done().await.unwrap(), ["50-cat.png"]);
}

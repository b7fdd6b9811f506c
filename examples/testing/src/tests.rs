//! One test for each thing that a test can do to an actor.

use std::fs;

use actor_core::{
    CallError,
    storage::faults::Fault,
    testing::{SchemaError, SchemaLock, TestRegistry},
};

use super::*;

fn bid(by: &str, cents: u64) -> Option<Bid> {
    let by = by.into();
    Some(Bid { by, cents })
}

/// Calls are plain method calls, errors the actor's own.
#[tokio::test(start_paused = true)]
async fn a_low_bid_is_refused() {
    let registry = TestRegistry::start(declare).await;
    let vase = registry.get_or_create::<Auction>("vase");
    vase.bid("ann".into(), 500).await.unwrap();
    let Err(CallError::Action(error)) = vase.bid("bob".into(), 500).await else {
        panic!("accepted")
    };
    assert_eq!(error, AuctionError::TooLow(500));
}

/// Events are heard through a connection in the process, typed.
#[tokio::test(start_paused = true)]
async fn those_who_watch_hear_the_bids() {
    let registry = TestRegistry::start(declare).await;
    let vase = registry.get_or_create::<Auction>("vase");
    let mut watches = vase.connect(Value::Undefined).await.unwrap();
    vase.bid("ann".into(), 500).await.unwrap();
    let heard = watches.next().await.unwrap();
    assert!(matches!(&*heard, News::Bid(it) if it.cents == 500));
}

/// Time is the test's: a minute takes no time. The actor sleeps meanwhile and wakes for its schedule.
#[tokio::test(start_paused = true)]
async fn each_bid_keeps_it_open() {
    let registry = TestRegistry::start(declare).await;
    let vase = registry.get_or_create::<Auction>("vase");
    vase.bid("ann".into(), 500).await.unwrap();
    registry.advance(Duration::from_secs(50)).await;
    assert!(!registry.is_awake(&vase).await);
    vase.bid("bob".into(), 600).await.unwrap();
    registry.advance(Duration::from_secs(50)).await;
    assert_eq!(vase.highest().await.unwrap(), (bid("bob", 600), false));
    registry.advance(Duration::from_secs(11)).await;
    assert_eq!(vase.highest().await.unwrap(), (bid("bob", 600), true));
}

/// A crash: what was acknowledged is there, and the end comes though the process was away.
#[tokio::test(start_paused = true)]
async fn a_crash_costs_nobody_a_bid() {
    let mut registry = TestRegistry::start(declare).await;
    let vase = registry.get_or_create::<Auction>("vase");
    vase.bid("ann".into(), 500).await.unwrap();
    drop(vase);
    registry.crash().await;
    registry.advance(Duration::from_secs(120)).await;
    let vase = registry.get_or_create::<Auction>("vase");
    assert_eq!(vase.highest().await.unwrap(), (bid("ann", 500), true));
}

/// A disk that fails: nobody is told that a bid stands which is not on disk.
#[tokio::test(start_paused = true)]
async fn a_bid_that_is_not_saved_is_none() {
    let registry = TestRegistry::start(declare).await;
    let vase = registry.get_or_create::<Auction>("vase");
    vase.bid("ann".into(), 500).await.unwrap();
    registry.storage().script([Some(Fault::Refuse)]);
    let Err(CallError::Actor(error)) = vase.bid("bob".into(), 600).await else {
        panic!("acknowledged")
    };
    assert!(error.is("actor", "storage_failed"), "{error}");
    assert_eq!(vase.highest().await.unwrap().0, bid("ann", 500));
    vase.bid("bob".into(), 600).await.unwrap();
}

/// A sleep at will: who is connected stays so.
#[tokio::test(start_paused = true)]
async fn watchers_outlive_a_sleep() {
    let registry = TestRegistry::start(declare).await;
    let vase = registry.get_or_create::<Auction>("vase");
    let mut watches = vase.connect(Value::Undefined).await.unwrap();
    registry.hibernate(&vase).await;
    vase.bid("ann".into(), 500).await.unwrap();
    assert!(matches!(&*watches.next().await.unwrap(), News::Bid(_)));
}

/// Auctions that are stored can be read: `UPDATE_SCHEMA=1` writes down what has changed, unless that takes a
/// newer version.
#[test]
fn what_is_stored_is_written_down() -> Result<(), SchemaError> {
    let forms = SchemaLock::new().actor::<Auction>();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/actors.lock");
    let locked = fs::read_to_string(path).unwrap_or_default();
    if env::var_os("UPDATE_SCHEMA").is_none() {
        return forms.check(&locked);
    }
    fs::write(path, forms.update(&locked)?).unwrap();
    Ok(())
}

//! It ticks for those who play, and sleeps when nobody does.

use actor_core::testing::TestRegistry;

use super::*;

fn named(name: &str) -> Player {
    let name = name.into();
    Player { name }
}

#[test]
fn the_world_goes_round() {
    let body = Body {
        at: (0, SIDE - 1),
        towards: (-1, 1),
    };
    let mut arena = Arena {
        players: BTreeMap::from([("ann".into(), body)]),
        ..Arena::default()
    };
    assert_eq!(arena.tick()["ann"].at, (SIDE - 1, 0));
}

#[tokio::test(start_paused = true)]
async fn it_ticks_while_somebody_plays() {
    let registry = TestRegistry::start(declare).await;
    let arena = registry.get_or_create::<Arena>("a");
    let mut ann = arena.connect(named("ann")).await.unwrap();
    ann.steer(1, 0).await.unwrap();
    registry.advance(Duration::from_secs(1)).await;
    let mut last = None;
    while let Some(event) = ann.try_next() {
        let GameEvent::Frame(frame) = &*event;
        last = frame.get("ann").copied();
    }
    let at = last.unwrap().at;
    assert!((8..=10).contains(&at.0) && at.1 == 0, "{at:?}");

    drop(ann);
    registry.advance(Duration::from_secs(10)).await;
    assert!(!arena.actor().await.unwrap().is_awake());
    let ticks = arena.ticks().await.unwrap();
    registry.advance(Duration::from_secs(10)).await;
    assert_eq!(arena.ticks().await.unwrap(), ticks);
}

#[test]
fn the_page_draws_the_world_that_there_is() {
    assert!(PAGE.contains(&format!("viewBox=\"0 0 {SIDE} {SIDE}\"")));
}

//! Rules about alarms: whose is next, and who is due.

use super::{
    super::{Alarm, Driver},
    Bench, id, put,
};
use crate::clock::Timestamp;

pub(super) async fn check<D: Driver>(bench: &impl AsyncFn(&'static str) -> Bench<D>) {
    due(&bench("alarms at or before a time are given, earliest first, at most the limit").await)
        .await;
    changed(&bench("a batch sets, moves, clears or leaves the alarm").await).await;
}

async fn due<D: Driver>(it: &Bench<D>) {
    it.same(
        it.ok(it.driver.next_alarm().await),
        None,
        "the next of none",
    );
    for (number, at) in [(1, 50), (2, 10), (3, 30), (4, 30)] {
        it.made(number).await;
        it.alarm(id(number), Some(at)).await;
    }
    it.made(5).await;
    it.same(
        it.ok(it.driver.next_alarm().await),
        Some(Timestamp::from_millis(10)),
        "the next",
    );
    let all = [(10, 2), (30, 3), (30, 4), (50, 1)];
    for until in [0, 9, 10, 29, 30, 49, 50, u64::MAX] {
        for limit in [0, 1, 2, 9, usize::MAX] {
            let expected: Vec<_> = all
                .iter()
                .filter(|(at, _)| *at <= until)
                .take(limit)
                .map(|&(at, number)| Alarm {
                    at: Timestamp::from_millis(at),
                    id: id(number),
                })
                .collect();
            let found = it.ok(it.driver.alarms(Timestamp::from_millis(until), limit).await);
            it.same(found, expected, &format!("due at {until}, at most {limit}"));
        }
    }
}

async fn changed<D: Driver>(it: &Bench<D>) {
    let id = it.made(1).await;
    let next = async |expected: Option<u64>, what| {
        let found = it.ok(it.driver.next_alarm().await);
        it.same(found, expected.map(Timestamp::from_millis), what);
        let due = it.ok(it.driver.alarms(Timestamp::from_millis(1 << 40), 9).await);
        it.same(due.first().map(|it| it.at), found, "alarms tells the same");
        it.same(due.len(), usize::from(expected.is_some()), "how many");
    };
    it.alarm(id, Some(20)).await;
    next(Some(20), "after setting").await;
    it.alarm(id, Some(30)).await;
    next(Some(30), "after moving it later").await;
    it.alarm(id, Some(10)).await;
    next(Some(10), "after moving it earlier").await;
    it.commit(id, vec![put("k", "v")]).await;
    next(Some(10), "after a batch that leaves it").await;
    it.alarm(id, Some(10)).await;
    next(Some(10), "after setting it to the same").await;
    it.alarm(id, None).await;
    next(None, "after clearing").await;
    it.alarm(id, None).await;
    next(None, "after clearing again").await;
    it.alarm(id, Some(0)).await;
    next(Some(0), "after setting it to the start of time").await;
}

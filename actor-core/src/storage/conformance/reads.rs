//! Rules about reading: order, ranges, limits, sizes.

use super::{
    super::{Driver, Op, ScanRange},
    Bench, entry, id, put,
};
use crate::id::ActorId;

pub(super) async fn check<D: Driver>(bench: &impl AsyncFn(&'static str) -> Bench<D>) {
    prefixes(&bench("load gives the entries with the prefix and no others, in key order").await)
        .await;
    ranges(&bench("scan gives start ≤ key < end, in key order").await).await;
    limits(&bench("scan stops at the limit, counted from the end it starts at").await).await;
    own(&bench("actors do not see each other's entries").await).await;
    sizes(&bench("keys and values keep every byte, from none to a mebibyte").await).await;
}

async fn prefixes<D: Driver>(it: &Bench<D>) {
    let id = it.made(1).await;
    let keys: [&[u8]; 9] = [
        &[],
        &[0],
        &[1],
        &[1, 0],
        &[1, 255],
        &[1, 255, 255, 7],
        &[2],
        &[255],
        &[255, 255],
    ];
    // Written last key first, so that the order of writing cannot pass for the order of keys.
    it.commit(id, keys.iter().rev().map(|key| put(key, key)).collect())
        .await;
    let prefixes: [&[u8]; 8] = [
        &[],
        &[1],
        &[1, 255],
        &[1, 255, 255],
        &[2],
        &[255],
        &[255, 255],
        &[3],
    ];
    for prefix in prefixes {
        let expected: Vec<_> = keys
            .iter()
            .filter(|it| it.starts_with(prefix))
            .map(|it| entry(it, it))
            .collect();
        let loaded = it.ok(it.driver.load(id, prefix).await).map(|it| it.entries);
        it.same(
            loaded,
            Some(expected),
            &format!("load with prefix {prefix:?}"),
        );
        without_some(it, id, &keys, prefix).await;
    }
}

async fn without_some<D: Driver>(it: &Bench<D>, id: ActorId, keys: &[&[u8]], prefix: &[u8]) {
    let withouts: [&[&[u8]]; 5] = [
        &[],
        &[&[]],
        &[prefix],
        &[&[1, 255], &[1, 0]],
        &[&[2], &[255]],
    ];
    for without in withouts {
        let is_left = |it: &&&[u8]| {
            it.starts_with(prefix) && !without.iter().any(|known| it.starts_with(known))
        };
        let expected: Vec<_> = keys
            .iter()
            .filter(is_left)
            .map(|it| entry(it, it))
            .collect();
        let loaded = it.driver.load_without(id, prefix, without).await;
        it.same(
            it.ok(loaded).map(|it| it.entries),
            Some(expected),
            &format!("load with prefix {prefix:?} without {without:?}"),
        );
    }
}

async fn ranges<D: Driver>(it: &Bench<D>) {
    let id = it.made(1).await;
    let keys = ["", "a", "aa", "b", "c", "ca", "d"];
    it.commit(id, keys.iter().rev().map(|key| put(key, key)).collect())
        .await;
    let starts = ["", "a", "ab", "c", "z"];
    let ends = [
        None,
        Some(""),
        Some("aa"),
        Some("b"),
        Some("ca"),
        Some("zz"),
    ];
    for start in starts {
        for end in ends {
            for reverse in [false, true] {
                let mut expected: Vec<_> = keys
                    .iter()
                    .filter(|key| start <= **key && end.is_none_or(|end| **key < end))
                    .map(|key| entry(key, key))
                    .collect();
                if reverse {
                    expected.reverse();
                }
                let found = it
                    .driver
                    .scan(id, range(start, end, usize::MAX, reverse))
                    .await;
                let what = format!("scan from {start:?} to {end:?}, reverse: {reverse}");
                it.same(it.ok(found), expected, &what);
            }
        }
    }
}

async fn limits<D: Driver>(it: &Bench<D>) {
    let id = it.made(1).await;
    let keys = ["a", "b", "c", "d", "e"];
    it.commit(id, keys.iter().map(|key| put(key, key)).collect())
        .await;
    for end in [None, Some("e")] {
        for limit in 0..7 {
            let all = if end.is_none() { &keys[..] } else { &keys[..4] };
            let expected: Vec<_> = all.iter().take(limit).map(|key| entry(key, key)).collect();
            let found = it.driver.scan(id, range("", end, limit, false)).await;
            it.same(it.ok(found), expected, &format!("limit {limit}"));
            let expected: Vec<_> = all
                .iter()
                .rev()
                .take(limit)
                .map(|key| entry(key, key))
                .collect();
            let found = it.driver.scan(id, range("", end, limit, true)).await;
            it.same(it.ok(found), expected, &format!("limit {limit} in reverse"));
        }
    }
}

async fn own<D: Driver>(it: &Bench<D>) {
    let numbers = [1, 2, 3];
    for number in numbers {
        let id = it.made(number).await;
        it.commit(
            id,
            vec![put("same", number.to_string()), put(number.to_string(), "")],
        )
        .await;
    }
    for number in numbers {
        let text = number.to_string();
        it.same(
            it.entries(id(number)).await,
            vec![entry(&text, ""), entry("same", &text)],
            "scan of everything",
        );
        let loaded = it
            .ok(it.driver.load(id(number), b"s").await)
            .map(|it| it.entries);
        it.same(loaded, Some(vec![entry("same", &text)]), "load");
    }
}

async fn sizes<D: Driver>(it: &Bench<D>) {
    let id = it.made(1).await;
    let bytes: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    for size in [0, 1, 255, 4_095, 4_096, 65_537, 1 << 20] {
        let value = &bytes[..size];
        it.commit(
            id,
            vec![put("value", value), put(&bytes[..size.min(2_048)], "key")],
        )
        .await;
        // Shrinking and growing in place are where page chains go wrong.
        let found = it
            .ok(it.driver.load(id, b"value").await)
            .map(|it| it.entries);
        it.holds(
            found == Some(vec![entry("value", value)]),
            &format!("a value of {size} bytes"),
        );
    }
    it.commit(id, vec![put("value", "small again")]).await;
    let found = it
        .ok(it.driver.load(id, b"value").await)
        .map(|it| it.entries);
    it.same(
        found,
        Some(vec![entry("value", "small again")]),
        "a value that shrank",
    );
    let keys = it.keys(id).await;
    it.holds(
        keys.contains(&bytes[..2_048].to_vec()),
        "a key of 2,048 bytes",
    );
    let gone = keys.into_iter().map(|key| Op::Delete { key }).collect();
    it.commit(id, gone).await;
    it.same(it.entries(id).await, Vec::new(), "after deleting every key");
}

fn range(start: &str, end: Option<&str>, limit: usize, reverse: bool) -> ScanRange {
    ScanRange {
        start: start.as_bytes().to_vec(),
        end: end.map(|it| it.as_bytes().to_vec()),
        limit,
        reverse,
    }
}

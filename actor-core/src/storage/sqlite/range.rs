//! Which stretches of an actor's keys a read goes through. Pure.

use super::super::{ScanRange, keys::after_prefix};

/// Every key that starts with `prefix` and with none of `without`, in key order.
pub(super) fn around(prefix: &[u8], without: &[&[u8]]) -> Vec<ScanRange> {
    if without.iter().any(|it| prefix.starts_with(it)) {
        return Vec::new();
    }
    let mut holes: Vec<_> = without.iter().filter(|it| it.starts_with(prefix)).collect();
    holes.sort();
    let mut ranges = Vec::with_capacity(holes.len() + 1);
    let mut start = prefix.to_vec();
    for hole in holes {
        if start.as_slice() < *hole {
            ranges.push(range(start.clone(), Some(hole.to_vec())));
        }
        let Some(after) = after_prefix(hole) else {
            return ranges;
        };
        // A hole may lie within the one before.
        start = start.max(after);
    }
    let end = after_prefix(prefix);
    if end.as_ref().is_none_or(|end| start < *end) {
        ranges.push(range(start, end));
    }
    ranges
}

fn range(start: Vec<u8>, end: Option<Vec<u8>>) -> ScanRange {
    ScanRange {
        start,
        end,
        limit: usize::MAX,
        reverse: false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(vec![0, 1, 2, 254, 255]), 0..4)
    }

    proptest! {
        /// Each key that is asked for is in one range, and no other is in any.
        #[test]
        fn the_ranges_are_what_is_left(
            prefix in key(),
            without in prop::collection::vec(key(), 0..4),
            keys in prop::collection::vec(key(), 0..40),
        ) {
            let without: Vec<_> = without.iter().map(Vec::as_slice).collect();
            let ranges = around(&prefix, &without);
            prop_assert!(ranges.is_sorted_by(|a, b| a.end.as_ref().is_some_and(|end| *end <= b.start)));
            for key in keys {
                let is_in = |it: &ScanRange| {
                    it.start <= key && it.end.as_ref().is_none_or(|end| key < *end)
                };
                let is_left = key.starts_with(&prefix) && !without.iter().any(|it| key.starts_with(it));
                prop_assert_eq!(ranges.iter().filter(|it| is_in(it)).count(), usize::from(is_left));
            }
        }
    }
}

//! Which of an actor's keys are meant.

use crate::storage::{ScanRange, keys};

/// A stretch of keys for [`Kv::list`](super::Kv::list) and
/// [`Kv::delete_range`](super::Kv::delete_range): in key order and at most 16,384 of them, unless told
/// otherwise.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "a range does nothing until it is listed or deleted"]
pub struct Range {
    start: Vec<u8>,
    end: Option<Vec<u8>>,
    limit: usize,
    reverse: bool,
}

impl Range {
    /// Every key.
    pub fn all() -> Self {
        Self::from_key([])
    }

    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: impl AsRef<[u8]>) -> Self {
        let prefix = prefix.as_ref();
        Self {
            end: keys::after_prefix(prefix),
            ..Self::from_key(prefix)
        }
    }

    /// Every key from `start` on, which is included.
    pub fn from_key(start: impl AsRef<[u8]>) -> Self {
        Self {
            start: start.as_ref().to_vec(),
            end: None,
            limit: MAX_LIST,
            reverse: false,
        }
    }

    /// Only keys before `end`.
    pub fn until(mut self, end: impl AsRef<[u8]>) -> Self {
        let end = end.as_ref();
        if self.end.as_deref().is_none_or(|old| end < old) {
            self.end = Some(end.to_vec());
        }
        self
    }

    /// At most `limit` entries, and never more than 16,384.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.min(MAX_LIST);
        self
    }

    /// The last key first.
    pub fn reverse(mut self) -> Self {
        self.reverse = true;
        self
    }
}

impl From<Range> for ScanRange {
    fn from(range: Range) -> Self {
        let end = range.end.map(|it| keys::kv(&it));
        Self {
            start: keys::kv(&range.start),
            end: end.or_else(|| keys::after_prefix(keys::KV)),
            limit: range.limit,
            reverse: range.reverse,
        }
    }
}

/// Most entries of one list.
const MAX_LIST: usize = 16_384;

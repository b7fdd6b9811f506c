//! What is written of a queue: its messages, the id of the next, how often each was tried.

use bytes::Bytes;

use crate::storage::{Op, keys};

pub(super) fn put_message(id: u64, row: Bytes) -> Op {
    let key = keys::queue_message(id);
    Op::Put { key, value: row }
}

pub(super) fn put_next(next: u64) -> Op {
    let key = keys::queue_next();
    let value = Bytes::copy_from_slice(&next.to_be_bytes());
    Op::Put { key, value }
}

pub(super) fn put_attempts(id: u64, attempts: u32) -> Op {
    let key = keys::queue_attempts(id);
    let value = Bytes::copy_from_slice(&u64::from(attempts).to_be_bytes());
    Op::Put { key, value }
}

pub(super) fn number(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(value.try_into().ok()?))
}

pub(super) fn delete(id: u64) -> Vec<Op> {
    let message = keys::queue_message(id);
    let attempts = keys::queue_attempts(id);
    [message, attempts].map(|key| Op::Delete { key }).into()
}

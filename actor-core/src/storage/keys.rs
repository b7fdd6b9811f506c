//! The layout of every actor's keys. No other file may make one.

use crate::id::{ConnId, ScheduleId};

/// Everything that waking reads starts with this.
pub(crate) const WAKE: &[u8] = &[1];

/// What of it is of connections.
pub(crate) const CONNECTIONS: &[&[u8]] = &[CONN, TAKEN];

const STATE: &[u8] = &[1, 1];
const CONN: &[u8] = &[1, 2];
/// Schedules are read by waking: most wakes of an actor that has some are for one of them, scheduling
/// does not have to wait for storage, and the alarm follows from what is there.
const SCHEDULE: &[u8] = &[1, 3];
const SCHEDULE_SHELF: &[u8] = &[1, 4];
/// Apart from the connection's row, since it changes with each message.
const TAKEN: &[u8] = &[1, 5];
/// Events that are kept for clients who are away: the next number follows from the newest.
const KEPT_EVENT: &[u8] = &[1, 6];
/// Apart from the queues, which waking does not read: with it the alarm follows from what waking reads.
const QUEUE_DUE: &[u8] = &[1, 7];

/// What stands before the keys that the author chose.
pub(crate) const KV: &[u8] = &[2];

/// Runs of schedules that are over.
const SCHEDULE_RUN: &[u8] = &[4, 1];
/// What stands before all dead letters of schedules.
pub(crate) const DEAD_LETTER: &[u8] = &[4, 2];

/// The actor's state.
pub(crate) fn state() -> Vec<u8> {
    STATE.to_vec()
}

/// One hibernatable connection.
pub(crate) fn connection(id: ConnId) -> Vec<u8> {
    [CONN, id.as_bytes()].concat()
}

/// The messages that a connection has taken.
pub(crate) fn taken(id: ConnId) -> Vec<u8> {
    [TAKEN, id.as_bytes()].concat()
}

/// One event that is kept.
pub(crate) fn kept_event(event: &str, number: u64) -> Vec<u8> {
    // The number last, and of one length: so rows of an event stand in order.
    [KEPT_EVENT, event.as_bytes(), &number.to_be_bytes()].concat()
}

/// Reads a key of an event that is kept back.
pub(crate) fn read_kept_event(key: &[u8]) -> Option<(&str, u64)> {
    let (event, number) = key.strip_prefix(KEPT_EVENT)?.split_last_chunk()?;
    Some((str::from_utf8(event).ok()?, u64::from_be_bytes(*number)))
}

/// One schedule.
pub(crate) fn schedule(id: ScheduleId) -> Vec<u8> {
    [SCHEDULE, id.as_bytes()].concat()
}

/// What belongs to all schedules.
pub(crate) fn schedule_shelf() -> Vec<u8> {
    SCHEDULE_SHELF.to_vec()
}

/// What stands before the runs of a recurring schedule, or of all that came once.
pub(crate) fn schedule_runs(of: Option<ScheduleId>) -> Vec<u8> {
    let of = of.map_or([0; 16], |it| *it.as_bytes());
    [SCHEDULE_RUN, &of].concat()
}

/// One run.
pub(crate) fn schedule_run(of: Option<ScheduleId>, number: u64) -> Vec<u8> {
    [&*schedule_runs(of), &number.to_be_bytes()].concat()
}

/// One dead letter of a schedule.
pub(crate) fn dead_letter(number: u64) -> Vec<u8> {
    [DEAD_LETTER, &number.to_be_bytes()].concat()
}

/// A key that the author chose.
pub(crate) fn kv(key: &[u8]) -> Vec<u8> {
    [KV, key].concat()
}

/// What stands before everything of the queues.
pub(crate) const QUEUE: &[u8] = &[3];
const QUEUE_NEXT: &[u8] = &[3, 0];
const QUEUE_MESSAGE: &[u8] = &[3, 1];
const QUEUE_ATTEMPTS: &[u8] = &[3, 2];

/// The id of the next message of the queues.
pub(crate) fn queue_next() -> Vec<u8> {
    QUEUE_NEXT.to_vec()
}

/// When a delayed message of the queues is to be offered next.
pub(crate) fn queue_due() -> Vec<u8> {
    QUEUE_DUE.to_vec()
}

/// A message of a queue.
pub(crate) fn queue_message(id: u64) -> Vec<u8> {
    [QUEUE_MESSAGE, &id.to_be_bytes()].concat()
}

/// How often a message was tried. Apart from the message, which need not be written again.
pub(crate) fn queue_attempts(id: u64) -> Vec<u8> {
    [QUEUE_ATTEMPTS, &id.to_be_bytes()].concat()
}

/// What a key found under [`QUEUE`] names.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum QueueKey {
    Next,
    Message(u64),
    Attempts(u64),
    /// Written by a version we do not know.
    Unknown,
}

/// Reads a key of the queues back.
pub(crate) fn read_queue(key: &[u8]) -> QueueKey {
    let id = |prefix: &[u8]| {
        let id = key.strip_prefix(prefix)?.try_into().ok()?;
        Some(u64::from_be_bytes(id))
    };
    if key == QUEUE_NEXT {
        return QueueKey::Next;
    }
    let message = id(QUEUE_MESSAGE).map(QueueKey::Message);
    let attempts = || id(QUEUE_ATTEMPTS).map(QueueKey::Attempts);
    message.or_else(attempts).unwrap_or(QueueKey::Unknown)
}

/// What stands before all idempotency keys.
pub(crate) const IDEMPOTENCY_KEY: &[u8] = &[5, 1];
/// Apart from the keys, of which all are read at once.
const IDEMPOTENCY_ANSWER: &[u8] = &[5, 2];

/// An idempotency key, by the number of its call.
pub(crate) fn idempotency_key(number: u64) -> Vec<u8> {
    [IDEMPOTENCY_KEY, &number.to_be_bytes()].concat()
}

/// What a call with an idempotency key was answered.
pub(crate) fn idempotency_answer(number: u64) -> Vec<u8> {
    [IDEMPOTENCY_ANSWER, &number.to_be_bytes()].concat()
}

/// Reads the key of an idempotency key back.
pub(crate) fn read_idempotency_key(key: &[u8]) -> Option<u64> {
    let number = key.strip_prefix(IDEMPOTENCY_KEY)?.try_into().ok()?;
    Some(u64::from_be_bytes(number))
}

/// The first key after all that begin with `prefix`, `None` when there is none.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|it| *it != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// What a key found under [`WAKE`] names.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum WakeKey<'a> {
    State,
    Connection(ConnId),
    Taken(ConnId),
    Schedule(ScheduleId),
    ScheduleShelf,
    KeptEvent(&'a str, u64),
    QueueDue,
    /// Written by a version we do not know.
    Unknown,
}

/// Reads a key back.
pub(crate) fn read(key: &[u8]) -> WakeKey<'_> {
    if key == STATE {
        return WakeKey::State;
    }
    if key == SCHEDULE_SHELF {
        return WakeKey::ScheduleShelf;
    }
    if key == QUEUE_DUE {
        return WakeKey::QueueDue;
    }
    if let Some((event, number)) = read_kept_event(key) {
        return WakeKey::KeptEvent(event, number);
    }
    let id_after = |prefix| key.strip_prefix(prefix)?.try_into().ok();
    if let Some(id) = id_after(CONN) {
        return WakeKey::Connection(ConnId::from_bytes(id));
    }
    if let Some(id) = id_after(TAKEN) {
        return WakeKey::Taken(ConnId::from_bytes(id));
    }
    id_after(SCHEDULE).map_or(WakeKey::Unknown, |id| {
        WakeKey::Schedule(ScheduleId::from_bytes(id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back() {
        let id = ConnId::from_bytes([7; 16]);
        assert_eq!(read(&state()), WakeKey::State);
        assert_eq!(read(&connection(id)), WakeKey::Connection(id));
        assert_eq!(read(&taken(id)), WakeKey::Taken(id));
        let schedule_id = ScheduleId::from_bytes([8; 16]);
        assert_eq!(read(&schedule(schedule_id)), WakeKey::Schedule(schedule_id));
        assert_eq!(read(&schedule_shelf()), WakeKey::ScheduleShelf);
        assert_eq!(read(&queue_due()), WakeKey::QueueDue);
        let kept = kept_event("line", 300);
        assert_eq!(read(&kept), WakeKey::KeptEvent("line", 300));
        assert!(kept.starts_with(WAKE) && kept_event("line", 7) < kept);
        assert_eq!(read(&[9]), WakeKey::Unknown);
        assert!(schedule(schedule_id).starts_with(WAKE) && schedule_shelf().starts_with(WAKE));
        assert!(!schedule_run(Some(schedule_id), 1).starts_with(WAKE));
        assert!(state().starts_with(WAKE) && connection(id).starts_with(WAKE));
        assert!(!kv(b"any").starts_with(WAKE));
        assert_eq!(read_queue(&queue_next()), QueueKey::Next);
        assert_eq!(read_queue(&queue_message(7)), QueueKey::Message(7));
        assert_eq!(read_queue(&queue_attempts(7)), QueueKey::Attempts(7));
        assert_eq!(read_queue(&kv(b"any")), QueueKey::Unknown);
        assert_eq!(read_idempotency_key(&idempotency_key(7)), Some(7));
        assert_eq!(read_idempotency_key(&idempotency_answer(7)), None);
        assert!(idempotency_key(7).starts_with(IDEMPOTENCY_KEY));
        assert!(!idempotency_key(7).starts_with(WAKE) && idempotency_key(7) < idempotency_key(256));
        assert!(queue_message(7).starts_with(QUEUE) && queue_message(7) < queue_message(256));
    }

    #[test]
    fn a_prefix_ends() {
        assert_eq!(after_prefix(b"ab").unwrap(), b"ac");
        assert_eq!(after_prefix(&[1, 255, 255]).unwrap(), [2]);
        assert_eq!(after_prefix(&[255]), None);
        assert_eq!(after_prefix(&[]), None);
    }
}

//! The layout of every actor's keys. No other file may make one.

use crate::id::ConnId;

/// Everything that waking reads starts with this.
pub(crate) const WAKE: &[u8] = &[1];

const STATE: &[u8] = &[1, 1];
const CONN: &[u8] = &[1, 2];

/// What stands before the keys that the author chose.
pub(crate) const KV: &[u8] = &[2];

/// The actor's state.
pub(crate) fn state() -> Vec<u8> {
    STATE.to_vec()
}

/// One hibernatable connection.
pub(crate) fn connection(id: ConnId) -> Vec<u8> {
    [CONN, id.as_bytes()].concat()
}

/// A key that the author chose.
pub(crate) fn kv(key: &[u8]) -> Vec<u8> {
    [KV, key].concat()
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
pub(crate) enum WakeKey {
    State,
    Connection(ConnId),
    /// Written by a version we do not know.
    Unknown,
}

/// Reads a key back.
pub(crate) fn read(key: &[u8]) -> WakeKey {
    if key == STATE {
        return WakeKey::State;
    }
    key.strip_prefix(CONN)
        .and_then(|id| id.try_into().ok())
        .map_or(WakeKey::Unknown, |id| {
            WakeKey::Connection(ConnId::from_bytes(id))
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
        assert_eq!(read(&[9]), WakeKey::Unknown);
        assert!(state().starts_with(WAKE) && connection(id).starts_with(WAKE));
        assert!(!kv(b"any").starts_with(WAKE));
    }

    #[test]
    fn a_prefix_ends() {
        assert_eq!(after_prefix(b"ab").unwrap(), b"ac");
        assert_eq!(after_prefix(&[1, 255, 255]).unwrap(), [2]);
        assert_eq!(after_prefix(&[255]), None);
        assert_eq!(after_prefix(&[]), None);
    }
}

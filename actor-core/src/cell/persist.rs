//! The stored form of an actor and of its connections: versioned, and never the wire's.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    actor::{ActorType, Inner, Listener, StateError, Transport},
    id::ConnId,
};

/// What stands before the state: the CBOR map `{ "v": version, "state": .. }` up to its last value,
/// so that the state is written behind it without a second copy.
const MAP_OF_TWO: u8 = 0xa2;
const KEY_V: &[u8] = b"\x61v";
const KEY_STATE: &[u8] = b"\x65state";
/// Head of a four-byte unsigned integer, used for every version so that the head has one length.
const UINT_32: u8 = 0x1a;
const HEAD: usize = 1 + KEY_V.len() + 5 + KEY_STATE.len();

/// Writes the state in its envelope. `hint` is the size it had last time.
pub(super) fn encode_state<A: ActorType>(state: &A, hint: usize) -> Result<Bytes, StateError> {
    let mut out = Vec::with_capacity(hint.max(HEAD + 32));
    out.push(MAP_OF_TWO);
    out.extend(KEY_V);
    out.push(UINT_32);
    out.extend(A::VERSION.to_be_bytes());
    out.extend(KEY_STATE);
    state.encode(&mut out)?;
    Ok(out.into())
}

/// Reads a state from its envelope.
pub(super) fn decode_state<A: ActorType>(bytes: &[u8]) -> Result<A, StateError> {
    let (version, state) = open_envelope(bytes)
        .ok_or_else(|| StateError::Decode("the envelope of the state is damaged".into()))?;
    A::decode(version, state)
}

fn open_envelope(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let rest = bytes.strip_prefix(&[MAP_OF_TWO])?.strip_prefix(KEY_V)?;
    let (version, rest) = rest.strip_prefix(&[UINT_32])?.split_first_chunk()?;
    Some((u32::from_be_bytes(*version), rest.strip_prefix(KEY_STATE)?))
}

/// A connection's row, first version.
#[derive(Serialize)]
struct RowRef<'a, P, S> {
    v: u32,
    params: &'a P,
    state: &'a S,
    hears: &'a [Arc<str>],
    local: bool,
}

/// What rows of all versions have.
#[derive(Deserialize)]
struct RowVersion {
    v: u32,
}

#[derive(Deserialize)]
struct Row<P, S> {
    params: P,
    state: S,
    hears: Vec<Arc<str>>,
    local: bool,
}

const ROW_VERSION: u32 = 1;

/// A connection as it was before a sleep, without its socket.
pub(super) struct StoredConn<A: ActorType> {
    pub(super) id: ConnId,
    params: A::Params,
    state: A::ConnState,
    pub(super) hears: Vec<Arc<str>>,
    transport: Transport,
}

impl<A: ActorType> StoredConn<A> {
    /// The connection with its listener, or without one when its client is gone.
    pub(super) fn restore(self, listener: Listener<A>) -> Arc<Inner<A>> {
        Arc::new(Inner::new(
            self.id,
            self.params,
            self.state,
            self.transport,
            listener,
        ))
    }
}

pub(super) fn encode_conn<A: ActorType>(
    conn: &Inner<A>,
    hears: &[Arc<str>],
) -> Result<Bytes, StateError> {
    let mut out = Vec::new();
    let state = conn.lock_state();
    let local = conn.transport == Transport::Local;
    let row = RowRef {
        v: ROW_VERSION,
        params: &conn.params,
        state: &*state,
        hears,
        local,
    };
    ciborium::into_writer(&row, &mut out).map_err(|e| StateError::Encode(e.into()))?;
    Ok(out.into())
}

pub(super) fn decode_conn<A: ActorType>(
    id: ConnId,
    bytes: &[u8],
) -> Result<StoredConn<A>, StateError> {
    let unreadable = |e: ciborium::de::Error<_>| StateError::Decode(e.into());
    let version: RowVersion = ciborium::from_reader(bytes).map_err(unreadable)?;
    if ROW_VERSION < version.v {
        return Err(StateError::Newer {
            found: version.v,
            known: ROW_VERSION,
        });
    }
    let row: Row<A::Params, A::ConnState> = ciborium::from_reader(bytes).map_err(unreadable)?;
    let transport = if row.local {
        Transport::Local
    } else {
        Transport::Socket
    };
    let Row {
        params,
        state,
        hears,
        ..
    } = row;
    Ok(StoredConn {
        id,
        params,
        state,
        hears,
        transport,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_is_plain_cbor() {
        let mut bytes = vec![MAP_OF_TWO];
        bytes.extend(KEY_V);
        bytes.push(UINT_32);
        bytes.extend(7_u32.to_be_bytes());
        bytes.extend(KEY_STATE);
        bytes.extend([0xa1, 0x61, b'n', 0x05]);
        let value: ciborium::Value = ciborium::from_reader(&*bytes).unwrap();
        let map = value.as_map().unwrap();
        assert_eq!(map[0].1, ciborium::Value::from(7));
        assert_eq!(
            open_envelope(&bytes),
            Some((7, &[0xa1, 0x61, b'n', 0x05][..]))
        );
        assert_eq!(open_envelope(&bytes[..5]), None);
    }
}

//! The stored form of an actor and of its connections: versioned, and never the wire's.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use http::request::Parts;
use serde::{Deserialize, Serialize};

use crate::{
    actor::{ActorType, Inner, Listener, StateError, Tags, Taken, Transport},
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
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<RawRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a Tags>,
    seat: u64,
}

/// What is kept of a raw WebSocket.
#[derive(Deserialize, Serialize)]
struct RawRow {
    hibernates: bool,
    /// Whether `on_websocket` is over.
    opened: bool,
    uri: String,
    headers: Vec<(String, ciborium::Value)>,
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
    raw: Option<RawRow>,
    tags: Option<Box<Tags>>,
    /// Rows of older programs have none, and have no sockets either. Those programs read rows with one.
    seat: Option<u64>,
}

/// Version 2 has raw WebSockets, version 3 tags. Rows without are written as before, so that an older
/// program still reads them.
const ROW_VERSION: u32 = 3;
const ROW_WITHOUT_TAGS: u32 = 2;

/// The messages that a connection has taken, first version.
#[derive(Deserialize, Serialize)]
struct TakenRow {
    v: u32,
    numbers: BTreeSet<u64>,
}

const TAKEN_VERSION: u32 = 1;

pub(super) fn encode_taken(numbers: &BTreeSet<u64>) -> Result<Bytes, StateError> {
    let row = TakenRow {
        v: TAKEN_VERSION,
        numbers: numbers.clone(),
    };
    let mut out = Vec::new();
    ciborium::into_writer(&row, &mut out).map_err(|e| StateError::Encode(e.into()))?;
    Ok(out.into())
}

pub(super) fn decode_taken(bytes: &[u8]) -> Result<BTreeSet<u64>, StateError> {
    let row: TakenRow = ciborium::from_reader(bytes).map_err(|e| StateError::Decode(e.into()))?;
    if TAKEN_VERSION < row.v {
        return Err(StateError::Newer {
            found: row.v,
            known: TAKEN_VERSION,
        });
    }
    Ok(row.numbers)
}

/// A connection as it was before a sleep, without its socket.
pub(super) struct StoredConn<A: ActorType> {
    pub(super) id: ConnId,
    params: A::Params,
    state: A::ConnState,
    pub(super) hears: Vec<Arc<str>>,
    transport: Transport,
    request: Option<Arc<Parts>>,
    has_opened: bool,
    tags: Option<Box<Tags>>,
    /// Where it stands among others, if that was written.
    pub(super) seat: Option<u64>,
    /// The messages that it has taken and that may come again.
    pub(super) taken: Option<BTreeSet<u64>>,
}

impl<A: ActorType> StoredConn<A> {
    /// The connection with its listener, or without one when its client is gone.
    pub(super) fn restore(self, listener: Listener<A>) -> Arc<Inner<A>> {
        let mut inner = Inner::new(self.id, self.params, self.state, self.transport, listener);
        inner.request = self.request;
        inner.seat = self.seat.unwrap_or_default();
        *inner.tags() = self.tags;
        if self.has_opened {
            inner.set_opened();
        }
        if let Some(numbers) = self.taken {
            *inner.taken() = Taken {
                numbers,
                is_stored: true,
            };
        }
        Arc::new(inner)
    }
}

impl RawRow {
    fn of<A: ActorType>(conn: &Inner<A>) -> Option<Self> {
        let request = conn.request.as_ref()?;
        if !conn.transport.is_raw() {
            return None;
        }
        let headers = request.headers.iter().map(|(name, value)| {
            let value = ciborium::Value::Bytes(value.as_bytes().to_vec());
            (name.as_str().to_owned(), value)
        });
        Some(Self {
            hibernates: conn.transport.is_hibernatable(),
            opened: conn.has_opened(),
            uri: request.uri.to_string(),
            headers: headers.collect(),
        })
    }

    fn request(self) -> Result<Parts, StateError> {
        let mut request = http::Request::get(self.uri);
        for (name, value) in self.headers {
            let value = value.into_bytes().unwrap_or_default();
            request = request.header(name, value);
        }
        let request = request.body(());
        let (parts, ()) = request
            .map_err(|e| StateError::Decode(e.into()))?
            .into_parts();
        Ok(parts)
    }
}

pub(super) fn encode_conn<A: ActorType>(
    conn: &Inner<A>,
    hears: &[Arc<str>],
) -> Result<Bytes, StateError> {
    let mut out = Vec::new();
    let state = conn.lock_state();
    let local = conn.transport == Transport::Local;
    let tags = conn.tags();
    let row = RowRef {
        v: if tags.is_some() {
            ROW_VERSION
        } else {
            ROW_WITHOUT_TAGS
        },
        params: &conn.params,
        state: &*state,
        hears,
        local,
        raw: RawRow::of(conn),
        tags: tags.as_deref(),
        seat: conn.seat,
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
    let Row {
        params,
        state,
        hears,
        local,
        raw,
        tags,
        seat,
    } = row;
    let transport = match &raw {
        Some(raw) => Transport::Raw {
            hibernatable: raw.hibernates,
        },
        None if local => Transport::Local,
        None => Transport::Socket,
    };
    Ok(StoredConn {
        id,
        params,
        state,
        hears,
        transport,
        tags,
        seat,
        taken: None,
        has_opened: raw.as_ref().is_some_and(|it| it.opened),
        request: raw.map(RawRow::request).transpose()?.map(Arc::new),
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

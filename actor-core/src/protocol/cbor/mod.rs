//! CBOR, as clients write and read it.

mod read;
mod write;

use bytes::Bytes;

pub(super) use self::{
    read::{read, read_reply},
    write::{Sink, big_head, len, map_head, text, write},
};
use crate::value::Value;

/// Where CBOR stands decides how it says what it lacks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Dialect {
    /// The cbor encoding: CBOR's own tags. Clients write no `$` pairs but understand them, so that
    /// a list of that shape is escaped on its way out only. An integer of 64 bits is a bigint.
    Native,
    /// Inside BARE messages: `$` pairs for bigints, sets and byte arrays.
    Tagged,
    /// Below one of CBOR's own tags, where clients look for no `$` pairs: nothing is escaped.
    Opaque,
}

/// The CBOR of `value`, in an allocation of its size.
pub(super) fn to_bytes(value: &Value, dialect: Dialect) -> Bytes {
    let mut out = Vec::with_capacity(len(value, dialect));
    write(&mut out, value, dialect);
    out.into()
}

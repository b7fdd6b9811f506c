//! Numbers of [`Value::Tag`](super::Value::Tag): those CBOR registers and JavaScript clients use.

/// A date as RFC 3339 text.
pub const DATE_TEXT: u64 = 0;
/// A date as seconds since 1970, possibly with a fraction.
pub const EPOCH: u64 = 1;
/// A bigint: its magnitude as bytes, most significant first.
pub const BIG_POSITIVE: u64 = 2;
/// A negative bigint: the magnitude of -1 - n as bytes, most significant first.
pub const BIG_NEGATIVE: u64 = 3;
/// A `Uint8Array`.
pub const UINT8_ARRAY: u64 = 64;
/// A `Set`: an array of its members.
pub const SET: u64 = 258;
/// A `Map`: a map whose keys may be anything.
pub const MAP: u64 = 259;
/// An `ArrayBuffer` where it was told apart from a `Uint8Array`. Not a registered number: CBOR has
/// plain bytes for both, and so it is written.
pub const ARRAY_BUFFER: u64 = 0x6a73_6162;

/// The lowest number of a typed array.
pub(crate) const FIRST_TYPED_ARRAY: u64 = 64;
/// The highest number of a typed array.
pub(crate) const LAST_TYPED_ARRAY: u64 = 87;

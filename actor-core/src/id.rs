//! Identities the library issues: actors, connections, schedules, generations. Not the user's keys.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasherDefault, Hasher},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::{Entropy, Timestamp};

/// Names one actor for as long as it exists; a key destroyed and created again gets a new one (K3).
///
/// Written as a lower-case hyphenated UUID, which is safe in a path, a header and a WebSocket
/// subprotocol. Ids made later sort later, so that storage appends rather than scatters.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct ActorId(Uuid);

impl ActorId {
    /// Makes a new id from the time and 80 random bits.
    #[must_use]
    pub fn new(now: Timestamp, entropy: &dyn Entropy) -> Self {
        let random = entropy.random().to_be_bytes();
        let mut tail = [0; 10];
        tail.copy_from_slice(&random[..10]);
        Self(uuid::Builder::from_unix_timestamp_millis(now.as_millis(), &tail).into_uuid())
    }

    /// The id as storage keeps it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id that [`as_bytes`](Self::as_bytes) gave.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

/// What is known by an actor's id.
pub(crate) type IdMap<V> = HashMap<ActorId, V, BuildHasherDefault<IdHasher>>;

/// Hashes ids by their random half. Nobody chooses those, so nobody can make them collide.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(tail) = bytes.last_chunk() {
            // Its first bits are the same in all ids; the product spreads the others over them.
            self.0 = u64::from_be_bytes(*tail).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Names one connection, through every sleep of its actor.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct ConnId(Uuid);

impl ConnId {
    /// Makes a new random id.
    #[must_use]
    pub fn new(entropy: &dyn Entropy) -> Self {
        Self(uuid::Builder::from_random_bytes(entropy.random().to_be_bytes()).into_uuid())
    }

    /// The id as storage keeps it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id that [`as_bytes`](Self::as_bytes) gave.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

/// Names one schedule of an actor for as long as it is there.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct ScheduleId(Uuid);

impl ScheduleId {
    /// Makes a new random id.
    #[must_use]
    pub fn new(entropy: &dyn Entropy) -> Self {
        Self(uuid::Builder::from_random_bytes(entropy.random().to_be_bytes()).into_uuid())
    }

    /// The id as storage keeps it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id that [`as_bytes`](Self::as_bytes) gave.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

/// Text that is not an id.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not an id")]
pub struct ParseIdError(String);

macro_rules! text_form {
    ($($id:ty),*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $id {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                // Only the form we write: the parser would also take braces and bare hex.
                if text.len() != 36 {
                    return Err(ParseIdError(text.to_owned()));
                }
                Uuid::parse_str(text).map(Self).map_err(|_| ParseIdError(text.to_owned()))
            }
        }
    )*};
}
text_form!(ActorId, ConnId, ScheduleId);

/// Counts the lives of one actor in memory: each start has a higher number than the last life that
/// saved anything (K6). Saves of an older generation are refused.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(transparent)]
pub struct Generation(u64);

impl Generation {
    /// The number `value`.
    #[must_use]
    pub fn from_number(value: u64) -> Self {
        Self(value)
    }

    /// As a number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }

    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a message that a client sent over one socket: the first has 1, and after 65,535 comes
/// 0 (H5).
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(transparent)]
pub struct MessageIndex(u16);

impl MessageIndex {
    /// The number `value`.
    #[must_use]
    pub fn from_number(value: u16) -> Self {
        Self(value)
    }

    /// As a number.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

impl fmt::Display for MessageIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

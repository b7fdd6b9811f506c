//! The unit that is all or nothing, and the proof that it was kept.

use bytes::Bytes;

use crate::{
    clock::Timestamp,
    id::{ActorId, Generation},
};

/// Changes to one actor's data that are kept together or not at all (P3).
#[derive(Clone, Debug)]
#[must_use]
pub struct Batch {
    /// Whose data.
    pub actor: ActorId,
    /// Which life of it writes (K6).
    pub generation: Generation,
    /// The state version this batch makes durable; drivers hand it back in [`Committed`].
    pub version: u64,
    /// What to do, in order.
    pub ops: Vec<Op>,
    /// A new earliest alarm (`Some(None)` clears it), or `None` to leave it.
    pub alarm: Option<Option<Timestamp>>,
}

impl Batch {
    /// An empty batch.
    pub fn new(actor: ActorId, generation: Generation, version: u64) -> Self {
        Self {
            actor,
            generation,
            version,
            ops: Vec::new(),
            alarm: None,
        }
    }

    /// The proof that this batch is durable. Only a [`Driver`](super::Driver) that has made it so
    /// may call this.
    pub fn committed(&self) -> Committed {
        Committed {
            version: self.version,
        }
    }
}

/// One change of a [`Batch`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Op {
    /// Sets a key.
    Put {
        /// The key.
        key: Vec<u8>,
        /// Its new value.
        value: Bytes,
    },
    /// Removes a key; removing what is not there is fine.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
}

/// Says that everything up to a state version is on disk.
///
/// Made by [`Batch::committed`] only, so that a reply cannot leave before its commit: the gate opens
/// for nothing else.
#[derive(Debug, Eq, PartialEq)]
#[must_use = "a commit that opens no gate leaves its replies waiting"]
pub struct Committed {
    version: u64,
}

impl Committed {
    /// The state version that is durable.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }
}

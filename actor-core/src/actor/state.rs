//! The stored form of an actor's state, as most actors want it: CBOR by serde, versions by a function.
//! The envelope round it, with the version, is written elsewhere.

use serde::{Serialize, de::DeserializeOwned};

use super::StateError;
use crate::value::Value;

/// Reads a stored form of an older version as one of the present version.
pub type Migrate = fn(u32, Value) -> Result<Value, String>;

/// Writes a stored form, which should be a struct: CBOR maps can grow.
///
/// # Errors
///
/// When a field does not serialize.
pub fn encode_state<T: Serialize>(stored: &T, out: &mut Vec<u8>) -> Result<(), StateError> {
    ciborium::into_writer(stored, out).map_err(|e| StateError::Encode(e.into()))
}

/// Reads a stored form of the version this program knows, or of an older one through `migrate`.
///
/// # Errors
///
/// When the bytes are not that form, are newer than the program, or are older and there is no
/// `migrate`.
pub fn decode_state<T: DeserializeOwned>(
    found: u32,
    known: u32,
    bytes: &[u8],
    migrate: Option<Migrate>,
) -> Result<T, StateError> {
    if known < found {
        return Err(StateError::Newer { found, known });
    }
    if found == known {
        return ciborium::from_reader(bytes).map_err(|e| StateError::Decode(e.into()));
    }
    let migrate = migrate.ok_or(StateError::NoMigration { found, known })?;
    let old: Value = ciborium::from_reader(bytes).map_err(|e| StateError::Decode(e.into()))?;
    let new = migrate(found, old).map_err(|e| StateError::Decode(e.into()))?;
    new.deserialize_into()
        .map_err(|e| StateError::Decode(e.into()))
}

/// Reads a stored form from a value, with JavaScript's habits forgiven.
///
/// # Errors
///
/// When the value is not that form.
pub fn read_state<T: DeserializeOwned>(stored: Value) -> Result<T, StateError> {
    stored
        .deserialize_into()
        .map_err(|e| StateError::Decode(e.into()))
}

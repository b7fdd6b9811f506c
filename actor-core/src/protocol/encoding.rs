//! The three encodings a client may ask for, and values in each of them.

use std::fmt;

use bytes::Bytes;

use super::{
    cbor::{self, Dialect},
    json,
};
use crate::{error::ActorError, value::Value};

/// How a client wants values and messages written.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Encoding {
    /// JSON text, the default.
    #[default]
    Json,
    /// CBOR throughout.
    Cbor,
    /// BARE messages around CBOR values.
    Bare,
}

impl Encoding {
    /// The encoding of this name: `json`, `cbor` or `bare`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "json" => Some(Self::Json),
            "cbor" => Some(Self::Cbor),
            "bare" => Some(Self::Bare),
            _ => None,
        }
    }

    /// Its name in headers and subprotocols.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Cbor => "cbor",
            Self::Bare => "bare",
        }
    }

    /// The content type of HTTP bodies in it.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Cbor | Self::Bare => "application/octet-stream",
        }
    }

    /// Writes one value as a client of this encoding reads it.
    #[must_use]
    pub fn encode_value(self, value: &Value) -> Bytes {
        match self {
            Self::Json => json::to_bytes(|out| json::write(out, value)),
            Self::Cbor => cbor::to_bytes(value, Dialect::Native),
            Self::Bare => cbor::to_bytes(value, Dialect::Tagged),
        }
    }

    /// Reads one value as a client of this encoding writes it.
    ///
    /// # Errors
    ///
    /// When `bytes` are not exactly one well-formed value, or nested too deeply.
    pub fn decode_value(self, bytes: &[u8]) -> Result<Value, DecodeError> {
        match self {
            Self::Json => json::read(bytes),
            Self::Cbor => cbor::read(bytes, Dialect::Native),
            Self::Bare => cbor::read(bytes, Dialect::Tagged),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads an actor's input, which comes as CBOR whatever the client's encoding.
///
/// # Errors
///
/// When `bytes` are not exactly one well-formed value.
pub fn decode_input(bytes: &[u8]) -> Result<Value, DecodeError> {
    cbor::read(bytes, Dialect::Tagged)
}

/// Reads connection parameters: JSON text in which nothing is escaped.
///
/// A header may carry text as UTF-8 or, from browsers, as Latin-1.
///
/// # Errors
///
/// When `bytes` are not JSON.
pub fn decode_params(bytes: &[u8]) -> Result<Value, DecodeError> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        json::read_plain(text.as_bytes())
    } else {
        let text: String = bytes.iter().copied().map(char::from).collect();
        json::read_plain(text.as_bytes())
    }
}

/// Bytes that are not what the protocol has in this place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The message ends too early.
    #[error("the message ends too early")]
    Truncated,
    /// More bytes follow the message.
    #[error("more bytes follow the message")]
    Trailing,
    /// Values are nested too deeply.
    #[error("values are nested too deeply")]
    TooDeep,
    /// A version of the protocol nobody here speaks.
    #[error("protocol version {0} is not known")]
    Version(u16),
    /// A part is not what it should be.
    #[error("{0}")]
    Malformed(&'static str),
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl From<DecodeError> for ActorError {
    fn from(error: DecodeError) -> Self {
        // It speaks of the client's own bytes only.
        Self::new("actor", "invalid_request", error.to_string())
            .with_status(400)
            .public()
    }
}

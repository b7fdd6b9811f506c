//! The stored forms: of a key, and of an answer. Versioned, and never the wire's.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::IgnoredAny};

use super::table::{Entry, Mark};
use crate::{clock::Timestamp, error::ActorError, value::Value};

/// A list, not a map: there are many of them.
#[derive(Deserialize, Serialize)]
struct KeyRow<T>(
    u32,       // version
    T,         // action
    T,         // key
    u64,       // fingerprint of the arguments
    Timestamp, // answered
);

/// The version stands first, so that another one is told from damage.
#[derive(Deserialize, Serialize)]
struct AnswerRow<T>(u32, T);

const VERSION: u32 = 1;

/// What a call was answered.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub(crate) enum Answer {
    #[serde(rename = "ok")]
    Ok(Value),
    #[serde(rename = "error")]
    Error(StoredError),
    /// More than is kept.
    #[serde(rename = "large")]
    Large,
}

/// An error as the handler gave it, with what clients must not read of it.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct StoredError {
    group: String,
    code: String,
    message: String,
    metadata: Option<Value>,
    status: u16,
    public: bool,
}

impl From<&ActorError> for StoredError {
    fn from(error: &ActorError) -> Self {
        Self {
            group: error.group().to_owned(),
            code: error.code().to_owned(),
            message: error.message().to_owned(),
            metadata: error.metadata().cloned(),
            status: error.status(),
            public: error.is_public(),
        }
    }
}

impl From<StoredError> for ActorError {
    fn from(stored: StoredError) -> Self {
        let mut error = Self::internal(stored.message)
            .with_group(stored.group)
            .with_code(stored.code)
            .with_status(stored.status);
        if let Some(metadata) = stored.metadata {
            error = error.with_metadata(metadata);
        }
        if stored.public { error.public() } else { error }
    }
}

/// A row that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowError {
    #[error("it does not deserialize")]
    Decode(#[source] ciborium::de::Error<std::io::Error>),
    #[error("it has version {found}, this program knows {VERSION}")]
    Newer { found: u32 },
}

pub(super) fn write_key(mark: &Mark, at: Timestamp) -> Bytes {
    let row = KeyRow(VERSION, mark.action(), mark.key(), mark.print, at);
    encode(&row)
}

pub(super) fn read_key(bytes: &[u8]) -> Result<Entry, RowError> {
    let row: KeyRow<Arc<str>> = decode(bytes)?;
    Ok(Entry {
        mark: Mark::new(row.1, row.2, row.3),
        at: row.4,
        answer: None,
    })
}

/// An answer as it is kept, at most `limit` bytes of it.
pub(crate) fn write_answer(outcome: Result<Value, ActorError>, limit: usize) -> Bytes {
    let answer = match outcome {
        Ok(value) => Answer::Ok(value),
        Err(error) => Answer::Error((&error).into()),
    };
    let row = encode(&AnswerRow(VERSION, answer));
    if row.len() <= limit {
        return row;
    }
    encode(&AnswerRow(VERSION, Answer::Large))
}

pub(crate) fn read_answer(bytes: &[u8]) -> Result<Answer, RowError> {
    let row: AnswerRow<Answer> = decode(bytes)?;
    Ok(row.1)
}

fn encode<T: Serialize>(row: &T) -> Bytes {
    let mut out = Vec::new();
    // Nothing in there can refuse to be written into memory.
    let written = ciborium::into_writer(row, &mut out);
    debug_assert!(written.is_ok(), "{written:?}");
    out.into()
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, RowError> {
    // Small integers are their own CBOR, and the version is the first of the list.
    if let Some(found) = bytes.get(1).copied().map(u32::from)
        && VERSION < found
        && found < 24
        && ciborium::from_reader::<IgnoredAny, _>(bytes).is_ok()
    {
        return Err(RowError::Newer { found });
    }
    ciborium::from_reader(bytes).map_err(RowError::Decode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_this_version_stay_readable() {
        let mark = Mark::new("charge".into(), "k1".into(), 7);
        let key = write_key(&mark, Timestamp::from_millis(300));
        assert_eq!(&key[..], b"\x85\x01\x66charge\x62k1\x07\x19\x01\x2c");
        let entry = read_key(&key).unwrap();
        assert_eq!((entry.mark, entry.at.as_millis()), (mark, 300));

        let ok = write_answer(Ok(Value::from(5)), 100);
        assert_eq!(&ok[..], b"\x82\x01\xa1\x62ok\x05");
        assert_eq!(read_answer(&ok).unwrap(), Answer::Ok(Value::from(5)));
        let large = write_answer(Ok(Value::from("x".repeat(100))), 100);
        assert_eq!(&large[..], b"\x82\x01\x65large");
        assert_eq!(read_answer(&large).unwrap(), Answer::Large);
    }

    #[test]
    fn errors_come_back_as_they_were() {
        let public = ActorError::user("too late")
            .with_status(409)
            .with_metadata(3);
        let hidden = ActorError::internal("the disk smells");
        for error in [public, hidden, ActorError::new("sql", "busy", "later")] {
            let row = write_answer(Err(error.clone()), 1_000);
            let Answer::Error(stored) = read_answer(&row).unwrap() else {
                panic!("not an error");
            };
            let back = ActorError::from(stored);
            assert_eq!(back.to_string(), error.to_string());
            assert_eq!(back.metadata(), error.metadata());
            assert_eq!(
                (back.status(), back.is_public()),
                (error.status(), error.is_public())
            );
        }
    }

    #[test]
    fn s6_rows_of_a_later_version_are_told_from_damage() {
        for bytes in [&b"\x82\x02\x65other"[..], b"\x81\x02"] {
            assert!(matches!(
                read_answer(bytes),
                Err(RowError::Newer { found: 2 })
            ));
            assert!(matches!(read_key(bytes), Err(RowError::Newer { found: 2 })));
        }
        for bytes in [&b""[..], b"\x82\x01", b"\x82\x05\x65o"] {
            assert!(matches!(read_answer(bytes), Err(RowError::Decode(_))));
        }
    }
}

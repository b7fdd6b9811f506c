//! The stored form of a message: versioned, compact, and never the wire's.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::table::Message;
use crate::{clock::Timestamp, value::Value};

/// A list, not a map: the limit of a message's size counts these bytes, and most messages are small.
#[derive(Deserialize, Serialize)]
struct Row<Q, B>(
    u32,               // version
    Q,                 // queue
    Timestamp,         // sent
    Option<Timestamp>, // due
    Option<Timestamp>, // expires
    B,                 // body
);

const VERSION: u32 = 1;

/// A message that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowError {
    #[error("it does not serialize")]
    Encode(#[source] ciborium::ser::Error<std::io::Error>),
    #[error("it does not deserialize")]
    Decode(#[source] ciborium::de::Error<std::io::Error>),
    #[error("it has version {found}, this program knows {VERSION}")]
    Newer { found: u32 },
}

/// When a message was sent, and when it is offered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) sent: Timestamp,
    pub(super) due: Option<Timestamp>,
    pub(super) expires: Option<Timestamp>,
}

pub(super) fn encode(queue: &str, times: Times, body: &Value) -> Result<Bytes, RowError> {
    let mut out = Vec::new();
    let row = Row(VERSION, queue, times.sent, times.due, times.expires, body);
    ciborium::into_writer(&row, &mut out).map_err(RowError::Encode)?;
    Ok(out.into())
}

/// A row as the table keeps it.
pub(super) fn decode(bytes: &Bytes, attempts: u32) -> Result<Message, RowError> {
    let row: Row<String, serde::de::IgnoredAny> = read(bytes)?;
    Ok(Message {
        queue: row.1.into(),
        body: bytes.clone(),
        due: row.3,
        expires: row.4,
        attempts,
    })
}

/// When a row was sent.
pub(super) fn sent(bytes: &Bytes) -> Result<Timestamp, RowError> {
    let row: Row<String, serde::de::IgnoredAny> = read(bytes)?;
    Ok(row.2)
}

/// What a row's sender said.
pub(super) fn body(bytes: &Bytes) -> Result<Value, RowError> {
    let row: Row<String, Value> = read(bytes)?;
    Ok(row.5)
}

/// The same message in another queue, offered at once and for good.
pub(super) fn moved(bytes: &Bytes, queue: &str) -> Result<Bytes, RowError> {
    let row: Row<String, Value> = read(bytes)?;
    let times = Times {
        sent: row.2,
        due: None,
        expires: None,
    };
    encode(queue, times, &row.5)
}

fn read<B: serde::de::DeserializeOwned>(bytes: &Bytes) -> Result<Row<String, B>, RowError> {
    // The version stands first, so that another one is told from damage.
    let row: Result<Row<String, B>, _> = ciborium::from_reader(&bytes[..]);
    match row {
        Ok(row) if row.0 == VERSION => Ok(row),
        Ok(row) => Err(RowError::Newer { found: row.0 }),
        Err(error) => match bytes.get(1) {
            // Small integers are their own CBOR.
            Some(found) if VERSION < u32::from(*found) && *found < 24 => Err(RowError::Newer {
                found: u32::from(*found),
            }),
            _ => Err(RowError::Decode(error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_this_version_stay_readable() {
        let times = Times {
            sent: Timestamp::from_millis(1),
            due: None,
            expires: Some(Timestamp::from_millis(300)),
        };
        let body_of = Value::object([("n", 1)]);
        let row = encode("jobs", times, &body_of).unwrap();
        let golden = b"\x86\x01\x64jobs\x01\xf6\x19\x01\x2c\xa1\x61n\x01";
        assert_eq!(&row[..], golden);
        let message = decode(&row, 2).unwrap();
        assert_eq!((&*message.queue, message.attempts), ("jobs", 2));
        assert_eq!(message.expires, times.expires);
        assert_eq!(body(&row).unwrap(), body_of);
        let dead = decode(&moved(&row, "dead").unwrap(), 0).unwrap();
        assert_eq!((&*dead.queue, dead.expires), ("dead", None));
    }

    #[test]
    fn s6_rows_of_a_later_version_are_told_from_damage() {
        let later = Bytes::from_static(b"\x83\x02\x64jobs\x01");
        assert!(matches!(
            decode(&later, 0),
            Err(RowError::Newer { found: 2 })
        ));
        let damaged = Bytes::from_static(b"\x86\x01\x64jo");
        assert!(matches!(decode(&damaged, 0), Err(RowError::Decode(_))));
    }
}

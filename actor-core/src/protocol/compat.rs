//! The `$` pairs by which JSON, and CBOR inside BARE messages, carry what they lack:
//! `["$BigInt", "5"]`. A user's own pair of that shape has one more `$`.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::value::{Value, decimal_to_value, magnitude_to_decimal, tag};

pub(super) const UNDEFINED: &str = "$Undefined";
pub(super) const BIG_INT: &str = "$BigInt";
pub(super) const UINT8_ARRAY: &str = "$Uint8Array";
pub(super) const ARRAY_BUFFER: &str = "$ArrayBuffer";
pub(super) const SET: &str = "$Set";

/// Replaces lists that are pairs, from the outside in, by what they stand for. Pairs of unknown
/// names stay lists: not every client escapes them.
pub(super) fn read(value: &mut Value) {
    match value {
        Value::Array(items) => {
            if let Some(meant) = pair(items) {
                *value = meant;
            } else {
                items.iter_mut().for_each(read);
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                read(key);
                read(value);
            }
        }
        // Clients look into maps, but into nothing else that has a tag of CBOR's.
        Value::Tag(tag::MAP, content) => read(content),
        _ => {}
    }
}

/// What these items stand for, if they are a pair.
fn pair(items: &mut Vec<Value>) -> Option<Value> {
    let [Value::Text(name), content] = &mut **items else {
        return None;
    };
    let bytes = |text: &str| STANDARD.decode(text).ok().map(Value::Bytes);
    match (name.as_str(), content) {
        (UNDEFINED, _) => Some(Value::Undefined),
        (BIG_INT, Value::Text(text)) => decimal_to_value(text),
        (UINT8_ARRAY, Value::Text(text)) => {
            bytes(text).map(|it| Value::Tag(tag::UINT8_ARRAY, Box::new(it)))
        }
        (ARRAY_BUFFER, Value::Text(text)) => {
            bytes(text).map(|it| Value::Tag(tag::ARRAY_BUFFER, Box::new(it)))
        }
        (SET, Value::Array(members)) => {
            // The members together are never a pair.
            members.iter_mut().for_each(read);
            Some(Value::set(std::mem::take(members)))
        }
        (escaped, content) if escaped.starts_with("$$") => {
            read(content);
            name.remove(0);
            Some(Value::Array(std::mem::take(items)))
        }
        _ => None,
    }
}

/// The decimal text of a bigint tagged as in CBOR.
pub(super) fn big_decimal(number: u64, content: &Value) -> Option<String> {
    match (number, content) {
        (tag::BIG_POSITIVE | tag::BIG_NEGATIVE, Value::Bytes(bytes)) => {
            Some(magnitude_to_decimal(number == tag::BIG_NEGATIVE, bytes))
        }
        _ => None,
    }
}

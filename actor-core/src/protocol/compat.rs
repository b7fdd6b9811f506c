//! The `$` pairs by which JSON, and CBOR inside BARE messages, carry what they lack:
//! `["$BigInt", "5"]`. A user's own pair of that shape has one more `$`.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::value::{Value, decimal_to_value, magnitude_to_decimal, tag};

pub(super) const UNDEFINED: &str = "$Undefined";
pub(super) const BIG_INT: &str = "$BigInt";
pub(super) const UINT8_ARRAY: &str = "$Uint8Array";
pub(super) const ARRAY_BUFFER: &str = "$ArrayBuffer";
pub(super) const SET: &str = "$Set";

/// Whether these items would be read as a pair, so that the first has to be escaped.
pub(super) fn needs_escape(items: &[Value]) -> bool {
    matches!(items, [Value::Text(first), _] if first.starts_with('$'))
}

/// Whether a list that begins with these items is a set, and what follows its members.
pub(super) fn begins_set(items: &[Value]) -> bool {
    matches!(items, [Value::Text(name)] if name == SET)
}

/// What a list stands for. Pairs of unknown names are lists: not every client escapes them.
pub(super) fn read(mut items: Vec<Value>) -> Value {
    let [Value::Text(name), content] = &mut *items else {
        return Value::Array(items);
    };
    if !name.starts_with('$') {
        return Value::Array(items);
    }
    if name.starts_with("$$") {
        name.remove(0);
        return Value::Array(items);
    }
    let bytes = |text: &str| STANDARD.decode(text).ok().map(Value::Bytes);
    let meant = match (name.as_str(), content) {
        (UNDEFINED, _) => Some(Value::Undefined),
        (BIG_INT, Value::Text(text)) => decimal_to_value(text),
        (UINT8_ARRAY, Value::Text(text)) => {
            bytes(text).map(|it| Value::Tag(tag::UINT8_ARRAY, Box::new(it)))
        }
        (ARRAY_BUFFER, Value::Text(text)) => {
            bytes(text).map(|it| Value::Tag(tag::ARRAY_BUFFER, Box::new(it)))
        }
        (SET, content @ Value::Array(_)) => {
            Some(Value::Tag(tag::SET, Box::new(std::mem::take(content))))
        }
        _ => None,
    };
    meant.unwrap_or(Value::Array(items))
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

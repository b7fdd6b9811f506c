//! A short form of a call's arguments, by which another call with the same key is told from the same one.

use std::hash::Hasher as _;

use fnv::FnvHasher;

use crate::value::{Value, tag};

/// The fingerprint of arguments. It is stored, so it is the same in every version of the program, and for
/// the same values in every encoding: members of objects count in any order, `1.0` is `1`, and `undefined`
/// is `null`.
///
/// It guards against a mistake of who owns the key, and against nothing else: whoever sends a key is known
/// to be let in, and is told no more than the answer to a call that it could have made itself.
pub(crate) fn fingerprint(arguments: &Value) -> u64 {
    let mut hasher = FnvHasher::default();
    hash(&mut hasher, arguments);
    hasher.finish()
}

// What a value is comes before it. These are stored with what follows from them: none changes.
const NOTHING: u8 = 0;
const NO: u8 = 1;
const YES: u8 = 2;
const INTEGER: u8 = 3;
const FLOAT: u8 = 4;
const TEXT: u8 = 5;
const BYTES: u8 = 6;
const LIST: u8 = 7;
const UNORDERED: u8 = 8;
const TAG: u8 = 9;

fn hash(hasher: &mut FnvHasher, value: &Value) {
    if let Some(number) = value.as_integer() {
        hasher.write(&[INTEGER]);
        hasher.write(&number.to_le_bytes());
        return;
    }
    match value {
        Value::Undefined | Value::Null => hasher.write(&[NOTHING]),
        Value::Bool(false) => hasher.write(&[NO]),
        Value::Bool(true) => hasher.write(&[YES]),
        Value::Int(_) | Value::BigInt(_) => {}
        Value::Float(it) => {
            let it = if it.is_nan() { f64::NAN } else { *it };
            hasher.write(&[FLOAT]);
            hasher.write(&it.to_bits().to_le_bytes());
        }
        Value::Text(it) => sized(hasher, TEXT, it.as_bytes()),
        Value::Bytes(it) => sized(hasher, BYTES, it),
        Value::Array(items) => {
            length(hasher, LIST, items.len());
            for item in items {
                hash(hasher, item);
            }
        }
        Value::Map(entries) => {
            let parts = entries.iter().map(|(key, value)| {
                let mut part = FnvHasher::default();
                hash(&mut part, key);
                hash(&mut part, value);
                part.finish()
            });
            unordered(hasher, parts.collect());
        }
        Value::Tag(tag::SET, inner) if matches!(**inner, Value::Array(_)) => {
            if let Value::Array(items) = &**inner {
                unordered(hasher, items.iter().map(fingerprint).collect());
            }
        }
        Value::Tag(number, inner) => {
            hasher.write(&[TAG]);
            hasher.write(&number.to_le_bytes());
            hash(hasher, inner);
        }
    }
}

fn sized(hasher: &mut FnvHasher, kind: u8, bytes: &[u8]) {
    length(hasher, kind, bytes.len());
    hasher.write(bytes);
}

fn length(hasher: &mut FnvHasher, kind: u8, length: usize) {
    hasher.write(&[kind]);
    hasher.write(&(length as u64).to_le_bytes());
}

fn unordered(hasher: &mut FnvHasher, mut parts: Vec<u64>) {
    parts.sort_unstable();
    length(hasher, UNORDERED, parts.len());
    for part in parts {
        hasher.write(&part.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They are stored: a change of any of these makes replays of yesterday's calls fail.
    #[test]
    fn fingerprints_never_change() {
        let call = Value::from(vec![
            Value::from("café"),
            Value::from(-7),
            Value::from(0.5),
            Value::Null,
            Value::from(true),
            Value::Bytes(vec![1, 2]),
            Value::object([("b", 1), ("a", 2)]),
            Value::date(1_500),
            Value::set(vec![Value::from(1), Value::from("x")]),
        ]);
        assert_eq!(fingerprint(&call), 16_512_620_442_168_403_851);
        assert_eq!(
            fingerprint(&Value::Array(Vec::new())),
            3_154_070_194_012_243_846
        );
    }

    #[test]
    fn what_encodings_make_of_a_value_is_the_same() {
        let same = [
            (Value::from(5), Value::from(5.0)),
            (Value::from(5), Value::BigInt(5)),
            (Value::from(0), Value::from(-0.0)),
            (Value::Null, Value::Undefined),
            (Value::from(f64::NAN), Value::from(-f64::NAN)),
            (
                Value::object([("a", 1), ("b", 2)]),
                Value::object([("b", 2), ("a", 1)]),
            ),
            (
                Value::set(vec![Value::from(1), Value::from(2)]),
                Value::set(vec![Value::from(2), Value::from(1)]),
            ),
        ];
        for (one, other) in same {
            assert_eq!(fingerprint(&one), fingerprint(&other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn other_values_are_others() {
        let list = |items: Vec<Value>| Value::Array(items);
        let all = [
            Value::Null,
            Value::from(0),
            Value::from(1),
            Value::from(1.5),
            Value::from(false),
            Value::from(""),
            Value::from("1"),
            Value::Bytes(b"1".to_vec()),
            list(vec![]),
            list(vec![Value::from(1)]),
            list(vec![Value::from(1), Value::from(2)]),
            list(vec![Value::from(2), Value::from(1)]),
            list(vec![list(vec![Value::from(1)]), Value::from(2)]),
            Value::object([("a", 1), ("b", 2)]),
            Value::object([("a", 2), ("b", 1)]),
            Value::object([("ab", 1)]),
            Value::date(0),
            Value::map(vec![(Value::from(1), Value::from(2))]),
        ];
        let mut prints: Vec<_> = all.iter().map(fingerprint).collect();
        prints.sort_unstable();
        prints.dedup();
        assert_eq!(prints.len(), all.len());
    }
}

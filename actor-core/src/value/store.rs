//! An untyped value among typed ones: its lossless form in any format serde has.
//!
//! What serde's data model lacks is written as a pair with a `$` name, `["$BigInt", "5"]`; a user's
//! own pair of that shape gets one more `$`. This is a stored form: names here never change.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor},
    ser::{SerializeMap as _, SerializeSeq as _, SerializeTuple as _},
};

use super::{Value, ValueError, bigint::decimal_to_value, de::Reader};

/// The newtype by which our own serializer and deserializer know an untyped value.
pub(crate) const UNTYPED: &str = "$actor_core::Value";

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(UNTYPED, &Stored(self))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(UNTYPED, Whole)
    }
}

/// The value of which `stored` is the stored form.
pub(super) fn restore(stored: Value) -> Result<Value, ValueError> {
    Reader::exact(stored).deserialize_any(Whole)
}

pub(super) struct Stored<'a>(pub(super) &'a Value);

impl Serialize for Stored<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Undefined => pair(serializer, "$Undefined", &0),
            Value::Null => serializer.serialize_none(),
            Value::Bool(it) => serializer.serialize_bool(*it),
            Value::Int(n) => {
                if let Ok(n) = i64::try_from(*n) {
                    serializer.serialize_i64(n)
                } else {
                    pair(serializer, "$Int", &n.to_string())
                }
            }
            Value::BigInt(n) => pair(serializer, "$BigInt", &n.to_string()),
            Value::Float(f) if f.is_finite() => serializer.serialize_f64(*f),
            Value::Float(f) => pair(serializer, "$Float", &f.to_string()),
            Value::Text(it) => serializer.serialize_str(it),
            Value::Bytes(it) if serializer.is_human_readable() => {
                pair(serializer, "$Bytes", &STANDARD.encode(it))
            }
            Value::Bytes(it) => serializer.serialize_bytes(it),
            Value::Array(items) => array(serializer, items),
            Value::Map(entries) if entries.iter().all(|(key, _)| key.as_str().is_some()) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(&Self(key), &Self(value))?;
                }
                map.end()
            }
            Value::Map(entries) => {
                let flat: Vec<_> = entries
                    .iter()
                    .flat_map(|(k, v)| [Self(k), Self(v)])
                    .collect();
                pair(serializer, "$Map", &flat)
            }
            Value::Tag(number, inner) => pair(serializer, "$Tag", &(*number, Self(inner))),
        }
    }
}

fn pair<S: Serializer, T: Serialize>(s: S, name: &str, content: &T) -> Result<S::Ok, S::Error> {
    let mut tuple = s.serialize_tuple(2)?;
    tuple.serialize_element(name)?;
    tuple.serialize_element(content)?;
    tuple.end()
}

fn array<S: Serializer>(serializer: S, items: &[Value]) -> Result<S::Ok, S::Error> {
    if let [Value::Text(first), second] = items
        && first.starts_with('$')
    {
        return pair(serializer, &format!("${first}"), &Stored(second));
    }
    let mut seq = serializer.serialize_seq(Some(items.len()))?;
    for item in items {
        seq.serialize_element(&Stored(item))?;
    }
    seq.end()
}

/// Reads a stored form back.
struct Whole;

impl<'de> Visitor<'de> for Whole {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        d.deserialize_any(self)
    }

    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        d.deserialize_any(self)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Value, E> {
        Ok(Value::Bool(it))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Value, E> {
        Ok(Value::Int(it.into()))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Value, E> {
        Ok(Value::Int(it.into()))
    }

    fn visit_i128<E>(self, it: i128) -> Result<Value, E> {
        Ok(Value::Int(it))
    }

    fn visit_u128<E: de::Error>(self, it: u128) -> Result<Value, E> {
        Value::from_serialize(&it).map_err(E::custom)
    }

    fn visit_f64<E>(self, it: f64) -> Result<Value, E> {
        Ok(Value::Float(it))
    }

    fn visit_str<E>(self, it: &str) -> Result<Value, E> {
        Ok(Value::Text(it.to_owned()))
    }

    fn visit_string<E>(self, it: String) -> Result<Value, E> {
        Ok(Value::Text(it))
    }

    fn visit_bytes<E>(self, it: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(it.to_vec()))
    }

    fn visit_byte_buf<E>(self, it: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(it))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(4096));
        while let Some(item) = seq.next_element_seed(Part)? {
            items.push(item);
        }
        Ok(named(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::with_capacity(map.size_hint().unwrap_or(0).min(4096));
        while let Some(key) = map.next_key_seed(Part)? {
            entries.push((key, map.next_value_seed(Part)?));
        }
        Ok(Value::Map(entries))
    }
}

/// A part of a stored form, which is not a newtype of its own.
struct Part;

impl<'de> de::DeserializeSeed<'de> for Part {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(Whole)
    }
}

/// What a list stands for: a value with a `$` name, or itself.
fn named(mut items: Vec<Value>) -> Value {
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
    let restored = match (name.as_str(), content) {
        ("$Undefined", _) => Some(Value::Undefined),
        ("$Int", Value::Text(text)) => text.parse().ok().map(Value::Int),
        ("$BigInt", Value::Text(text)) => decimal_to_value(text),
        ("$Float", Value::Text(text)) => text.parse().ok().map(Value::Float),
        ("$Bytes", Value::Text(text)) => STANDARD.decode(&*text).ok().map(Value::Bytes),
        ("$Map", Value::Array(flat)) if flat.len() % 2 == 0 => {
            let mut flat = std::mem::take(flat).into_iter();
            Some(Value::Map(
                std::iter::from_fn(|| flat.next().zip(flat.next())).collect(),
            ))
        }
        ("$Tag", Value::Array(parts)) => match &mut **parts {
            [Value::Int(number), inner] => u64::try_from(*number)
                .ok()
                .map(|it| Value::Tag(it, Box::new(std::mem::take(inner)))),
            _ => None,
        },
        _ => None,
    };
    restored.unwrap_or(Value::Array(items))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Value> {
        vec![
            Value::Undefined,
            Value::Null,
            Value::Int(i128::MAX),
            Value::Int(-3),
            Value::BigInt(5),
            Value::Float(2.0),
            Value::Float(f64::INFINITY),
            Value::Bytes(vec![0, 255]),
            Value::Array(vec![Value::from("$Undefined"), Value::from(0)]),
            Value::Array(vec![Value::from("$$x"), Value::Undefined]),
            Value::Array(vec![Value::Array(vec![]), Value::Null]),
            Value::map(vec![
                (Value::Int(1), Value::from("a")),
                (Value::Null, Value::Undefined),
            ]),
            Value::object([
                ("a", Value::date(1500)),
                ("b", Value::set(vec![Value::Null])),
            ]),
            Value::Array(vec![Value::from("$Map"), Value::Array(vec![])]),
        ]
    }

    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    struct Holder {
        // An `undefined` member is an absent one.
        #[serde(default)]
        inner: Value,
        all: Vec<Value>,
    }

    #[test]
    fn an_untyped_value_survives_every_format() {
        for value in samples() {
            let holder = Holder {
                inner: value.clone(),
                all: vec![value.clone()],
            };

            let mut cbor = Vec::new();
            ciborium::into_writer(&holder, &mut cbor).unwrap();
            assert_eq!(ciborium::from_reader::<Holder, _>(&*cbor).unwrap(), holder);

            let json = serde_json::to_string(&holder).unwrap();
            assert_eq!(
                serde_json::from_str::<Holder>(&json).unwrap(),
                holder,
                "{json}"
            );

            let written = Value::from_serialize(&holder).unwrap();
            assert_eq!(written.member("inner"), Some(&value));
            assert_eq!(written.deserialize_into::<Holder>().unwrap(), holder);
            assert_eq!(value.clone().deserialize_into::<Value>().unwrap(), value);
        }
    }

    #[test]
    fn what_others_stored_reads_as_a_value() {
        let mut cbor = Vec::new();
        ciborium::into_writer(&(u64::MAX, u128::MAX, i128::MIN, 1.5f32, ()), &mut cbor).unwrap();
        let value: Value = ciborium::from_reader(&*cbor).unwrap();
        let Value::Array(items) = value else {
            panic!("no list")
        };
        let largest = Value::from_serialize(&u128::MAX).unwrap();
        let expected = [
            Value::from(u64::MAX),
            largest,
            Value::from(i128::MIN),
            1.5.into(),
            Value::Null,
        ];
        assert_eq!(items, expected);
    }

    #[test]
    fn malformed_pairs_stay_lists() {
        for text in [
            r#"["$BigInt","x"]"#,
            r#"["$Tag",[1]]"#,
            r#"["$Map",[1]]"#,
            r#"["$New",1]"#,
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert!(matches!(value, Value::Array(_)), "{text}");
        }
    }
}

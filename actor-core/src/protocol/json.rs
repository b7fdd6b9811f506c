//! JSON text, with `$` pairs for what JSON lacks.

use std::{fmt, io::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};

use super::{compat, encoding::DecodeError};
use crate::value::{Value, date_text, tag};

/// Reads one value, `$` pairs meant as such.
pub(super) fn read(bytes: &[u8]) -> Result<Value, DecodeError> {
    let mut value = read_plain(bytes)?;
    compat::read(&mut value);
    Ok(value)
}

/// Reads one value, `$` pairs as the lists they look like.
pub(super) fn read_plain(bytes: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Reader.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// A value inside a message whose shape is known, `$` pairs meant as such.
#[derive(Default)]
pub(super) struct Inner(pub(super) Value);

impl<'de> Deserialize<'de> for Inner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Reader.deserialize(deserializer)?;
        compat::read(&mut value);
        Ok(Self(value))
    }
}

#[derive(Clone, Copy)]
struct Reader;

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
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

    fn visit_f64<E>(self, it: f64) -> Result<Value, E> {
        Ok(Value::Float(it))
    }

    fn visit_str<E>(self, it: &str) -> Result<Value, E> {
        Ok(Value::Text(it.to_owned()))
    }

    fn visit_string<E>(self, it: String) -> Result<Value, E> {
        Ok(Value::Text(it))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            entries.push((Value::Text(key), map.next_value_seed(self)?));
        }
        Ok(Value::Map(entries))
    }
}

/// What `write` writes, as bytes.
pub(super) fn to_bytes(write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut out = Vec::with_capacity(128);
    write(&mut out);
    out.into()
}

/// Writes one value as JavaScript's own `JSON.stringify` would, with `$` pairs.
pub(super) fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Undefined => pair(out, compat::UNDEFINED, |out| out.push(b'0')),
        Value::Null => out.extend(b"null"),
        Value::Bool(true) => out.extend(b"true"),
        Value::Bool(false) => out.extend(b"false"),
        Value::Int(n) if n.unsigned_abs() <= 1 << 53 => display(out, n),
        Value::Int(n) | Value::BigInt(n) => big(out, n),
        Value::Float(f) => float(out, *f),
        Value::Text(text) => write_text(out, text),
        Value::Bytes(bytes) => base64_pair(out, compat::UINT8_ARRAY, bytes),
        Value::Array(items) => match &**items {
            [Value::Text(first), second] if first.starts_with('$') => {
                out.push(b'[');
                write_text(out, &format!("${first}"));
                out.push(b',');
                write(out, second);
                out.push(b']');
            }
            items => array(out, items),
        },
        Value::Map(entries) => object(out, entries),
        Value::Tag(number, content) => tagged(out, *number, content),
    }
}

fn tagged(out: &mut Vec<u8>, number: u64, content: &Value) {
    if let Some(decimal) = compat::big_decimal(number, content) {
        return big(out, &decimal);
    }
    if let Some(text) = date_text(number, content) {
        return write_text(out, &text);
    }
    match (number, content) {
        (tag::ARRAY_BUFFER, Value::Bytes(bytes)) => {
            base64_pair(out, compat::ARRAY_BUFFER, bytes);
        }
        // A set's members are never taken for a pair.
        (tag::SET, Value::Array(items)) => pair(out, compat::SET, |out| array(out, items)),
        (tag::UINT8_ARRAY, content) => write(out, content),
        (_, Value::Bytes(bytes)) => match crate::value::typed_array(number, bytes) {
            Some(numbers) => array(out, &numbers),
            None => base64_pair(out, compat::UINT8_ARRAY, bytes),
        },
        (_, content) => write(out, content),
    }
}

fn array(out: &mut Vec<u8>, items: &[Value]) {
    out.push(b'[');
    for (i, item) in items.iter().enumerate() {
        if i != 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// Writes an object. Its undefined members are left out, as JavaScript does.
fn object(out: &mut Vec<u8>, entries: &[(Value, Value)]) {
    out.push(b'{');
    let mut first = true;
    for (key, value) in entries
        .iter()
        .filter(|(_, value)| *value != Value::Undefined)
    {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        match key {
            Value::Text(text) => write_text(out, text),
            other => {
                let mut text = Vec::new();
                write(&mut text, other);
                write_text(out, &String::from_utf8_lossy(&text));
            }
        }
        out.push(b':');
        write(out, value);
    }
    out.push(b'}');
}

fn pair(out: &mut Vec<u8>, name: &str, content: impl FnOnce(&mut Vec<u8>)) {
    out.extend(b"[\"");
    out.extend(name.as_bytes());
    out.extend(b"\",");
    content(out);
    out.push(b']');
}

/// Writes a bigint.
pub(super) fn big(out: &mut Vec<u8>, n: &impl fmt::Display) {
    pair(out, compat::BIG_INT, |out| {
        out.push(b'"');
        display(out, n);
        out.push(b'"');
    });
}

fn base64_pair(out: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    pair(out, name, |out| {
        out.push(b'"');
        out.extend(STANDARD.encode(bytes).into_bytes());
        out.push(b'"');
    });
}

fn float(out: &mut Vec<u8>, f: f64) {
    if !f.is_finite() {
        out.extend(b"null");
    } else if let Some(n) = Value::Float(f).as_integer() {
        display(out, &n);
    } else {
        display(out, &format_args!("{f:?}"));
    }
}

pub(super) fn display(out: &mut Vec<u8>, it: &impl fmt::Display) {
    write!(out, "{it}").expect("a Vec takes everything written to it");
}

/// Writes text in quotes, escaped.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a Vec takes all text");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &Value) -> String {
        String::from_utf8(to_bytes(|out| write(out, value)).into()).unwrap()
    }

    #[test]
    fn pairs_both_ways() {
        let cases = [
            (Value::Undefined, r#"["$Undefined",0]"#),
            (Value::BigInt(-5), r#"["$BigInt","-5"]"#),
            (
                Value::Tag(tag::UINT8_ARRAY, Box::new(Value::Bytes(vec![1, 2, 3]))),
                r#"["$Uint8Array","AQID"]"#,
            ),
            (
                Value::Tag(tag::ARRAY_BUFFER, Box::new(Value::Bytes(vec![9, 8]))),
                r#"["$ArrayBuffer","CQg="]"#,
            ),
            (
                Value::set(vec![Value::from("$x"), Value::Null]),
                r#"["$Set",["$x",null]]"#,
            ),
            (
                Value::from(vec![Value::from("$foo"), Value::from(1)]),
                r#"["$$foo",1]"#,
            ),
            (Value::from(vec![Value::from("$foo")]), r#"["$foo"]"#),
            (
                Value::Tag(2, Box::new(Value::Bytes([&[1][..], &[0; 16]].concat()))),
                r#"["$BigInt","340282366920938463463374607431768211456"]"#,
            ),
        ];
        for (value, json) in cases {
            assert_eq!(text(&value), json);
            assert_eq!(read(json.as_bytes()).unwrap(), value, "{json}");
        }
    }

    #[test]
    fn pairs_nobody_knows_are_lists() {
        for json in [
            r#"["$BigInt","x"]"#,
            r#"["$New",1]"#,
            r#"["$Uint8Array","?"]"#,
            r#"["$Set",1]"#,
        ] {
            let Value::Array(items) = read(json.as_bytes()).unwrap() else {
                panic!("{json}")
            };
            assert_eq!(items.len(), 2);
        }
    }

    #[test]
    fn what_json_lacks_is_written_as_javascript_would() {
        let object = Value::object([("a", Value::Undefined), ("b\"\n", Value::Float(f64::NAN))]);
        assert_eq!(text(&object), r#"{"b\"\n":null}"#);
        assert_eq!(text(&Value::date(0)), r#""1970-01-01T00:00:00.000Z""#);
        assert_eq!(text(&Value::map(vec![(1.into(), 2.into())])), r#"{"1":2}"#);
        let floats = Value::Tag(85, Box::new(Value::Bytes(vec![0, 0, 0xc0, 0x3f])));
        assert_eq!(text(&floats), "[1.5]");
        let numbers = [1.0, -0.0, 1.5, 1e300, 5e-324].map(Value::Float).to_vec();
        assert_eq!(text(&Value::Array(numbers)), "[1,0,1.5,1e300,5e-324]");
    }
}

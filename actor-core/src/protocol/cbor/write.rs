//! Writing CBOR: definite lengths, the shortest heads, except where JavaScript reads a meaning into
//! longer ones.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::Dialect;
use crate::{
    protocol::compat,
    value::{Value, tag},
};

const UNSIGNED: u8 = 0 << 5;
const NEGATIVE: u8 = 1 << 5;
const BYTES: u8 = 2 << 5;
const TEXT: u8 = 3 << 5;
const ARRAY: u8 = 4 << 5;
const MAP: u8 = 5 << 5;
const TAG: u8 = 6 << 5;
/// The length argument of eight bytes.
const EIGHT: u8 = 27;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;
const UNDEFINED: u8 = 0xf7;
const FLOAT64: u8 = 0xfb;

/// Takes bytes, or only counts them, so that buffers are allocated once and in their size.
pub(in crate::protocol) trait Sink {
    fn put(&mut self, bytes: &[u8]);
    /// Puts the bytes as base64 text.
    fn put_base64(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn put_base64(&mut self, bytes: &[u8]) {
        self.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    }
}

struct Count(usize);

impl Sink for Count {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }

    fn put_base64(&mut self, bytes: &[u8]) {
        self.0 += base64_len(bytes);
    }
}

/// How many bytes [`write()`] writes.
pub(in crate::protocol) fn len(value: &Value, dialect: Dialect) -> usize {
    let mut count = Count(0);
    write(&mut count, value, dialect);
    count.0
}

/// Writes one value.
pub(in crate::protocol) fn write(out: &mut impl Sink, value: &Value, dialect: Dialect) {
    match value {
        Value::Undefined => out.put(&[UNDEFINED]),
        Value::Null => out.put(&[NULL]),
        Value::Bool(it) => out.put(&[if *it { TRUE } else { FALSE }]),
        Value::Int(n) => integer(out, *n, dialect),
        Value::BigInt(n) => big(out, *n, dialect),
        Value::Float(f) => float(out, *f),
        Value::Text(it) => text(out, it),
        Value::Bytes(it) => bytes(out, it),
        Value::Array(items) => array(out, items, dialect),
        Value::Map(entries) => {
            map_head(out, entries.len());
            for (key, value) in entries {
                write(out, key, dialect);
                write(out, value, dialect);
            }
        }
        Value::Tag(number, content) => tagged(out, *number, content, dialect),
    }
}

fn integer(out: &mut impl Sink, n: i128, dialect: Dialect) {
    // JavaScript takes every integer of 64 bits for a bigint.
    if let Ok(short) = u32::try_from(n) {
        head(out, UNSIGNED, short.into());
    } else if let Ok(short) = u32::try_from(-1 - n) {
        head(out, NEGATIVE, short.into());
    } else if n.unsigned_abs() <= 1 << 53 {
        float(out, n as f64);
    } else {
        big(out, n, dialect);
    }
}

fn big(out: &mut impl Sink, n: i128, dialect: Dialect) {
    if dialect == Dialect::Tagged {
        return text_pair(out, compat::BIG_INT, &n.to_string());
    }
    let (sign, number, magnitude) = match u128::try_from(n) {
        Ok(n) => (UNSIGNED, tag::BIG_POSITIVE, n),
        Err(_) => (NEGATIVE, tag::BIG_NEGATIVE, (-1 - n).unsigned_abs()),
    };
    if let Ok(short) = u64::try_from(magnitude) {
        out.put(&[sign | EIGHT]);
        out.put(&short.to_be_bytes());
    } else {
        head(out, TAG, number);
        let long = magnitude.to_be_bytes();
        let start = long.iter().position(|it| *it != 0).unwrap_or(0);
        bytes(out, &long[start..]);
    }
}

fn array(out: &mut impl Sink, items: &[Value], dialect: Dialect) {
    array_head(out, items.len());
    match items {
        [Value::Text(first), second] if first.starts_with('$') && dialect != Dialect::Opaque => {
            head(out, TEXT, first.len() as u64 + 1);
            out.put(b"$");
            out.put(first.as_bytes());
            write(out, second, dialect);
        }
        items => items.iter().for_each(|it| write(out, it, dialect)),
    }
}

fn tagged(out: &mut impl Sink, number: u64, content: &Value, dialect: Dialect) {
    match (dialect, number, content) {
        // Not a tag of CBOR's: there an ArrayBuffer is plain bytes.
        (Dialect::Native | Dialect::Opaque, tag::ARRAY_BUFFER, _) => write(out, content, dialect),
        (Dialect::Tagged, tag::ARRAY_BUFFER, Value::Bytes(bytes)) => {
            base64_pair(out, compat::ARRAY_BUFFER, bytes);
        }
        (Dialect::Tagged, tag::UINT8_ARRAY, Value::Bytes(bytes)) => {
            base64_pair(out, compat::UINT8_ARRAY, bytes);
        }
        (Dialect::Tagged, tag::SET, Value::Array(members)) => {
            array_head(out, 2);
            text(out, compat::SET);
            // Members are never taken for a pair.
            array_head(out, members.len());
            for member in members {
                write(out, member, dialect);
            }
        }
        (Dialect::Tagged, tag::BIG_POSITIVE | tag::BIG_NEGATIVE, _) => {
            match compat::big_decimal(number, content) {
                Some(decimal) => text_pair(out, compat::BIG_INT, &decimal),
                None => write(out, content, dialect),
            }
        }
        (_, tag::MAP, _) => {
            head(out, TAG, number);
            write(out, content, dialect);
        }
        _ => {
            head(out, TAG, number);
            write(out, content, Dialect::Opaque);
        }
    }
}

fn text_pair(out: &mut impl Sink, name: &str, content: &str) {
    array_head(out, 2);
    text(out, name);
    text(out, content);
}

fn base64_pair(out: &mut impl Sink, name: &str, content: &[u8]) {
    array_head(out, 2);
    text(out, name);
    head(out, TEXT, base64_len(content) as u64);
    out.put_base64(content);
}

fn base64_len(bytes: &[u8]) -> usize {
    bytes.len().div_ceil(3) * 4
}

fn float(out: &mut impl Sink, f: f64) {
    out.put(&[FLOAT64]);
    out.put(&f.to_be_bytes());
}

/// Writes text.
pub(in crate::protocol) fn text(out: &mut impl Sink, text: &str) {
    head(out, TEXT, text.len() as u64);
    out.put(text.as_bytes());
}

fn bytes(out: &mut impl Sink, bytes: &[u8]) {
    bytes_head(out, bytes.len());
    out.put(bytes);
}

/// Begins a byte string.
fn bytes_head(out: &mut impl Sink, len: usize) {
    head(out, BYTES, len as u64);
}

/// Begins an array.
fn array_head(out: &mut impl Sink, len: usize) {
    head(out, ARRAY, len as u64);
}

/// Begins a map.
pub(in crate::protocol) fn map_head(out: &mut impl Sink, len: usize) {
    head(out, MAP, len as u64);
}

/// Writes a number that JavaScript is to read as a bigint.
pub(in crate::protocol) fn big_head(out: &mut impl Sink, n: u64) {
    out.put(&[UNSIGNED | EIGHT]);
    out.put(&n.to_be_bytes());
}

fn head(out: &mut impl Sink, major: u8, n: u64) {
    if let Ok(n) = u8::try_from(n) {
        if n < 24 {
            out.put(&[major | n]);
        } else {
            out.put(&[major | 24, n]);
        }
    } else if let Ok(n) = u16::try_from(n) {
        out.put(&[major | 25]);
        out.put(&n.to_be_bytes());
    } else if let Ok(n) = u32::try_from(n) {
        out.put(&[major | 26]);
        out.put(&n.to_be_bytes());
    } else {
        out.put(&[major | EIGHT]);
        out.put(&n.to_be_bytes());
    }
}

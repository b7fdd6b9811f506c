//! Whole numbers beyond 128 bits, between decimal text and bytes. No arithmetic.

use super::{Value, tag};

/// Most digits accepted: the conversion is quadratic.
const MAX_DIGITS: usize = 5_000;
const CHUNK: usize = 9;
const CHUNK_VALUE: u32 = 1_000_000_000;

/// Reads a bigint's decimal text, of any length up to a limit.
pub(crate) fn decimal_to_value(text: &str) -> Option<Value> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty()
        || MAX_DIGITS < digits.len()
        || !digits.bytes().all(|it| it.is_ascii_digit())
    {
        return None;
    }
    if let Ok(n) = text.parse() {
        return Some(Value::BigInt(n));
    }
    let mut limbs = magnitude(digits);
    let negative = text.starts_with('-');
    if negative {
        // CBOR counts negative numbers from -1; the magnitude is beyond 128 bits, so not zero.
        for limb in &mut limbs {
            let (less, borrow) = limb.overflowing_sub(1);
            *limb = less;
            if !borrow {
                break;
            }
        }
    }
    let bytes: Vec<u8> = limbs.iter().rev().flat_map(|it| it.to_be_bytes()).collect();
    let start = bytes.iter().position(|it| *it != 0).unwrap_or(bytes.len());
    let number = if negative {
        tag::BIG_NEGATIVE
    } else {
        tag::BIG_POSITIVE
    };
    Some(Value::Tag(
        number,
        Box::new(Value::Bytes(bytes[start..].to_vec())),
    ))
}

/// Limbs of 32 bits, least significant first.
fn magnitude(digits: &str) -> Vec<u32> {
    let mut limbs = Vec::new();
    let mut rest = digits.as_bytes();
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rest.len().min(match rest.len() % CHUNK {
            0 => CHUNK,
            first => first,
        }));
        rest = after;
        let mut carry = chunk.iter().fold(0, |n, it| n * 10 + u64::from(it - b'0'));
        let factor = 10u64.pow(u32::try_from(chunk.len()).unwrap_or(u32::MAX));
        for limb in &mut limbs {
            carry += u64::from(*limb) * factor;
            *limb = low(carry);
            carry >>= 32;
        }
        if carry != 0 {
            limbs.push(low(carry));
        }
    }
    limbs
}

/// Writes the bigint whose CBOR content is `bytes`, or -1 minus it, as decimal text.
pub(crate) fn magnitude_to_decimal(negative: bool, bytes: &[u8]) -> String {
    let mut limbs: Vec<u32> = bytes
        .rchunks(4)
        .map(|chunk| chunk.iter().fold(0, |n, it| n << 8 | u32::from(*it)))
        .collect();
    if negative {
        let mut carry = true;
        for limb in &mut limbs {
            if !carry {
                break;
            }
            (*limb, carry) = limb.overflowing_add(1);
        }
        if carry {
            limbs.push(1);
        }
    }
    let mut chunks = Vec::new();
    while limbs.last() == Some(&0) {
        limbs.pop();
    }
    while !limbs.is_empty() {
        let mut rest = 0u64;
        for limb in limbs.iter_mut().rev() {
            let n = rest << 32 | u64::from(*limb);
            *limb = low(n / u64::from(CHUNK_VALUE));
            rest = n % u64::from(CHUNK_VALUE);
        }
        chunks.push(rest);
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
    }
    let mut text = String::from(if negative { "-" } else { "" });
    text.push_str(&chunks.pop().unwrap_or(0).to_string());
    for chunk in chunks.iter().rev() {
        text.push_str(&format!("{chunk:09}"));
    }
    text
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low half is what is wanted"
)]
fn low(n: u64) -> u32 {
    n as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_text_round_trips_at_any_length() {
        let long = "123456789".repeat(20);
        for text in [
            "340282366920938463463374607431768211456",
            &long,
            "1000000000000000000000000000000000000000000000",
        ] {
            for text in [text.to_owned(), format!("-{text}")] {
                let Some(Value::Tag(number, bytes)) = decimal_to_value(&text) else {
                    panic!("{text}")
                };
                let Value::Bytes(bytes) = *bytes else {
                    panic!("{text}")
                };
                assert_eq!(
                    magnitude_to_decimal(number == tag::BIG_NEGATIVE, &bytes),
                    text
                );
            }
        }
    }

    #[test]
    fn bytes_are_those_of_cbor() {
        // 2^128, and -2^128 - 1 whose content is 2^128 too.
        let mut expected = vec![1];
        expected.extend([0; 16]);
        let cases = [
            (2, "340282366920938463463374607431768211456"),
            (3, "-340282366920938463463374607431768211457"),
        ];
        for (number, text) in cases {
            let value = Value::Tag(number, Box::new(Value::Bytes(expected.clone())));
            assert_eq!(decimal_to_value(text), Some(value));
        }
        assert_eq!(magnitude_to_decimal(true, &[255]), "-256");
        assert_eq!(magnitude_to_decimal(true, &[255; 4]), "-4294967296");
        assert_eq!(magnitude_to_decimal(false, &[]), "0");
    }

    #[test]
    fn small_and_malformed_text() {
        assert_eq!(decimal_to_value("-5"), Some(Value::BigInt(-5)));
        for text in [
            "",
            "-",
            "+1",
            "1.5",
            "0x10",
            " 1",
            &"9".repeat(MAX_DIGITS + 1),
        ] {
            assert_eq!(decimal_to_value(text), None, "{text}");
        }
    }
}

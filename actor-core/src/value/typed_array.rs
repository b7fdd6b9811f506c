//! JavaScript's typed arrays, as lists of numbers.

use super::Value;

/// Splits the bytes of a typed array tagged `number`; `None` when they are no such array.
pub(crate) fn numbers(number: u64, bytes: &[u8]) -> Option<Vec<Value>> {
    // RFC 8746: bits `0b010_fsell`: float, signed, little endian, log2 of the length.
    let float = number & 0b1_0000 != 0;
    let signed = number & 0b1000 != 0;
    let little = number & 0b100 != 0;
    if float && signed {
        return None;
    }
    let shift = (number & 0b11) + u64::from(float);
    let width = 1 << shift;
    if !bytes.len().is_multiple_of(width) || 8 < width {
        return None;
    }
    let bits = |chunk: &[u8]| {
        let add = |n: u64, it: &u8| n << 8 | u64::from(*it);
        if little {
            chunk.iter().rev().fold(0, add)
        } else {
            chunk.iter().fold(0, add)
        }
    };
    Some(
        bytes
            .chunks(width)
            .map(|it| element(bits(it), shift, float, signed))
            .collect(),
    )
}

fn element(bits: u64, shift: u64, float: bool, signed: bool) -> Value {
    if float {
        return Value::Float(match shift {
            1 => half(u16::try_from(bits).unwrap_or_default()),
            2 => f64::from(f32::from_bits(u32::try_from(bits).unwrap_or_default())),
            _ => f64::from_bits(bits),
        });
    }
    let n = if signed {
        let unused = 64 - (8 << shift);
        i128::from(bits.cast_signed() << unused >> unused)
    } else {
        i128::from(bits)
    };
    if shift == 3 {
        Value::BigInt(n)
    } else {
        Value::Int(n)
    }
}

/// The number a 16-bit float is.
pub(crate) fn half(bits: u16) -> f64 {
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (fraction + 1024.0) * 2f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_in_their_own_byte_order() {
        let cases: &[(u64, &[u8], &[Value])] = &[
            (64, &[1, 255], &[Value::Int(1), Value::Int(255)]),
            (68, &[7], &[Value::Int(7)]),
            (72, &[255], &[Value::Int(-1)]),
            (65, &[1, 0], &[Value::Int(256)]),
            (69, &[1, 0], &[Value::Int(1)]),
            (77, &[254, 255], &[Value::Int(-2)]),
            (84, &[0, 0x3e], &[Value::Float(1.5)]),
            (85, &[0, 0, 0xc0, 0x3f], &[Value::Float(1.5)]),
            (86, &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f], &[Value::Float(1.5)]),
            (71, &[1, 0, 0, 0, 0, 0, 0, 0], &[Value::BigInt(1)]),
            (79, &[255; 8], &[Value::BigInt(-1)]),
        ];
        for (number, bytes, expected) in cases {
            assert_eq!(
                numbers(*number, bytes).as_deref(),
                Some(*expected),
                "tag {number}"
            );
        }
        assert_eq!(numbers(69, &[1]), None);
        assert_eq!(numbers(83, &[0; 16]), None);
    }
}

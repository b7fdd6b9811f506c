//! Reading CBOR from strangers: bounded in depth, never allocating by a claimed length.

use super::Dialect;
use crate::{
    protocol::{DecodeError, compat},
    value::{MAX_DEPTH, Value, half, tag},
};

/// Reads one value a client wrote.
pub(in crate::protocol) fn read(bytes: &[u8], dialect: Dialect) -> Result<Value, DecodeError> {
    let mut value = Reader {
        rest: bytes,
        long_is_big: dialect == Dialect::Native,
    }
    .whole()?;
    if dialect == Dialect::Tagged {
        compat::read(&mut value);
    }
    Ok(value)
}

/// Reads one value written for a client, as the client does.
pub(in crate::protocol) fn read_reply(
    bytes: &[u8],
    dialect: Dialect,
) -> Result<Value, DecodeError> {
    let mut value = read(bytes, dialect)?;
    if dialect == Dialect::Native {
        compat::read(&mut value);
    }
    Ok(value)
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Whether an integer in the form of eight bytes is a bigint.
    long_is_big: bool,
}

/// The argument of a head.
enum Argument {
    Number { n: u64, long: bool },
    Indefinite,
}

impl<'a> Reader<'a> {
    fn whole(mut self) -> Result<Value, DecodeError> {
        let value = self.value(0)?;
        if !self.rest.is_empty() {
            return Err(DecodeError::Trailing);
        }
        Ok(value)
    }

    fn value(&mut self, depth: u8) -> Result<Value, DecodeError> {
        let first = self.byte()?;
        let (major, low) = (first >> 5, first & 0x1f);
        if major == 7 {
            return self.simple(low);
        }
        let argument = self.argument(low)?;
        match major {
            0 => self.integer(&argument, |n| n),
            1 => self.integer(&argument, |n| -1 - n),
            2 => self.string(2, &argument).map(Value::Bytes),
            3 => {
                let text = String::from_utf8(self.string(3, &argument)?);
                text.map(Value::Text)
                    .map_err(|_| DecodeError::Malformed("text is not UTF-8"))
            }
            4 => self.list(&argument, inside(depth)?),
            5 => self.map(&argument, inside(depth)?),
            _ => self.tag(&argument, inside(depth)?),
        }
    }

    fn integer(
        &self,
        argument: &Argument,
        sign: impl FnOnce(i128) -> i128,
    ) -> Result<Value, DecodeError> {
        let Argument::Number { n, long } = *argument else {
            return Err(ENDLESS);
        };
        let n = sign(n.into());
        Ok(if long && self.long_is_big {
            Value::BigInt(n)
        } else {
            Value::Int(n)
        })
    }

    fn string(&mut self, major: u8, argument: &Argument) -> Result<Vec<u8>, DecodeError> {
        if let Argument::Number { n, .. } = *argument {
            return self.take(n).map(<[u8]>::to_vec);
        }
        let mut whole = Vec::new();
        while !self.at_break()? {
            let first = self.byte()?;
            if first >> 5 != major {
                return Err(DecodeError::Malformed(
                    "a string has a part of another kind",
                ));
            }
            let Argument::Number { n, .. } = self.argument(first & 0x1f)? else {
                return Err(ENDLESS);
            };
            whole.extend_from_slice(self.take(n)?);
        }
        Ok(whole)
    }

    fn list(&mut self, argument: &Argument, depth: u8) -> Result<Value, DecodeError> {
        let mut items = Vec::with_capacity(self.plausible(argument, 1)?);
        let mut left = Left::of(argument);
        while left.more(self)? {
            items.push(self.value(depth)?);
        }
        Ok(Value::Array(items))
    }

    fn map(&mut self, argument: &Argument, depth: u8) -> Result<Value, DecodeError> {
        let mut entries = Vec::with_capacity(self.plausible(argument, 2)?);
        let mut left = Left::of(argument);
        while left.more(self)? {
            entries.push((self.value(depth)?, self.value(depth)?));
        }
        Ok(Value::Map(entries))
    }

    fn tag(&mut self, argument: &Argument, depth: u8) -> Result<Value, DecodeError> {
        let Argument::Number { n: number, .. } = *argument else {
            return Err(ENDLESS);
        };
        let content = self.value(depth)?;
        let n = match (number, &content) {
            (tag::BIG_POSITIVE, Value::Bytes(bytes)) => short(bytes),
            (tag::BIG_NEGATIVE, Value::Bytes(bytes)) => short(bytes).map(|n| -1 - n),
            _ => None,
        };
        Ok(n.map_or_else(|| Value::Tag(number, Box::new(content)), Value::BigInt))
    }

    fn simple(&mut self, low: u8) -> Result<Value, DecodeError> {
        Ok(match low {
            20 => Value::Bool(false),
            21 => Value::Bool(true),
            22 => Value::Null,
            23 => Value::Undefined,
            25 => Value::Float(half(u16::from_be_bytes(self.fixed()?))),
            26 => Value::Float(f32::from_be_bytes(self.fixed()?).into()),
            27 => Value::Float(f64::from_be_bytes(self.fixed()?)),
            31 => return Err(DecodeError::Malformed("nothing here to break off")),
            _ => return Err(DecodeError::Malformed("a simple value that means nothing")),
        })
    }

    fn argument(&mut self, low: u8) -> Result<Argument, DecodeError> {
        let n = match low {
            0..=23 => low.into(),
            24 => self.byte()?.into(),
            25 => u16::from_be_bytes(self.fixed()?).into(),
            26 => u32::from_be_bytes(self.fixed()?).into(),
            27 => {
                return Ok(Argument::Number {
                    n: u64::from_be_bytes(self.fixed()?),
                    long: true,
                });
            }
            31 => return Ok(Argument::Indefinite),
            _ => return Err(DecodeError::Malformed("a reserved length")),
        };
        Ok(Argument::Number { n, long: false })
    }

    /// Room to make for so many items, each at least `size` bytes: an honest length fits into the
    /// rest.
    fn plausible(&self, argument: &Argument, size: u64) -> Result<usize, DecodeError> {
        let Argument::Number { n, .. } = *argument else {
            return Ok(0);
        };
        if (self.rest.len() as u64) / size < n {
            return Err(DecodeError::Truncated);
        }
        Ok(usize::try_from(n).unwrap_or(0).min(1024))
    }

    fn at_break(&mut self) -> Result<bool, DecodeError> {
        match self.rest.split_first() {
            None => Err(DecodeError::Truncated),
            Some((0xff, rest)) => {
                self.rest = rest;
                Ok(true)
            }
            Some(_) => Ok(false),
        }
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        self.fixed().map(|[it]| it)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn take(&mut self, n: u64) -> Result<&'a [u8], DecodeError> {
        let n = usize::try_from(n).map_err(|_| DecodeError::Truncated)?;
        let (taken, rest) = self
            .rest
            .split_at_checked(n)
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// How many items are still to come.
enum Left {
    Counted(u64),
    UntilBreak,
}

impl Left {
    fn of(argument: &Argument) -> Self {
        match *argument {
            Argument::Number { n, .. } => Self::Counted(n),
            Argument::Indefinite => Self::UntilBreak,
        }
    }

    fn more(&mut self, reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
        match self {
            Self::Counted(0) => Ok(false),
            Self::Counted(n) => {
                *n -= 1;
                Ok(true)
            }
            Self::UntilBreak => Ok(!reader.at_break()?),
        }
    }
}

fn inside(depth: u8) -> Result<u8, DecodeError> {
    if MAX_DEPTH <= depth {
        return Err(DecodeError::TooDeep);
    }
    Ok(depth + 1)
}

/// The magnitude, when it and its counterpart below zero fit into 128 bits.
fn short(bytes: &[u8]) -> Option<i128> {
    if 16 < bytes.len() {
        return None;
    }
    i128::try_from(bytes.iter().fold(0, |n, it| n << 8 | u128::from(*it))).ok()
}

const ENDLESS: DecodeError = DecodeError::Malformed("this cannot be of indefinite length");

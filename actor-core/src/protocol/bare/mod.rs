//! BARE: primitives with which messages are laid out. The layouts are in `message` and `http`.

use super::{
    DecodeError, VERSION,
    cbor::{self, Dialect, Sink as _},
};
use crate::value::Value;

/// Reads primitives. Nothing is allocated by a claimed length.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// The version the message was written in.
    pub(super) version: u16,
}

impl<'a> Reader<'a> {
    /// Begins to read a message, which starts with its version.
    pub(super) fn message(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Self {
            rest: bytes,
            version: 0,
        };
        reader.version = u16::from_le_bytes(reader.fixed()?);
        if !(1..=VERSION).contains(&reader.version) {
            return Err(DecodeError::Version(reader.version));
        }
        Ok(reader)
    }

    /// Begins to read a message that does not say its version.
    pub(super) fn unversioned(rest: &'a [u8]) -> Self {
        Self { rest, version: 0 }
    }

    /// Makes sure that nothing follows.
    pub(super) fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::Trailing)
        }
    }

    pub(super) fn tag(&mut self) -> Result<u8, DecodeError> {
        self.fixed().map(|[it]| it)
    }

    pub(super) fn bool(&mut self) -> Result<bool, DecodeError> {
        match self.tag()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Malformed("a bool is neither 0 nor 1")),
        }
    }

    pub(super) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.fixed().map(u64::from_le_bytes)
    }

    /// An unsigned number of variable length, seven bits a byte, the lowest first.
    pub(super) fn uint(&mut self) -> Result<u64, DecodeError> {
        let mut n = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.tag()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && 1 < bits {
                break;
            }
            n |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(n);
            }
        }
        Err(DecodeError::Malformed("a number is over 64 bits"))
    }

    pub(super) fn data(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = usize::try_from(self.uint()?).map_err(|_| DecodeError::Truncated)?;
        let (data, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(data)
    }

    pub(super) fn str(&mut self) -> Result<String, DecodeError> {
        let text = std::str::from_utf8(self.data()?);
        text.map(str::to_owned)
            .map_err(|_| DecodeError::Malformed("text is not UTF-8"))
    }

    /// Data that holds one value.
    pub(super) fn value(&mut self) -> Result<Value, DecodeError> {
        cbor::read(self.data()?, Dialect::Tagged)
    }

    pub(super) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.bool()? {
            read(self).map(Some)
        } else {
            Ok(None)
        }
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }
}

/// Writes primitives.
pub(super) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// Begins a message, in the newest version, with room for `capacity` bytes after it.
    pub(super) fn message(capacity: usize) -> Self {
        let mut out = Vec::with_capacity(capacity + 2);
        out.extend_from_slice(&VERSION.to_le_bytes());
        Self { out }
    }

    /// Begins a message that does not say its version.
    pub(super) fn unversioned() -> Self {
        Self { out: Vec::new() }
    }

    /// Any bytes as data.
    pub(super) fn data(&mut self, bytes: &[u8]) -> &mut Self {
        self.uint(bytes.len() as u64);
        self.out.put(bytes);
        self
    }

    /// The items of a list, as `write` writes each.
    pub(super) fn list<T>(&mut self, items: &[T], write: impl Fn(&mut Self, &T)) -> &mut Self {
        self.uint(items.len() as u64);
        for item in items {
            write(self, item);
        }
        self
    }

    pub(super) fn done(self) -> bytes::Bytes {
        self.out.into()
    }

    pub(super) fn tag(&mut self, tag: u8) -> &mut Self {
        self.out.push(tag);
        self
    }

    pub(super) fn bool(&mut self, it: bool) -> &mut Self {
        self.tag(it.into())
    }

    pub(super) fn u64(&mut self, n: u64) -> &mut Self {
        self.out.put(&n.to_le_bytes());
        self
    }

    pub(super) fn uint(&mut self, mut n: u64) -> &mut Self {
        while 0x7f < n {
            self.out.push(0x80 | low(n));
            n >>= 7;
        }
        self.tag(low(n))
    }

    pub(super) fn str(&mut self, text: &str) -> &mut Self {
        self.uint(text.len() as u64);
        self.out.put(text.as_bytes());
        self
    }

    /// One value as data, whose size was measured before.
    pub(super) fn value(&mut self, value: &Value, measured: usize) -> &mut Self {
        self.uint(measured as u64);
        cbor::write(&mut self.out, value, Dialect::Tagged);
        self
    }

    pub(super) fn option<T>(
        &mut self,
        it: Option<T>,
        write: impl FnOnce(&mut Self, T),
    ) -> &mut Self {
        self.bool(it.is_some());
        if let Some(it) = it {
            write(self, it);
        }
        self
    }
}

/// The size of a value's CBOR.
pub(super) fn measure(value: &Value) -> usize {
    cbor::len(value, Dialect::Tagged)
}

/// How many bytes `n` takes.
pub(super) fn uint_len(n: u64) -> usize {
    (64 - (n | 1).leading_zeros()).div_ceil(7) as usize
}

/// How many bytes data of this length takes.
pub(super) fn data_len(len: usize) -> usize {
    uint_len(len as u64) + len
}

fn low(n: u64) -> u8 {
    (n & 0x7f) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_round_trip() {
        let mut cases = vec![0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u64::MAX];
        cases.extend((0..64).map(|shift| 1 << shift));
        for n in cases {
            let mut writer = Writer::message(0);
            writer.uint(n);
            let bytes = writer.done();
            assert_eq!(bytes.len() - 2, uint_len(n), "{n}");
            let mut reader = Reader::message(&bytes).unwrap();
            assert_eq!(reader.uint().unwrap(), n);
            reader.end().unwrap();
        }
    }

    #[test]
    fn numbers_over_64_bits_are_refused() {
        for bytes in [
            &[0xff; 12][..],
            &[4, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2],
        ] {
            let mut reader = Reader {
                rest: &bytes[2..],
                version: VERSION,
            };
            assert!(reader.uint().is_err());
        }
    }

    #[test]
    fn versions_are_1_to_4() {
        for version in 1..=4 {
            assert_eq!(
                Reader::message(&[version, 0]).unwrap().version,
                u16::from(version)
            );
        }
        for bytes in [[0, 0], [5, 0], [4, 1]] {
            assert!(matches!(
                Reader::message(&bytes),
                Err(DecodeError::Version(_))
            ));
        }
    }
}

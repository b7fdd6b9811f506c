//! One parameter: what of serde's data model SQLite has a type for.

use std::cell::Cell;

use rusqlite::types::Value as Bound;
use serde::{
    Serialize, Serializer,
    ser::{Impossible, SerializeSeq, SerializeTuple},
};

use super::SqlError;
use crate::value::{UNTYPED, Value};

/// What SQLite binds for a value.
pub(super) fn bound<T: Serialize + ?Sized>(it: &T) -> Result<Bound, SqlError> {
    it.serialize(Scalar {
        octet: &Cell::new(false),
    })
}

/// The untyped value of which `inside` is the stored form.
pub(super) fn untyped<T: Serialize + ?Sized>(inside: &T) -> Result<Value, SqlError> {
    struct Again<'a, T: ?Sized>(&'a T);
    impl<T: Serialize + ?Sized> Serialize for Again<'_, T> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_newtype_struct(UNTYPED, self.0)
        }
    }
    Value::from_serialize(&Again(inside)).map_err(|err| SqlError::Parameter(err.to_string()))
}

/// What SQLite binds for an untyped value.
pub(super) fn of_untyped(value: &Value) -> Result<Bound, SqlError> {
    Ok(match value {
        Value::Undefined | Value::Null => Bound::Null,
        Value::Bool(it) => Bound::Integer((*it).into()),
        Value::Int(n) | Value::BigInt(n) => return integer(*n),
        Value::Float(f) => Bound::Real(*f),
        Value::Text(it) => Bound::Text(it.clone()),
        Value::Bytes(it) => Bound::Blob(it.clone()),
        Value::Array(_) | Value::Map(_) | Value::Tag(..) => return Err(compound()),
    })
}

fn integer<N: Copy + std::fmt::Display + TryInto<i64>>(n: N) -> Result<Bound, SqlError> {
    n.try_into().map(Bound::Integer).map_err(|_| {
        SqlError::Parameter(format!(
            "{n} is not between -2^63 and 2^63-1, as SQLite's integers are"
        ))
    })
}

fn compound() -> SqlError {
    SqlError::Parameter(
        "SQLite has integers, floats, text, blobs and null: write lists and objects as JSON text"
            .into(),
    )
}

struct Scalar<'a> {
    /// Set when the value is a `u8`.
    octet: &'a Cell<bool>,
}

/// A list of bytes on its way to be a blob.
struct Blob(Vec<u8>);

impl Serializer for Scalar<'_> {
    type Ok = Bound;
    type Error = SqlError;
    type SerializeSeq = Blob;
    type SerializeTuple = Blob;
    type SerializeTupleStruct = Impossible<Bound, SqlError>;
    type SerializeTupleVariant = Impossible<Bound, SqlError>;
    type SerializeMap = Impossible<Bound, SqlError>;
    type SerializeStruct = Impossible<Bound, SqlError>;
    type SerializeStructVariant = Impossible<Bound, SqlError>;

    fn serialize_bool(self, it: bool) -> Result<Bound, SqlError> {
        Ok(Bound::Integer(it.into()))
    }

    fn serialize_i8(self, it: i8) -> Result<Bound, SqlError> {
        Ok(Bound::Integer(it.into()))
    }

    fn serialize_i16(self, it: i16) -> Result<Bound, SqlError> {
        Ok(Bound::Integer(it.into()))
    }

    fn serialize_i32(self, it: i32) -> Result<Bound, SqlError> {
        Ok(Bound::Integer(it.into()))
    }

    fn serialize_i64(self, it: i64) -> Result<Bound, SqlError> {
        Ok(Bound::Integer(it))
    }

    fn serialize_i128(self, it: i128) -> Result<Bound, SqlError> {
        integer(it)
    }

    fn serialize_u8(self, it: u8) -> Result<Bound, SqlError> {
        self.octet.set(true);
        Ok(Bound::Integer(it.into()))
    }

    fn serialize_u16(self, it: u16) -> Result<Bound, SqlError> {
        Ok(Bound::Integer(it.into()))
    }

    fn serialize_u32(self, it: u32) -> Result<Bound, SqlError> {
        Ok(Bound::Integer(it.into()))
    }

    fn serialize_u64(self, it: u64) -> Result<Bound, SqlError> {
        integer(it)
    }

    fn serialize_u128(self, it: u128) -> Result<Bound, SqlError> {
        integer(it)
    }

    fn serialize_f32(self, it: f32) -> Result<Bound, SqlError> {
        Ok(Bound::Real(it.into()))
    }

    fn serialize_f64(self, it: f64) -> Result<Bound, SqlError> {
        Ok(Bound::Real(it))
    }

    fn serialize_char(self, it: char) -> Result<Bound, SqlError> {
        Ok(Bound::Text(it.into()))
    }

    fn serialize_str(self, it: &str) -> Result<Bound, SqlError> {
        Ok(Bound::Text(it.to_owned()))
    }

    fn serialize_bytes(self, it: &[u8]) -> Result<Bound, SqlError> {
        Ok(Bound::Blob(it.to_vec()))
    }

    fn serialize_none(self) -> Result<Bound, SqlError> {
        Ok(Bound::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, it: &T) -> Result<Bound, SqlError> {
        it.serialize(self)
    }

    fn serialize_unit(self) -> Result<Bound, SqlError> {
        Ok(Bound::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Bound, SqlError> {
        Ok(Bound::Null)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Bound, SqlError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        it: &T,
    ) -> Result<Bound, SqlError> {
        if name == UNTYPED {
            return of_untyped(&untyped(it)?);
        }
        it.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Bound, SqlError> {
        Err(compound())
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Blob, SqlError> {
        Ok(Blob(Vec::with_capacity(
            len.unwrap_or_default().min(1 << 20),
        )))
    }

    fn serialize_tuple(self, len: usize) -> Result<Blob, SqlError> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, SqlError> {
        Err(compound())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, SqlError> {
        Err(compound())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, SqlError> {
        Err(compound())
    }

    fn serialize_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStruct, SqlError> {
        Err(compound())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, SqlError> {
        Err(compound())
    }
}

impl Blob {
    fn add<T: Serialize + ?Sized>(&mut self, it: &T) -> Result<(), SqlError> {
        let octet = Cell::new(false);
        let byte = match it.serialize(Scalar { octet: &octet })? {
            // A list of other numbers is one by mistake.
            Bound::Integer(n) if octet.get() => u8::try_from(n).ok(),
            _ => None,
        };
        self.0.push(byte.ok_or_else(compound)?);
        Ok(())
    }
}

impl SerializeSeq for Blob {
    type Ok = Bound;
    type Error = SqlError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, it: &T) -> Result<(), SqlError> {
        self.add(it)
    }

    fn end(self) -> Result<Bound, SqlError> {
        Ok(Bound::Blob(self.0))
    }
}

impl SerializeTuple for Blob {
    type Ok = Bound;
    type Error = SqlError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, it: &T) -> Result<(), SqlError> {
        self.add(it)
    }

    fn end(self) -> Result<Bound, SqlError> {
        Ok(Bound::Blob(self.0))
    }
}

//! From Rust types to values. The way back is in `de`.

use serde::{Serialize, Serializer, ser};

use super::{MAX_DEPTH, Value, ValueError, store, tag};

impl Value {
    /// The value that `source` is to clients: structs and maps are objects, `()` is `undefined`,
    /// `None` is `null`, enums are written as serde's JSON writes them.
    ///
    /// # Errors
    ///
    /// When a map's keys cannot be text, `source` is nested too deeply, or its own `Serialize`
    /// fails.
    pub fn from_serialize<T: Serialize + ?Sized>(source: &T) -> Result<Self, ValueError> {
        source.serialize(Writer {
            depth: 0,
            stored: false,
        })
    }
}

/// Builds a value. Those inside an untyped value are written in its stored form, for `store`.
#[derive(Clone, Copy)]
struct Writer {
    depth: u8,
    stored: bool,
}

impl Writer {
    fn inside(self) -> Result<Self, ValueError> {
        if MAX_DEPTH <= self.depth {
            return Err(ValueError::too_deep());
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }

    fn list(self, len: Option<usize>) -> Result<List, ValueError> {
        // The length is whatever the type claims.
        let items = Vec::with_capacity(len.unwrap_or(0).min(4096));
        Ok(List {
            writer: self.inside()?,
            variant: None,
            items,
        })
    }

    fn members(self, len: Option<usize>) -> Result<Members, ValueError> {
        let entries = Vec::with_capacity(len.unwrap_or(0).min(4096));
        Ok(Members {
            writer: self.inside()?,
            variant: None,
            entries,
            key: None,
        })
    }
}

impl Serializer for Writer {
    type Ok = Value;
    type Error = ValueError;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = List;
    type SerializeMap = Members;
    type SerializeStruct = Members;
    type SerializeStructVariant = Members;

    fn is_human_readable(&self) -> bool {
        !self.stored
    }

    fn serialize_bool(self, v: bool) -> Result<Value, ValueError> {
        Ok(Value::Bool(v))
    }

    fn serialize_i8(self, v: i8) -> Result<Value, ValueError> {
        Ok(Value::Int(v.into()))
    }

    fn serialize_i16(self, v: i16) -> Result<Value, ValueError> {
        Ok(Value::Int(v.into()))
    }

    fn serialize_i32(self, v: i32) -> Result<Value, ValueError> {
        Ok(Value::Int(v.into()))
    }

    fn serialize_i64(self, v: i64) -> Result<Value, ValueError> {
        Ok(Value::Int(v.into()))
    }

    fn serialize_i128(self, v: i128) -> Result<Value, ValueError> {
        Ok(Value::Int(v))
    }

    fn serialize_u8(self, v: u8) -> Result<Value, ValueError> {
        Ok(Value::Int(v.into()))
    }

    fn serialize_u16(self, v: u16) -> Result<Value, ValueError> {
        Ok(Value::Int(v.into()))
    }

    fn serialize_u32(self, v: u32) -> Result<Value, ValueError> {
        Ok(Value::Int(v.into()))
    }

    fn serialize_u64(self, v: u64) -> Result<Value, ValueError> {
        Ok(Value::Int(v.into()))
    }

    fn serialize_u128(self, v: u128) -> Result<Value, ValueError> {
        Ok(match i128::try_from(v) {
            Ok(n) => Value::Int(n),
            Err(_) => {
                let bytes = Value::Bytes(v.to_be_bytes().to_vec());
                Value::Tag(tag::BIG_POSITIVE, Box::new(bytes))
            }
        })
    }

    fn serialize_f32(self, v: f32) -> Result<Value, ValueError> {
        Ok(Value::Float(v.into()))
    }

    fn serialize_f64(self, v: f64) -> Result<Value, ValueError> {
        Ok(Value::Float(v))
    }

    fn serialize_char(self, v: char) -> Result<Value, ValueError> {
        Ok(Value::Text(v.into()))
    }

    fn serialize_str(self, v: &str) -> Result<Value, ValueError> {
        Ok(Value::Text(v.into()))
    }

    fn serialize_bytes(self, v: &[u8]) -> Result<Value, ValueError> {
        Ok(Value::Bytes(v.into()))
    }

    fn serialize_none(self) -> Result<Value, ValueError> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, ValueError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, ValueError> {
        Ok(Value::Undefined)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value, ValueError> {
        Ok(Value::Undefined)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Value, ValueError> {
        Ok(Value::Text(variant.into()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Value, ValueError> {
        if name == store::UNTYPED && !self.stored {
            return store::restore(value.serialize(Self {
                stored: true,
                ..self
            })?);
        }
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, ValueError> {
        Ok(in_variant(Some(variant), value.serialize(self.inside()?)?))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<List, ValueError> {
        self.list(len)
    }

    fn serialize_tuple(self, len: usize) -> Result<List, ValueError> {
        self.list(Some(len))
    }

    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Result<List, ValueError> {
        self.list(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<List, ValueError> {
        Ok(List {
            variant: Some(variant),
            ..self.inside()?.list(Some(len))?
        })
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Members, ValueError> {
        self.members(len)
    }

    fn serialize_struct(self, _name: &'static str, len: usize) -> Result<Members, ValueError> {
        self.members(Some(len))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Members, ValueError> {
        Ok(Members {
            variant: Some(variant),
            ..self.inside()?.members(Some(len))?
        })
    }
}

struct List {
    writer: Writer,
    variant: Option<&'static str>,
    items: Vec<Value>,
}

impl List {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let item = value
            .serialize(self.writer)
            .map_err(|e| e.in_item(self.items.len()))?;
        self.items.push(item);
        Ok(())
    }

    fn done(self) -> Value {
        in_variant(self.variant, Value::Array(self.items))
    }
}

macro_rules! list {
    ($($part:ident $push:ident),*) => {$(
        impl ser::$part for List {
            type Ok = Value;
            type Error = ValueError;

            fn $push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
                self.push(value)
            }

            fn end(self) -> Result<Value, ValueError> {
                Ok(self.done())
            }
        }
    )*};
}
list!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

struct Members {
    writer: Writer,
    variant: Option<&'static str>,
    entries: Vec<(Value, Value)>,
    key: Option<Value>,
}

impl Members {
    fn push<T: Serialize + ?Sized>(&mut self, key: Value, value: &T) -> Result<(), ValueError> {
        match value.serialize(self.writer) {
            Ok(value) => {
                self.entries.push((key, value));
                Ok(())
            }
            Err(error) => Err(error.in_member(&key)),
        }
    }

    fn done(self) -> Value {
        in_variant(self.variant, Value::Map(self.entries))
    }
}

impl ser::SerializeMap for Members {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        self.key = Some(Value::Text(match key.serialize(self.writer)? {
            Value::Text(text) => text,
            Value::Int(n) => n.to_string(),
            Value::Float(f) => f.to_string(),
            Value::Bool(b) => b.to_string(),
            other => {
                return Err(ValueError::new(format!(
                    "{} cannot be a map's key",
                    other.kind()
                )));
            }
        }));
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let key = self
            .key
            .take()
            .ok_or_else(|| ValueError::new("a map's value without its key"))?;
        self.push(key, value)
    }

    fn end(self) -> Result<Value, ValueError> {
        Ok(self.done())
    }
}

macro_rules! members {
    ($($part:ident),*) => {$(
        impl ser::$part for Members {
            type Ok = Value;
            type Error = ValueError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), ValueError> {
                self.push(Value::Text(name.into()), value)
            }

            fn end(self) -> Result<Value, ValueError> {
                Ok(self.done())
            }
        }
    )*};
}
members!(SerializeStruct, SerializeStructVariant);

fn in_variant(variant: Option<&'static str>, content: Value) -> Value {
    match variant {
        Some(name) => Value::Map(vec![(Value::Text(name.into()), content)]),
        None => content,
    }
}

/// The stored form of `value` as a tree, for `de`.
pub(super) fn stored(value: &Value) -> Result<Value, ValueError> {
    store::Stored(value).serialize(Writer {
        depth: 0,
        stored: true,
    })
}

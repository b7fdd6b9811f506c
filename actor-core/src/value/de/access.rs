//! The parts of a value, one after the other, with their place kept for errors.

use std::vec;

use serde::{
    Deserializer as _,
    de::{self, DeserializeSeed, IntoDeserializer as _, Visitor},
};

use super::{Reader, key::Key};
use crate::value::{Value, ValueError};

pub(super) struct Items {
    items: vec::IntoIter<Value>,
    index: usize,
    depth: u8,
    exact: bool,
}

impl Items {
    pub(super) fn new(items: Vec<Value>, depth: u8, exact: bool) -> Self {
        Self {
            items: items.into_iter(),
            index: 0,
            depth,
            exact,
        }
    }
}

impl<'de> de::SeqAccess<'de> for Items {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ValueError> {
        let Some(value) = self.items.next() else {
            return Ok(None);
        };
        let index = self.index;
        self.index += 1;
        let reader = Reader {
            value,
            depth: self.depth,
            exact: self.exact,
        };
        seed.deserialize(reader)
            .map(Some)
            .map_err(|e| e.in_item(index))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

pub(super) struct Members {
    entries: vec::IntoIter<(Value, Value)>,
    current: Option<(Value, Value)>,
    depth: u8,
    exact: bool,
}

impl Members {
    pub(super) fn new(entries: Vec<(Value, Value)>, depth: u8, exact: bool) -> Self {
        Self {
            entries: entries.into_iter(),
            current: None,
            depth,
            exact,
        }
    }
}

impl<'de> de::MapAccess<'de> for Members {
    type Error = ValueError;

    fn next_key_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ValueError> {
        // To JavaScript a member that is undefined is one that is not there.
        let exact = self.exact;
        self.current = self
            .entries
            .find(|(_, value)| exact || *value != Value::Undefined);
        let Some((key, _)) = &self.current else {
            return Ok(None);
        };
        seed.deserialize(Key(key))
            .map(Some)
            .map_err(|e| e.in_member(key))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, ValueError> {
        let Some((key, value)) = self.current.take() else {
            return Err(ValueError::new(
                "a map's value was asked for before its key",
            ));
        };
        let reader = Reader {
            value,
            depth: self.depth,
            exact: self.exact,
        };
        seed.deserialize(reader).map_err(|e| e.in_member(&key))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// One variant of an enum: `"Name"` or `{"Name": content}`.
pub(super) struct Variant {
    pub(super) name: String,
    pub(super) content: Reader,
}

impl<'de> de::EnumAccess<'de> for Variant {
    type Error = ValueError;
    type Variant = Content;

    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Content), ValueError> {
        let variant = seed.deserialize(self.name.as_str().into_deserializer())?;
        Ok((
            variant,
            Content {
                name: self.name,
                reader: self.content,
            },
        ))
    }
}

pub(super) struct Content {
    name: String,
    reader: Reader,
}

impl Content {
    fn read<T>(self, read: impl FnOnce(Reader) -> Result<T, ValueError>) -> Result<T, ValueError> {
        read(self.reader).map_err(|e| e.in_member(&Value::Text(self.name)))
    }
}

impl<'de> de::VariantAccess<'de> for Content {
    type Error = ValueError;

    fn unit_variant(self) -> Result<(), ValueError> {
        self.read(serde::Deserialize::deserialize)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, ValueError> {
        self.read(|it| seed.deserialize(it))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.read(|it| it.deserialize_tuple(len, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.read(|it| it.deserialize_map(visitor))
    }
}

//! From a row of a result to the type a handler asked for: a struct or map by the names of the
//! columns, a tuple by their places, a single column as itself.

use rusqlite::types::ValueRef;
use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer as _, MapAccess,
        SeqAccess, VariantAccess, Visitor, value::StrDeserializer,
    },
    forward_to_deserialize_any,
};

use super::SqlError;

/// Reads a row.
pub(super) fn read<T: DeserializeOwned>(
    names: &[String],
    row: &rusqlite::Row<'_>,
) -> Result<T, SqlError> {
    T::deserialize(Row { names, row }).map_err(|Bad(text)| SqlError::Row(text))
}

/// What is wrong with a row.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Bad(String);

impl de::Error for Bad {
    fn custom<T: std::fmt::Display>(text: T) -> Self {
        Self(text.to_string())
    }
}

#[derive(Clone, Copy)]
struct Row<'a> {
    names: &'a [String],
    row: &'a rusqlite::Row<'a>,
}

impl<'a> Row<'a> {
    fn column(self, at: usize) -> Result<Column<'a>, Bad> {
        self.row
            .get_ref(at)
            .map(Column)
            .map_err(|err| Bad(err.to_string()))
    }

    /// The only column there is.
    fn only(self) -> Result<Column<'a>, Bad> {
        if self.names.len() == 1 {
            return self.column(0);
        }
        Err(Bad(format!(
            "a single value was asked for, and there are {} columns",
            self.names.len()
        )))
    }
}

macro_rules! only {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Bad> {
            self.only()?.$method(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Row<'_> {
    type Error = Bad;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Bad> {
        visitor.visit_map(Columns { row: self, at: 0 })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Bad> {
        visitor.visit_newtype_struct(self)
    }

    /// One column that may be null. A row of several is there.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Bad> {
        if self.names.len() == 1 {
            self.column(0)?.deserialize_option(visitor)
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Bad> {
        if self.names.len() != len {
            let columns = self.names.len();
            return Err(Bad(format!("{len} values for {columns} columns")));
        }
        visitor.visit_seq(Columns { row: self, at: 0 })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Bad> {
        self.deserialize_tuple(len, visitor)
    }

    /// A single blob is a list of bytes; otherwise the columns are the items.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Bad> {
        match self.only() {
            Ok(column @ Column(ValueRef::Blob(_))) => column.deserialize_seq(visitor),
            Ok(_) | Err(_) => visitor.visit_seq(Columns { row: self, at: 0 }),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Bad> {
        self.only()?.deserialize_enum(name, variants, visitor)
    }

    only! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string deserialize_bytes deserialize_byte_buf deserialize_identifier
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Bad> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { unit_struct map struct ignored_any }
}

/// The columns of a row, one after another.
struct Columns<'a> {
    row: Row<'a>,
    at: usize,
}

impl<'de> MapAccess<'de> for Columns<'_> {
    type Error = Bad;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Bad> {
        let Some(name) = self.row.names.get(self.at) else {
            return Ok(None);
        };
        let name: StrDeserializer<'_, Bad> = name.as_str().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Bad> {
        let at = self.at;
        self.at += 1;
        seed.deserialize(self.row.column(at)?)
            .map_err(|Bad(text)| Bad(format!("column `{}`: {text}", self.row.names[at])))
    }
}

impl<'de> SeqAccess<'de> for Columns<'_> {
    type Error = Bad;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Bad> {
        if self.at == self.row.names.len() {
            return Ok(None);
        }
        self.next_value_seed(seed).map(Some)
    }
}

/// One value of a row.
#[derive(Clone, Copy)]
struct Column<'a>(ValueRef<'a>);

impl<'a> Column<'a> {
    fn text(text: &'a [u8]) -> Result<&'a str, Bad> {
        std::str::from_utf8(text)
            .map_err(|_| Bad("the text is not UTF-8: cast it to a blob".into()))
    }
}

impl<'de> Deserializer<'de> for Column<'_> {
    type Error = Bad;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Bad> {
        match self.0 {
            ValueRef::Null => visitor.visit_unit(),
            ValueRef::Integer(n) => visitor.visit_i64(n),
            ValueRef::Real(f) => visitor.visit_f64(f),
            ValueRef::Text(text) => visitor.visit_str(Self::text(text)?),
            ValueRef::Blob(bytes) => visitor.visit_bytes(bytes),
        }
    }

    /// SQLite has no booleans: zero is false.
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Bad> {
        match self.0 {
            ValueRef::Integer(n) => visitor.visit_bool(n != 0),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Bad> {
        match self.0 {
            ValueRef::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Bad> {
        match self.0 {
            ValueRef::Blob(bytes) => {
                visitor.visit_seq(de::value::SeqDeserializer::new(bytes.iter().copied()))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Bad> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Bad> {
        visitor.visit_newtype_struct(self)
    }

    /// A variant without content is its name.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Bad> {
        visitor.visit_enum(self)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct tuple_struct map struct identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for Column<'_> {
    type Error = Bad;
    type Variant = Named;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Named), Bad> {
        Ok((seed.deserialize(self)?, Named))
    }
}

/// A variant of which there is only the name.
struct Named;

impl<'de> VariantAccess<'de> for Named {
    type Error = Bad;

    fn unit_variant(self) -> Result<(), Bad> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Bad> {
        Err(holds_nothing())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Bad> {
        Err(holds_nothing())
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Bad> {
        Err(holds_nothing())
    }
}

fn holds_nothing() -> Bad {
    Bad("a column holds the name of a variant, and not what is in it".into())
}

//! Keys of maps. JavaScript's objects have text keys only, so numbers may come as text, or text as
//! numbers.

use serde::{
    Deserializer,
    de::{IntoDeserializer as _, Visitor},
    forward_to_deserialize_any,
};

use super::Reader;
use crate::value::{Value, ValueError};

pub(super) struct Key<'a>(pub(super) &'a Value);

impl Key<'_> {
    fn whole(&self) -> Reader {
        Reader {
            value: self.0.clone(),
            depth: 0,
            exact: false,
        }
    }

    fn integer<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let whole = self
            .0
            .as_str()
            .and_then(|it| it.parse().ok())
            .map(Value::Int);
        let whole = whole.unwrap_or_else(|| self.0.clone());
        Reader {
            value: whole,
            depth: 0,
            exact: false,
        }
        .deserialize_i128(visitor)
    }

    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::Text(text) => visitor.visit_str(text),
            Value::Int(n) | Value::BigInt(n) => visitor.visit_string(n.to_string()),
            Value::Float(f) => visitor.visit_string(f.to_string()),
            Value::Bool(it) => visitor.visit_string(it.to_string()),
            _ => self.whole().deserialize_string(visitor),
        }
    }
}

macro_rules! forward {
    ($to:ident: $($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            self.$to(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::Text(text) => visitor.visit_str(text),
            _ => self.whole().deserialize_any(visitor),
        }
    }

    forward!(integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128);
    forward!(text: deserialize_char deserialize_str deserialize_string deserialize_identifier);

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0.as_str() {
            Some("true") => visitor.visit_bool(true),
            Some("false") => visitor.visit_bool(false),
            _ => self.whole().deserialize_bool(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        if name == crate::value::store::UNTYPED {
            return self.whole().deserialize_newtype_struct(name, visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            _ => self.whole().deserialize_enum(name, variants, visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        f32 f64 bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
    }
}

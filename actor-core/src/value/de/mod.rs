//! From values to Rust types, with JavaScript's habits forgiven: whole floats are integers,
//! integers are floats, an `undefined` member is an absent one. The way there is in `ser`.

mod access;
mod key;

use serde::{
    Deserializer,
    de::{DeserializeOwned, Visitor},
};

use self::access::{Items, Members, Variant};
use super::{MAX_DEPTH, Value, ValueError, date_text, integral, ser, store, tag, typed_array};

impl Value {
    /// Reads a Rust type out of it.
    ///
    /// Numbers are taken as JavaScript means them: `1.0` is an integer, `1` is a float, a bigint is
    /// either. Dates are numbers (of seconds) where numbers are asked for, else ISO text. Typed
    /// arrays and sets are lists, `Map`s are maps, `undefined` and `null` are `None` and `()`.
    ///
    /// # Errors
    ///
    /// When it does not fit, saying where and why.
    pub fn deserialize_into<T: DeserializeOwned>(self) -> Result<T, ValueError> {
        T::deserialize(Reader {
            value: self,
            depth: 0,
            exact: false,
        })
    }
}

pub(super) struct Reader {
    value: Value,
    depth: u8,
    /// Whether `value` is a stored form, to be read as it stands.
    exact: bool,
}

impl Reader {
    pub(super) fn exact(value: Value) -> Self {
        Self {
            value,
            depth: 0,
            exact: true,
        }
    }

    fn inside(&self) -> Result<u8, ValueError> {
        // Twice, for a stored form is deeper than its value.
        if MAX_DEPTH.saturating_mul(2) <= self.depth {
            return Err(ValueError::too_deep());
        }
        Ok(self.depth + 1)
    }

    fn items<'de, V: Visitor<'de>>(
        &self,
        items: Vec<Value>,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_seq(Items::new(items, self.inside()?, self.exact))
    }

    fn members<'de, V: Visitor<'de>>(
        &self,
        entries: Vec<(Value, Value)>,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_map(Members::new(entries, self.inside()?, self.exact))
    }

    /// With the tags taken off that mean nothing to numbers and lists.
    fn untagged(mut self) -> Self {
        while let Value::Tag(_, inner) = self.value {
            self.value = *inner;
        }
        self
    }

    fn integer<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        if let Value::Tag(tag::BIG_POSITIVE, content) = &self.value
            && let Some(n) = unsigned(content)
        {
            return visitor.visit_u128(n);
        }
        let bare = self.untagged().value;
        match bare.as_integer() {
            Some(n) => visit_integer(n, visitor),
            None => Err(ValueError::mismatch(&visitor, &bare)),
        }
    }

    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.value {
            Value::Text(text) => visitor.visit_string(text),
            Value::Tag(number, content) => match date_text(number, &content) {
                Some(text) => visitor.visit_string(text),
                None => Self {
                    value: *content,
                    ..self
                }
                .text(visitor),
            },
            other => Err(ValueError::mismatch(&visitor, &other)),
        }
    }

    fn bytes<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let bare = self.untagged();
        match bare.value {
            Value::Bytes(bytes) => visitor.visit_byte_buf(bytes),
            Value::Text(text) => visitor.visit_string(text),
            Value::Array(items) => visitor.visit_seq(Items::new(items, bare.depth + 1, bare.exact)),
            other => Err(ValueError::mismatch(&visitor, &other)),
        }
    }

    fn list<'de, V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, ValueError> {
        match std::mem::take(&mut self.value) {
            Value::Array(items) => self.items(items, visitor),
            Value::Bytes(bytes) => self.items(numbers(tag::UINT8_ARRAY, &bytes), visitor),
            Value::Tag(number, content) => match (number, *content) {
                (tag::FIRST_TYPED_ARRAY..=tag::LAST_TYPED_ARRAY, Value::Bytes(bytes)) => {
                    self.items(numbers(number, &bytes), visitor)
                }
                (_, value) => Self { value, ..self }.list(visitor),
            },
            other => Err(ValueError::mismatch(&visitor, &other)),
        }
    }
}

/// `deserialize_*` methods that only ask for an integer, or for text.
macro_rules! forward {
    ($to:ident: $($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            self.$to(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, ValueError> {
        match std::mem::take(&mut self.value) {
            Value::Undefined | Value::Null => visitor.visit_unit(),
            Value::Bool(it) => visitor.visit_bool(it),
            Value::Int(n) | Value::BigInt(n) => visit_integer(n, visitor),
            Value::Float(f) => match integral(f) {
                Some(n) if !self.exact => visit_integer(n, visitor),
                _ => visitor.visit_f64(f),
            },
            Value::Text(text) => visitor.visit_string(text),
            Value::Bytes(bytes) if self.exact => visitor.visit_byte_buf(bytes),
            Value::Bytes(bytes) => self.items(numbers(tag::UINT8_ARRAY, &bytes), visitor),
            Value::Array(items) => self.items(items, visitor),
            Value::Map(entries) => self.members(entries, visitor),
            Value::Tag(number, content) => {
                if let Some(text) = date_text(number, &content) {
                    return visitor.visit_string(text);
                }
                match (number, *content) {
                    (tag::FIRST_TYPED_ARRAY..=tag::LAST_TYPED_ARRAY, Value::Bytes(bytes)) => {
                        self.items(numbers(number, &bytes), visitor)
                    }
                    (_, value) => Self { value, ..self }.deserialize_any(visitor),
                }
            }
        }
    }

    forward!(integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128);
    forward!(text: deserialize_char deserialize_str deserialize_string deserialize_identifier);
    forward!(bytes: deserialize_bytes deserialize_byte_buf);
    forward!(list: deserialize_seq);
    forward!(deserialize_f64: deserialize_f32);

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.untagged().value {
            Value::Bool(it) => visitor.visit_bool(it),
            other => Err(ValueError::mismatch(&visitor, &other)),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.untagged().value {
            Value::Float(f) => visitor.visit_f64(f),
            Value::Int(n) | Value::BigInt(n) => visitor.visit_f64(n as f64),
            other => Err(ValueError::mismatch(&visitor, &other)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        if self.value.is_nothing() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        if self.value.is_nothing() {
            visitor.visit_unit()
        } else {
            Err(ValueError::mismatch(&visitor, &self.value))
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        if name == store::NAME && !self.exact {
            return visitor.visit_newtype_struct(Self::exact(ser::stored(&self.value)?));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        let exact_len = |found: usize| {
            if len < found {
                return Err(ValueError::new(format!(
                    "expected {len} items, found {found}"
                )));
            }
            Ok(())
        };
        let mut bare = self.untagged();
        match &mut bare.value {
            Value::Array(items) => {
                exact_len(items.len())?;
                // JavaScript callers leave off trailing items that are optional.
                items.resize(len, Value::Undefined);
            }
            Value::Bytes(bytes) => exact_len(bytes.len())?,
            _ => {}
        }
        bare.list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let mut bare = self.untagged();
        match std::mem::take(&mut bare.value) {
            Value::Map(entries) => bare.members(entries, visitor),
            other => Err(ValueError::mismatch(&visitor, &other)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        let depth = self.inside()?;
        let (name, content) = match self.untagged().value {
            Value::Text(name) => (name, Value::Undefined),
            Value::Map(mut entries) if entries.len() == 1 => match entries.pop() {
                Some((Value::Text(name), content)) => (name, content),
                _ => return Err(ValueError::new(format!("expected {}", Named(&visitor)))),
            },
            other => return Err(ValueError::mismatch(&visitor, &other)),
        };
        visitor.visit_enum(Variant {
            name,
            content: Self {
                value: content,
                depth,
                exact: false,
            },
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_unit()
    }
}

fn visit_integer<'de, V: Visitor<'de>>(n: i128, visitor: V) -> Result<V::Value, ValueError> {
    if let Ok(n) = i64::try_from(n) {
        visitor.visit_i64(n)
    } else if let Ok(n) = u64::try_from(n) {
        visitor.visit_u64(n)
    } else {
        visitor.visit_i128(n)
    }
}

/// A bigint's magnitude, when it fits.
fn unsigned(content: &Value) -> Option<u128> {
    let Value::Bytes(bytes) = content else {
        return None;
    };
    if 16 < bytes.len() {
        return None;
    }
    Some(bytes.iter().fold(0, |n, it| n << 8 | u128::from(*it)))
}

fn numbers(number: u64, bytes: &[u8]) -> Vec<Value> {
    typed_array(number, bytes).unwrap_or_default()
}

/// What a visitor expects, as text.
struct Named<'a, V>(&'a V);

impl<'de, V: Visitor<'de>> std::fmt::Display for Named<'_, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.expecting(f)
    }
}

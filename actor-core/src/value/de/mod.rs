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
        if name == store::UNTYPED && !self.exact {
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

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        fmt::Debug,
    };

    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    struct Item {
        name: String,
        #[serde(default)]
        tags: Vec<String>,
        price: Option<f64>,
    }

    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    enum Shape {
        Empty,
        Circle(f64),
        Line(i32, i32),
        Rect { width: u8 },
    }

    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    #[serde(tag = "type", rename_all = "lowercase")]
    enum Tagged {
        Move { by: i64 },
    }

    fn reads<T: DeserializeOwned + PartialEq + Debug>(value: impl Into<Value>, expected: T) {
        let value = value.into();
        assert_eq!(
            value.clone().deserialize_into::<T>(),
            Ok(expected),
            "{value:?}"
        );
    }

    fn refuses<T: DeserializeOwned + Debug>(value: impl Into<Value>, expected: &str) {
        let value = value.into();
        let error = value.clone().deserialize_into::<T>().unwrap_err();
        assert_eq!(error.to_string(), expected, "{value:?}");
    }

    fn typed(number: u64, bytes: &[u8]) -> Value {
        Value::Tag(number, Box::new(Value::Bytes(bytes.to_vec())))
    }

    #[test]
    fn numbers_are_taken_as_javascript_means_them() {
        reads(1.0, 1u8);
        reads(4_294_967_296.0, 4_294_967_296_i64);
        reads(-3.0, -3i32);
        reads(1, 1.0f64);
        reads(1.5, 1.5f32);
        reads(Value::BigInt(7), 7u64);
        reads(Value::BigInt(7), 7.0f64);
        reads(Value::Int(i128::MAX), i128::MAX);
        reads(Value::date(1500), 1.5f64);
        reads(Value::from_serialize(&u128::MAX).unwrap(), u128::MAX);
        refuses::<i64>(1.5, "expected i64, found number");
        refuses::<u8>(300, "expected u8, found 300");
        refuses::<u64>(-1, "expected u64, found -1");
        refuses::<i64>("1", "expected i64, found string");
        refuses::<bool>(0, "expected a boolean, found number");
        refuses::<f64>(Value::Undefined, "expected f64, found undefined");
    }

    #[test]
    fn nothing_is_none_and_unit() {
        for nothing in [Value::Undefined, Value::Null] {
            reads(nothing.clone(), None::<u8>);
            reads(nothing.clone(), ());
            refuses::<String>(
                nothing.clone(),
                &format!("expected a string, found {}", nothing.kind()),
            );
        }
        reads(1, Some(1u8));
        refuses::<()>(1, "expected unit, found number");
    }

    #[test]
    fn members_that_are_undefined_are_absent() {
        let value = Value::object([("name", Value::from("x")), ("tags", Value::Undefined)]);
        reads(
            value,
            Item {
                name: "x".into(),
                tags: vec![],
                price: None,
            },
        );
        refuses::<Item>(
            Value::object([("name", Value::Undefined)]),
            "missing field `name`",
        );
    }

    #[test]
    fn lists_come_in_many_forms() {
        let numbers = vec![1u8, 2];
        reads(Value::from(vec![1.into(), 2.into()]), numbers.clone());
        reads(Value::Bytes(vec![1, 2]), numbers.clone());
        reads(typed(tag::UINT8_ARRAY, &[1, 2]), numbers.clone());
        reads(typed(tag::ARRAY_BUFFER, &[1, 2]), numbers.clone());
        reads(typed(85, &[0, 0, 0xc0, 0x3f]), vec![1.5f32]);
        reads(
            Value::set(vec![1.into(), 2.into()]),
            BTreeSet::from([1u8, 2]),
        );
        reads(Value::Bytes(vec![1, 2]), [1u8, 2]);
        reads(Value::from(vec![1.into()]), (1u8, None::<u8>));
        refuses::<(u8,)>(
            Value::from(vec![1.into(), 2.into()]),
            "expected 1 items, found 2",
        );
        refuses::<Vec<u8>>(
            Value::object::<&str, Value>([]),
            "expected a sequence, found object",
        );
    }

    #[test]
    fn maps_keys_are_text_or_numbers() {
        let by_text = Value::object([("1", "a"), ("2", "b")]);
        let by_number = Value::map(vec![(1.into(), "a".into()), (2.0.into(), "b".into())]);
        let numbers = BTreeMap::from([(1u8, "a".to_owned()), (2, "b".to_owned())]);
        reads(by_text.clone(), numbers.clone());
        reads(by_number.clone(), numbers.clone());
        let texts: BTreeMap<String, String> = numbers
            .iter()
            .map(|(k, v)| (k.to_string(), v.clone()))
            .collect();
        reads(by_text.clone(), texts.clone());
        reads(by_number, texts);
        assert_eq!(Value::from_serialize(&numbers).unwrap(), by_text);
        refuses::<BTreeMap<u8, u8>>(Value::object([("x", 1)]), "x: expected u8, found string");
    }

    #[test]
    fn enums_and_structs_come_back() {
        for shape in [
            Shape::Empty,
            Shape::Circle(2.0),
            Shape::Line(1, -1),
            Shape::Rect { width: 3 },
        ] {
            reads(Value::from_serialize(&shape).unwrap(), shape);
        }
        reads(Value::object([("Circle", 2)]), Shape::Circle(2.0));
        refuses::<Shape>(
            "Round",
            "unknown variant `Round`, expected one of `Empty`, `Circle`, `Line`, `Rect`",
        );
        refuses::<Shape>(
            Value::object([("Rect", Value::object([("width", 300)]))]),
            "Rect.width: expected u8, found 300",
        );
        // Through serde's own buffer, with a number that came as a float.
        let moved = Value::object([("by", Value::from(3.0)), ("type", "move".into())]);
        reads(moved, Tagged::Move { by: 3 });
    }

    #[test]
    fn dates_and_bytes_suit_those_who_know_only_json() {
        reads(Value::date(1500), "1970-01-01T00:00:01.500Z".to_owned());
        let value = Value::object([
            ("at", Value::date(0)),
            ("set", Value::set(vec![1.0.into()])),
            ("bytes", typed(tag::UINT8_ARRAY, &[1])),
            ("gone", Value::Undefined),
        ]);
        let json = serde_json::json!({"at": "1970-01-01T00:00:00.000Z", "set": [1], "bytes": [1]});
        reads(value, json.clone());
        assert_eq!(Value::from_serialize(&json).unwrap(), Value::from(json));
    }

    #[test]
    fn errors_name_the_place() {
        let bad = Value::object([("name", 5)]);
        let value = Value::object([("items", Value::from(vec![Value::Null, bad]))]);
        refuses::<BTreeMap<String, Vec<Option<Item>>>>(
            value,
            "items[1].name: expected a string, found number",
        );
    }

    #[test]
    fn recursion_is_bounded() {
        #[derive(Debug, Deserialize, Serialize)]
        struct Nested(Vec<Self>);
        let mut nested = Nested(vec![]);
        let mut value = Value::Array(vec![]);
        for _ in 0..300 {
            nested = Nested(vec![nested]);
            value = Value::Array(vec![value]);
        }
        assert!(
            Value::from_serialize(&nested)
                .unwrap_err()
                .to_string()
                .ends_with("nested deeper than 100")
        );
        assert!(value.deserialize_into::<Nested>().is_err());
    }
}

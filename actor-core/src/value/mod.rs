//! The untyped value every encoding can carry. How it looks on the wire is `protocol`'s business.

mod bigint;
mod date;
mod de;
mod error;
mod ser;
mod store;
pub mod tag;
mod typed_array;

pub use self::error::ValueError;
#[cfg(feature = "sqlite")]
pub(crate) use self::store::UNTYPED;
pub(crate) use self::{
    bigint::{decimal_to_value, magnitude_to_decimal},
    date::date_text,
    typed_array::{half, numbers as typed_array},
};

/// What a client can send or be sent: JavaScript's values, as far as CBOR can tell them apart.
///
/// Take and return your own types instead wherever you know them. As an argument or result it keeps
/// `undefined`, bigints, dates, typed arrays, sets and maps just as the client sent them. A field of
/// this type wants `#[serde(default)]`: a member that is `undefined` is one that is not there.
///
/// ```
/// use actor_core::Value;
///
/// let value = Value::object([("name", Value::from("Ada")), ("born", Value::from(1815))]);
/// assert_eq!(value.member("born"), Some(&Value::Int(1815)));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Nothing there: a missing argument, or the result of an action that returns `()`.
    #[default]
    Undefined,
    /// Something that is known to be nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number without a fraction. JavaScript reads it as a number up to 2^53, beyond as a bigint.
    Int(i128),
    /// JavaScript's bigint. Those outside 128 bits are a [`Tag`](Self::Tag) 2 or 3, as in CBOR.
    BigInt(i128),
    /// A number with a fraction, or one written as if it had.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes; a `Uint8Array` in JavaScript.
    Bytes(Vec<u8>),
    /// A list.
    Array(Vec<Self>),
    /// A JavaScript object, or inside [`tag::MAP`] a `Map`; in the order it was written.
    Map(Vec<(Self, Self)>),
    /// A value with a meaning on top, by its number in CBOR; see [`tag`].
    Tag(u64, Box<Self>),
}

impl Value {
    /// A JavaScript object with these members.
    pub fn object<K, V>(members: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<String>,
        V: Into<Self>,
    {
        Self::Map(
            members
                .into_iter()
                .map(|(k, v)| (Self::Text(k.into()), v.into()))
                .collect(),
        )
    }

    /// A JavaScript `Date`, from milliseconds since 1970. In a value a date is in seconds, as in
    /// CBOR; as JSON it is ISO text.
    #[must_use]
    pub fn date(millis: i64) -> Self {
        let seconds = if millis % 1000 == 0 {
            Self::Int(i128::from(millis / 1000))
        } else {
            Self::Float(millis as f64 / 1000.0)
        };
        Self::Tag(tag::EPOCH, Box::new(seconds))
    }

    /// A JavaScript `Set`.
    #[must_use]
    pub fn set(items: Vec<Self>) -> Self {
        Self::Tag(tag::SET, Box::new(Self::Array(items)))
    }

    /// A JavaScript `Map`.
    #[must_use]
    pub fn map(entries: Vec<(Self, Self)>) -> Self {
        Self::Tag(tag::MAP, Box::new(Self::Map(entries)))
    }

    /// The object's member of this name.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Self::Map(entries) = self else {
            return None;
        };
        entries
            .iter()
            .find(|(key, _)| key.as_str() == Some(name))
            .map(|(_, value)| value)
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is `undefined` or `null`.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Undefined | Self::Null)
    }

    /// The number, if it has no fraction; floats and bigints count.
    #[must_use]
    pub fn as_integer(&self) -> Option<i128> {
        match self {
            Self::Int(n) | Self::BigInt(n) => Some(*n),
            Self::Float(f) => integral(*f),
            _ => None,
        }
    }

    /// What JavaScript would call it, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Undefined => "undefined",
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Int(_) | Self::Float(_) => "number",
            Self::BigInt(_) | Self::Tag(tag::BIG_POSITIVE | tag::BIG_NEGATIVE, _) => "bigint",
            Self::Text(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Array(_) => "array",
            Self::Map(_) => "object",
            Self::Tag(tag::EPOCH | tag::DATE_TEXT, _) => "date",
            Self::Tag(tag::SET, _) => "set",
            Self::Tag(tag::MAP, _) => "map",
            Self::Tag(tag::FIRST_TYPED_ARRAY..=tag::LAST_TYPED_ARRAY, _) => "typed array",
            Self::Tag(_, inner) => inner.kind(),
        }
    }
}

/// The whole number `f` is, unless it has a fraction or is too large for one to matter.
fn integral(f: f64) -> Option<i128> {
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked to be whole and within 2^53"
    )]
    let whole = (f.fract() == 0.0 && f.abs() <= LARGEST).then_some(f as i128);
    whole
}

macro_rules! from {
    ($($source:ty => |$it:ident| $value:expr;)*) => {$(
        impl From<$source> for Value {
            fn from($it: $source) -> Self {
                $value
            }
        }
    )*};
}
from! {
    () => |_nothing| Self::Undefined;
    bool => |it| Self::Bool(it);
    i8 => |it| Self::Int(it.into());
    i16 => |it| Self::Int(it.into());
    i32 => |it| Self::Int(it.into());
    i64 => |it| Self::Int(it.into());
    i128 => |it| Self::Int(it);
    u8 => |it| Self::Int(it.into());
    u16 => |it| Self::Int(it.into());
    u32 => |it| Self::Int(it.into());
    u64 => |it| Self::Int(it.into());
    usize => |it| Self::Int(it as i128);
    f32 => |it| Self::Float(it.into());
    f64 => |it| Self::Float(it);
    &str => |it| Self::Text(it.to_owned());
    String => |it| Self::Text(it);
    char => |it| Self::Text(it.into());
    Vec<Self> => |it| Self::Array(it);
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Self::Null,
            Json::Bool(it) => Self::Bool(it),
            Json::Number(it) => match it.as_i128() {
                Some(n) => Self::Int(n),
                None => Self::Float(it.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(it) => Self::Text(it),
            Json::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Json::Object(members) => Self::object(members),
        }
    }
}

/// How deep values may be nested, in every direction: untrusted ones must not exhaust the stack.
pub(crate) const MAX_DEPTH: u8 = 100;

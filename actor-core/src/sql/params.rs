//! From what a handler gives as parameters to what SQLite binds.

use rusqlite::types::Value as Bound;
use serde::{
    Serialize, Serializer,
    ser::{self, Impossible},
};

use super::{SqlError, scalar};

/// Parameters of a call.
#[derive(Debug)]
pub(super) enum Params {
    Positional(Vec<Bound>),
    Named(Vec<(String, Bound)>),
}

impl Params {
    /// Reads them from a tuple or list (by position), a struct or map (by name), or a single value.
    pub(super) fn of(params: &impl Serialize) -> Result<Self, SqlError> {
        params.serialize(Reader)
    }

    /// For a statement that takes none.
    pub(super) const NONE: Self = Self::Positional(Vec::new());
}

impl ser::Error for SqlError {
    fn custom<T: std::fmt::Display>(text: T) -> Self {
        Self::Parameter(text.to_string())
    }
}

struct Reader;

/// A list by position.
struct List(Vec<Bound>);

/// Values by name.
struct Names {
    named: Vec<(String, Bound)>,
    key: Option<String>,
}

/// What is neither a list nor a map is the one parameter.
macro_rules! one {
    ($($method:ident($ty:ty),)*) => {$(
        fn $method(self, it: $ty) -> Result<Params, SqlError> {
            Ok(Params::Positional(vec![scalar::bound(&it)?]))
        }
    )*};
}

impl Serializer for Reader {
    type Ok = Params;
    type Error = SqlError;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = Impossible<Params, SqlError>;
    type SerializeMap = Names;
    type SerializeStruct = Names;
    type SerializeStructVariant = Impossible<Params, SqlError>;

    one! {
        serialize_bool(bool), serialize_i8(i8), serialize_i16(i16), serialize_i32(i32),
        serialize_i64(i64), serialize_i128(i128), serialize_u8(u8), serialize_u16(u16),
        serialize_u32(u32), serialize_u64(u64), serialize_u128(u128), serialize_f32(f32),
        serialize_f64(f64), serialize_char(char), serialize_str(&str),
    }

    fn serialize_bytes(self, it: &[u8]) -> Result<Params, SqlError> {
        Ok(Params::Positional(vec![Bound::Blob(it.to_vec())]))
    }

    fn serialize_none(self) -> Result<Params, SqlError> {
        Ok(Params::Positional(vec![Bound::Null]))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, it: &T) -> Result<Params, SqlError> {
        Ok(Params::Positional(vec![scalar::bound(it)?]))
    }

    fn serialize_unit(self) -> Result<Params, SqlError> {
        Ok(Params::NONE)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Params, SqlError> {
        Ok(Params::NONE)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Params, SqlError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        it: &T,
    ) -> Result<Params, SqlError> {
        if name == crate::value::UNTYPED {
            let untyped = scalar::untyped(it)?;
            return match untyped {
                crate::value::Value::Array(items) => items.serialize(self),
                crate::value::Value::Map(entries) => {
                    ser::Serializer::collect_map(self, entries.iter().map(|(k, v)| (k, v)))
                }
                crate::value::Value::Undefined => Ok(Params::NONE),
                one => Ok(Params::Positional(vec![scalar::of_untyped(&one)?])),
            };
        }
        it.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: &T,
    ) -> Result<Params, SqlError> {
        Err(no_params(variant))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<List, SqlError> {
        Ok(List(Vec::with_capacity(len.unwrap_or_default().min(1024))))
    }

    fn serialize_tuple(self, len: usize) -> Result<List, SqlError> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<List, SqlError> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, SqlError> {
        Err(no_params(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Names, SqlError> {
        Ok(Names {
            named: Vec::new(),
            key: None,
        })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Names, SqlError> {
        self.serialize_map(None)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, SqlError> {
        Err(no_params(variant))
    }
}

fn no_params(variant: &str) -> SqlError {
    SqlError::Parameter(format!(
        "the variant `{variant}` is neither a tuple, a struct nor a value"
    ))
}

impl List {
    fn add<T: Serialize + ?Sized>(&mut self, it: &T) -> Result<(), SqlError> {
        let at = self.0.len() + 1;
        let bound = scalar::bound(it).map_err(|err| of(&format!("parameter {at}"), err))?;
        self.0.push(bound);
        Ok(())
    }
}

/// Names the parameter in what is wrong with it.
fn of(name: &str, err: SqlError) -> SqlError {
    match err {
        SqlError::Parameter(text) => SqlError::Parameter(format!("{name}: {text}")),
        other => other,
    }
}

macro_rules! list {
    ($($kind:ident::$method:ident,)*) => {$(
        impl ser::$kind for List {
            type Ok = Params;
            type Error = SqlError;

            fn $method<T: Serialize + ?Sized>(&mut self, it: &T) -> Result<(), SqlError> {
                self.add(it)
            }

            fn end(self) -> Result<Params, SqlError> {
                Ok(Params::Positional(self.0))
            }
        }
    )*};
}

list! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
}

impl Names {
    fn add<T: Serialize + ?Sized>(&mut self, name: String, it: &T) -> Result<(), SqlError> {
        let bound = scalar::bound(it).map_err(|err| of(&format!("`{name}`"), err))?;
        self.named.push((name, bound));
        Ok(())
    }
}

impl ser::SerializeMap for Names {
    type Ok = Params;
    type Error = SqlError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), SqlError> {
        let Bound::Text(key) = scalar::bound(key)? else {
            return Err(SqlError::Parameter("a name is text".into()));
        };
        self.key = Some(key);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, it: &T) -> Result<(), SqlError> {
        let name = self.key.take().unwrap_or_default();
        self.add(name, it)
    }

    fn end(self) -> Result<Params, SqlError> {
        Ok(Params::Named(self.named))
    }
}

impl ser::SerializeStruct for Names {
    type Ok = Params;
    type Error = SqlError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        it: &T,
    ) -> Result<(), SqlError> {
        self.add(name.to_owned(), it)
    }

    fn end(self) -> Result<Params, SqlError> {
        Ok(Params::Named(self.named))
    }
}

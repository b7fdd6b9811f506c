//! The members of an object, taken by name: what the JSON and CBOR messages are made of.

use super::DecodeError;
use crate::value::Value;

/// An object being taken apart. Members nobody asks for are ignored: newer clients may have more.
pub(super) struct Fields(Vec<(Value, Value)>);

impl Fields {
    /// The members of `value`, which has to be an object.
    pub(super) fn of(value: Value, otherwise: &'static str) -> Result<Self, DecodeError> {
        match value {
            Value::Map(entries) => Ok(Self(entries)),
            _ => Err(DecodeError::Malformed(otherwise)),
        }
    }

    /// The member of this name, `undefined` if there is none.
    pub(super) fn take(&mut self, name: &str) -> Value {
        let found = self
            .0
            .iter_mut()
            .find(|(key, _)| key.as_str() == Some(name));
        found
            .map(|(_, value)| std::mem::take(value))
            .unwrap_or_default()
    }

    /// The member of this name, unless it is missing or nothing.
    pub(super) fn option(&mut self, name: &str) -> Option<Value> {
        Some(self.take(name)).filter(|it| !it.is_nothing())
    }

    pub(super) fn text(
        &mut self,
        name: &str,
        otherwise: &'static str,
    ) -> Result<String, DecodeError> {
        text(self.take(name), otherwise)
    }

    pub(super) fn unsigned(
        &mut self,
        name: &str,
        otherwise: &'static str,
    ) -> Result<u64, DecodeError> {
        unsigned(&self.take(name), otherwise)
    }

    pub(super) fn bool(
        &mut self,
        name: &str,
        otherwise: &'static str,
    ) -> Result<bool, DecodeError> {
        match self.take(name) {
            Value::Bool(it) => Ok(it),
            _ => Err(DecodeError::Malformed(otherwise)),
        }
    }
}

pub(super) fn text(value: Value, otherwise: &'static str) -> Result<String, DecodeError> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(DecodeError::Malformed(otherwise)),
    }
}

/// A number in any of the forms clients write one.
pub(super) fn unsigned(value: &Value, otherwise: &'static str) -> Result<u64, DecodeError> {
    let n = value.as_integer().and_then(|n| u64::try_from(n).ok());
    n.ok_or(DecodeError::Malformed(otherwise))
}

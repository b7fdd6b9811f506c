//! Why a value does not fit a type, and where in it.

use std::{error::Error, fmt};

use serde::de::{self, Expected, Unexpected};

use super::Value;

/// A value does not fit the type it is read into, or a type cannot be a value.
///
/// Its text names the place: `items[3].name: expected a string, found number`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ValueError {
    message: String,
    /// From the inside out.
    path: Vec<Step>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Step {
    Index(usize),
    Member(String),
}

impl ValueError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            path: Vec::new(),
        }
    }

    pub(super) fn mismatch(expected: &dyn Expected, found: &Value) -> Self {
        Self::new(format!("expected {expected}, found {}", found.kind()))
    }

    pub(super) fn too_deep() -> Self {
        Self::new(format!("nested deeper than {}", super::MAX_DEPTH))
    }

    pub(super) fn in_item(mut self, index: usize) -> Self {
        self.path.push(Step::Index(index));
        self
    }

    pub(super) fn in_member(mut self, name: &Value) -> Self {
        let name = match name {
            Value::Text(text) => text.clone(),
            Value::Int(n) => n.to_string(),
            other => other.kind().to_owned(),
        };
        self.path.push(Step::Member(name));
        self
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.path.iter().rev().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Member(name) if i == 0 => f.write_str(name)?,
                Step::Member(name) => write!(f, ".{name}")?,
            }
        }
        if !self.path.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

impl Error for ValueError {}

impl serde::ser::Error for ValueError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

impl de::Error for ValueError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Bool(_) => "boolean",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "number",
            Unexpected::Char(_) | Unexpected::Str(_) => "string",
            Unexpected::Bytes(_) => "bytes",
            Unexpected::Unit | Unexpected::Option => "null",
            Unexpected::Seq => "array",
            Unexpected::Map => "object",
            other => return Self::new(format!("expected {expected}, found {other}")),
        };
        Self::new(format!("expected {expected}, found {found}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        match found {
            Unexpected::Unsigned(n) => Self::new(format!("expected {expected}, found {n}")),
            Unexpected::Signed(n) => Self::new(format!("expected {expected}, found {n}")),
            Unexpected::Float(n) => Self::new(format!("expected {expected}, found {n}")),
            other => Self::new(format!("expected {expected}, found {other}")),
        }
    }
}

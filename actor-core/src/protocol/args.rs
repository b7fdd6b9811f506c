//! The arguments of a call, taken one after the other.

use std::vec;

use serde::de::DeserializeOwned;

use crate::{error::ActorError, value::Value};

/// The positional arguments a client calls an action with.
///
/// ```
/// use actor_core::{Value, protocol::Args};
///
/// let mut args = Args::from_value(Value::from(vec![Value::from("lobby"), Value::from(3.0)]));
/// let room: String = args.take("room")?;
/// let seats: u32 = args.take("seats")?;
/// let note: Option<String> = args.take("note")?;
/// args.finish()?;
/// assert_eq!((&*room, seats, note), ("lobby", 3, None));
/// # Ok::<_, actor_core::ActorError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Args {
    rest: vec::IntoIter<Value>,
    taken: usize,
}

impl Args {
    /// No arguments.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The arguments in `value`: a list of them, nothing, or a single one.
    #[must_use]
    pub fn from_value(value: Value) -> Self {
        match value {
            Value::Array(items) => items.into(),
            Value::Undefined | Value::Null => Self::none(),
            one => vec![one].into(),
        }
    }

    /// How many are left.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether none are left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the next one; `name` is what the author calls it. Past the last it is `undefined`,
    /// which an `Option` takes.
    ///
    /// # Errors
    ///
    /// `actor.validation_error` when it is missing or of another type.
    pub fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, ActorError> {
        self.taken += 1;
        let next = self.rest.next();
        let missing = next.is_none();
        next.unwrap_or_default()
            .deserialize_into()
            .map_err(|error| {
                let why = if missing {
                    "is missing".to_owned()
                } else {
                    format!("does not fit: {error}")
                };
                invalid(format!("argument {} (`{name}`) {why}", self.taken))
            })
    }

    /// Refuses arguments that are left. Those that are `undefined` count as not given.
    ///
    /// # Errors
    ///
    /// `actor.validation_error` when there are any.
    pub fn finish(&self) -> Result<(), ActorError> {
        let given = self
            .rest
            .as_slice()
            .iter()
            .rposition(|it| *it != Value::Undefined);
        match given {
            None => Ok(()),
            Some(last) => Err(invalid(format!(
                "{} given where {} taken",
                arguments(self.taken + last + 1, "was", "were"),
                match self.taken {
                    0 => "none is".to_owned(),
                    1 => "1 is".to_owned(),
                    n => format!("at most {n} are"),
                },
            ))),
        }
    }

    /// Those left, as one value.
    #[must_use]
    pub fn into_value(self) -> Value {
        Value::Array(self.rest.collect())
    }
}

impl From<Vec<Value>> for Args {
    fn from(items: Vec<Value>) -> Self {
        Self {
            rest: items.into_iter(),
            taken: 0,
        }
    }
}

impl PartialEq for Args {
    fn eq(&self, other: &Self) -> bool {
        self.taken == other.taken && self.rest.as_slice() == other.rest.as_slice()
    }
}

fn arguments(n: usize, one: &str, many: &str) -> String {
    if n == 1 {
        format!("1 argument {one}")
    } else {
        format!("{n} arguments {many}")
    }
}

fn invalid(message: String) -> ActorError {
    ActorError::new("actor", "validation_error", message).with_status(400)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(items: impl IntoIterator<Item = Value>) -> Args {
        items.into_iter().collect::<Vec<_>>().into()
    }

    #[test]
    fn what_is_not_a_list_is_one_argument_and_nothing_is_none() {
        assert_eq!(Args::from_value(Value::from("x")), args([Value::from("x")]));
        assert_eq!(Args::from_value(Value::Null), Args::none());
        assert_eq!(Args::from_value(Value::Undefined), Args::none());
        assert_eq!(Args::from_value(Value::from(vec![Value::Null])).len(), 1);
    }

    #[test]
    fn errors_name_the_argument_and_the_place() {
        let wrong = Value::from(vec![Value::object([("n", Value::from("x"))])]);
        let mut given = args([Value::from(1), wrong]);
        assert_eq!(given.take::<u8>("first").unwrap(), 1);
        let error = given
            .take::<Vec<std::collections::BTreeMap<String, i64>>>("rows")
            .unwrap_err();
        assert!(error.is("actor", "validation_error") && error.status() == 400);
        assert_eq!(
            error.message(),
            "argument 2 (`rows`) does not fit: [0].n: expected i64, found string"
        );
        let error = given.take::<bool>("sure").unwrap_err();
        assert_eq!(error.message(), "argument 3 (`sure`) is missing");
    }

    #[test]
    fn optional_arguments_may_be_left_off_and_too_many_are_refused() {
        let mut given = args([]);
        assert_eq!(given.take::<Option<u8>>("a").unwrap(), None);
        assert_eq!(given.take::<Value>("b").unwrap(), Value::Undefined);
        given.finish().unwrap();

        let mut given = args([Value::Null, Value::from(2), Value::Undefined]);
        assert_eq!(given.take::<Option<u8>>("a").unwrap(), None);
        let error = given.finish().unwrap_err();
        assert_eq!(error.message(), "2 arguments were given where 1 is taken");
        assert!(args([Value::Undefined]).finish().is_ok());
        let error = args([Value::Null]).finish().unwrap_err();
        assert_eq!(error.message(), "1 argument was given where none is taken");
    }
}

//! The stored forms of actors written down, so that a test fails when one changed and its version did
//! not.

use std::{collections::BTreeMap, fmt};

use super::form::Form;
use crate::actor::ActorType;

/// The stored forms of actors as text, to be kept beside the source and compared by a test.
///
/// A form is what the macro sees: the names, types and serde attributes of the fields that are stored.
/// One that serde would read otherwise than it was written has to have a newer version.
/// What changes inside the type of a field is not seen; for that, keep bytes of each version and
/// [decode](ActorType::decode) them.
///
/// ```
/// use actor_core::{prelude::*, testing::{SchemaError, SchemaLock}};
///
/// #[actor(version = 2, migrate = from_units)]
/// #[derive(Default)]
/// pub struct Account { cents: u64 }
///
/// #[actor]
/// impl Account {}
///
/// # fn from_units(_: u32, old: Value) -> Result<Value, String> { Ok(old) }
/// let forms = SchemaLock::new().actor::<Account>();
/// // In a test of yours this text is a file: `include_str!("../actors.lock")`. Where a variable of the
/// // environment says so, the test writes what `update` gives.
/// let locked = forms.update("account 1\n  units: u64\n").unwrap();
/// assert_eq!(locked, "account 2\n  cents: u64\n");
/// forms.check(&locked).unwrap();
///
/// // A form that changed under its version.
/// let error = forms.update("account 2\n  units: u64\n").unwrap_err();
/// assert!(matches!(error, SchemaError::SameVersion { .. }));
/// ```
#[derive(Clone, Debug, Default)]
pub struct SchemaLock {
    forms: BTreeMap<String, Form>,
}

/// How the forms differ from those that are written down.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// A form changed in a way that older states cannot be read through, and its version did not.
    #[error(
        "the stored form of `{actor}` changed and its version did not: raise it to {next} and write a \
         `migrate`, or put `#[serde(default)]` on a field that is new"
    )]
    SameVersion {
        /// Its wire name.
        actor: String,
        /// The version it has to have at least.
        next: u32,
    },
    /// A version went back.
    #[error("the stored form of `{actor}` has version {found}, and had {locked}")]
    OlderVersion {
        /// Its wire name.
        actor: String,
        /// The version it has.
        found: u32,
        /// The version that is written down.
        locked: u32,
    },
    /// What is written down is not what the actors are; nothing is wrong with those.
    #[error("the forms that are written down are out of date: write them anew")]
    OutOfDate,
    /// What is written down cannot be read.
    #[error("line {line} is no form of an actor")]
    Unreadable {
        /// From one.
        line: usize,
    },
}

impl SchemaLock {
    /// The forms of no actors.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// And that of `A`.
    #[must_use]
    pub fn actor<A: ActorType>(mut self) -> Self {
        let form = Form {
            version: A::VERSION,
            lines: A::SCHEMA.iter().map(ToString::to_string).collect(),
        };
        self.forms.insert(A::NAME.to_owned(), form);
        self
    }

    /// Whether these are the forms that are written down.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update), and [`SchemaError::OutOfDate`].
    pub fn check(&self, locked: &str) -> Result<(), SchemaError> {
        self.update(locked)?;
        if Self::read(locked)?.forms == self.forms {
            Ok(())
        } else {
            Err(SchemaError::OutOfDate)
        }
    }

    /// What to write down from now on, if these forms may follow those that are. Without a newer version
    /// may go: a field, unless the struct has `#[serde(deny_unknown_fields)]`; may come: a field with
    /// `#[serde(default)]`, that attribute itself, and another name if `#[serde(alias = "..")]` has the old
    /// one. An actor that is not written down yet may be anything.
    ///
    /// A field that went is forgotten: use its name again for another type only in a newer version.
    ///
    /// # Errors
    ///
    /// [`SchemaError::SameVersion`], [`SchemaError::OlderVersion`], [`SchemaError::Unreadable`].
    pub fn update(&self, locked: &str) -> Result<String, SchemaError> {
        let before = Self::read(locked)?;
        for (actor, form) in &self.forms {
            if let Some(old) = before.forms.get(actor) {
                follows(form, old, actor)?;
            }
        }
        Ok(self.to_string())
    }

    fn read(text: &str) -> Result<Self, SchemaError> {
        let mut lock = Self::new();
        let mut last: Option<&mut Form> = None;
        for (at, line) in text.lines().enumerate() {
            let unreadable = SchemaError::Unreadable { line: at + 1 };
            if let Some(field) = line.strip_prefix("  ") {
                let form = last.as_deref_mut().ok_or(unreadable)?;
                form.lines.push(field.to_owned());
            } else if !line.trim().is_empty() {
                let (actor, version) = line.rsplit_once(' ').ok_or(unreadable.clone())?;
                let form = lock.forms.entry(actor.to_owned()).or_default();
                form.version = version.parse().map_err(|_| unreadable)?;
                last = Some(form);
            }
        }
        Ok(lock)
    }
}

fn follows(new: &Form, old: &Form, actor: &str) -> Result<(), SchemaError> {
    let actor = actor.to_owned();
    if new.version < old.version {
        return Err(SchemaError::OlderVersion {
            actor,
            found: new.version,
            locked: old.version,
        });
    }
    if new.version == old.version && !new.reads(old) {
        let next = old.version.saturating_add(1);
        return Err(SchemaError::SameVersion { actor, next });
    }
    Ok(())
}

/// As it is written down.
impl fmt::Display for SchemaLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (actor, form) in &self.forms {
            writeln!(f, "{actor} {}", form.version)?;
            for line in &form.lines {
                writeln!(f, "  {line}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(text: &str) -> SchemaLock {
        SchemaLock::read(text).unwrap()
    }

    #[test]
    fn what_may_follow_what() {
        let old = "room 3\n  a: u32\n  b: String\n";
        let same = SchemaError::SameVersion {
            actor: "room".into(),
            next: 4,
        };
        let older = SchemaError::OlderVersion {
            actor: "room".into(),
            found: 2,
            locked: 3,
        };
        for (new, answer) in [
            (old, Ok(())),
            ("room 3\n  b: String\n  a: u32\n", Ok(())),
            ("room 3\n  a: u32\n", Ok(())),
            (
                "room 3\n  a: u32\n  b: String\n  #[serde(default)] c: u8\n",
                Ok(()),
            ),
            (
                "room 3\n  a: u32\n  b: String\n  c: u8\n",
                Err(same.clone()),
            ),
            ("room 3\n  a: u64\n  b: String\n", Err(same)),
            ("room 4\n  c: u8\n", Ok(())),
            ("room 2\n  a: u32\n  b: String\n", Err(older)),
            ("hall 1\n  x: u8\n", Ok(())),
        ] {
            let found = forms(new).update(old).map(drop);
            assert_eq!(found, answer, "{new}");
        }
    }

    #[test]
    fn what_is_written_down_is_read_back_and_compared() {
        let text = "hall 1\nroom 2\n  a: Vec<u8>\n";
        assert_eq!(forms(text).to_string(), text);
        forms(text).check(text).unwrap();
        let outdated = forms(text).check("room 2\n  a: Vec<u8>\n").unwrap_err();
        assert_eq!(outdated, SchemaError::OutOfDate);
        for (text, line) in [
            ("room\n", 1),
            ("  a: u8\n", 1),
            ("room 1\n  a: u8\nhall x\n", 3),
        ] {
            let error = SchemaLock::read(text).unwrap_err();
            assert_eq!(error, SchemaError::Unreadable { line }, "{text}");
        }
    }
}

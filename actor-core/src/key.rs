//! The user's names for actors: keys, their parts, their serialised form (K1, K2).

use std::{fmt, sync::Arc};

/// Most bytes in one part of a key (K1).
pub(crate) const MAX_PART: usize = 128;
/// Most bytes in a whole key, serialised (K1).
pub(crate) const MAX_KEY: usize = 1024;
/// Most characters in an actor type's name (K1).
pub(crate) const MAX_NAME: usize = 64;

/// What a user calls one actor of a type: a list of text parts, often just one.
///
/// `"lobby"` is the same key as `["lobby"]`; a `/` inside a part is text, not a separator.
///
/// ```
/// use actor_core::ActorKey;
///
/// assert_eq!(ActorKey::from("lobby"), ActorKey::from(["lobby"]));
/// assert_eq!(ActorKey::from(["tenant/1", "room"]).to_string(), r"tenant\/1/room");
/// assert_eq!(ActorKey::parse(r"tenant\/1/room"), ActorKey::from(["tenant/1", "room"]));
/// ```
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ActorKey(Arc<[Arc<str>]>);

impl ActorKey {
    /// Reads the serialised form, the exact inverse of [`Display`](fmt::Display) (K2).
    ///
    /// A `\` that escapes nothing known is taken as text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.is_empty() || text == "/" {
            return Self::default();
        }
        let mut parts = Vec::new();
        let mut part = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '/' => parts.push(Arc::from(std::mem::take(&mut part))),
                '\\' => match chars.next() {
                    Some('0') => {}
                    Some(escaped @ ('/' | '\\')) => part.push(escaped),
                    Some(other) => part.extend(['\\', other]),
                    None => part.push('\\'),
                },
                c => part.push(c),
            }
        }
        parts.push(Arc::from(part));
        Self(parts.into())
    }

    /// The parts, in order.
    #[must_use]
    pub fn parts(&self) -> &[Arc<str>] {
        &self.0
    }

    /// The first part, or `""` for the empty key: what a one-part key was made from.
    #[must_use]
    pub fn first(&self) -> &str {
        self.0.first().map_or("", |it| it)
    }

    /// Checks the limits of K1.
    ///
    /// # Errors
    ///
    /// When a part is longer than 128 bytes or the serialised key than 1,024.
    pub fn check(&self) -> Result<(), KeyError> {
        if let Some(part) = self.0.iter().find(|it| MAX_PART < it.len()) {
            return Err(KeyError::PartTooLong { bytes: part.len() });
        }
        let bytes = self.to_string().len();
        if MAX_KEY < bytes {
            return Err(KeyError::TooLong { bytes });
        }
        Ok(())
    }
}

impl fmt::Display for ActorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("/");
        }
        for (i, part) in self.0.iter().enumerate() {
            if i != 0 {
                f.write_str("/")?;
            }
            if part.is_empty() {
                f.write_str("\\0")?;
            }
            for c in part.chars() {
                if matches!(c, '/' | '\\') {
                    f.write_str("\\")?;
                }
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

impl From<&str> for ActorKey {
    fn from(part: &str) -> Self {
        Self([Arc::from(part)].into())
    }
}

impl From<String> for ActorKey {
    fn from(part: String) -> Self {
        Self::from(part.as_str())
    }
}

impl From<&String> for ActorKey {
    fn from(part: &String) -> Self {
        Self::from(part.as_str())
    }
}

impl<T: AsRef<str>, const N: usize> From<[T; N]> for ActorKey {
    fn from(parts: [T; N]) -> Self {
        parts.iter().collect()
    }
}

impl<T: AsRef<str>> From<Vec<T>> for ActorKey {
    fn from(parts: Vec<T>) -> Self {
        parts.iter().collect()
    }
}

impl<T: AsRef<str>> From<&[T]> for ActorKey {
    fn from(parts: &[T]) -> Self {
        parts.iter().collect()
    }
}

impl<T: AsRef<str>> FromIterator<T> for ActorKey {
    fn from_iter<I: IntoIterator<Item = T>>(parts: I) -> Self {
        Self(parts.into_iter().map(|it| Arc::from(it.as_ref())).collect())
    }
}

impl From<&Self> for ActorKey {
    fn from(key: &Self) -> Self {
        key.clone()
    }
}

/// A key over its limits (K1).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// One part has more than 128 bytes.
    #[error("a key part has {bytes} bytes, more than {MAX_PART}")]
    PartTooLong {
        /// How long the part is.
        bytes: usize,
    },
    /// The serialised key has more than 1,024 bytes.
    #[error("the key has {bytes} bytes, more than {MAX_KEY}")]
    TooLong {
        /// How long the serialised key is.
        bytes: usize,
    },
}

/// Where an actor is found: a namespace, a type's wire name and a key (K3).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Address {
    /// Keeps tenants or tests apart; `default` unless a client asks for another.
    pub namespace: Arc<str>,
    /// The actor type's name on the wire.
    pub name: Arc<str>,
    /// The user's key.
    pub key: ActorKey,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.name, self.key)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn k2_serialised_forms_match_the_published_clients() {
        let cases: &[(&[&str], &str)] = &[
            (&["a", "b"], "a/b"),
            (&[], "/"),
            (&[""], r"\0"),
            (&["a", ""], r"a/\0"),
            (&["a/b"], r"a\/b"),
            (&["a,b"], "a,b"),
            (&[r"a\b"], r"a\\b"),
        ];
        for (parts, text) in cases {
            assert_eq!(ActorKey::from(*parts).to_string(), *text);
            assert_eq!(ActorKey::parse(text), ActorKey::from(*parts));
        }
        assert_eq!(ActorKey::parse("a\\").parts()[0].as_ref(), "a\\");
    }

    #[test]
    fn k1_limits_are_in_bytes() {
        assert!(ActorKey::from("x".repeat(128)).check().is_ok());
        assert_eq!(
            ActorKey::from("é".repeat(65)).check(),
            Err(KeyError::PartTooLong { bytes: 130 })
        );
        let parts = vec!["x".repeat(127); 9];
        assert_eq!(
            ActorKey::from(parts).check(),
            Err(KeyError::TooLong { bytes: 1151 })
        );
    }

    proptest! {
        #[test]
        fn k2_parsing_is_the_exact_inverse(parts in prop::collection::vec(r"[a-c/\\0,é]{0,4}", 0..5)) {
            let key = ActorKey::from(parts);
            prop_assert_eq!(ActorKey::parse(&key.to_string()), key);
        }
    }
}

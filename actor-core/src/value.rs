//! Placeholder.
/// v
#[derive(Clone, Debug, PartialEq)]
pub enum Value { /// n
 Null }

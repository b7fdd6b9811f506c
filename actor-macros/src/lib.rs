//! Macros for `actor-core`; see its docs.

//! Serves actors from an axum router.

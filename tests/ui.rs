//! What the user reads when they get the macros wrong, and what has to compile.
//!
//! `TRYBUILD=overwrite cargo test -p actor-tests --test ui` rewrites what is read.

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/fail/*.rs");
}

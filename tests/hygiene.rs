//! The expansion uses nothing that it did not name in full.

#![no_implicit_prelude]

/// Everything a macro may be tempted to name, under another meaning; primitive types aside, which
/// serde's own macros name bare.
#[allow(dead_code, unreachable_pub, reason = "it only has to compile")]
mod shadowed {
    struct Result;
    struct Option;
    struct Some;
    struct None;
    struct Ok;
    struct Err;
    struct Vec;
    struct String;
    struct Box;
    struct Default;
    struct From;
    struct Future;
    struct Send;
    struct Value;
    struct Ctx;
    struct Reply;
    struct Call;
    trait Serialize {}
    trait Clone {}
    trait Deref {}
    trait Event {}
    trait Actor {}
    mod std {}
    mod core {}
    mod serde {}

    include!("hygiene/room.rs");
}

#[allow(dead_code, unreachable_pub, reason = "it only has to compile")]
mod bare {
    include!("hygiene/room.rs");
}

fn name<A: ::actor_core::actor::Actor>() -> (&'static ::std::primitive::str, ::std::primitive::usize)
{
    (A::NAME, A::ACTIONS)
}

#[test]
fn compiles() {
    ::std::assert_eq!(name::<bare::Room>(), ("room", 3));
    ::std::assert_eq!(name::<shadowed::Room>(), ("room", 3));
}

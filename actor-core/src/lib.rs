//! Hibernating actors: durable, single-threaded objects that sleep while their clients stay
//! connected.

// Lets the macros' absolute `::actor_core` paths resolve inside this crate too.
extern crate self as actor_core;

pub mod clock;
pub mod error;
mod id;
mod key;
pub mod protocol;
pub mod storage;
pub mod value;

pub use self::{
    error::{ActorError, CallError, IntoActorError},
    id::{ActorId, ConnId, Generation, ParseIdError},
    key::{ActorKey, Address, KeyError},
    value::Value,
};

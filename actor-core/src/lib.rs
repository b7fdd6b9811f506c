//! Hibernating actors: durable, single-threaded objects that sleep while their clients stay
//! connected.

// Lets the macros' absolute `::actor_core` paths resolve inside this crate too.
#[allow(unused_extern_crates, reason = "only macros name it")]
extern crate self as actor_core;

pub mod actor;
mod cell;
pub mod clock;
pub mod config;
pub mod connection;
pub mod error;
pub mod gateway;
mod id;
mod key;
mod lifecycle;
pub mod prelude;
pub mod protocol;
pub mod registry;
pub mod storage;
pub mod value;

#[doc(hidden)]
pub mod __private;

/// The examples of the macros, which their own crate cannot run.
#[cfg(all(doctest, feature = "macros"))]
mod macros {
    #[doc = include_str!("../../actor-macros/src/docs/actor.md")]
    mod actor {}
    #[doc = include_str!("../../actor-macros/src/docs/event.md")]
    mod event {}
    #[doc = include_str!("../../actor-macros/src/docs/action_error.md")]
    mod action_error {}
}

#[cfg(feature = "macros")]
pub use actor_macros::{ActionError, Event, actor};

pub use self::{
    actor::{Conn, Ctx, Event, TaskCtx},
    config::{ActorOptions, Durability},
    error::{ActorError, CallError, IntoActorError},
    gateway::{ActorHandle, Connection},
    id::{ActorId, ConnId, Generation, ParseIdError},
    key::{ActorKey, Address, KeyError},
    registry::Registry,
    value::Value,
};

//! The dozen names of every actor file: `use actor_core::prelude::*`.

#[cfg(feature = "macros")]
pub use crate::{ActionError, actor};
pub use crate::{
    ActorError, ActorKey, ConnId, Event, Queue, Value,
    actor::{Conn, Ctx, TaskCtx},
    registry::Registry,
};

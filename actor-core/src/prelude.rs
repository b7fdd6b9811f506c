//! The dozen names of every actor file: `use actor_core::prelude::*`.

#[cfg(feature = "macros")]
pub use crate::{ActionError, Event, actor};
pub use crate::{
    ActorError, ActorKey, ConnId, Value,
    actor::{Conn, Ctx, Event as _, TaskCtx},
    registry::Registry,
};

//! The life of one actor in memory as a plain value: what it may do when, and what ends it.
//!
//! ```text
//! Loading ─► Started ─► Grace(why) ─► Finalizing(why) ─► Ended(why)
//! ```
//!
//! The cell tells the [`Machine`] what happened and does what it answers. In here nothing waits,
//! locks, or reads a clock (P8), so races are orders of events, and tests try them all.

mod blocker;
mod crash;
mod machine;
mod wakes;
mod work;

pub use self::{
    blocker::{Blocker, BlockerKind},
    crash::ActorStatus,
};
pub(crate) use self::{
    crash::{Crashes, Next},
    machine::{Effect, Event, Machine, Stop},
    wakes::{Outcome, Verdict, Wakes},
    work::{Work, WorkKind},
};

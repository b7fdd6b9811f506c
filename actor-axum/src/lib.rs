//! Serves actors from an axum router.

mod actors;
mod cors;
mod extract;
mod http;
mod rejection;
mod router;
mod serve;
mod target;
mod ws;

pub use self::{
    cors::Cors,
    extract::{Actor, ExistingActor},
    rejection::{Error, KeyRejection},
    router::{ActorRouter, router},
    serve::{Serve, serve},
    target::TargetLayer,
};

//! The router over real sockets, as clients of RivetKit's wire see it.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; helpers are no test functions"
)]

mod access;
mod actors;
mod admission;
mod closes;
mod connect;
mod cors;
mod extract;
mod gateway;
#[cfg(feature = "http2")]
mod http2;
mod idempotency;
mod limits;
mod liveness;
mod nesting;
mod raw;
mod raw_sockets;
mod shutdown;
mod support;
mod target;

//! The router over real sockets, as clients of RivetKit's wire see it.

mod actors;
mod connect;
mod cors;
mod extract;
mod gateway;
mod limits;
mod nesting;
mod shutdown;
mod support;
mod target;

//! What clients and actors say to each other, as bytes: RivetKit's client protocol, versions 1 to 4.
//! Pure: no sockets, no actors, no waiting.

pub mod args;
mod bare;
mod cbor;
pub mod client;
mod compat;
pub mod encoding;
mod fields;
pub mod headers;
pub mod http;
pub mod inspector;
mod json;
pub mod message;
pub mod target;
mod url;

pub use self::{
    args::Args,
    encoding::{DecodeError, Encoding},
    message::{
        ActorSpecifier, ToClient, ToServer, decode, encode, encode_error, encode_event,
        encode_init, encode_response,
    },
};

/// The newest version of the protocol that is spoken, and the one answers are written in.
pub const VERSION: u16 = 4;

//! What a connection is made of below the actor: its outbox, what it sent and is not dealt with, the
//! events it may ask for again, the messages of a raw WebSocket; and whether its client is still there.
//! What an author sees of one is in `actor`.

mod inbox;
mod message;
mod outbox;
mod pulse;
mod replay;

pub(crate) use self::{
    inbox::{Fullness, Ticket},
    pulse::Pulse,
    replay::{RESYNC, Rings, Seen, take_seen},
};
pub use self::{
    message::Message,
    outbox::{CloseFrame, Delivery, Frame, Outbox},
};

//! What a connection is made of below the actor: its outbox, what it sent and
//! is not dealt with, the messages of a raw WebSocket; and whether its client is still there. What an
//! author sees of one is in `actor`.

mod inbox;
mod message;
mod outbox;
mod pulse;

pub(crate) use self::{
    inbox::{Fullness, Ticket},
    pulse::Pulse,
};
pub use self::{
    message::Message,
    outbox::{CloseFrame, Delivery, Frame, Outbox},
};

//! What a connection is made of below the actor: its outbox, what it sent and
//! is not dealt with, the messages of a raw WebSocket. What an
//! author sees of one is in `actor`.

mod inbox;
mod message;
mod outbox;

pub(crate) use self::inbox::{InboxFull, Ticket};
pub use self::{
    message::Message,
    outbox::{CloseFrame, Delivery, Frame, Outbox},
};

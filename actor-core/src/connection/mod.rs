//! What a connection is made of below the actor: its outbox, the messages of a raw WebSocket. What an
//! author sees of one is in `actor`.

mod message;
mod outbox;

pub use self::{
    message::Message,
    outbox::{CloseFrame, Delivery, Frame, Outbox},
};

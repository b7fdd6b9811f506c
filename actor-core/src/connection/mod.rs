//! What a connection is made of below the actor: its outbox. What an author sees of one is in
//! `actor`.

mod outbox;

pub use self::outbox::{CloseFrame, Delivery, Frame, Outbox};

#![allow(unused)]

use actor_core::prelude::*;

#[derive(Debug, thiserror::Error, ActionError)]
pub enum RoomError {
    #[error("a")]
    #[action_error(cod = "a")]
    Unknown,
    #[error("b")]
    #[action_error(status = 200)]
    Status,
    #[error("c")]
    #[action_error(internal, code = "c")]
    Hidden,
    #[error("d")]
    #[action_error(transparent)]
    Nothing,
    #[error("e")]
    Two(#[action_error(metadata)] u32, #[action_error(metadata)] u32),
}

fn main() {}

#![allow(unused)]

use actor_core::prelude::*;

#[derive(Debug, ActionError)]
pub enum RoomError {
    Full,
    #[action_error(internal)]
    Archive,
}

fn main() {}

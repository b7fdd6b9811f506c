#![allow(unused)]

use actor_core::prelude::*;

#[actor(name = "room", mailbox = 64, name = "chat")]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {}

fn main() {}

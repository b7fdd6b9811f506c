#![allow(unused)]

use actor_core::prelude::*;

#[actor(name: "room")]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {}

fn main() {}

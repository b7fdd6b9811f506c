#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room(u32);

#[actor]
impl Room {}

fn main() {}

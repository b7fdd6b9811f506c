#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor(rename_all = "snake_case")]
impl Room {}

fn main() {}

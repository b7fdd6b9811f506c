#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

fn main() {}

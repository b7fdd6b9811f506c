#![allow(unused)]

use actor_core::prelude::*;

#[actor]
pub struct Room {}

#[actor]
impl Room {}

fn main() {}

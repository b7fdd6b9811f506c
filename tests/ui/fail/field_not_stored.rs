#![allow(unused)]

use actor_core::prelude::*;

#[derive(Default)]
pub struct Opaque;

#[actor]
#[derive(Default)]
pub struct Room {
    opaque: Opaque,
}

#[actor]
impl Room {}

fn main() {}

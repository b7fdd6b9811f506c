#![allow(unused)]

use actor_core::prelude::*;

#[actor]
pub enum Room {
    Open,
}

fn main() {}

#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Clone for Room {
    fn clone(&self) -> Self {
        Self {}
    }
}

#[actor]
impl Room {}

fn main() {}

#![allow(unused)]

use actor_core::prelude::*;

#[actor]
pub struct Room<T> {
    lines: Vec<T>,
}

#[actor]
impl<T> Room<T> {}

fn main() {}

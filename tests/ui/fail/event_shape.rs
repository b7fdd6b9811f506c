#![allow(unused)]

use actor_core::prelude::*;

#[derive(Event)]
pub struct One {
    line: String,
}

#[derive(Event)]
pub enum Two<T> {
    Line(T),
}

fn main() {}

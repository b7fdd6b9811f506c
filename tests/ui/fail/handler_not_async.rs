#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action]
    fn add(&mut self, by: i64) -> i64 {
        by
    }

    #[on_wake]
    fn wake(&mut self) {}
}

fn main() {}

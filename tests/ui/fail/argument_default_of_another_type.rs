#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action]
    async fn add(&mut self, #[default = "one"] by: i64) -> i64 {
        by
    }
}

fn main() {}

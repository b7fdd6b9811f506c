#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action]
    #[cfg(debug_assertions)]
    async fn add(&self, by: i64) -> i64 {
        by
    }
}

fn main() {}

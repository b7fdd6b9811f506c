#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action]
    async fn add(&mut self, (a, b): (i64, i64)) {
        let _ = (a, b);
    }
}

fn main() {}

#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action(nam = "plus", durability = "fast", timeout = 50)]
    async fn add(&mut self) {}

    #[action = "minus"]
    async fn subtract(&mut self) {}
}

fn main() {}

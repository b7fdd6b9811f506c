#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action]
    #[on_wake]
    async fn wake(&mut self) {}
}

fn main() {}

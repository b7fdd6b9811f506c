#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[on_wake(timeout = "5s")]
    async fn wake(&mut self) {}
}

fn main() {}

#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[on_awake]
    async fn wake(&mut self) {}

    #[on_fire]
    async fn fire(&mut self) {}
}

fn main() {}

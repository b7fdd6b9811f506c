#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[on_wake]
    async fn wake(&mut self) {}

    #[on_wake]
    async fn wake_again(&mut self) {}
}

fn main() {}

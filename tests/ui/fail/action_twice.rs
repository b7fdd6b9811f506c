#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action(name = "add")]
    async fn plus(&mut self) {}

    #[action(name = "add")]
    async fn more(&mut self) {}

    #[action]
    async fn send_line(&mut self) {}

    #[action]
    #[allow(non_snake_case)]
    async fn sendLine(&mut self) {}
}

fn main() {}

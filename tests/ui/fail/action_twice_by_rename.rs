#![allow(unused)]

use actor_core::prelude::*;

#[actor(rename_all = "kebab-case")]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action]
    async fn send_line(&mut self) {}

    #[action(name = "send-line")]
    async fn other(&mut self) {}
}

fn main() {}

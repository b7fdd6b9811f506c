#![allow(unused)]

use actor_core::{Socket, prelude::*};

fn wants_to(path: &str) -> bool {
    path == "stay"
}

#[actor(hibernate_websockets = wants_to)]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[on_websocket]
    async fn opened(&mut self, socket: &Socket<Self>) -> u32 {
        0
    }

    #[on_message]
    async fn message(&mut self, message: String) {}
}

fn main() {}

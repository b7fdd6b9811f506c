#![allow(unused)]

use actor_core::prelude::*;

#[actor(hibernate_websockets = "always", max_message = 0, auto_reply = "pong")]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[on_web_socket]
    async fn opened(&mut self) {}

    #[on_message(timeout = "1s")]
    async fn message(&mut self) {}
}

fn main() {}

#![allow(unused)]

use actor_core::{CloseFrame, Message, Socket, prelude::*};

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[on_websocket]
    async fn opened(&mut self, conn: &Conn<Self>) {}

    #[on_message]
    async fn message(&mut self, message: Message, socket: &Socket<Self>) {}

    #[on_close]
    async fn closed(&mut self, socket: Socket<Self>, frame: &CloseFrame) {}
}

fn main() {}

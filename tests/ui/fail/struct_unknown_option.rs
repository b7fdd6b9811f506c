#![allow(unused)]

use actor_core::prelude::*;

#[actor(sleep_aftr = "30s", colour = "red", mailbox = 64)]
pub struct Room {}

#[actor]
impl Room {
    #[on_create]
    async fn create() -> Self {
        Self {}
    }
}

fn main() {}

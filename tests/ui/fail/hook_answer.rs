#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[on_wake]
    async fn wake(&mut self) -> bool {
        true
    }

    #[on_sleep]
    async fn sleep(&mut self) -> Result<(), std::io::Error> {
        Ok(())
    }
}

fn main() {}

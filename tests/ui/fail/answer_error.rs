#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action]
    async fn read(&mut self) -> Result<u32, std::io::Error> {
        Ok(1)
    }
}

fn main() {}

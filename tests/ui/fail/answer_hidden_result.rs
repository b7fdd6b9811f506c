#![allow(unused)]

use actor_core::prelude::*;

pub type Hidden = Result<u32, ActorError>;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action]
    async fn read(&mut self) -> Hidden {
        Ok(1)
    }
}

fn main() {}

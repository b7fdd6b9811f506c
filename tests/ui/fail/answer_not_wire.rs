#![allow(unused)]

use actor_core::prelude::*;

pub struct Opaque;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action]
    async fn give(&mut self) -> Opaque {
        Opaque
    }

    #[action]
    async fn try_give(&mut self) -> Result<Opaque, ActorError> {
        Ok(Opaque)
    }
}

fn main() {}

#![allow(unused)]

use actor_core::prelude::*;

pub struct Opaque;

#[actor]
pub struct Room {
    #[actor(transient)]
    opaque: Opaque,
}

#[actor]
impl Room {
    #[on_create]
    async fn create() -> Self {
        Self { opaque: Opaque }
    }
}

fn main() {}

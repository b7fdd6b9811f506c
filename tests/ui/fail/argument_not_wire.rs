#![allow(unused)]

use actor_core::prelude::*;

pub struct Opaque;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action]
    async fn take(&mut self, it: Opaque) {
        let _ = it;
    }
}

fn main() {}

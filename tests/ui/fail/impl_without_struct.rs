#![allow(unused)]

use actor_core::prelude::*;

#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action]
    async fn ping(&self) {}
}

fn main() {}

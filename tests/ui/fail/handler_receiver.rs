#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action]
    async fn by_value(self) {}

    #[action]
    async fn mutable(mut self) {}

    #[action]
    async fn boxed(self: Box<Self>) {}
}

fn main() {}

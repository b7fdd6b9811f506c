#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action]
    async fn add<T>(&mut self, by: T) {}

    #[action]
    async fn send(&mut self, text: impl Into<String>) {}

    #[action]
    async fn all(&self) -> impl Iterator<Item = u32> {
        [1].into_iter()
    }
}

fn main() {}

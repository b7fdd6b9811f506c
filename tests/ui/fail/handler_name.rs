#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action]
    async fn __hidden(&self) {}

    #[action]
    async fn connect(&self) {}

    #[action]
    async fn add(&self, __by: i64) {}
}

fn main() {}

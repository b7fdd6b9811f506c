#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action(atomic)]
    async fn look(&self) {}

    #[action(atomic)]
    async fn ask(ctx: &TaskCtx<Self>) {}

    #[scheduled(timeout = "5s", atomic)]
    async fn remind() {}

    #[action(atomic = true)]
    async fn add(&mut self) {}
}

fn main() {}

#![allow(unused)]

use actor_core::prelude::*;

pub struct Line;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action]
    async fn add(&mut self, ctx: &TaskCtx<Self>) {}

    #[action]
    async fn ask(ctx: &Ctx<Self>) {}

    #[action]
    async fn send(&mut self, line: &Line) {}
}

fn main() {}

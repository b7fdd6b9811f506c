#![allow(unused)]

use actor_core::prelude::*;

#[actor(deny_by_default = "yes")]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action(open, guard = Self::is_host)]
    async fn clear(&mut self) {}

    #[action(guard = "is_host")]
    async fn count(&mut self) {}

    #[action(open = true)]
    async fn wait(&mut self) {}

    #[scheduled(guard = Self::is_host)]
    async fn remind(&mut self) {}

    #[can_subscribe]
    async fn may_hear(ctx: &TaskCtx<Self>) -> bool {
        true
    }

    #[can_speak]
    async fn may_speak(&self) -> bool {
        true
    }
}

fn main() {}

#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    fn is_host(&self, ctx: &Ctx<Self>) -> bool {
        true
    }

    fn counts(ctx: &Ctx<Self>) -> u32 {
        1
    }

    async fn waits(ctx: &Ctx<Self>) -> bool {
        true
    }

    #[action(guard = Self::is_host)]
    async fn clear(&mut self) {}

    #[action(guard = Self::counts)]
    async fn count(&mut self) {}

    #[action(guard = Self::waits)]
    async fn wait(&mut self) {}

    #[action(guard = Self::nowhere)]
    async fn lose(&mut self) {}

    #[can_subscribe]
    async fn may_hear(&self, event: u32) -> bool {
        true
    }

    #[can_publish]
    async fn may_send(&self, queue: String) -> u32 {
        1
    }
}

fn main() {}

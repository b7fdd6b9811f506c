#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[on_create]
    async fn create(&self) -> Self {
        Self {}
    }

    #[on_migrate]
    async fn migrate(&mut self) {}

    #[on_wake]
    async fn wake(ctx: &TaskCtx<Self>) {}

    #[run]
    async fn run(&self) {}

    #[on_state_change]
    async fn changed(&mut self) {}
}

fn main() {}

#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[on_migrate]
    async fn migrate(is_new: bool, tx: &actor_core::sql::Transaction) {}

    #[on_create]
    async fn create(input: &Value) -> Self {
        Self {}
    }

    #[on_sleep]
    async fn sleep(&mut self, why: String) {}

    #[on_before_connect]
    async fn admit(&self, params: Value, ctx: &Ctx<Self>) {}

    #[on_connect]
    async fn joined(&mut self, conn: &Conn<Self>, ctx: &Ctx<Self>) {}

    #[on_disconnect]
    async fn left(&mut self, conn: Conn<Self>) {}
}

fn main() {}

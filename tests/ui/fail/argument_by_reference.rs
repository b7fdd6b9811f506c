#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action]
    async fn first(&self, text: &str) {}

    #[action]
    async fn second(&self, by: i64, text: &str) {}

    #[action]
    async fn inside(&self, texts: Vec<&'static str>) {}

    #[action]
    async fn context_last(&self, by: i64, ctx: &Ctx<Self>) {}

    #[action]
    async fn mutable_context(&self, ctx: &mut Ctx<Self>) {}
}

fn main() {}

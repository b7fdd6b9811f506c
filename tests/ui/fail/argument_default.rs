#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action]
    async fn list(&self, #[default(1)] by: i64) {}

    #[action]
    async fn twice(&self, #[default] #[default = 1] by: i64) {}

    #[action]
    async fn required_after(&self, #[default = 1] by: i64, last: Option<i64>, label: String) {}
}

fn main() {}

#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action]
    async fn text(&self) -> &str {
        ""
    }

    #[action]
    async fn texts(&self) -> Vec<&'static str> {
        Vec::new()
    }
}

fn main() {}

#![allow(unused)]

use actor_core::prelude::*;

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Topic;

#[actor(params = Topic)]
pub struct Room {}

#[actor]
impl Room {
    #[on_create]
    async fn create(topic: Topic) -> Self {
        let Topic = topic;
        Self {}
    }

    #[on_before_connect]
    async fn admit(&self, name: String) {
        drop(name);
    }
}

fn main() {}

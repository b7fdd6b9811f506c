#![allow(unused)]

use actor_core::prelude::*;

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Member {
    name: String,
}

#[actor(conn = Member)]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {}

fn main() {}

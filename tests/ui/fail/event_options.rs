#![allow(unused)]

use actor_core::prelude::*;

#[derive(Event)]
#[event(name = "room")]
pub enum RoomEvent {
    #[event(nam = "line")]
    Line(String),
    #[event(name = "line")]
    First,
    #[event(name = "line")]
    Second,
    #[serde(rename = "x")]
    Third { it: u32 },
}

fn main() {}

#![allow(unused)]

use actor_core::prelude::*;

pub struct Opaque;

#[derive(Event)]
pub enum RoomEvent {
    Line(Opaque),
}

fn main() {}

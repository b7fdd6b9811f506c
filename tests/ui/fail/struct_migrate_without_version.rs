#![allow(unused)]

use actor_core::prelude::*;

fn upgrade(_: u32, old: Value) -> Result<Value, String> {
    Ok(old)
}

#[actor(migrate = upgrade)]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {}

fn main() {}

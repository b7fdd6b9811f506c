#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {
    #[actor(transitory)]
    typo: u32,
    #[actor(transient = true)]
    valued: u32,
    #[serde(skip)]
    skipped: u32,
    #[actor(transient)]
    #[serde(default)]
    both: u32,
}

#[actor]
impl Room {}

fn main() {}

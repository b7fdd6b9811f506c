#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
#[serde(default, rename_all = "camelCase")]
pub struct Room {}

#[actor]
impl Room {}

fn main() {}

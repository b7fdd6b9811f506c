//! A message is one value.

use actor_core::prelude::*;

#[derive(Queue)]
enum Jobs {
    Mail(String, u32),
    Resize { width: u32 },
}

fn main() {}

//! Dead messages are still messages.

use actor_core::prelude::*;

#[derive(Queue)]
enum Jobs {
    #[queue(max_attempts = 3, dead_letter = Failed)]
    Mail(String),
    Failed(u32),
}

fn main() {}

//! Dead messages go to a queue that takes them.

use actor_core::prelude::*;

#[derive(Queue)]
enum Jobs {
    #[queue(max_attempts = 3, dead_letter = Nowhere)]
    Mail(String),
    #[queue(max_attempts = 3, dead_letter = Resize)]
    Resize(u32),
    #[queue(dead_letter = Mail)]
    Letter(String),
}

fn main() {}

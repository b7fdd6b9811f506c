//! Two queues of one name.

use actor_core::prelude::*;

#[derive(Queue)]
enum Jobs {
    Mail(String),
    #[queue(name = "mail")]
    Letter(String),
}

fn main() {}

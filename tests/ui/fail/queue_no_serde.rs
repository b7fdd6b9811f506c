//! Messages are stored.

use actor_core::prelude::*;

struct Mail;

#[derive(Queue)]
enum Jobs {
    Mail(Mail),
}

fn main() {}

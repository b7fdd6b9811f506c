#![allow(unused)]

use actor_core::prelude::*;

#[actor(
    name = "",
    rename_all = "UPPER",
    version = "2",
    durability = "fast",
    sleep_after = 30,
    sleep_grace = "0s",
    save_interval = "1 second",
    mailbox = 0,
    idempotency_window = 24,
    max_idempotency_keys = 0,
    outbox = "big",
    params = "Join",
    migrate,
)]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {}

fn main() {}

//! What a schedule calls its own.

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Reminders {}

#[actor]
impl Reminders {
    #[scheduled]
    async fn named(&mut self) {}

    #[scheduled(retries = 3)]
    async fn remind(&mut self) {}
}

fn main() {}

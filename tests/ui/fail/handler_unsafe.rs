#![allow(unused)]

use actor_core::prelude::*;

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[action]
    async unsafe fn peek(&self) {}

    #[action]
    async extern "C" fn call_me(&self) {}
}

fn main() {}

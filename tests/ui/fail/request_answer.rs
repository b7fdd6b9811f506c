#![allow(unused)]

use actor_core::{prelude::*, request::Request};

#[derive(Debug)]
pub struct Oops;

#[actor]
#[derive(Default)]
pub struct One {}

#[actor]
impl One {
    #[on_request]
    async fn fetch(&self, request: Request) -> u64 {
        1
    }
}

#[actor]
#[derive(Default)]
pub struct Two {}

#[actor]
impl Two {
    #[on_request]
    async fn fetch(&self, request: Request) -> Result<String, Oops> {
        Err(Oops)
    }
}

fn main() {}

#![allow(unused)]

use actor_core::{prelude::*, request::Request};

#[actor]
#[derive(Default)]
pub struct One {}

#[actor]
impl One {
    #[on_request]
    async fn fetch(&self, request: String) {}
}

#[actor]
#[derive(Default)]
pub struct Two {}

#[actor]
impl Two {
    #[on_request]
    async fn fetch(&self, request: &Request) {}

    #[on_connect]
    async fn joined(&self) -> impl Into<()> {}
}

fn main() {}

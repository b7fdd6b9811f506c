#![allow(unused)]

use actor_core::{prelude::*, request::Request};

#[actor]
#[derive(Default)]
pub struct Room {}

#[actor]
impl Room {
    #[on_request]
    async fn fetch(&self, request: Request) {}

    #[on_request]
    async fn serve(request: Request) {}

    #[action]
    async fn fetch_all(&self, request: Request) {}
}

fn main() {}

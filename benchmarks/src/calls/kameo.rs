//! A peer: kameo.

use anyhow::Result;
use kameo::{
    Actor,
    actor::{ActorRef, Spawn},
    message::{Context, Message},
};

use super::{Adder, Library};

pub(super) struct Kameo;

#[derive(Actor)]
pub(super) struct Counter {
    count: i64,
}

struct Add(i64);

impl Message<Add> for Counter {
    type Reply = i64;

    async fn handle(&mut self, add: Add, _: &mut Context<Self, i64>) -> i64 {
        self.count += add.0;
        self.count
    }
}

impl Library for Kameo {
    const LABEL: &'static str = "kameo";

    type Handle = ActorRef<Counter>;

    async fn open() -> Result<Self> {
        Ok(Self)
    }

    async fn start(&self) -> Result<Self::Handle> {
        Ok(Counter::spawn(Counter { count: 0 }))
    }

    async fn close(self, started: Vec<Self::Handle>) -> Result<()> {
        drop(started);
        Ok(())
    }
}

impl Adder for ActorRef<Counter> {
    async fn add(&self, by: i64) -> Result<i64> {
        Ok(self.ask(Add(by)).await?)
    }
}

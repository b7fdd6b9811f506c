//! A peer: ractor.

use anyhow::Result;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

use super::{Adder, Library};

pub(super) struct Ractor;

struct Counter;

pub(super) struct Add {
    by: i64,
    reply: RpcReplyPort<i64>,
}

impl Actor for Counter {
    type Msg = Add;
    type State = i64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Add>, (): ()) -> Result<i64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        _: ActorRef<Add>,
        add: Add,
        count: &mut i64,
    ) -> Result<(), ActorProcessingErr> {
        *count += add.by;
        // Who no longer waits for the answer does not miss it.
        let _gone = add.reply.send(*count);
        Ok(())
    }
}

impl Library for Ractor {
    const LABEL: &'static str = "ractor";

    type Handle = ActorRef<Add>;

    async fn open() -> Result<Self> {
        Ok(Self)
    }

    async fn start(&self) -> Result<Self::Handle> {
        let (handle, _task) = Counter::spawn(None, Counter, ()).await?;
        Ok(handle)
    }

    async fn close(self, started: Vec<Self::Handle>) -> Result<()> {
        started.iter().for_each(|it| it.stop(None));
        Ok(())
    }
}

impl Adder for ActorRef<Add> {
    async fn add(&self, by: i64) -> Result<i64> {
        let answer = self.call(|reply| Add { by, reply }, None).await?;
        match answer {
            ractor::rpc::CallResult::Success(count) => Ok(count),
            failed => anyhow::bail!("{failed:?}"),
        }
    }
}

//! The floor: one task an actor, a bounded channel to it, a oneshot back.

use anyhow::Result;
use tokio::sync::{mpsc, oneshot};

use super::{Adder, Library};

pub(super) struct Task;

struct Add {
    by: i64,
    reply: oneshot::Sender<i64>,
}

pub(super) struct Handle(mpsc::Sender<Add>);

/// As many as our mailboxes hold.
const MAILBOX: usize = 64;

impl Library for Task {
    const LABEL: &'static str = "tokio task";

    type Handle = Handle;

    async fn open() -> Result<Self> {
        Ok(Self)
    }

    async fn start(&self) -> Result<Handle> {
        let (handle, mut mailbox) = mpsc::channel::<Add>(MAILBOX);
        tokio::spawn(async move {
            let mut count = 0;
            while let Some(Add { by, reply }) = mailbox.recv().await {
                count += by;
                // Who no longer waits for the answer does not miss it.
                let _gone = reply.send(count);
            }
        });
        Ok(Handle(handle))
    }

    async fn close(self, started: Vec<Handle>) -> Result<()> {
        drop(started);
        Ok(())
    }
}

impl Adder for Handle {
    async fn add(&self, by: i64) -> Result<i64> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Add { by, reply }).await?;
        Ok(answer.await?)
    }
}

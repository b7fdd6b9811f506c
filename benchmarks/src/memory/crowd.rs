//! Clients of many sockets, on threads with tables of open files of their own.

use std::{net::SocketAddr, ops::Range};

use anyhow::{Context, Result};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{query, tables::spread};
use crate::ws::{action, connect};

/// The other ends of a server's sockets, a share of them on each thread.
pub(super) struct Crowd(Vec<mpsc::Sender<Asked>>);

/// What a thread is asked, and where it answers with how many seconds each took.
struct Asked {
    what: What,
    answer: oneshot::Sender<Result<Vec<f64>>>,
}

enum What {
    Connect(Range<u32>),
    /// The first so many sockets send a message each.
    Speak(usize),
}

impl Crowd {
    /// One thread for each address, which is where its sockets connect to.
    pub(super) fn new(addrs: Vec<SocketAddr>) -> Result<Self> {
        let (threads, works) = addrs
            .into_iter()
            .map(|addr| {
                let (thread, asked) = mpsc::channel(1);
                (thread, move || hold(addr, asked))
            })
            .unzip();
        spread(works)?;
        Ok(Self(threads))
    }

    /// Each thread opens sockets until it has so many.
    pub(super) async fn connect(&self, sockets: Range<u32>) -> Result<()> {
        for thread in &self.0 {
            ask(thread, What::Connect(sockets.clone())).await?;
        }
        Ok(())
    }

    /// The first `sockets` of each thread send a message and wait for its answer, one after the other: how
    /// many seconds each took.
    pub(super) async fn speak(&self, sockets: u32) -> Result<Vec<f64>> {
        let mut took = Vec::new();
        for thread in &self.0 {
            took.extend(ask(thread, What::Speak(sockets as usize)).await?);
        }
        Ok(took)
    }
}

async fn ask(thread: &mpsc::Sender<Asked>, what: What) -> Result<Vec<f64>> {
    let (answer, answered) = oneshot::channel();
    let asked = thread.send(Asked { what, answer }).await;
    asked.ok().context("a client's thread ended")?;
    answered.await.context("a client's thread ended")?
}

async fn hold(addr: SocketAddr, mut asked: mpsc::Receiver<Asked>) -> Result<()> {
    let mut lines = Vec::new();
    while let Some(Asked { what, answer }) = asked.recv().await {
        let work = async {
            let mut took = Vec::new();
            match what {
                What::Connect(sockets) => {
                    for socket in sockets {
                        lines.push(connect(addr, &query(socket)).await?);
                    }
                }
                What::Speak(sockets) => {
                    for line in lines.iter_mut().take(sockets) {
                        let begun = Instant::now();
                        line.exchange(&action("get", "[0]")).await?;
                        took.push(begun.elapsed().as_secs_f64());
                    }
                }
            }
            Ok(took)
        };
        // Whoever asked may have failed elsewhere.
        let _ = answer.send(work.await);
    }
    Ok(())
}

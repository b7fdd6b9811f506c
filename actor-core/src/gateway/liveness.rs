//! Looks after clients' sockets: one task for all of them, which is there while there are any.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{Gateway, Socket};
use crate::{
    cell::Host,
    connection::{CloseFrame, Delivery, Outbox},
    protocol::Encoding,
};

impl Socket {
    /// Looks after the client from now on (H16): [`poll_next`](Self::poll_next) says when to send it a ping,
    /// and when it is lost. For servers that read their client's answers and tell [`hear`](Self::hear);
    /// clients over nothing that could break need not be asked.
    ///
    /// Does nothing where the registry is [`without_liveness`].
    ///
    /// [`without_liveness`]: crate::registry::RegistryBuilder::without_liveness
    pub fn watch(&mut self) {
        if self.watched.is_none() {
            self.watched = watch(&self.host, &self.outbox);
        }
    }

    /// The client has given a sign of life: it sent something, or took what could not be sent before.
    pub fn hear(&self) {
        self.outbox.hear();
    }

    /// Whether the client gives no sign of life, so that what waits for it cannot be sent.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.outbox.is_lost()
    }

    /// The client was lost: what the actor is told, and how the socket is closed should there be a client
    /// after all.
    pub fn lost(&mut self) -> CloseFrame {
        self.closed_by_client(CloseFrame::new(1006, LOST));
        CloseFrame::new(1011, LOST)
    }

    pub(super) fn unwatch(&mut self) {
        if let Some(key) = self.watched.take() {
            self.host.pulse().leave(key);
        }
    }
}

impl Gateway {
    /// Looks after a client that has no [`Socket`], as [`Socket::watch`] does after others: the inspector's.
    #[must_use]
    pub fn watch(&self) -> Watch {
        let host = Arc::clone(self.registry.host());
        // Nothing ever waits in it.
        let outbox = Arc::new(Outbox::new(Encoding::default(), 0));
        Watch {
            watched: watch(&host, &outbox),
            outbox,
            host,
        }
    }
}

/// Whether a client is still there that has no [`Socket`].
pub struct Watch {
    outbox: Arc<Outbox>,
    host: Arc<Host>,
    watched: Option<usize>,
}

impl Watch {
    /// Waits until the client is to be sent a ping, or is lost: how to close its socket then, should there be
    /// a client after all.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<(), CloseFrame>> {
        Poll::Ready(match ready!(self.outbox.poll_next(cx)) {
            Some(Delivery::Ping) => Ok(()),
            _ => Err(CloseFrame::new(1011, LOST)),
        })
    }

    /// The client has given a sign of life.
    pub fn hear(&self) {
        self.outbox.hear();
    }

    /// Waits for `work`, during which the client cannot be heard, because nobody reads what it sends.
    ///
    /// # Cancel safety
    ///
    /// As `work` is.
    pub async fn deaf_during<F: Future>(&self, work: F) -> F::Output {
        let _deaf = self.outbox.deafen();
        work.await
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(key) = self.watched.take() {
            self.host.pulse().leave(key);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

fn watch(host: &Arc<Host>, outbox: &Arc<Outbox>) -> Option<usize> {
    let mut pulse = host.pulse();
    let step = pulse.step_length()?;
    let start = || {
        host.sockets
            .spawn(sweep(Arc::clone(host), step))
            .abort_handle()
    };
    Some(pulse.watch(Arc::clone(outbox), start))
}

/// Steps through the sockets until it is aborted, as the last of them goes.
async fn sweep(host: Arc<Host>, step: Duration) {
    let mut steps = interval_at(Instant::now() + step, step);
    // After a pause nobody has to hurry.
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        steps.tick().await;
        host.pulse().step();
    }
}

/// Why a client was given up.
const LOST: &str = "ws.ping_timeout";

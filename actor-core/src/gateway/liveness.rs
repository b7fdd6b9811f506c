//! Looks after clients' sockets: one task for all of them, which is there while there are any.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::Socket;
use crate::{cell::Host, connection::CloseFrame};

impl Socket {
    /// Looks after the client from now on (H16): [`poll_next`](Self::poll_next) says when to send it a ping,
    /// and when it is lost. For servers that read their client's answers and tell [`hear`](Self::hear);
    /// clients over nothing that could break need not be asked.
    ///
    /// Does nothing where the registry is [`without_liveness`].
    ///
    /// [`without_liveness`]: crate::registry::RegistryBuilder::without_liveness
    pub fn watch(&mut self) {
        let host = &self.host;
        let mut pulse = host.pulse();
        let Some(step) = pulse.step_length() else {
            return;
        };
        if self.watched.is_none() {
            let start = || {
                host.sockets
                    .spawn(sweep(Arc::clone(host), step))
                    .abort_handle()
            };
            self.watched = Some(pulse.watch(Arc::clone(&self.outbox), start));
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

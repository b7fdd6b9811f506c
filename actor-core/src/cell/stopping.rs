//! The end of a life: the stop hook, the last save, and what is left behind.

use std::{future::poll_fn, mem, task::Poll};

use tokio::sync::oneshot;

use super::{
    job::{Job, Then},
    live::{Cell, Held},
    mailbox::Phase,
    persist, slot,
    startup::refuse,
};
use crate::{
    actor::{Actor, Hook, Reply},
    connection::CloseFrame,
    error::ActorError,
    lifecycle::{Event, Stop},
};

impl<A: Actor> Cell<A> {
    /// Begins the grace window: `on_sleep` or `on_destroy`, and the connections that go.
    pub(super) fn run_stop_hook(&mut self, state: &A, why: Stop) {
        // What came before the hook is safe whatever the hook does.
        if self.stores() && self.saving.is_dirty() {
            self.save(state);
        }
        let (to, answer) = oneshot::channel();
        let (name, hook) = match why {
            Stop::Sleep | Stop::Shutdown => ("on_sleep", Hook::Sleep(Reply::caller(to))),
            Stop::Destroy => ("on_destroy", Hook::Destroy(Reply::caller(to))),
        };
        if why == Stop::Destroy {
            let all: Vec<_> = self.hub.table().all().map(|it| it.id).collect();
            for id in all {
                self.disconnect(id, Some(CloseFrame::new(1000, "")));
            }
        }
        match A::hook(hook) {
            Some(call) => self
                .jobs
                .push_back(Job::hook(call, Then::StopHook(name, answer))),
            None => self.tell(Event::HookDone),
        }
    }

    /// Aborts what still runs and saves for the last time.
    pub(super) async fn finalize(&mut self, state: &A, why: Stop) {
        if let Some(mut free) = self.free.take() {
            free.shutdown().await;
        }
        let told = slot::stopping();
        for job in mem::take(&mut self.jobs) {
            job.refuse(&told);
        }
        match why {
            Stop::Sleep | Stop::Shutdown => self.last_save(state).await,
            Stop::Destroy => self.remove().await,
        }
        self.tell(Event::Saved);
    }

    async fn last_save(&mut self, state: &A) {
        if self.hub.has_news() {
            let tag = self.tag(self.options().durability);
            self.drain_outputs(true, tag);
        }
        if self.stores() && self.saving.is_dirty() && !self.tainted {
            self.save(state);
        }
        self.settle().await;
        if let Some(broken) = self.broken.take() {
            // What was stored before stays; what was not is owned up to (G4).
            self.fail_held(&broken.error);
        }
    }

    /// Waits for the commits under way.
    async fn settle(&mut self) {
        poll_fn(|cx| {
            self.poll_side(cx);
            let over = !self.saving.is_in_flight() || self.broken.is_some();
            if over { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    async fn remove(&mut self) {
        self.settle().await;
        if self.stores()
            && let Err(error) = self.slot.host.driver.destroy(self.slot.about.id).await
        {
            tracing::error!(actor = %self.slot.about.address, %error, "data could not be removed");
        }
        // The replies of the last turns saw state that is gone as it was asked to be.
        self.release_held();
    }

    /// Leaves the slot. Whether the cell's task is over; if not, messages wait for a new life.
    pub(super) fn leave(&mut self, why: Stop) -> bool {
        if !self.stores() {
            self.park();
        }
        let batch = mem::take(&mut self.batch);
        let mut mailbox = self.slot.mailbox();
        mailbox.clear_turns();
        mailbox.put_back(batch);
        let refused = match why {
            Stop::Sleep if !self.slot.host.is_closing() => {
                if mailbox.has_calls() {
                    return false;
                }
                mailbox.phase = Phase::Asleep;
                Vec::new()
            }
            Stop::Sleep | Stop::Shutdown => {
                mailbox.phase = Phase::Asleep;
                mailbox.drain()
            }
            Stop::Destroy => {
                mailbox.phase = Phase::Gone;
                mailbox.drain()
            }
        };
        mailbox.shrink();
        drop(mailbox);
        if why == Stop::Destroy {
            self.slot.strike();
        }
        let error = if why == Stop::Destroy {
            slot::gone()
        } else {
            slot::stopping()
        };
        for msg in refused {
            refuse(msg, &error);
        }
        self.slot.made_room();
        true
    }

    /// Keeps the connections of an actor that stores nothing, for as long as their sockets live.
    fn park(&self) {
        let mut parked = self.slot.parked();
        for (conn, hears) in self.hub.table().rows() {
            match persist::encode_conn(&conn, &hears) {
                Ok(row) => parked.push((conn.id, row)),
                Err(error) => tracing::error!(%error, "a connection does not serialize"),
            }
        }
    }

    /// Gives a broken life up: nothing unsaved gets out (P2).
    pub(super) fn abandon(&mut self, error: &ActorError) {
        if let Some(free) = &mut self.free {
            free.abort_all();
        }
        self.free = None;
        for job in mem::take(&mut self.jobs) {
            job.refuse(error);
        }
        self.fail_held(error);
        if !self.stores() {
            self.park();
        }
        let batch = mem::take(&mut self.batch);
        let mut mailbox = self.slot.mailbox();
        mailbox.clear_turns();
        mailbox.put_back(batch);
    }

    fn fail_held(&mut self, error: &ActorError) {
        for held in self.gate.fail() {
            match held {
                Held::Reply(mut call) => {
                    let reply = A::reply(&mut call);
                    reply.revoke(error.clone());
                    reply.release();
                }
                Held::Opened(to) => {
                    // The client may have gone.
                    let _ = to.send(Err(error.clone()));
                }
                Held::Event { .. } | Held::Close(..) => {}
            }
        }
    }

    fn release_held(&mut self) {
        let held: Vec<_> = self.gate.fail().collect();
        for it in held {
            match it {
                Held::Reply(mut call) => A::reply(&mut call).release(),
                Held::Close(listener, frame) => listener.close(frame),
                Held::Opened(to) => {
                    let _ = to.send(Ok(()));
                }
                Held::Event { .. } => {}
            }
        }
    }
}

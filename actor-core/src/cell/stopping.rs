//! The end of a life: the stop hook, the last save, and what is left behind.

use std::{future::poll_fn, mem, task::Poll};

use tokio::{sync::oneshot, time::Instant};

use super::{
    crash::Down,
    guard::{Fault, guard_now},
    job::{Job, Then},
    live::{Broken, Cause, Cell, Held},
    mailbox::Phase,
    persist, slot,
    startup::refuse,
};
use crate::{
    actor::{Actor, Hook, Inner, Listener, Reply},
    connection::CloseFrame,
    error::ActorError,
    lifecycle::{Event, Next, Outcome, Stop, Verdict},
    metrics,
};

impl<A: Actor> Cell<A> {
    /// Begins the grace window: `on_sleep` or `on_destroy`, and the connections that go.
    pub(super) fn run_stop_hook(&mut self, state: &A, why: Stop) {
        if self.slot.host.is_aborted() {
            // As in a crash, nothing more is saved.
            self.tainted = true;
            self.tell(Event::HookDone(why));
            return;
        }
        // What came before the hook is safe whatever the hook does.
        if self.stores() && self.saving.is_dirty() {
            self.save(state);
        }
        let (to, answer) = oneshot::channel();
        let hook = match why {
            Stop::Sleep | Stop::Shutdown => Hook::Sleep(Reply::caller(to)),
            Stop::Destroy => Hook::Destroy(Reply::caller(to)),
        };
        if why == Stop::Destroy {
            let all: Vec<_> = self.hub.table().all().map(|it| it.id).collect();
            for id in all {
                self.part_from(id, CloseFrame::new(1000, ""));
            }
        }
        match A::hook(hook) {
            Some(call) => self
                .jobs
                .push_back(Job::hook(call, Then::StopHook(why, answer))),
            None => self.stop_hook_done(why),
        }
    }

    /// Aborts what still runs and saves for the last time.
    pub(super) async fn finalize(&mut self, state: &mut A, why: Stop) {
        if let Some(late) = self.machine.work.holds_up(why) {
            let work: Vec<_> = self.machine.work.under_way().collect();
            let actor = &self.slot.about.address;
            tracing::warn!(%actor, ?work, "the grace is over, {late:?} is aborted (G3)");
        }
        self.abort_beside().await;
        self.run_last_turns(state);
        // Their hooks run in the next life, which finds the rows.
        self.drop_sockets();
        let told = slot::stopping();
        for job in mem::take(&mut self.jobs) {
            job.refuse(&told);
        }
        match why {
            Stop::Sleep | Stop::Shutdown => {
                self.last_save(state, why).await;
                self.close_sql().await;
            }
            Stop::Destroy => {
                self.close_sql().await;
                self.remove().await;
            }
        }
        self.tell(Event::Saved);
    }

    /// Turns that nobody waits for were promised to run.
    fn run_last_turns(&mut self, state: &mut A) {
        loop {
            // Bound first: a turn runs without the mailbox's lock.
            let next = self.slot.mailbox().next_turn();
            let Some(turn) = next else { break };
            self.run_turn(state, turn);
            if self.broken.is_some() {
                self.tainted = true;
                break;
            }
        }
    }

    /// Closes the actor's own database: what a handler left behind finds it closed (G5).
    async fn close_sql(&mut self) {
        #[cfg(feature = "sqlite")]
        self.hub.sql.close().await;
    }

    async fn last_save(&mut self, state: &A, why: Stop) {
        if self.slot.news.is_there() {
            self.drain_outputs(true, self.options().durability);
        }
        // One that fails and that nobody waits for is tried again, once (S2).
        for _ in 0..2 {
            if self.stores() && self.broken.is_none() && self.saving.is_dirty() {
                self.save(state);
            }
            self.settle().await;
        }
        if self.stores() && !self.tainted && self.broken.is_none() && !self.saving.is_dirty() {
            self.fold_connections();
        }
        if why == Stop::Sleep && self.stores() {
            self.close_unstored();
        }
        // What was stored before stays; what was not is owned up to (G4).
        let error = self
            .broken
            .take()
            .map_or_else(slot::stopping, |it| it.error);
        self.fail_held(&error);
    }

    /// Closes the connections whose row could not be stored, however often that was tried: there would be
    /// nothing to wake them with.
    fn close_unstored(&self) {
        let unstored = self.hub.seen_of_table().unstored();
        for id in unstored {
            let listener = self.slot.sockets().remove(&id);
            if let Some(listener) = listener {
                listener.close(CloseFrame::new(1011, NOT_PERSISTED.join(".")));
            }
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
        self.broken = None;
        let removed = if self.stores() {
            self.slot.host.driver.destroy(self.slot.about.id).await
        } else {
            Ok(())
        };
        match removed {
            // Who waits is told once the key is free, see `leave`.
            Ok(()) => {}
            Err(error) => {
                tracing::error!(actor = %self.slot.about.address, %error, "data could not be removed");
                let text = format!("not destroyed: {error}");
                self.fail_held(&ActorError::new("actor", "storage_failed", text));
                self.undestroyed = true;
            }
        }
    }

    /// Leaves the slot. Whether the cell's task is over; if not, messages wait for a new life.
    pub(super) fn leave(&mut self, why: Stop) -> bool {
        // One whose data could not be removed is still there, and sleeps.
        let why = if self.undestroyed { Stop::Sleep } else { why };
        metrics::count(&metrics::STOPS, [&self.info.name, why.name()]);
        self.end_life();
        self.slot.health.has_ended();
        if self.rewinds {
            self.slot.rewind();
        }
        // As in `abandon`: one that saved something is no sign that nothing can be saved.
        let failed = self.rewinds && !self.saving.has_committed();
        let hopeless = self.slot.note_failure(failed) && failed;
        let mut alarm = None;
        let mut in_vain = false;
        let mut mailbox = self.slot.mailbox();
        let refused = match why {
            Stop::Sleep if !self.slot.host.is_closing() => {
                if mailbox.has_calls() && !hopeless {
                    match mailbox.wakes.on(self.outcome()) {
                        Verdict::WakeAgain => return false,
                        Verdict::GiveUp => in_vain = true,
                    }
                }
                mailbox.phase = Phase::Asleep;
                alarm = self.hub.alarm();
                if hopeless || in_vain {
                    mailbox.drain_awaited()
                } else {
                    Vec::new()
                }
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
        if let Some(at) = alarm {
            self.slot.host.alarms.asleep(at);
        }
        if why == Stop::Destroy {
            self.slot.completions.forget_all();
            self.slot.strike();
            // The replies of the last turns saw state that is gone as it was asked to be.
            self.release_held();
        }
        let error = match why {
            Stop::Destroy => slot::destroyed_meanwhile(),
            Stop::Sleep if in_vain => slot::woken_in_vain(),
            Stop::Sleep if hopeless => {
                ActorError::new("actor", "storage_failed", "two saves in a row failed")
            }
            Stop::Sleep | Stop::Shutdown => slot::stopping(),
        };
        for msg in refused {
            refuse(msg, &error);
        }
        self.slot.made_room();
        true
    }

    /// What this life was to those who waited for it.
    fn outcome(&self) -> Outcome {
        if self.served {
            Outcome::Ready
        } else {
            Outcome::Stopped
        }
    }

    /// Closes the hub and hands back to the slot what is not this life's.
    fn end_life(&mut self) {
        self.hub.close();
        if self.saving.is_unsure() {
            self.slot.set_unsure(true);
        }
        let sockets = self.slot.sockets().len();
        self.slot.hibernating.set(&self.info.meters, sockets);
        // The connections of raw requests end with the life, and so does what they still send.
        for conn in self.hub.seen_of_table().all() {
            if let Listener::Request(exchange) = &conn.listener {
                exchange.cut();
            }
        }
        if !self.stores() {
            self.park();
        }
        let batch = mem::take(&mut self.batch);
        let mut mailbox = self.slot.mailbox();
        let turns = mailbox.end_life();
        mailbox.put_back(batch);
        if !self.goodbyes.is_empty() {
            mailbox.forget(|it| self.goodbyes.is_moot(it));
        }
        if self.served {
            // Also where nobody waits for the next life.
            mailbox.wakes.on(Outcome::Ready);
        }
        drop(mailbox);
        drop(turns);
    }

    /// Keeps the connections of an actor that stores nothing, for as long as their sockets live.
    fn park(&self) {
        let rows: Vec<_> = self.hub.table().rows().collect();
        let mut stored = Vec::with_capacity(rows.len());
        for (conn, hears) in rows {
            match guard_now(|| persist::encode_conn(&conn, &hears)) {
                Ok(Ok(row)) => stored.push((conn.id, row)),
                Ok(Err(error)) => tracing::error!(%error, "a connection does not serialize"),
                Err(_) => tracing::error!("a connection panicked while it was serialized"),
            }
        }
        *self.slot.parked() = stored;
    }

    /// Gives a broken life up: what was committed counts, nothing unsaved gets out (P2). Without
    /// an answer the next life begins at once.
    pub(super) async fn abandon(&mut self, broken: Broken) -> Option<Down> {
        let address = &self.slot.about.address;
        tracing::warn!(actor = %address, error = %broken.error, "reloading from the last commit");
        let cause = match broken.cause {
            Cause::Handler => "handler",
            Cause::Storage => "storage",
        };
        metrics::count(&metrics::RELOADS, [&self.info.name, cause]);
        self.abort_beside().await;
        self.close_sql().await;
        for job in mem::take(&mut self.jobs) {
            self.rewinds |= job.give_up(&broken.error);
        }
        // A commit under way may still happen: the next life has to see it, and its callers too.
        self.saving.drop_queued();
        self.settle().await;
        self.broken = None;
        self.fail_held(&broken.error);
        // What those hear that nobody has asked for is on disk.
        let rows = self
            .hub
            .seen_of_table()
            .rows()
            .map(|(conn, hears)| (conn.id, hears))
            .collect();
        self.slot.keep_hearing(rows);
        self.slot.spare(self.hub.seen_of_table().spared());
        self.slot.spare(self.saving.spared());
        self.end_life();
        if self.rewinds {
            self.slot.rewind();
        }
        let next = self.slot.crashed(broken.cause == Cause::Handler);
        if next == Next::Destroy && self.slot.remove().await {
            self.slot.vanish(&slot::destroyed_meanwhile());
            return Some(Down::Over);
        }
        let shutdown = self.slot.host.is_closing();
        // One that could not save anything is followed by one that tries again, and no more.
        let failed = broken.cause == Cause::Storage && !self.saving.has_committed();
        let hopeless = self.slot.note_failure(failed) && failed;
        let waits = self.slot.has_failures();
        let mut mailbox = self.slot.mailbox();
        let at_once = match next {
            Next::Again(at) => at <= Instant::now(),
            Next::Wait | Next::Destroy => mailbox.has_calls() || waits,
        };
        if !shutdown && (at_once && !hopeless || mailbox.is_doomed()) {
            return None;
        }
        let refused = mailbox.go_down(next.phase());
        drop(mailbox);
        if let Some(at) = self.hub.alarm() {
            self.slot.host.alarms.asleep(at);
        }
        let error = match broken.cause {
            _ if shutdown => slot::stopping(),
            Cause::Storage => broken.error,
            // They have no part in the fault.
            Cause::Handler => slot::stopped_while_waiting(),
        };
        self.slot.told(refused, &error);
        Some(next.into())
    }

    /// A hook of a connection that goes did not return: the next life finds the row again, and shall
    /// not run into the same fault.
    pub(super) fn spare_next_life(&mut self, conn: &Inner<A>, fault: &Fault) {
        if self.broken.is_some() && !matches!(fault, Fault::Broken(_)) {
            self.slot.sockets().insert(conn.id, Listener::Nobody);
        }
    }

    /// The stop hook is over: sockets that do not hibernate go, and their hooks run in what is left of the grace.
    pub(super) fn stop_hook_done(&mut self, why: Stop) {
        self.drop_sockets();
        self.tell(Event::HookDone(why));
    }

    fn fail_held(&mut self, error: &ActorError) {
        for held in self.gate.fail() {
            match held {
                Held::Reply(mut call) => {
                    let reply = A::reply(&mut call);
                    reply.revoke(error.clone());
                    reply.release();
                }
                // It comes again.
                Held::Answer(mut call, _) => {
                    A::reply(&mut call).forget();
                    self.rewinds = true;
                }
                Held::Taken(_) => self.rewinds = true,
                Held::Opened(to, transport) => {
                    let unstored =
                        transport.is_hibernatable() && error.is("actor", "storage_failed");
                    let error = if unstored {
                        not_persisted()
                    } else {
                        error.clone()
                    };
                    // The client may have gone.
                    let _ = to.send(Err(error));
                }
                Held::Done(to) => {
                    // Who asked may have gone.
                    let _ = to.send(Err(error.clone()));
                }
                Held::Sent(to, _) => {
                    // The sender may have gone.
                    let _ = to.send(Err(error.clone()));
                }
                // Its connection is off the list already, so its socket has to go too.
                Held::Close(listener, frame) => listener.close(frame),
                // A run that did not begin comes again in the next life, if it was not given up, and
                // a message is there again, to be completed by it.
                // What was to be told rests on what was not saved.
                Held::Completed(..)
                | Held::Event { .. }
                | Held::Unsendable(_)
                | Held::Message(..)
                | Held::Run(_)
                | Held::Tell(_) => {}
            }
        }
    }

    fn release_held(&mut self) {
        let held: Vec<_> = self.gate.fail().collect();
        for it in held {
            match it {
                Held::Reply(mut call) => A::reply(&mut call).release(),
                Held::Answer(mut call, ticket) => {
                    A::reply(&mut call).release();
                    ticket.settle();
                }
                Held::Taken(ticket) => ticket.settle(),
                Held::Close(listener, frame) => listener.close(frame),
                Held::Opened(to, _) | Held::Done(to) => {
                    let _ = to.send(Ok(()));
                }
                Held::Sent(to, id) => {
                    let _ = to.send(Ok(id));
                }
                Held::Completed(id, response) => self.slot.completions.complete(id, response),
                Held::Message(outbox, frame) => outbox.push_frame(frame),
                Held::Event { .. } | Held::Unsendable(_) | Held::Run(_) | Held::Tell(_) => {}
            }
        }
    }
}

/// A connection that is to outlive sleeps could not be stored.
fn not_persisted() -> ActorError {
    let [group, code] = NOT_PERSISTED;
    ActorError::new(group, code, "the connection could not be stored")
}

const NOT_PERSISTED: [&str; 2] = ["actor", "hibernation_persist_failed"];

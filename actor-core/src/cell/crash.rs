//! A life that ended by a fault, or did not begin: what the actor's crash policy makes of it.

use std::{
    future::poll_fn,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::time::{Instant, timeout_at};

use super::{
    mailbox::{Msg, Phase},
    slot::{self, Slot},
    startup::refuse,
};
use crate::{
    actor::Actor,
    clock::Timestamp,
    config::Durability,
    connection::CloseFrame,
    error::ActorError,
    lifecycle::{ActorStatus, Crashes, Next, Stop},
};

/// An actor without a life, because of a fault.
#[derive(Clone, Copy, Debug)]
pub(super) enum Down {
    /// Until somebody wants something of it.
    Over,
    /// Until the next life begins.
    Until(Instant),
}

/// What a slot knows of its lives' ends.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Absent while the last life ended as it should.
    crashes: Mutex<Option<Box<Faults>>>,
}

#[derive(Debug, Default)]
struct Faults {
    crashes: Crashes,
    /// When the next life begins by itself.
    until: Option<Timestamp>,
}

impl Health {
    fn crashes(&self) -> MutexGuard<'_, Option<Box<Faults>>> {
        self.crashes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A life serves.
    pub(super) fn has_started(&self) {
        if let Some(down) = &mut *self.crashes() {
            down.crashes.started(Instant::now());
            down.until = None;
        }
    }

    /// A life ended as it should.
    pub(super) fn has_ended(&self) {
        *self.crashes() = None;
    }
}

impl<A: Actor> Slot<A> {
    /// A life broke, or did not begin: what comes next. `by_author` says that the fault is of the
    /// actor's own code.
    pub(super) fn crashed(&self, by_author: bool) -> Next {
        let (now, policy) = (Instant::now(), self.info.options.crash);
        #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
        let dice = self.host.entropy.random() as u64;
        let mut health = self.health.crashes();
        let down = health.get_or_insert_default();
        let next = down.crashes.crashed(now, policy, by_author, dice);
        if self.host.is_closing() {
            return Next::Wait;
        }
        if let Next::Again(at) = next {
            down.until = Some(self.host.clock.now().after(at - now));
        }
        next
    }

    /// What the actor is up to.
    pub(super) fn look_at_status(&self) -> ActorStatus {
        let mailbox = self.mailbox();
        let (phase, serves) = (mailbox.phase, mailbox.serves);
        drop(mailbox);
        match phase {
            Phase::Gone => ActorStatus::Destroyed,
            Phase::Awake if !serves => ActorStatus::Starting,
            Phase::Awake => ActorStatus::Running,
            Phase::Down | Phase::Asleep => match &*self.health.crashes() {
                Some(down) if phase == Phase::Down => ActorStatus::CrashLoopBackoff {
                    until: down.until.unwrap_or_default(),
                    crashes: down.crashes.in_a_row(),
                },
                Some(down) if down.crashes.is_down() => ActorStatus::Crashed,
                Some(_) | None => ActorStatus::Sleeping,
            },
        }
    }

    /// A life did not begin. `is_final` says that there is no such actor.
    pub(super) async fn give_up(
        &self,
        error: &ActorError,
        is_final: bool,
        by_author: bool,
    ) -> Down {
        let next = self.crashed(by_author);
        // One that cannot start can still be destroyed, without the hook.
        let unwanted = next == Next::Destroy || self.mailbox().is_doomed();
        if is_final {
            self.vanish(&slot::gone());
            return Down::Over;
        }
        if unwanted && self.remove().await {
            self.vanish(&slot::destroyed_meanwhile());
            return Down::Over;
        }
        let mut mailbox = self.mailbox();
        let turns = mailbox.end_life();
        let refused = mailbox.go_down(next.phase());
        drop(mailbox);
        drop(turns);
        self.told(refused, error);
        next.into()
    }

    /// Messages are refused with `error`.
    pub(super) fn told(&self, refused: Vec<Msg<A>>, error: &ActorError) {
        for msg in refused {
            refuse(msg, error);
        }
        self.made_room();
    }

    /// Waits until a crashed actor starts again. Whether it is to: not if it was asked to stop.
    pub(super) async fn wait_out(&self, until: Instant) -> bool {
        let stop = poll_fn(|cx| self.mailbox().poll_stop(cx));
        let stop = timeout_at(until, stop).await.ok();
        let mut mailbox = self.mailbox();
        mailbox.phase = Phase::Awake;
        match stop {
            None => {}
            // On its way it is seen to.
            Some(Stop::Destroy) => mailbox.ask(Stop::Destroy),
            Some(Stop::Sleep | Stop::Shutdown) => {
                mailbox.phase = Phase::Asleep;
                mailbox.shrink();
                return false;
            }
        }
        true
    }

    /// Removes all that the actor has stored; whether that worked.
    pub(super) async fn remove(&self) -> bool {
        if self.info.options.durability == Durability::None {
            return true;
        }
        let removed = self.host.driver.destroy(self.about.id).await;
        removed
            .inspect_err(|error| {
                tracing::error!(actor = %self.about.address, %error, "data could not be removed");
            })
            .is_ok()
    }

    /// The actor is gone without having been asked, of which `error` tells.
    pub(super) fn vanish(&self, error: &ActorError) {
        let mut mailbox = self.mailbox();
        mailbox.phase = Phase::Gone;
        let turns = mailbox.end_life();
        let waiting = mailbox.drain();
        mailbox.shrink();
        drop(mailbox);
        drop(turns);
        self.told(waiting, error);
        self.completions.forget_all();
        self.strike();
        let sockets = std::mem::take(&mut *self.sockets());
        for listener in sockets.into_values() {
            listener.close(CloseFrame::new(1011, "actor.not_found"));
        }
    }
}

impl Next {
    /// Of the mailbox, while there is no life.
    pub(super) fn phase(self) -> Phase {
        match self {
            Self::Again(_) => Phase::Down,
            Self::Wait | Self::Destroy => Phase::Asleep,
        }
    }
}

impl From<Next> for Down {
    fn from(next: Next) -> Self {
        match next {
            Next::Again(at) => Self::Until(at),
            Next::Wait | Next::Destroy => Self::Over,
        }
    }
}

/// The actor crashed, and is not up again yet.
pub(super) fn restarting() -> ActorError {
    let text = "the actor crashed and will start again shortly";
    ActorError::new("actor", "restarting", text)
        .with_status(503)
        .public()
}

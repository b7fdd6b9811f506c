//! What outlives a life: the mailbox, the clients' sockets, the name. While somebody holds a slot,
//! its actor may sleep and wake behind it without anybody noticing.

use std::{
    any::Any,
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::{Notify, futures::Notified, oneshot};

use super::{
    crash::{Health, restarting},
    fold::Kept,
    host::{Host, TypeInfo},
    mailbox::{Mailbox, Msg, Phase, Pushed, Refused},
    startup,
    task::Lives,
};
use crate::{
    actor::{About, Actor, Doorbell, Failure, Folded, Listener, News, Receiver, Row, Turn},
    error::ActorError,
    id::{ConnId, ScheduleId},
    lifecycle::{Blocker, Wakes},
    metrics::{self, Hibernating},
    queue::Completions,
    storage::Driver,
};

/// One actor, asleep or awake.
#[repr(C, align(64))] // What every message touches stands together, in two lines of memory.
pub(crate) struct Slot<A: Actor> {
    pub(super) news: News,
    mailbox: Mutex<Mailbox<A>>,
    pub(crate) info: Arc<TypeInfo>,
    /// Whether the last life broke because it could not save anything.
    failed: AtomicBool,
    /// Whether a commit of an earlier life may still happen.
    unsure: AtomicBool,
    pub(crate) about: Arc<About>,
    pub(crate) host: Arc<Host>,
    /// Clients who are connected, also while the actor sleeps.
    sockets: Mutex<BTreeMap<ConnId, Listener<A>>>,
    /// Stored forms of connections of an actor that stores nothing, while it sleeps.
    parked: Mutex<Vec<(ConnId, Bytes)>>,
    /// What a life has left to the next.
    left: Mutex<Option<Box<Left>>>,
    /// What an actor that stores nothing is created from, each time it wakes.
    input: Option<Bytes>,
    /// Who waits for messages of the queues to be completed.
    pub(super) completions: Completions,
    room: Notify,
    pub(super) hibernating: Hibernating,
    pub(super) health: Health,
}

/// What a life leaves to the next: most of it only when it broke.
#[derive(Default)]
pub(super) struct Left {
    /// What its connections heard, saved or not, for their clients believe so.
    pub(super) hears: Hears,
    /// Scheduled runs that failed, and broke it.
    pub(super) failed: BTreeMap<ScheduleId, ActorError>,
    /// What its `on_error` was not told.
    pub(super) failures: Vec<Failure>,
    /// Its connections, if it went to sleep.
    kept: Option<Kept>,
}

/// Failures that a life leaves to the next.
const MOST_FAILURES: usize = 16;

/// What each connection hears.
pub(super) type Hears = BTreeMap<ConnId, Vec<Arc<str>>>;

impl<A: Actor> Slot<A> {
    pub(crate) fn new(
        about: Arc<About>,
        info: Arc<TypeInfo>,
        host: Arc<Host>,
        input: Option<Bytes>,
    ) -> Self {
        let mailbox = Mutex::new(Mailbox::new(info.options.mailbox));
        Self {
            about,
            info,
            host,
            news: News::default(),
            mailbox,
            sockets: Mutex::default(),
            parked: Mutex::default(),
            left: Mutex::default(),
            input,
            completions: Completions::default(),
            room: Notify::new(),
            hibernating: Hibernating::default(),
            health: Health::default(),
            failed: AtomicBool::new(false),
            unsure: AtomicBool::new(false),
        }
    }

    /// Hands a message to the actor, waking it if it sleeps.
    pub(crate) fn send(self: &Arc<Self>, msg: Msg<A>) -> Result<(), Refused<A>> {
        let is_free = match &msg {
            Msg::Call(call, _) => is_free::<A>(call),
            Msg::Peer(it) => is_free::<A>(&it.call),
            Msg::Keyed(it) => is_free::<A>(&it.call),
            Msg::SocketCall(sent) => is_free::<A>(&sent.call),
            Msg::Http(_)
            | Msg::Send(_)
            | Msg::Open(_)
            | Msg::Frame(_)
            | Msg::Close(..)
            | Msg::Subscribe(..)
            | Msg::Visit(_) => false,
        };
        let mut mailbox = self.mailbox();
        if mailbox.phase == Phase::Asleep && self.host.is_closing() {
            return Err(Refused::Gone(msg));
        }
        let pushed = mailbox.push(msg, is_free)?;
        drop(mailbox);
        self.start_if(pushed);
        Ok(())
    }

    /// An alarm of the actor is due: it is woken, or told to look.
    pub(super) fn alarm(self: &Arc<Self>) {
        let mut mailbox = self.mailbox();
        if mailbox.phase == Phase::Asleep && self.host.is_closing() {
            return;
        }
        let pushed = mailbox.alarm();
        drop(mailbox);
        self.start_if(pushed);
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a shutdown waits for the token, which would make the task larger around it"
    )]
    fn start_if(self: &Arc<Self>, pushed: Pushed) {
        if pushed == Pushed::Start {
            let token = self.host.tasks.token();
            tokio::spawn(Lives::new(Arc::clone(self), token));
        }
    }

    /// User code panicked where nothing guards it, in a drop say: the next message starts anew.
    pub(super) fn collapse(&self) {
        tracing::error!(actor = %self.about.address, "the actor's task panicked");
        self.set_unsure(true);
        let mut mailbox = self.mailbox();
        mailbox.phase = Phase::Asleep;
        let turns = mailbox.end_life();
        let waiting = mailbox.drain_awaited();
        mailbox.shrink();
        drop(mailbox);
        drop(turns);
        let error = stopped_while_waiting();
        for msg in waiting {
            startup::refuse(msg, &error);
        }
        self.made_room();
    }

    pub(super) fn mailbox(&self) -> MutexGuard<'_, Mailbox<A>> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the actor was destroyed.
    pub(crate) fn is_gone(&self) -> bool {
        self.mailbox().phase == Phase::Gone
    }

    pub(super) fn sockets(&self) -> MutexGuard<'_, BTreeMap<ConnId, Listener<A>>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn parked(&self) -> MutexGuard<'_, Vec<(ConnId, Bytes)>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn input(&self) -> Option<&Bytes> {
        self.input.as_ref()
    }

    /// The hooks of these connections have not returned, and do not run again, though their rows may still be
    /// there.
    pub(super) fn spare(&self, spared: Vec<ConnId>) {
        let spared = spared.into_iter().map(|id| (id, Listener::Nobody));
        self.sockets().extend(spared);
    }

    /// Keeps what connections hear for the next life, which may find less on disk.
    pub(super) fn keep_hearing(&self, hears: Hears) {
        if !hears.is_empty() {
            self.left().get_or_insert_default().hears = hears;
        }
    }

    /// Keeps its connections for the next life.
    pub(super) fn keep_fold(&self, kept: Kept) {
        self.left().get_or_insert_default().kept = Some(kept);
    }

    /// Takes the connections that the last life has kept.
    pub(super) fn take_fold(&self) -> Option<Kept> {
        self.left().as_mut()?.kept.take()
    }

    /// Keeps for the next life how a scheduled run failed that broke its own.
    pub(super) fn note_failed(&self, run: ScheduleId, error: ActorError) {
        let mut left = self.left();
        left.get_or_insert_default().failed.insert(run, error);
    }

    /// Keeps a failure for the next life to tell `on_error` of: the first few, for the rest follow from
    /// them.
    pub(super) fn note_failure_of(&self, failure: Failure) {
        let mut left = self.left();
        let failures = &mut left.get_or_insert_default().failures;
        if failures.len() < MOST_FAILURES {
            failures.push(failure);
        }
    }

    /// Whether the next life has failures to note, of scheduled runs or for `on_error`.
    pub(super) fn has_failures(&self) -> bool {
        self.left()
            .as_ref()
            .is_some_and(|it| !it.failed.is_empty() || !it.failures.is_empty())
    }

    /// Takes what a life that broke has kept.
    pub(super) fn take_left(&self) -> Left {
        self.left().take().map_or_else(Left::default, |it| *it)
    }

    /// Keeps what [`take_left`](Self::take_left) gave to a life that did not begin.
    pub(super) fn leave_again(&self, left: Left) {
        if !left.hears.is_empty() || !left.failed.is_empty() || !left.failures.is_empty() {
            *self.left() = Some(Box::new(left));
        }
    }

    fn left(&self) -> MutexGuard<'_, Option<Box<Left>>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the life before `this` one failed to save anything.
    pub(super) fn note_failure(&self, this: bool) -> bool {
        self.failed.swap(this, Ordering::AcqRel)
    }

    /// A life ended of which a commit may still happen, or none may any more.
    pub(super) fn set_unsure(&self, is_so: bool) {
        self.unsure.store(is_so, Ordering::Release);
    }

    /// Whether a commit of an earlier life may still happen.
    pub(super) fn is_unsure(&self) -> bool {
        self.unsure.load(Ordering::Acquire)
    }

    /// Takes the actor off the list of those that exist.
    pub(super) fn strike(&self) {
        if let Some(roster) = self.host.roster.upgrade() {
            roster.strike(&self.about);
        }
    }

    /// Tells those who wait that the mailbox has room again.
    pub(super) fn made_room(&self) {
        let crowded = self.mailbox().take_crowded();
        self.tell_of_room(crowded);
    }

    /// As [`made_room`](Self::made_room), for who has asked the mailbox already.
    pub(super) fn tell_of_room(&self, crowded: bool) {
        if crowded {
            self.room.notify_waiters();
        }
    }

    /// What to wait for while the mailbox is full.
    pub(super) fn wait_for_room(&self) -> Option<Notified<'_>> {
        let mut mailbox = self.mailbox();
        if mailbox.has_room() {
            return None;
        }
        // Under the lock, so that no room is made unheard: what is there now hears of it.
        let room = self.room.notified();
        mailbox.crowd();
        Some(room)
    }

    /// What a caller is told whose message was not taken.
    pub(crate) fn refusal(&self, refused: &Refused<A>) -> ActorError {
        match refused {
            Refused::Full(_) => {
                metrics::count(&metrics::MAILBOX_REFUSALS, [&self.info.name]);
                overloaded(self.info.options.mailbox)
            }
            Refused::Gone(_) if self.host.is_closing() => stopping(),
            Refused::Gone(_) => gone(),
            Refused::Down(_) => restarting(),
        }
    }
}

fn is_free<A: Actor>(call: &A::Call) -> bool {
    A::HANDLERS[A::handler(call)].receiver == Receiver::Free
}

/// The mailbox has no room (P6).
fn overloaded(limit: usize) -> ActorError {
    ActorError::new(
        "actor",
        "overloaded",
        format!("{limit} messages wait for the actor already"),
    )
}

/// The process stops; clients come again.
pub(crate) fn stopping() -> ActorError {
    ActorError::new("actor", "stopping", "the actor is stopping")
}

/// Each life that was begun for those who wait stopped before it took anything (R1).
pub(super) fn woken_in_vain() -> ActorError {
    let times = Wakes::MOST;
    let text =
        format!("the actor was woken {times} times and stopped each time before it took this");
    ActorError::new("guard", "actor_wake_retries_exceeded", text)
}

/// A life ended by a fault before it took something (R2).
pub(crate) fn stopped_while_waiting() -> ActorError {
    let text = "the actor stopped before it took this";
    ActorError::new("guard", "actor_stopped_while_waiting", text)
}

/// The actor was destroyed while something waited for it, which it never took. Another than
/// [`gone`], because whoever looks by key finds a new one (R4).
pub(crate) fn destroyed_meanwhile() -> ActorError {
    let text = "the actor was destroyed before it took this; by its key there may be a new one";
    ActorError::new("actor", "destroyed_while_waiting_for_ready", text)
}

/// Whether somebody was refused because the actor is gone.
pub(crate) fn is_gone(error: &ActorError) -> bool {
    [gone(), destroyed_meanwhile()]
        .iter()
        .any(|it| error.is(it.group(), it.code()))
}

/// The actor was destroyed.
pub(crate) fn gone() -> ActorError {
    ActorError::new(
        "actor",
        "not_found",
        "The actor does not exist or was destroyed.",
    )
}

impl<A: Actor> Doorbell<A> for Slot<A> {
    fn news(&self) -> &News {
        &self.news
    }

    fn ring(&self) {
        self.mailbox().ring();
    }

    fn turn(&self, turn: Turn<A>, is_over: &AtomicBool) {
        let mut mailbox = self.mailbox();
        // Under the lock by which the turns of an ending life are taken away.
        if !is_over.load(Ordering::Acquire) {
            mailbox.push_turn(turn);
        }
    }

    fn turn_if_room(&self, turn: Turn<A>, is_over: &AtomicBool) -> bool {
        let mut mailbox = self.mailbox();
        let has_room = mailbox.turns() < self.info.options.mailbox;
        let is_taken = has_room && !is_over.load(Ordering::Acquire);
        if is_taken {
            mailbox.push_turn(turn);
        }
        is_taken
    }

    fn why_awake(&self) -> oneshot::Receiver<Vec<Blocker>> {
        self.ask_why()
    }

    #[cfg(feature = "sqlite")]
    fn sql(&self) -> &Arc<crate::sql::Pool> {
        &self.host.sql
    }

    fn unfold(&self, id: ConnId, folded: Folded) -> Option<Row<A>> {
        self.unfold_conn(id, folded)
    }

    fn lose(&self, id: ConnId) {
        self.lose_conn(id);
    }

    fn driver(&self) -> &Arc<dyn Driver> {
        &self.host.driver
    }

    fn completions(&self) -> &Completions {
        &self.completions
    }

    fn home(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.host.home.get()?.upgrade()
    }
}

impl<A: Actor> Drop for Slot<A> {
    fn drop(&mut self) {
        self.hibernating.set(&self.info.meters, 0);
        if let Some(roster) = self.host.roster.upgrade() {
            roster.forget(&self.about);
        }
    }
}

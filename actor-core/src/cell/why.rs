//! Why an actor is awake: the answer for whoever asks, and the one warning when nobody does.

use tokio::{sync::oneshot, time::Instant};

use super::{live::Cell, slot::Slot};
use crate::{
    actor::Actor,
    config::LONG_STAY,
    lifecycle::{Blocker, BlockerKind, WorkKind},
    metrics,
};

/// Somebody wants to know.
pub(super) type Question = oneshot::Sender<Vec<Blocker>>;

/// A turn that waits in the middle, or readers beside each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pub(super) handler: usize,
    pub(super) count: usize,
    since: Instant,
}

impl Running {
    /// It has to wait for the first time: those who never do pay nothing.
    pub(super) fn begun(handler: usize) -> Self {
        Self {
            handler,
            count: 1,
            since: Instant::now(),
        }
    }
}

/// What is noted of a life that rests and does not sleep.
#[derive(Debug)]
pub(super) struct Vigil {
    /// When the last message was dealt with.
    pub(super) heard: Instant,
    /// Since when there is work of each kind, as far as was seen.
    since: [Option<Instant>; WorkKind::ALL.len()],
    /// When to warn, unless something is heard.
    warns: Option<Instant>,
    has_warned: bool,
}

impl Vigil {
    pub(super) fn begin(now: Instant) -> Box<Self> {
        Box::new(Self {
            heard: now,
            since: [None; WorkKind::ALL.len()],
            warns: None,
            has_warned: false,
        })
    }
}

impl<A: Actor> Slot<A> {
    /// Asks what keeps the actor awake. Wakes nobody: no answer says that it sleeps.
    pub(super) fn ask_why(&self) -> oneshot::Receiver<Vec<Blocker>> {
        let (to, answer) = oneshot::channel();
        self.mailbox().ask_why(to);
        answer
    }
}

impl<A: Actor> Cell<A> {
    pub(super) fn answer_why(&mut self, asked: Vec<Question>, running: Option<Running>) {
        if asked.is_empty() {
            return;
        }
        let all = self.why_awake(running);
        for to in asked {
            // Who asked may have gone.
            let _ = to.send(all.clone());
        }
    }

    /// Everything that keeps the actor awake (B1), or that its stop waits for (B6).
    fn why_awake(&mut self, running: Option<Running>) -> Vec<Blocker> {
        let now = Instant::now();
        self.note_work(now);
        let stops = self.machine.stops();
        let counts = |kind: WorkKind| match stops {
            Some(why) => kind.holds_up(why),
            None => kind.keeps_awake(),
        };
        let mut all = Vec::new();
        if stops.is_none() && self.options().sleep_after.is_none() {
            all.push(Blocker::new(BlockerKind::NeverSleeps));
        }
        let turn = running.map(|it| (it.handler, it.count, it.since));
        let free = self.free.as_ref().map(|it| it.begun.values());
        let free = free.into_iter().flatten();
        for (handler, count, since) in turn
            .into_iter()
            .chain(free.map(|(handler, since)| (*handler, 1, *since)))
        {
            let spec = &A::HANDLERS[handler];
            let blocker = Blocker {
                handler: Some(spec.name),
                count,
                age: now.saturating_duration_since(since),
                location: Some(spec.location),
                ..Blocker::new(BlockerKind::Handler)
            };
            blocker.join(&mut all);
        }
        self.hub.list_work(now, counts, &mut all);
        for kind in self.machine.work.under_way() {
            if kind.is_listed_elsewhere() || !counts(kind) {
                continue;
            }
            let since = self
                .vigil
                .as_ref()
                .and_then(|it| it.since[kind as usize])
                .unwrap_or(now);
            all.extend(BlockerKind::of(kind).map(|named| Blocker {
                count: self.machine.work.count(kind),
                age: now.saturating_duration_since(since),
                ..Blocker::new(named)
            }));
        }
        let waiting = self.batch.len() + self.slot.mailbox().waiting();
        if 0 < waiting {
            all.push(Blocker {
                count: waiting,
                ..Blocker::new(BlockerKind::Messages)
            });
        }
        if stops.is_some() && all.is_empty() {
            all.push(Blocker::new(BlockerKind::Stopping));
        }
        all
    }

    /// Notes since when there is work of each kind. Not when it begins, for that would cost every call
    /// of a kind that most often is over in no time.
    fn note_work(&mut self, now: Instant) {
        let vigil = self.vigil.get_or_insert_with(|| Vigil::begin(now));
        for kind in WorkKind::ALL {
            let since = &mut vigil.since[kind as usize];
            *since = (0 < self.machine.work.count(kind)).then(|| since.unwrap_or(now));
        }
    }

    /// The actor has nothing to do and does not sleep, because of some work. Warns, once in a life, when
    /// that has gone on for [`LONG_STAY`] times its `sleep_after`, and clients wait who would not
    /// notice if it slept.
    #[cold]
    pub(super) fn keep_vigil(&mut self) {
        let now = Instant::now();
        self.note_work(now);
        let Some(after) = self.options().sleep_after else {
            return;
        };
        let Some(vigil) = &mut self.vigil else { return };
        let has_clients = !vigil.has_warned && !self.slot.sockets().is_empty();
        vigil.warns = has_clients
            .then(|| vigil.heard.checked_add(after.saturating_mul(LONG_STAY)))
            .flatten();
        if vigil.warns.is_none_or(|it| now < it) {
            return;
        }
        vigil.warns = None;
        vigil.has_warned = true;
        let awake_for = now.saturating_duration_since(vigil.heard);
        let blockers = self.why_awake(None);
        for it in &blockers {
            let labels = [&*self.slot.info.name, it.kind.name()];
            metrics::count(&metrics::OVERSTAYS, labels);
        }
        let blockers: Vec<_> = blockers.iter().map(ToString::to_string).collect();
        tracing::warn!(
            actor = %self.slot.about.address, ?awake_for, blockers = blockers.join(", "),
            "the actor does not sleep, though nobody speaks to it"
        );
    }

    /// When to look at an actor again that does not sleep.
    pub(super) fn vigil_ends(&self) -> Option<Instant> {
        let vigil = self.vigil.as_ref()?;
        vigil.warns.filter(|_| self.machine.is_kept_awake())
    }
}

//! What keeps an actor awake, as whoever asks is told. What each kind of work keeps from happening is
//! for `work`.

use std::{fmt, panic::Location, time::Duration};

use super::work::WorkKind;

/// One reason why an actor stays awake, see [`ActorRef::why_awake`](crate::gateway::ActorRef::why_awake).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Blocker {
    /// What it is.
    pub kind: BlockerKind,
    /// The action or hook that it is, if it is one.
    pub handler: Option<&'static str>,
    /// How many of the same there are.
    pub count: usize,
    /// For how long, at least, there has been one: of what the actor did not have to wait for, the time
    /// before it was first seen is not counted.
    pub age: Duration,
    /// Where in the source it was made: the handler, or the call of
    /// [`keep_awake`](crate::Ctx::keep_awake) and its like. None where it was not made there.
    pub location: Option<&'static Location<'static>>,
}

/// What keeps an actor awake.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum BlockerKind {
    /// It is being loaded, or its start hooks run.
    Starting,
    /// Its [`sleep_after`](crate::ActorOptions::sleep_after) is `None`.
    NeverSleeps,
    /// Messages that wait for a turn.
    Messages,
    /// A handler that runs: an action, a hook, or short turns of one.
    Handler,
    /// A single HTTP call, from its connect hooks to its disconnect hook.
    HttpCall,
    /// A raw HTTP request, until its response has been sent.
    Request,
    /// A connection on its way in or out.
    Connecting,
    /// `on_state_change`, which is due.
    StateChange,
    /// `on_error`, which is due.
    Failure,
    /// The `run` handler, while it does not park.
    Run,
    /// A guard of [`keep_awake`](crate::Ctx::keep_awake), a future of
    /// [`keep_awake_while`](crate::Ctx::keep_awake_while), or a [`timer`](crate::Ctx::timer) that has
    /// fired.
    KeepAwake,
    /// An open raw WebSocket that does not hibernate.
    Socket,
    /// A scheduled run.
    Scheduled,
    /// While it stops: a `run` handler that was parked.
    ParkedRun,
    /// While it stops: a future of [`wait_until`](crate::Ctx::wait_until).
    WaitUntil,
    /// While it stops: what comes last, such as the last save.
    Stopping,
}

impl BlockerKind {
    /// As the metric `actor_overstays_total` and the log call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::NeverSleeps => "never_sleeps",
            Self::Messages => "messages",
            Self::Handler => "handler",
            Self::HttpCall => "http_call",
            Self::Request => "request",
            Self::Connecting => "connecting",
            Self::StateChange => "state_change",
            Self::Failure => "failure",
            Self::Run => "run",
            Self::KeepAwake => "keep_awake",
            Self::Socket => "socket",
            Self::Scheduled => "scheduled",
            Self::ParkedRun => "parked_run",
            Self::WaitUntil => "wait_until",
            Self::Stopping => "stopping",
        }
    }

    /// What work of a kind is called. A timer that has not fired blocks nothing.
    pub(crate) fn of(kind: WorkKind) -> Option<Self> {
        Some(match kind {
            WorkKind::Free => Self::Handler,
            WorkKind::HttpCall => Self::HttpCall,
            WorkKind::Request => Self::Request,
            WorkKind::Connecting => Self::Connecting,
            WorkKind::StateChange => Self::StateChange,
            WorkKind::Failure => Self::Failure,
            WorkKind::Run => Self::Run,
            WorkKind::ParkedRun => Self::ParkedRun,
            WorkKind::KeepAwake => Self::KeepAwake,
            WorkKind::WaitUntil => Self::WaitUntil,
            WorkKind::Timer => return None,
            WorkKind::Socket => Self::Socket,
            WorkKind::Scheduled => Self::Scheduled,
        })
    }
}

impl Blocker {
    pub(crate) fn new(kind: BlockerKind) -> Self {
        Self {
            kind,
            handler: None,
            count: 1,
            age: Duration::ZERO,
            location: None,
        }
    }

    /// Adds it to `all`, or to the one that is the same but for its age.
    pub(crate) fn join(self, all: &mut Vec<Self>) {
        let same = all.iter_mut().find(|it| {
            (it.kind, it.handler, it.location) == (self.kind, self.handler, self.location)
        });
        match same {
            Some(same) => {
                same.count += self.count;
                same.age = same.age.max(self.age);
            }
            None => all.push(self),
        }
    }
}

/// As the log shows it: `2 keep_awake for 12.3s at src/room.rs:40`.
impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.count != 1 {
            write!(f, "{} ", self.count)?;
        }
        write!(f, "{}", self.kind.name())?;
        if let Some(handler) = self.handler {
            write!(f, " `{handler}`")?;
        }
        write!(f, " for {:.1?}", self.age)?;
        if let Some(at) = self.location {
            write!(f, " at {}:{}", at.file(), at.line())?;
        }
        Ok(())
    }
}

//! Who waits for whom: a call that one actor makes of another knows the handlers that wait for its
//! answer. So a circle of calls is found before it closes, and nobody works for longer than somebody waits.
//!
//! A handler that calls nobody has no frame. What it costs is a note, on the thread that polls it, that a
//! frame could be had; the first call that wants one says so, and is polled again with it.

use std::{
    cell::Cell,
    future::poll_fn,
    iter::successors,
    sync::{Arc, Weak},
    task::Poll,
};

use tokio::time::{Duration, Instant};

use super::{
    job::{Job, Then},
    live,
    mailbox::{Mailbox, Msg},
};
use crate::{
    actor::{About, Actor, Receiver},
    error::ActorError,
    id::ConnId,
    value::Value,
};

/// A handler that waits, or may, for calls of its own. It is there for as long as the handler runs.
#[derive(Debug)]
pub(crate) struct Frame {
    about: Arc<About>,
    /// Whether the handler borrows the state, so that others cannot.
    holds_state: bool,
    /// When the handler is ended.
    until: Instant,
    /// The handler that waits for this one, while it does.
    caller: Weak<Self>,
}

/// What a guard knows of its handler.
#[derive(Clone, Copy)]
pub(super) struct Who<'a> {
    pub(super) about: &'a Arc<About>,
    pub(super) receiver: Receiver,
    pub(super) waits: Option<&'a Waits>,
}

/// Who waits for a call of another actor, and until when.
#[derive(Clone, Debug)]
pub(crate) struct Waits {
    caller: Weak<Frame>,
    until: Instant,
}

impl<'a> Who<'a> {
    /// A hook of a start: whatever calls the actor meanwhile waits until it is over, as does who woke it.
    pub(super) fn starts(about: &'a Arc<About>, waits: Option<&'a Waits>) -> Self {
        Self {
            about,
            receiver: Receiver::Exclusive,
            waits,
        }
    }
}

/// A call of another actor.
pub(crate) struct PeerCall<A: Actor> {
    pub(crate) call: A::Call,
    pub(crate) conn: Option<Arc<ConnId>>,
    pub(crate) waits: Waits,
}

/// What the thread knows of the handler that it polls.
#[derive(Default)]
enum Place {
    /// It polls none.
    #[default]
    Outside,
    /// One that has no frame.
    Inside,
    /// One that wants a frame.
    Asked,
    Known(Arc<Frame>),
}

/// How often a frame is asked for before there is none to be had: more than once, for what a handler
/// awaits may poll its parts again by itself.
const POLLS: u32 = 100;

thread_local! {
    static PLACE: Cell<Place> = const { Cell::new(Place::Outside) };
}

/// The part of a guard that keeps its handler's frame.
#[derive(Debug, Default)]
pub(super) struct Keeper(Option<Arc<Frame>>);

impl Keeper {
    /// Polls the handler, or what stands for it. One that wants a frame has it the next time.
    pub(super) fn poll<T>(
        &mut self,
        who: Who<'_>,
        until: impl FnOnce() -> Instant,
        poll: impl FnOnce() -> Poll<T>,
    ) -> Poll<T> {
        let own = self.0.take().map_or(Place::Inside, Place::Known);
        let outer = PLACE.replace(own);
        let polled = poll();
        match PLACE.replace(outer) {
            Place::Known(frame) => self.0 = Some(frame),
            Place::Asked if polled.is_pending() => {
                self.0 = Some(Arc::new(Frame::new(who, until())));
            }
            Place::Outside | Place::Inside | Place::Asked => {}
        }
        polled
    }
}

/// Whether a handler is polled on this thread.
pub(crate) fn is_inside() -> bool {
    let place = PLACE.take();
    let is_inside = !matches!(place, Place::Outside);
    PLACE.set(place);
    is_inside
}

/// The frame of the handler by which this is awaited, `None` where there is none.
pub(crate) async fn current() -> Option<Arc<Frame>> {
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        let (stays, answer) = match PLACE.take() {
            Place::Outside => (Place::Outside, Poll::Ready(None)),
            Place::Known(frame) => {
                let found = Arc::clone(&frame);
                (Place::Known(frame), Poll::Ready(Some(found)))
            }
            // The handler blocks its thread on this, so that its guard will not hear of it.
            place if POLLS < polls => (place, Poll::Ready(None)),
            Place::Inside | Place::Asked => {
                cx.waker().wake_by_ref();
                (Place::Asked, Poll::Pending)
            }
        };
        PLACE.set(stays);
        answer
    })
    .await
}

/// Who waits for what is asked of `to` now, if that is a handler: anything that needs a turn of it.
///
/// # Errors
///
/// As [`Frame::check`].
pub(crate) async fn waits_for(to: &About) -> Result<Option<Waits>, ActorError> {
    let Some(frame) = current().await else {
        return Ok(None);
    };
    frame.check(to)?;
    Ok(Some(frame.waits()))
}

/// Whether the end of `to` can be waited for now: not by one of its own handlers, for which that end waits,
/// nor by anybody whom such a handler waits for.
///
/// # Errors
///
/// `actor.call_cycle`, with the chain of calls.
pub(crate) async fn check_end(to: &About) -> Result<(), ActorError> {
    match current().await {
        Some(frame) => frame.check_for(to, |_| true),
        None => Ok(()),
    }
}

impl Frame {
    fn new(who: Who<'_>, until: Instant) -> Self {
        Self {
            about: Arc::clone(who.about),
            holds_state: who.receiver != Receiver::Free,
            until,
            caller: who
                .waits
                .map_or_else(Weak::new, |it| Weak::clone(&it.caller)),
        }
    }

    /// As those are told who are called by this handler.
    pub(crate) fn waits(self: &Arc<Self>) -> Waits {
        Waits {
            caller: Arc::downgrade(self),
            until: self.until,
        }
    }

    /// Whether a call of `to` that needs its state can ever be answered: not while a handler that has
    /// that state waits for the answer.
    ///
    /// # Errors
    ///
    /// `actor.call_cycle`, with the chain of calls.
    pub(crate) fn check(self: &Arc<Self>, to: &About) -> Result<(), ActorError> {
        self.check_for(to, |it| it.holds_state)
    }

    fn check_for(
        self: &Arc<Self>,
        to: &About,
        is_in_the_way: impl Fn(&Self) -> bool,
    ) -> Result<(), ActorError> {
        let chain: Vec<_> = successors(Some(Arc::clone(self)), |it| it.caller.upgrade()).collect();
        let waits = |it: &Arc<Self>| it.about.id == to.id && is_in_the_way(it);
        if chain.iter().any(waits) {
            return Err(call_cycle(&chain, to));
        }
        Ok(())
    }
}

/// `chain` begins with who calls `to` now.
fn call_cycle(chain: &[Arc<Frame>], to: &About) -> ActorError {
    let mut names: Vec<_> = chain.iter().rev().map(|it| it.about.name()).collect();
    names.push(to.name());
    let text = format!("the call would wait for itself: {}", names.join(" -> "));
    let chain = Value::Array(names.into_iter().map(Value::from).collect());
    ActorError::new("actor", "call_cycle", text).with_metadata(Value::object([("chain", chain)]))
}

/// Nobody waits for a call any more.
pub(super) fn deadline_exceeded() -> ActorError {
    let text = "the caller's time was over before the action could begin";
    ActorError::new("actor", "deadline_exceeded", text)
}

impl Waits {
    /// How long the answer is waited for.
    pub(super) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

impl<A: Actor> Mailbox<A> {
    /// The first handler of another actor that waits for something here.
    pub(super) fn waits(&self) -> Option<Waits> {
        let mut waits = self.all().filter_map(|msg| match msg {
            Msg::Peer(peer) => Some(&peer.waits),
            Msg::Keyed(keyed) => keyed.waits.as_ref(),
            Msg::Http(call) => call.opening.waits.as_ref(),
            Msg::Open(opening) => opening.waits.as_ref(),
            _ => None,
        });
        waits.next().cloned()
    }
}

impl<A: Actor> live::Cell<A> {
    /// A call of another actor, unless nobody waits for it any more.
    pub(super) fn take_peer_call(&mut self, peer: PeerCall<A>) -> Option<Job<A>> {
        let PeerCall { call, conn, waits } = peer;
        if waits.left().is_zero() {
            Job::<A>::call(call, None).refuse(&deadline_exceeded());
            return None;
        }
        let mut job = self.admit(call, conn.as_deref())?;
        job.then = Then::Peer(waits);
        self.unless_free(job)
    }
}

//! What outlives a life: the mailbox, the clients' sockets, the name. While somebody holds a slot,
//! its actor may sleep and wake behind it without anybody noticing.

use std::{
    any::Any,
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::sync::{Notify, futures::Notified, oneshot};
use tokio_util::task::TaskTracker;

use super::{
    job::{HttpCall, OpenDone, Opening},
    live::{self, Hears},
    mailbox::{Mailbox, Msg, Phase, Pushed, Refused},
    startup,
};
use crate::{
    actor::{
        About, Actor, Doorbell, HttpAnswer, Listener, Receiver, Reply, ReplySlot as _, Transport,
        Turn, WireReply, WireTo,
    },
    clock::{Clock, Entropy},
    config::ActorOptions,
    connection::{CloseFrame, Outbox},
    error::ActorError,
    id::ConnId,
    lifecycle::Stop,
    protocol::{Args, Encoding, ToServer},
    storage::Driver,
    value::Value,
};

/// What all cells of a registry share.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) driver: Arc<dyn Driver>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) tasks: TaskTracker,
    /// Tasks of clients' sockets, which outlive the actors.
    pub(crate) sockets: TaskTracker,
    pub(crate) closing: AtomicBool,
    pub(crate) roster: Weak<dyn Roster>,
}

impl Host {
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

/// Who knows which slots there are.
pub(crate) trait Roster: Send + Sync + std::fmt::Debug {
    /// Nobody holds this actor's slot any more.
    fn forget(&self, about: &About);

    /// The actor is gone for good.
    fn strike(&self, about: &About);
}

/// What all actors of one type share.
#[derive(Debug)]
pub(crate) struct TypeInfo {
    pub(crate) name: Arc<str>,
    pub(crate) options: Arc<ActorOptions>,
    /// What each handler did so far, see [`may_suspend`](Self::may_suspend).
    habits: Vec<AtomicU8>,
}

impl TypeInfo {
    const UNKNOWN: u8 = 0;
    const STRAIGHT: u8 = 1;
    const SUSPENDS: u8 = 2;

    pub(crate) fn of<A: Actor>() -> Self {
        Self {
            name: Arc::from(A::NAME),
            options: Arc::new(A::options()),
            habits: A::HANDLERS
                .iter()
                .map(|_| AtomicU8::new(Self::UNKNOWN))
                .collect(),
        }
    }

    /// Whether a handler may wait in the middle, as far as is known. If it may, what came before it
    /// is snapshotted first, so that an earlier reply never waits for it.
    pub(super) fn may_suspend(&self, handler: usize) -> bool {
        self.habits[handler].load(Ordering::Relaxed) != Self::STRAIGHT
    }

    pub(super) fn learn(&self, handler: usize, suspended: bool) {
        let habit = &self.habits[handler];
        if suspended {
            habit.store(Self::SUSPENDS, Ordering::Relaxed);
        } else if habit.load(Ordering::Relaxed) == Self::UNKNOWN {
            habit.store(Self::STRAIGHT, Ordering::Relaxed);
        }
    }
}

/// One actor, asleep or awake.
pub(crate) struct Slot<A: Actor> {
    pub(crate) about: Arc<About>,
    pub(crate) info: Arc<TypeInfo>,
    pub(crate) host: Arc<Host>,
    mailbox: Mutex<Mailbox<A>>,
    /// Clients who are connected, also while the actor sleeps.
    sockets: Mutex<BTreeMap<ConnId, Listener<A>>>,
    /// Stored forms of connections of an actor that stores nothing, while it sleeps.
    parked: Mutex<Vec<(ConnId, Bytes)>>,
    /// What connections heard in a life that broke.
    hears: Mutex<Option<Box<Hears>>>,
    /// What an actor that stores nothing is created from, each time it wakes.
    input: Option<Bytes>,
    room: Notify,
    /// Whether somebody waits for room.
    crowded: AtomicBool,
}

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
            mailbox,
            sockets: Mutex::default(),
            parked: Mutex::default(),
            hears: Mutex::default(),
            input,
            room: Notify::new(),
            crowded: AtomicBool::new(false),
        }
    }

    /// Hands a message to the actor, waking it if it sleeps.
    pub(crate) fn send(self: &Arc<Self>, msg: Msg<A>) -> Result<(), Refused<A>> {
        let is_free = match &msg {
            Msg::Call(call, _) => A::HANDLERS[A::handler(call)].receiver == Receiver::Free,
            Msg::Http(_) | Msg::Open(_) | Msg::Close(_) | Msg::Subscribe(..) => false,
        };
        let mut mailbox = self.mailbox();
        if mailbox.phase == Phase::Asleep && self.host.is_closing() {
            return Err(Refused::Gone(msg));
        }
        let pushed = mailbox.push(msg, is_free)?;
        drop(mailbox);
        if pushed == Pushed::Start {
            let slot = Arc::clone(self);
            let lives = AssertUnwindSafe(live::run(Arc::clone(self))).catch_unwind();
            self.host.tasks.spawn(lives.map(move |over| {
                if over.is_err() {
                    slot.collapse();
                }
            }));
        }
        Ok(())
    }

    /// User code panicked where nothing guards it, in a drop say: the next message starts anew.
    fn collapse(&self) {
        tracing::error!(actor = %self.about.address, "the actor's task panicked");
        let mut mailbox = self.mailbox();
        mailbox.phase = Phase::Asleep;
        let turns = mailbox.end_life();
        let waiting = mailbox.drain();
        mailbox.shrink();
        drop(mailbox);
        drop(turns);
        let error = ActorError::new("actor", "panicked", "the actor's task panicked");
        for msg in waiting {
            startup::refuse(msg, &error);
        }
        self.made_room();
    }

    pub(super) fn mailbox(&self) -> MutexGuard<'_, Mailbox<A>> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Keeps what connections hear for the next life, which may find less on disk.
    pub(super) fn keep_hearing(&self, hears: Hears) {
        let hears = if hears.is_empty() {
            None
        } else {
            Some(Box::new(hears))
        };
        *self.hears.lock().unwrap_or_else(PoisonError::into_inner) = hears;
    }

    /// Takes what a life that broke has kept.
    pub(super) fn take_hearing(&self) -> Hears {
        let kept = self
            .hears
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        kept.map_or_else(Hears::new, |it| *it)
    }

    /// Takes the actor off the list of those that exist.
    pub(super) fn strike(&self) {
        if let Some(roster) = self.host.roster.upgrade() {
            roster.strike(&self.about);
        }
    }

    /// Tells those who wait that the mailbox has room again.
    pub(super) fn made_room(&self) {
        if self.crowded.load(Ordering::Relaxed) && self.crowded.swap(false, Ordering::AcqRel) {
            self.room.notify_waiters();
        }
    }

    /// What a caller is told whose message was not taken.
    pub(crate) fn refusal(&self, refused: &Refused<A>) -> ActorError {
        match refused {
            Refused::Full(_) => overloaded(self.info.options.mailbox),
            Refused::Gone(_) if self.host.is_closing() => stopping(),
            Refused::Gone(_) => gone(),
        }
    }

    fn wire_reply(&self, encoding: Encoding, to: WireTo, action: usize) -> WireReply {
        let max = self.info.options.max_outgoing;
        let name = A::HANDLERS.get(action).map_or("", |it| it.name);
        WireReply::new(encoding, to, Arc::clone(&self.about), max, name)
    }

    fn find_action(name: &str) -> Option<usize> {
        A::HANDLERS[..A::ACTIONS]
            .iter()
            .position(|it| it.name == name)
    }
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

/// The actor was destroyed.
pub(crate) fn gone() -> ActorError {
    ActorError::new(
        "actor",
        "not_found",
        "The actor does not exist or was destroyed.",
    )
}

pub(crate) fn unknown_action(name: &str) -> ActorError {
    ActorError::new(
        "actor",
        "action_not_found",
        format!("Action `{name}` was not found."),
    )
}

impl<A: Actor> Doorbell<A> for Slot<A> {
    fn ring(&self) {
        self.mailbox().ring();
    }

    fn turn(&self, turn: Turn<A>) {
        self.mailbox().push_turn(turn);
    }
}

impl<A: Actor> Drop for Slot<A> {
    fn drop(&mut self) {
        if let Some(roster) = self.host.roster.upgrade() {
            roster.forget(&self.about);
        }
    }
}

/// A slot whatever the actor's type: what the gateway speaks to.
pub(crate) trait AnySlot: Send + Sync {
    fn about(&self) -> &Arc<About>;
    fn options(&self) -> &Arc<ActorOptions>;
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;

    /// Calls an action by a single HTTP request.
    fn http(self: Arc<Self>, call: WireCall) -> Result<oneshot::Receiver<HttpAnswer>, ActorError>;

    /// Opens a connection for a socket.
    fn open(
        self: Arc<Self>,
        socket: OpenSocket,
    ) -> Result<oneshot::Receiver<Result<(), ActorError>>, ActorError>;

    /// Takes a message of a socket's client. What it cannot do is answered over the socket.
    fn message(
        self: Arc<Self>,
        conn: ConnId,
        outbox: &Arc<Outbox>,
        message: ToServer,
    ) -> Result<(), ActorError>;

    /// A socket's client has gone.
    fn close(self: Arc<Self>, conn: ConnId);

    /// Asks the actor to stop if it is awake.
    fn ask(&self, stop: Stop);

    /// Closes all connections, asleep or awake, without a word to the actor.
    fn close_sockets(&self, frame: &CloseFrame);

    /// What to wait for when the mailbox is full, so that a socket's client is held back by TCP and
    /// not by errors.
    fn crowded(&self) -> Option<Notified<'_>>;

    /// Whether the actor has a live cell.
    fn is_awake(&self) -> bool;
}

/// An action called by a client's HTTP request.
#[derive(Debug)]
pub(crate) struct WireCall {
    pub(crate) action: String,
    pub(crate) args: Result<Args, ActorError>,
    pub(crate) encoding: Encoding,
    pub(crate) params: Value,
    pub(crate) request: Option<Arc<http::request::Parts>>,
}

/// A socket that wants to be a connection.
#[derive(Debug)]
pub(crate) struct OpenSocket {
    pub(crate) id: ConnId,
    pub(crate) params: Value,
    pub(crate) request: Option<Arc<http::request::Parts>>,
    pub(crate) outbox: Arc<Outbox>,
}

impl<A: Actor> AnySlot for Slot<A> {
    fn about(&self) -> &Arc<About> {
        &self.about
    }

    fn options(&self) -> &Arc<ActorOptions> {
        &self.info.options
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn http(self: Arc<Self>, call: WireCall) -> Result<oneshot::Receiver<HttpAnswer>, ActorError> {
        let action = Self::find_action(&call.action).ok_or_else(|| unknown_action(&call.action))?;
        let params = decode_params::<A>(call.params)?;
        let (to, answer) = oneshot::channel();
        let mut reply = Some(self.wire_reply(call.encoding, WireTo::Http(to), action));
        let decoded = call
            .args
            .and_then(|args| A::decode_call(action, args, &mut reply));
        let call_or_error = match (decoded, reply) {
            (Ok(call), _) => Ok(call),
            (Err(error), Some(reply)) => Err((reply, error)),
            (Err(error), None) => return Err(error),
        };
        let opening = Opening {
            id: ConnId::new(&*self.host.entropy),
            params,
            transport: Transport::Http,
            listener: Listener::Nobody,
            request: call.request,
            done: OpenDone::Call(call_or_error),
        };
        self.send(Msg::Http(Box::new(HttpCall { opening })))
            .map_err(|it| self.refusal(&it))?;
        Ok(answer)
    }

    fn open(
        self: Arc<Self>,
        socket: OpenSocket,
    ) -> Result<oneshot::Receiver<Result<(), ActorError>>, ActorError> {
        let params = decode_params::<A>(socket.params)?;
        let (to, opened) = oneshot::channel();
        let opening = Opening {
            id: socket.id,
            params,
            transport: Transport::Socket,
            listener: Listener::Wire(socket.outbox),
            request: socket.request,
            done: OpenDone::Tell(to),
        };
        self.send(Msg::Open(Box::new(opening)))
            .map_err(|it| self.refusal(&it))?;
        Ok(opened)
    }

    fn message(
        self: Arc<Self>,
        conn: ConnId,
        outbox: &Arc<Outbox>,
        message: ToServer,
    ) -> Result<(), ActorError> {
        let msg = match message {
            ToServer::Action { id, name, args } => {
                let to = WireTo::Socket {
                    outbox: Arc::clone(outbox),
                    id,
                };
                let action = Self::find_action(&name);
                let mut reply =
                    Some(self.wire_reply(outbox.encoding(), to, action.unwrap_or(usize::MAX)));
                let decoded = action
                    .ok_or_else(|| unknown_action(&name))
                    .and_then(|action| A::decode_call(action, args, &mut reply));
                match decoded {
                    Ok(call) => Msg::Call(call, Some(conn)),
                    Err(error) => {
                        answer_with(reply, &error);
                        return Ok(());
                    }
                }
            }
            ToServer::Subscribe { event, subscribe } => {
                Msg::Subscribe(conn, event.into_boxed_str(), subscribe)
            }
        };
        self.send(msg).or_else(|refused| {
            let error = self.refusal(&refused);
            match refused {
                Refused::Full(Msg::Call(mut call, _)) => {
                    let reply = A::reply(&mut call);
                    reply.fail(error);
                    reply.release();
                    Ok(())
                }
                Refused::Full(_) | Refused::Gone(_) => Err(error),
            }
        })
    }

    fn close(self: Arc<Self>, conn: ConnId) {
        // A socket that never became a connection has nothing to close.
        if !self.sockets().contains_key(&conn) && !self.is_awake() {
            return;
        }
        // Gone actors have no connections.
        let _ = self.send(Msg::Close(conn));
    }

    fn ask(&self, stop: Stop) {
        self.mailbox().ask(stop);
    }

    fn close_sockets(&self, frame: &CloseFrame) {
        for listener in self.sockets().values() {
            listener.close(frame.clone());
        }
    }

    fn crowded(&self) -> Option<Notified<'_>> {
        if self.mailbox().has_room() {
            return None;
        }
        let room = self.room.notified();
        self.crowded.store(true, Ordering::Release);
        // The cell may have made room before it could see the flag.
        if self.mailbox().has_room() {
            None
        } else {
            Some(room)
        }
    }

    fn is_awake(&self) -> bool {
        self.mailbox().phase == Phase::Awake
    }
}

fn answer_with(reply: Option<WireReply>, error: &ActorError) {
    if let Some(reply) = reply {
        let mut reply = Reply::<(), ActorError>::wire(reply);
        reply.fail(error.clone());
        reply.release();
    }
}

fn decode_params<A: Actor>(params: Value) -> Result<A::Params, ActorError> {
    params.deserialize_into().map_err(|error| {
        ActorError::new(
            "actor",
            "invalid_params",
            format!("the connection's params: {error}"),
        )
        .with_status(400)
        .public()
    })
}

//! What an author writes against: the traits behind `#[actor]`, contexts, connections, events.
//!
//! [`ActorType`] says what an actor is (the attribute on the struct writes it), [`Actor`] what it
//! does (the attribute on the impl block).

mod agenda;
mod atomic;
mod audience;
mod broadcast;
mod conn;
mod ctx;
mod derived;
mod desk;
mod event;
mod failure;
mod fold;
mod hub;
mod ledger;
mod presence;
mod reply;
mod socket;
mod state;
mod table;
mod tally;
mod task;
mod tell;
mod unstored;
mod why;
mod work;

use std::{error::Error, panic::Location, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

pub use self::{
    agenda::Scheduled,
    audience::{Audience, MAX_TAG},
    conn::Conn,
    ctx::Ctx,
    derived::Derived,
    event::{Event, NoEvent, Replay},
    failure::{Failure, FailureKind},
    presence::{Arrival, Presence},
    reply::{Reply, ReplySlot, WireReply},
    socket::Socket,
    state::{Migrate, decode_state, encode_state, read_state},
    task::TaskCtx,
    work::{KeepAwake, Timer, WorkOutcome},
};
pub(crate) use self::{
    agenda::callable,
    broadcast::{Recorded, address},
    conn::{Inner, Listener, LocalQueue, Tags, Taken, Transport},
    failure::ON_ERROR,
    fold::{Fold, Folded, Row},
    hub::{Doorbell, Hub, News, Origin, Output, ReadTurn, Turn},
    reply::{About, HttpAnswer, Outcome, WireTo, aborted},
    table::{Gone, Table, TooManySubscriptions},
    work::{Spawn, WorkGuard},
};
use crate::{
    config::{ActorOptions, Durability},
    connection::{CloseFrame, Message},
    error::ActorError,
    idempotency::unsupported,
    protocol::Args,
    queue::Queue,
    request::{Request, Response},
    value::Value,
};

/// What an actor is: its types, options and stored form. `#[actor]` on the struct writes this.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an actor",
    note = "put `#[actor]` on the struct, and on its impl block"
)]
pub trait ActorType: Sized + Send + Sync + 'static {
    /// What creating one takes. [`Value`] unless given.
    type Input: Serialize + DeserializeOwned + Send + 'static;
    /// What a client says about itself when it connects. [`Value`] unless given.
    type Params: Clone + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What the actor remembers of each connection. `()` unless given.
    type ConnState: Serialize + DeserializeOwned + Send + 'static;
    /// What the actor tells its connections. [`NoEvent`] unless given.
    type Event: Event;
    /// What its queues carry. [`NoQueue`](crate::queue::NoQueue) unless given.
    type Queue: Queue;

    /// Its name on the wire.
    const NAME: &'static str;
    /// The version of its stored form; an older one is read through `migrate`.
    const VERSION: u32;
    /// What its stored form consists of, as it is written in the source: a line for each field.
    const SCHEMA: &'static [&'static str] = &[];
    /// How Rust names of actions become wire names.
    const RENAME_ALL: RenameAll = RenameAll::CamelCase;

    /// Its options.
    #[must_use]
    fn options() -> ActorOptions {
        ActorOptions::default()
    }

    /// Writes the stored form: a CBOR map of the fields that are not transient.
    ///
    /// # Errors
    ///
    /// When a field does not serialize.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), StateError>;

    /// Reads the stored form of `version`.
    ///
    /// # Errors
    ///
    /// When the bytes are not that form. The caller leaves them untouched (S6).
    fn decode(version: u32, bytes: &[u8]) -> Result<Self, StateError>;

    /// Takes on the state whose stored form, of this version, is `stored`. Fields that are not stored
    /// stay as they are.
    ///
    /// # Errors
    ///
    /// When it is not that form. Nothing has changed then.
    fn replace(&mut self, stored: Value) -> Result<(), StateError> {
        let mut bytes = Vec::new();
        ciborium::into_writer(&stored, &mut bytes).map_err(|e| StateError::Decode(e.into()))?;
        self.take_on(Self::decode(Self::VERSION, &bytes)?);
        Ok(())
    }

    /// Takes on the fields of `read`, which was [decoded](Self::decode). Fields that are not stored
    /// stay as they are; unless given, there are none.
    fn take_on(&mut self, read: Self) {
        *self = read;
    }
}

/// What an actor does: its actions and hooks. `#[actor]` on the impl block writes this.
///
/// A handler is an action or a hook. Each call of one is a value, [`Self::Call`], that carries the
/// arguments and the place for the answer, so that a call from inside the process moves values and
/// neither encodes nor boxes them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no `#[actor]` impl block",
    note = "write one, `#[actor] impl {Self} {{}}` at least"
)]
pub trait Actor: ActorType {
    /// One call of one handler.
    type Call: Send + 'static;

    /// Every handler: the actions, then those that only schedules call, then the hooks.
    const HANDLERS: &'static [Handler];
    /// How many of [`HANDLERS`](Self::HANDLERS) are actions.
    const ACTIONS: usize;
    /// How many of [`HANDLERS`](Self::HANDLERS) only schedules call; they come after the actions.
    const SCHEDULED: usize = 0;

    /// Which of [`HANDLERS`](Self::HANDLERS) `call` is for.
    fn handler(call: &Self::Call) -> usize;

    /// Makes the call of number `action` from the arguments of a client or a schedule. Takes `reply` only when
    /// it succeeds.
    ///
    /// # Errors
    ///
    /// When the arguments do not fit.
    fn decode_call(
        action: usize,
        args: Args,
        reply: &mut Option<WireReply>,
    ) -> Result<Self::Call, ActorError>;

    /// The arguments of an action's call, by which two calls with the same idempotency key are told apart.
    /// Unless given, such calls are refused.
    ///
    /// # Errors
    ///
    /// When they do not serialize.
    fn arguments(call: &Self::Call) -> Result<Value, ActorError> {
        let _ = call;
        Err(unsupported())
    }

    /// Answers an action's call, by [`Reply::refill`], with what an earlier one with the same idempotency
    /// key was answered. Unless given, with an error.
    fn replay(call: &mut Self::Call, answer: Value) {
        let _ = answer;
        Self::reply(call).fail(unsupported());
    }

    /// The call of a hook, `None` when the actor has no such hook.
    fn hook(hook: Hook<Self>) -> Option<Self::Call>;

    /// The state of a new connection when there is no `on_before_connect`.
    fn default_conn_state() -> Self::ConnState;

    /// Where the answer to `call` goes.
    fn reply(call: &mut Self::Call) -> &mut dyn ReplySlot;

    /// Whether there is an `on_migrate`.
    #[cfg(feature = "sqlite")]
    const MIGRATES: bool = false;

    /// Brings the actor's own database up to date, in a transaction, before everything else at each
    /// start.
    #[cfg(feature = "sqlite")]
    fn migrate(
        ctx: &Ctx<Self>,
        tx: &crate::sql::Transaction,
        is_new: bool,
    ) -> impl Future<Output = Result<(), ActorError>> + Send {
        let _ = (ctx, tx, is_new);
        async { Ok(()) }
    }

    /// Whether the connection of `ctx` may call action number `action`, asked where the action says
    /// that it is [guarded](Access::Guarded).
    ///
    /// # Errors
    ///
    /// What the client is told who may not.
    fn guard(action: usize, ctx: &Ctx<Self>) -> Result<(), ActorError> {
        let _ = (action, ctx);
        Ok(())
    }

    /// Makes the state of a new actor.
    fn create(
        ctx: &Ctx<Self>,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self, ActorError>> + Send;

    /// Runs a handler that takes `&mut self`.
    fn run_exclusive(
        &mut self,
        ctx: &Ctx<Self>,
        call: &mut Self::Call,
    ) -> impl Future<Output = ()> + Send;

    /// Runs a handler that takes `&self`.
    fn run_shared(&self, ctx: &Ctx<Self>, call: &mut Self::Call)
    -> impl Future<Output = ()> + Send;

    /// Runs a handler that takes no `self`.
    fn run_free(ctx: &TaskCtx<Self>, call: &mut Self::Call) -> impl Future<Output = ()> + Send;
}

/// How Rust names become names on the wire.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum RenameAll {
    /// `send_line` is `sendLine`.
    #[default]
    CamelCase,
    /// `send_line` stays `send_line`.
    SnakeCase,
    /// `send_line` is `SendLine`.
    PascalCase,
    /// `send_line` is `send-line`.
    KebabCase,
}

/// One handler of an actor.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Handler {
    /// Its name: on the wire for an action, in Rust for a hook.
    pub name: &'static str,
    /// Whether it may run beside others.
    pub receiver: Receiver,
    /// Its own durability, or `None` for the actor's.
    pub durability: Option<Durability>,
    /// Its own timeout, or `None` for the actor's.
    pub timeout: Option<Duration>,
    /// Who may call it.
    pub access: Access,
    /// Whether nothing of it counts when it fails.
    pub atomic: bool,
    /// Whether it may have to wait, and so may be suspended in the middle.
    pub awaits: bool,
    /// Where it stands in the source, or its entry in the table.
    pub location: &'static Location<'static>,
}

/// Which clients may call an action.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Access {
    /// All, unless the actor denies by default.
    #[default]
    Unsaid,
    /// All.
    Open,
    /// Those whom [`Actor::guard`] lets.
    Guarded,
}

impl Handler {
    /// A handler with the actor's own durability and timeout.
    #[must_use]
    #[track_caller]
    pub const fn new(name: &'static str, receiver: Receiver) -> Self {
        Self {
            name,
            receiver,
            durability: None,
            timeout: None,
            access: Access::Unsaid,
            atomic: false,
            awaits: true,
            location: Location::caller(),
        }
    }

    /// That awaits nothing: its future is ready when it is first polled. A turn of it costs less, since
    /// nothing can go on beside it. One that waits all the same is ended as if it had panicked.
    #[must_use]
    pub const fn at_once(mut self) -> Self {
        self.awaits = false;
        self
    }

    /// Whether it has the state to itself, and for less time than anybody could wait.
    pub(crate) const fn is_at_once(&self) -> bool {
        matches!(self.receiver, Receiver::Exclusive) && !self.awaits && !self.atomic
    }

    /// With this access.
    #[must_use]
    pub const fn with_access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// With this durability.
    #[must_use]
    pub const fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// All or nothing: when it answers with an error, panics or takes too long, the state is as it was
    /// before and nothing that it wrote or sent counts. Only where it takes `&mut self`.
    #[must_use]
    pub const fn atomic(mut self) -> Self {
        self.atomic = true;
        self
    }

    /// With this timeout.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// What a handler borrows, and so what may run beside it (P1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Receiver {
    /// `&mut self`: alone.
    Exclusive,
    /// `&self`: beside other readers; never saved.
    Shared,
    /// None: beside everything, touching the state in short turns through [`TaskCtx`].
    Free,
}

/// A hook about to be called, with what it takes.
#[derive(Debug)]
#[non_exhaustive]
pub enum Hook<A: ActorType> {
    /// After every start, before the first message.
    Wake(Reply<(), ActorError>),
    /// Once the actor is ready, beside everything else.
    Run(Reply<(), ActorError>),
    /// After a turn that may have changed the state.
    StateChange(Reply<(), ActorError>),
    /// Before every sleep.
    Sleep(Reply<(), ActorError>),
    /// Before a destroyed actor's data goes.
    Destroy(Reply<(), ActorError>),
    /// Before a connection is listed: refuses it, or gives it its state.
    BeforeConnect(A::Params, Reply<A::ConnState, ActorError>),
    /// Once a connection is listed.
    Connect(Conn<A>, Reply<(), ActorError>),
    /// Once a connection is no longer listed.
    Disconnect(Conn<A>, Reply<(), ActorError>),
    /// Before a client hears an event: whether it may.
    CanSubscribe(String, Reply<bool, ActorError>),
    /// Before a client's message gets into a queue: whether it may.
    CanPublish(String, Reply<bool, ActorError>),
    /// After a handler failed.
    Error(Failure, Reply<(), ActorError>),
    /// A raw HTTP request.
    Request(Box<Request>, Reply<Box<Response>, ActorError>),
    /// Once a raw WebSocket is open.
    WebSocket(Socket<A>, Reply<(), ActorError>),
    /// A message of a raw WebSocket.
    Message(Socket<A>, Message, Reply<(), ActorError>),
    /// Once a raw WebSocket is closed, before `on_disconnect`.
    Close(Socket<A>, CloseFrame, Reply<(), ActorError>),
}

/// Why an actor's state could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// A field does not serialize.
    #[error("the state does not serialize")]
    Encode(#[source] Box<dyn Error + Send + Sync>),
    /// The bytes are not the stored form.
    #[error("the stored state does not deserialize")]
    Decode(#[source] Box<dyn Error + Send + Sync>),
    /// The bytes were written by a newer version of the actor.
    #[error("the stored state has version {found}, this program knows {known}")]
    Newer {
        /// Of the stored bytes.
        found: u32,
        /// Of the program.
        known: u32,
    },
    /// The bytes have an older version and the actor has no `migrate`.
    #[error("the stored state has version {found}, this program has {known} and no migration")]
    NoMigration {
        /// Of the stored bytes.
        found: u32,
        /// Of the program.
        known: u32,
    },
}

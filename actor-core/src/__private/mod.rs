//! What `actor-macros` expands to calls of. Not public API: no semver promise.

#![allow(
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    missing_debug_implementations,
    reason = "only macros call this"
)]

mod answers;
mod told;

use std::marker::PhantomData;
pub use std::{
    boxed::Box,
    convert::{From, Infallible},
    default::Default,
    mem::swap,
    ops::Deref,
    option::Option,
    primitive::{bool, str, u8, u32, usize},
    result::Result,
    string::{String, ToString},
    time::Duration,
    unreachable,
    vec::Vec,
};

pub use self::{
    answers::{
        Answered, Asked, HookOutcome, OtherAnswer, Respond, Verdict, outcome, reply_hook,
        reply_request, request, verdict,
    },
    told::{
        Logged, Queued, Says, Told, event_arg, event_args, hidden_error, no_queue, public_error,
        queue_body, queue_content, queue_message, with_metadata,
    },
};
pub use serde::{self, Deserialize, Serialize, de::DeserializeOwned};

#[cfg(feature = "sqlite")]
pub use crate::sql::Transaction;
pub use crate::{
    actor::{
        Access, Actor, ActorType, Conn, Ctx, Event, Failure, Handler, Hook, NoEvent, Receiver,
        RenameAll, Replay, Reply, ReplySlot, Scheduled, Socket, StateError, TaskCtx, WireReply,
        decode_state, encode_state, read_state,
    },
    config::{ActorOptions, AutoReply, CrashPolicy, Durability, Hibernate},
    connection::{CloseFrame, Message},
    error::{ActorError, CallError, IntoActorError},
    gateway::{ActorHandle, Handled},
    id::ScheduleId,
    protocol::Args,
    queue::{Ask, Message as QueueMessage, NoQueue, Queue, QueueSpec},
    request::{Request, Response},
    schedule::{Draft, Planned, ScheduleError},
    value::{Value, ValueError},
};

/// What an action takes and gives back.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot cross an action boundary",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it"
)]
pub trait Wire: Serialize + DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> Wire for T {}

/// What a field of an actor may be, unless serde is told how to store it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in the state of an actor",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it, or put `#[actor(transient)]` on the field"
)]
pub trait Kept: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Kept for T {}

/// Has the compiler say so where it is not.
pub const fn kept<T: Kept>() {}

/// Of `Result<T, E>`, what an action that may fail returns.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is named like `Result` but is not one",
    note = "an action's return type named `Result`, or `..Result<..>`, has to be a `std::result::Result`"
)]
pub trait Fallible {
    type Ok;
    type Err;
    fn into_result(self) -> Result<Self::Ok, Self::Err>;
}

impl<T, E> Fallible for Result<T, E> {
    type Ok = T;
    type Err = E;
    fn into_result(self) -> Self {
        self
    }
}

/// Whether a type is a `Result`, whatever it is called: the constant of the impl comes before that of
/// the trait.
pub struct Probe<T>(PhantomData<T>);

impl<T, E> Probe<Result<T, E>> {
    pub const IS_RESULT: bool = true;
}

/// See [`Probe`].
pub trait Otherwise {
    const IS_RESULT: bool = false;
}

impl<T> Otherwise for Probe<T> {}

/// Fails the build when an action's answer is a `Result` without being called one.
pub const fn assert_plain(is_result: bool) {
    assert!(
        !is_result,
        "this is a `Result` under another name: write it `Result<T, E>`"
    );
}

/// What the handle's method of an action that returns `R` gives back.
pub type CallResult<R> = Result<<R as Fallible>::Ok, CallError<<R as Fallible>::Err>>;

/// Next argument of a client's call.
pub fn take<T: Wire>(args: &mut Args, name: &str) -> Result<T, ActorError> {
    args.take(name)
}

/// Next argument of a client's call, `default` when the client leaves it out.
pub fn take_or<T: Wire>(
    args: &mut Args,
    name: &str,
    default: impl FnOnce() -> T,
) -> Result<T, ActorError> {
    Ok(args.take::<Option<T>>(name)?.unwrap_or_else(default))
}

/// Refuses arguments nobody takes.
pub fn finish(args: &Args) -> Result<(), ActorError> {
    args.finish()
}

/// The arguments of a call, which a handler takes once.
pub fn args<T>(args: &mut Option<T>) -> T {
    args.take().expect("a call runs once")
}

/// The actor's input as the type that a hook names.
pub fn input<As: TakesInput<Given>, Given>(given: Given) -> As {
    As::taken(given)
}

/// `Self` is what a hook takes; there is no other choice than `Given`.
#[diagnostic::on_unimplemented(
    message = "the actor's input is a `{Given}`, and this hook takes a `{Self}`",
    note = "write `#[actor(input = {Self})]` on the struct, or take a `{Given}` here"
)]
pub trait TakesInput<Given> {
    fn taken(given: Given) -> Self;
}

impl<T> TakesInput<T> for T {
    fn taken(given: T) -> T {
        given
    }
}

/// A client's params as the type that a hook names.
pub fn params<As: TakesParams<Given>, Given>(given: &mut Option<(Given,)>) -> As {
    As::taken(args(given).0)
}

/// `Self` is what a hook takes; there is no other choice than `Given`.
#[diagnostic::on_unimplemented(
    message = "the params of the actor's clients are a `{Given}`, and this hook takes a `{Self}`",
    note = "write `#[actor(params = {Self})]` on the struct, or take a `{Given}` here"
)]
pub trait TakesParams<Given> {
    fn taken(given: Given) -> Self;
}

impl<T> TakesParams<T> for T {
    fn taken(given: T) -> T {
        given
    }
}

/// Answers an action that cannot fail.
pub fn reply<T: Wire>(reply: &mut Reply<T, Infallible>, value: T) {
    reply.fill(Ok(value));
}

/// Answers an action that may fail, which is handler number `at`.
pub fn reply_result<A: Actor, T: Wire, E: IntoActorError>(
    ctx: &Ctx<A>,
    at: usize,
    reply: &mut Reply<T, E>,
    value: Result<T, E>,
) {
    if let Err(error) = &value {
        ctx.failed(at, || error.to_actor_error());
    }
    reply.fill(value);
}

/// A context or connection as the type that a handler names.
pub fn lend<As: Lent<Given>, Given>(given: &Given) -> &As {
    As::lent(given)
}

/// `Self` is what a handler is lent; there is no other choice than `Given`.
#[diagnostic::on_unimplemented(
    message = "this handler is lent `&{Given}`, not `&{Self}`",
    note = "with `self` it is lent `&Ctx<Self>`, without `self` it is lent `&TaskCtx<Self>`",
    note = "arguments are taken by value"
)]
pub trait Lent<Given> {
    fn lent(given: &Given) -> &Self;
}

#[diagnostic::do_not_recommend]
impl<T> Lent<T> for T {
    fn lent(given: &T) -> &T {
        given
    }
}

/// The number of an action comes from the actor's own table.
pub fn no_such_action() -> ActorError {
    ActorError::new("actor", "action_not_found", "no action has this number")
}

/// Takes the reply of a client's call into a [`Reply`] of the action's types.
pub fn wire_reply<T, E>(reply: &mut Option<WireReply>) -> Reply<T, E> {
    Reply::client(reply)
}

/// An actor without `on_create`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no `#[on_create]` and no `Default`",
    note = "write `#[on_create] async fn create(ctx: &Ctx<Self>, input: ..) -> Self`, or derive `Default`"
)]
pub trait DefaultState: Sized {
    fn default_state() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> DefaultState for T {
    fn default_state() -> Self {
        T::default()
    }
}

/// A transient field, each time the actor wakes.
pub fn transient<T: Transient>() -> T {
    T::at_first()
}

/// What a transient field can be.
#[diagnostic::on_unimplemented(
    message = "nothing says what a transient `{Self}` is when the actor wakes",
    note = "implement `Default` for it"
)]
pub trait Transient: Sized {
    fn at_first() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> Transient for T {
    fn at_first() -> Self {
        T::default()
    }
}

/// An actor without `on_before_connect`.
#[diagnostic::on_unimplemented(
    message = "connections have the state `{Self}`, and nothing says what it is at first",
    note = "write `#[on_before_connect] async fn admit(&self, params: ..) -> {Self}`, or derive `Default` for `{Self}`"
)]
pub trait DefaultConnState: Sized {
    fn default_conn_state() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> DefaultConnState for T {
    fn default_conn_state() -> Self {
        T::default()
    }
}

/// The default state of connections is asked for only where there is no `on_before_connect`.
pub fn has_before_connect() -> ! {
    unreachable!("`on_before_connect` gives connections their state")
}

/// The wire name of an action under `rename`.
pub const fn pick(
    rename: RenameAll,
    camel: &'static str,
    snake: &'static str,
    pascal: &'static str,
    kebab: &'static str,
) -> &'static str {
    match rename {
        RenameAll::CamelCase => camel,
        RenameAll::SnakeCase => snake,
        RenameAll::PascalCase => pascal,
        RenameAll::KebabCase => kebab,
    }
}

/// An argument on its way to a schedule.
pub struct Giver<'a, T>(pub &'a T);

impl<T: Wire> Giver<'_, T> {
    pub fn give(&self) -> Result<Value, ValueError> {
        Value::from_serialize(self.0)
    }
}

/// Stands in for arguments that cannot travel, of which decoding them tells already.
pub trait CannotGive {
    fn give(&self) -> Result<Value, ValueError>;
}

impl<T> CannotGive for Giver<'_, T> {
    fn give(&self) -> Result<Value, ValueError> {
        unreachable!("an action's arguments can travel")
    }
}

/// The arguments of a call, for its idempotency key.
pub fn arguments<const N: usize>(
    args: [Result<Value, ValueError>; N],
) -> Result<Value, ActorError> {
    let args: Result<Vec<_>, _> = args.into_iter().collect();
    args.map(Value::Array)
        .map_err(|error| ActorError::internal(format!("the arguments do not serialize: {error}")))
}

/// The arguments of a call that has not run.
pub fn untaken<T>(args: &Option<T>) -> &T {
    args.as_ref().expect("a call is looked at before it runs")
}

/// The place for an answer that was given before.
pub struct Refill<'a, T, E>(pub &'a mut Reply<T, E>);

impl<T: Wire, E> Refill<'_, T, E> {
    pub fn refill(self, answer: Value) {
        self.0.refill(answer);
    }
}

/// Stands in for answers that cannot travel, of which answering tells already.
pub trait CannotRefill: Sized {
    fn refill(self, answer: Value) {
        let _ = answer;
        unreachable!("an action's answer can travel")
    }
}

impl<T, E> CannotRefill for Refill<'_, T, E> {}

/// Schedules the call of an action.
pub fn submit<const N: usize>(
    draft: &Draft<'_>,
    action: &str,
    args: [Result<Value, ValueError>; N],
) -> Result<ScheduleId, ScheduleError> {
    let args: Result<Vec<_>, _> = args.into_iter().collect();
    let args = args.map_err(|e| ScheduleError::Encode(e.into()))?;
    draft.submit(action, args.into())
}

/// Fails the build when two actions have one name.
pub const fn assert_distinct(left: &str, right: &str) {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut same = left.len() == right.len();
    let mut at = 0;
    while same && at < left.len() {
        same = left[at] == right[at];
        at += 1;
    }
    assert!(
        !same,
        "two actions have this name: clients cannot tell them apart"
    );
}

/// An arm that the receiver of the call rules out.
pub fn wrong_receiver() -> ! {
    unreachable!("the cell runs each call by its handler's receiver")
}

//! Hibernating actors: durable, single-threaded objects that sleep while their clients stay
//! connected.
//!
//! Put [`#[actor]`](macro@actor) on a struct and on its impl block. Each key then is one object of
//! its own: it wakes with its first message, keeps its state in memory and on disk, talks to browsers
//! over HTTP and WebSocket, and goes to sleep when nobody has use for it, while its clients' sockets
//! stay open.
//!
//! ```
//! use actor_core::prelude::*;
//!
//! /// One number for each key. What is in here is on disk.
//! #[actor(event = CounterEvent)]
//! #[derive(Default)]
//! pub struct Counter {
//!     count: i64,
//! }
//!
//! #[derive(Event)]
//! pub enum CounterEvent {
//!     NewCount(i64), // clients hear `newCount`
//! }
//!
//! #[actor]
//! impl Counter {
//!     /// `&mut self`: alone, and saved before the answer leaves.
//!     #[action]
//!     async fn increment(&mut self, ctx: &Ctx<Self>, by: i64) -> i64 {
//!         self.count += by;
//!         ctx.broadcast(CounterEvent::NewCount(self.count));
//!         self.count
//!     }
//!
//!     /// `&self`: beside other readers, and never saved.
//!     #[action]
//!     async fn get(&self) -> i64 {
//!         self.count
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In memory; `.storage(Sqlite::open("counters.db")?)` keeps it.
//! let registry = Registry::builder().actor::<Counter>().build().await?;
//!
//! // A typed handle: arguments and answers move, nothing is encoded.
//! let visits = registry.get_or_create::<Counter>("visits");
//! let mut watching = visits.connect(Value::Undefined).await?;
//! assert_eq!(visits.increment(2).await?, 2);
//! assert!(matches!(watching.next().await.as_deref(), Some(CounterEvent::NewCount(2))));
//!
//! // Another key, another counter.
//! assert_eq!(registry.get_or_create::<Counter>(["visits", "today"]).get().await?, 0);
//! registry.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! The crate `actor-axum` puts the same actors behind an axum router, where RivetKit's published
//! clients reach them:
//!
//! ```ts
//! const visits = createClient("http://localhost:8080").counter.getOrCreate(["visits"]).connect();
//! visits.on("newCount", (count) => console.log(count));
//! await visits.increment(1);
//! ```
//!
//! # What holds
//!
//! - **The receiver is the concurrency rule**: `&mut self` runs alone, `&self` beside other readers,
//!   a handler without a receiver beside everything. See [`guide::concurrency`].
//! - **Acknowledged means durable**, unless the actor or the action says otherwise. See
//!   [`guide::durability`].
//! - **Sleep costs a client nothing**: its socket, and what the actor knows of it, stay. See
//!   [`guide::hibernation`].
//! - **A panic, a timeout or a bad message hurts one actor at most.** See [`guide::lifecycle`].
//! - **Nothing is unbounded**: [`ActorOptions`] has the limits.
//!
//! # Where things are
//!
//! | module | what is in it |
//! |---|---|
//! | [`prelude`] | the dozen names of every actor file |
//! | [`registry`] | declares actor types, hosts actors, stops them |
//! | [`gateway`] | handles and connections; what a server in front of actors calls |
//! | [`inspector`] | looks into actors, for whoever runs them |
//! | [`mod@actor`] | contexts, events, connections; the traits behind the macros |
//! | [`metrics`] | what is counted for whoever watches |
//! | [`connection`] | frames of a client's socket, and how it is closed |
//! | [`mod@request`] | axum's requests and responses, for `#[on_request]` |
//! | [`config`] | the options of an actor type, with defaults and costs |
//! | [`error`] | what clients are told |
//! | [`kv`] | an actor's own keys and values, beside its state |
//! | [`schedule`] | calls at a time to come: once, at intervals, by cron; retries, history |
//! | [`sql`] | an actor's own SQLite database |
//! | [`queue`] | durable messages that an actor takes one by one |
//! | [`storage`] | the driver trait, SQLite, memory |
//! | [`protocol`], [`value`] | the wire, and values on it |
//! | [`clock`] | time of day and randomness, to be replaced in tests |
//!
//! The guide: [lifecycle](guide::lifecycle), [durability](guide::durability),
//! [hibernation](guide::hibernation), [concurrency](guide::concurrency), [actors among
//! themselves](guide::peers), [groups and presence](guide::groups), [queues](guide::queues),
//! [access](guide::access), [errors](guide::errors), [requests](guide::requests),
//! [metrics](guide::metrics), [raw WebSockets](guide::websockets), [schedules](guide::schedules),
//! [storage](guide::storage), [SQL](guide::sql), testing (with the feature `testing`), [without
//! macros](guide::by_hand), [coming from elsewhere](guide::coming_from). The options of each macro
//! stand with [`#[actor]`](macro@actor), [`#[derive(Event)]`](macro@Event),
//! [`#[derive(Queue)]`](macro@Queue) and [`#[derive(ActionError)]`](macro@ActionError).
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `cron` | yes | schedules by cron expressions, and the world's time zones, compiled in |
//! | `macros` | yes | `#[actor]`, `#[derive(Event)]`, `#[derive(Queue)]`, `#[derive(ActionError)]` |
//! | `metrics` | no | counters and gauges through the facade `metrics` |
//! | `sqlite` | yes | the SQLite driver and `ctx.sql()`, with SQLite itself compiled in |
//! | `testing` | no | the module `testing`: time, storage and crashes in the hands of tests; the drivers' conformance suite |
//!
//! # Cancel safety
//!
//! Each public `async fn` says what happens when its future is dropped. In general: a call that was
//! sent may run though nobody waits for its answer any more.
//!
//! # Rule ids
//!
//! Letters with numbers in these docs, such as P2 or K6, are rules that the tests are named after.
//! ARCHITECTURE.md in the repository lists them.

// Lets the macros' absolute `::actor_core` paths resolve inside this crate too.
#[allow(unused_extern_crates, reason = "only macros name it")]
extern crate self as actor_core;

pub mod actor;
mod cell;
pub mod clock;
pub mod config;
pub mod connection;
pub mod error;
pub mod gateway;
mod id;
mod idempotency;
pub mod inspector;
mod journal;
mod key;
pub mod kv;
mod lifecycle;
pub mod metrics;
pub mod prelude;
pub mod protocol;
pub mod queue;
pub mod registry;
pub mod request;
pub mod schedule;
#[cfg(feature = "sqlite")]
pub mod sql;
pub mod storage;
#[cfg(feature = "testing")]
pub mod testing;
pub mod value;

#[doc(hidden)]
pub mod __private;

/// The examples of the macros, which their own crate cannot run.
#[cfg(all(doctest, feature = "macros"))]
mod macros {
    #[doc = include_str!("../../actor-macros/src/docs/actor.md")]
    mod actor {}
    #[doc = include_str!("../../actor-macros/src/docs/event.md")]
    mod event {}
    #[doc = include_str!("../../actor-macros/src/docs/queue.md")]
    mod queue {}
    #[doc = include_str!("../../actor-macros/src/docs/action_error.md")]
    mod action_error {}
}

#[cfg(feature = "macros")]
pub use actor_macros::{ActionError, Event, Queue, actor};

pub use self::{
    actor::{Conn, Ctx, Event, Failure, FailureKind, Presence, Socket, TaskCtx},
    config::{ActorOptions, AutoReply, CrashPolicy, Durability, Hibernate, Liveness},
    connection::{CloseFrame, Message},
    error::{ActorError, CallError, IntoActorError},
    gateway::{ActorHandle, Connection, WebSocket},
    id::{ActorId, ConnId, Generation, MessageIndex, ParseIdError, ScheduleId},
    key::{ActorKey, Address, KeyError},
    lifecycle::{ActorStatus, Blocker, BlockerKind},
    queue::Queue,
    registry::Registry,
    value::Value,
};

/// The guide: one chapter a module.
#[cfg(any(doc, doctest))]
pub mod guide {
    #[doc = include_str!("docs/lifecycle.md")]
    pub mod lifecycle {}

    #[doc = include_str!("docs/durability.md")]
    pub mod durability {}

    #[doc = include_str!("docs/hibernation.md")]
    pub mod hibernation {}

    #[doc = include_str!("docs/websockets.md")]
    pub mod websockets {}

    #[doc = include_str!("docs/concurrency.md")]
    pub mod concurrency {}

    #[doc = include_str!("docs/peers.md")]
    pub mod peers {}

    #[doc = include_str!("docs/groups.md")]
    pub mod groups {}

    #[doc = include_str!("docs/queues.md")]
    pub mod queues {}

    #[doc = include_str!("docs/access.md")]
    pub mod access {}

    #[doc = include_str!("docs/errors.md")]
    pub mod errors {}

    #[doc = include_str!("docs/metrics.md")]
    pub mod metrics {}

    #[doc = include_str!("docs/requests.md")]
    pub mod requests {}

    #[doc = include_str!("docs/storage.md")]
    pub mod storage {}

    #[doc = include_str!("docs/schedules.md")]
    pub mod schedules {}

    #[cfg(feature = "sqlite")]
    #[doc = include_str!("docs/sql.md")]
    pub mod sql {}

    #[cfg(feature = "testing")]
    #[doc = include_str!("docs/testing.md")]
    pub mod testing {}

    #[doc = include_str!("docs/coming_from.md")]
    pub mod coming_from {}

    #[doc = include_str!("docs/by_hand.md")]
    ///
    /// ```no_run
    #[doc = include_str!("docs/by_hand.rs")]
    /// ```
    pub mod by_hand {}
}

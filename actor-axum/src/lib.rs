//! Serves actors from an axum app: to RivetKit's published clients over HTTP and WebSocket, and to
//! the app's own handlers.
//!
//! ```no_run
//! use actor_axum::Actor;
//! use actor_core::prelude::*;
//! use axum::{Router, routing::get};
//!
//! #[actor(event = Heard)]
//! #[derive(Default)]
//! pub struct Room {
//!     lines: Vec<String>,
//! }
//!
//! #[derive(Event)]
//! pub enum Heard {
//!     Line(String),
//! }
//!
//! #[actor]
//! impl Room {
//!     #[action]
//!     async fn say(&mut self, ctx: &Ctx<Self>, line: String) -> usize {
//!         ctx.broadcast(Heard::Line(line.clone()));
//!         self.lines.push(line);
//!         self.lines.len()
//!     }
//!
//!     #[action]
//!     async fn lines(&self) -> Vec<String> {
//!         self.lines.clone()
//!     }
//! }
//!
//! /// A page of the app's own, which calls the actor that the path names.
//! async fn page(Actor(room): Actor<Room>) -> Result<String, actor_axum::Error> {
//!     Ok(room.lines().await?.join("\n"))
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let registry = Registry::builder().actor::<Room>().build().await?;
//!     let app = Router::new()
//!         .route("/rooms/{key}", get(page))
//!         .with_state(registry.clone())
//!         .merge(actor_axum::router(registry.clone()));
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:6420").await?;
//!     actor_axum::serve(listener, app, registry)
//!         .with_graceful_shutdown(async {
//!             // What the program stops on; `tokio::signal` has more.
//!             let _ = tokio::signal::ctrl_c().await;
//!         })
//!         .await?;
//!     Ok(())
//! }
//! ```
//!
//! A browser or a Node program then writes:
//!
//! ```ts
//! const room = createClient("http://localhost:6420").room.getOrCreate(["lobby"]).connect();
//! room.on("line", (line) => console.log(line));
//! await room.say("hello");
//! ```
//!
//! # The parts
//!
//! - [`router()`] makes the routes that clients use, to [merge] or [nest] into any app. They set no
//!   fallback and know nothing of the app's state. [`ActorRouter`] makes them with options.
//! - [`Actor`] and [`ExistingActor`] give the app's own handlers typed handles; [`Error`] turns the
//!   failures of their calls into responses.
//! - [`serve()`] is [`axum::serve()`] that stops actors, sockets and listener in this order. It is not
//!   needed for anything else. How a program is replaced without losing a client is in [`restart`].
//! - [`TargetLayer`] is for clients that name an actor in headers.
//!
//! # Layers
//!
//! The app's layers apply to these routes as to any. What a layer puts into a request's extensions
//! (a session, a user) is there in `#[on_before_connect]`, in `#[on_connect]` and in actions called
//! by a single HTTP request, as `ctx.request()`. So authentication is written once, in tower.
//!
//! The URI that actors see is absolute and their own: scheme and host as the client asked for them, the
//! path behind what led to the actor, the query without the client's `rvt-` parameters. The URI that
//! reached the app is there as [`OriginalUri`](axum::extract::OriginalUri) among the extensions.
//!
//! # Requests that come again
//!
//! A `POST` to an action may have the header `Idempotency-Key: "8e03978e"`, with or without the quotes: of those
//! with one key the first runs, and the others are answered what it was, in the encoding that they ask for, see
//! [`idempotency_key`](actor_core::gateway::ActorHandle::idempotency_key). Status 409 says that the first still
//! runs beside, 422 that it had other arguments, 400 that it is no key.
//!
//! # WebSockets
//!
//! An upgrade always succeeds when it is well-formed, since browsers hide what a refused one said.
//! Then either the connection opens, or an error frame and a close frame with a reason follow. The
//! reason is `group.code`, and `group.code#request` before an actor was reached. `/websocket/..`, for
//! sockets that an actor would serve itself, is closed with `actor.websocket_not_defined`.
//!
//! A socket is one small task that sleeps while both sides are quiet, also through the actor's
//! sleep. A client that does not read fills its own outbox and is closed with `ws.slow_reader`; one
//! that sends faster than the actor works is held back by TCP.
//!
//! # Raw requests
//!
//! What is below `/gateway/../request/` goes to the actor's
//! [`#[on_request]`](actor_core::request), with axum's own `Request` and response, streamed both
//! ways. A whole [`Router`](axum::Router) fits into an actor:
//!
//! ```
//! use actor_core::prelude::*;
//! use axum::{Router, extract::{Path, Request}, response::Response, routing::get};
//! use tower::ServiceExt as _;
//!
//! #[actor]
//! #[derive(Default)]
//! pub struct Site {
//!     #[actor(transient)]
//!     routes: Router,
//! }
//!
//! #[actor]
//! impl Site {
//!     #[on_wake]
//!     async fn wake(&mut self) {
//!         self.routes = Router::new()
//!             .route("/", get("hello"))
//!             .route("/users/{id}", get(async |Path(id): Path<u32>| format!("user {id}")));
//!     }
//!
//!     #[on_request]
//!     async fn fetch(ctx: &TaskCtx<Self>, request: Request) -> Response {
//!         let routes = ctx.read(|site| site.routes.clone()).await;
//!         routes.oneshot(request).await.unwrap_or_else(|never| match never {})
//!     }
//! }
//! ```
//!
//! Routes that need the actor's state call its actions, or read and write in a short turn, by a handle to itself:
//! `.with_state(ctx.actors().get_for_id::<Self>(ctx.id()))`. So the handler must be one without a receiver, as
//! here; one that borrowed the state would wait for itself, which is refused with `actor.call_cycle`.
//!
//! Parameters of a path that the app nests these routes under are the first ones that such a router's
//! `Path` finds.
//!
//! # Limits
//!
//! A body or message of more than the actor's `max_incoming` bytes is refused with
//! `message.incoming_too_long` before it is read to its end; that of a raw request has a
//! [limit of its own](ActorRouter::max_request_body). axum's own limit on bodies does not apply to these
//! routes, except where an actor's handler uses extractors that have it.
//!
//! # Features
//!
//! - `http2`: HTTP/2, and WebSockets over it. Browsers stream the TypeScript client's request bodies
//!   only over HTTP/2 with TLS; over plain HTTP/1.1 they can `connect()`, not call single actions.
//!
//! [merge]: axum::Router::merge
//! [nest]: axum::Router::nest

#[cfg(any(doc, doctest))]
#[doc = include_str!("docs/restart.md")]
pub mod restart {}

mod actors;
mod admission;
mod cors;
mod extract;
mod handover;
mod http;
mod inspection;
mod rejection;
mod router;
mod serve;
mod target;
mod ws;

pub use self::{
    cors::Cors,
    extract::{Actor, ExistingActor},
    rejection::{Error, KeyRejection},
    router::{ActorRouter, router},
    serve::{Serve, serve},
    target::{TargetLayer, TargetService},
};

//! What follows a life that ends by a fault, by crash policy: what its caller is told, what the actor is up
//! to then, what the next caller gets, which hooks run, and what is on disk (G4, S4, H12). One table.

use std::{
    cell::{Cell, RefCell},
    future::pending,
    time::Duration,
};

use actor_core::{
    ActorStatus, Failure,
    prelude::*,
    testing::{Fault, TestRegistry},
};
use serde::{Deserialize, Deserializer, Serialize};
use tokio::time::sleep;

thread_local! {
    /// Which hooks ran in this test, which has its thread to itself.
    static RAN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// How many of the next starts fail in `on_wake`.
    static ILL: Cell<u32> = const { Cell::new(0) };
    /// How many of the next states cannot be read.
    static BLIND: Cell<u32> = const { Cell::new(0) };
}

fn ran(what: impl Into<String>) {
    RAN.with_borrow_mut(|it| it.push(what.into()));
}

/// Cannot be read as often as that.
#[derive(Serialize)]
struct Line(String);

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if BLIND.get() != 0 {
            BLIND.set(BLIND.get() - 1);
            return Err(serde::de::Error::custom("on purpose"));
        }
        String::deserialize(from).map(Self)
    }
}

/// How a life ends.
#[derive(Clone, Copy, Debug)]
enum Fall {
    /// A turn panics that may be suspended.
    Panic,
    /// A turn takes too long.
    Timeout,
    /// A commit fails that somebody waits for.
    Commit,
    /// It does not start: storage cannot be read, once.
    Load,
    /// It does not start: its state cannot be read, once.
    State,
    /// It does not start: `on_wake` fails so many times.
    Wake(u32),
}

/// What was seen.
#[derive(Debug, Eq, PartialEq)]
struct Seen {
    /// What whoever was there is told.
    told: String,
    /// What the actor is up to after that.
    status: &'static str,
    /// What the next caller gets, at once.
    next: String,
    /// What the first caller gets some seconds later.
    later: String,
    /// Which hooks ran meanwhile.
    hooks: String,
    /// Whether a client is still connected.
    connected: bool,
    /// What is there for the next process.
    disk: String,
}

fn shown(status: Result<ActorStatus, ActorError>) -> &'static str {
    match status {
        Ok(ActorStatus::Running) => "running",
        Ok(ActorStatus::Crashed) => "crashed",
        Ok(ActorStatus::Sleeping) => "sleeping",
        Ok(ActorStatus::CrashLoopBackoff { crashes: 2, .. }) => "backoff 2",
        Ok(ActorStatus::Destroyed) => "destroyed",
        Err(error) if error.is("actor", "not_found") => "not found",
        other => panic!("{other:?}"),
    }
}

/// Actors that differ in their policy and nothing else.
macro_rules! fallen {
    ($module:ident: $($crash:tt)*) => {
        mod $module {
            use super::*;

            #[actor($($crash)*, durability = "relaxed", save_interval = "1h", action_timeout = "1s",
                    sleep_after = "5m")]
            #[derive(Default)]
            pub(crate) struct Fallen {
                lines: Vec<Line>,
            }

            #[actor]
            impl Fallen {
                #[on_create]
                async fn create() -> Self {
                    ran("create");
                    Self::default()
                }

                #[on_wake]
                async fn wake(&mut self) -> Result<(), ActorError> {
                    ran("wake");
                    if ILL.get() != 0 {
                        ILL.set(ILL.get() - 1);
                        return Err(ActorError::user("ill"));
                    }
                    Ok(())
                }

                #[on_disconnect]
                async fn left(&self) {
                    ran("disconnect");
                }

                #[on_error]
                async fn failed(&self, failure: Failure) {
                    ran(format!("error({})", failure.handler));
                }

                #[on_sleep]
                async fn sleep(&self) {
                    ran("sleep");
                }

                #[on_destroy]
                async fn destroyed(&self) {
                    ran("destroy");
                }

                #[action]
                async fn write(&mut self, line: String) {
                    self.lines.push(Line(line));
                }

                #[action(durability = "acked")]
                async fn write_surely(&mut self, line: String) {
                    self.lines.push(Line(line));
                }

                #[action]
                async fn panic(&mut self) {
                    sleep(Duration::from_millis(1)).await;
                    self.lines.push(Line("half".into()));
                    panic!("on purpose");
                }

                #[action]
                async fn hang(&mut self) {
                    self.lines.push(Line("half".into()));
                    pending().await
                }

                #[action]
                async fn lines(&self) -> String {
                    let lines: Vec<_> = self.lines.iter().map(|it| &*it.0).collect();
                    lines.join(" ")
                }
            }

            fn code<E: actor_core::IntoActorError>(result: Result<String, E>) -> String {
                result.unwrap_or_else(|error| {
                    let error = error.to_actor_error();
                    format!("{}.{}", error.group(), error.code())
                })
            }

            pub(super) async fn fall(how: Fall) -> Seen {
                let mut registry = TestRegistry::start(|it| it.actor::<Fallen>()).await;
                let it = registry.get_or_create::<Fallen>("it");
                it.write_surely("first".into()).await.unwrap();
                let conn = it.connect(Value::Undefined).await.unwrap();
                // The connection is on disk by now, and nothing else is.
                it.write_surely("second".into()).await.unwrap();
                it.write("third".into()).await.unwrap();
                let id = it.resolve().await.unwrap();
                if let Fall::Load | Fall::State | Fall::Wake(_) = how {
                    registry.hibernate(&it).await;
                }
                RAN.take();
                let told = match how {
                    Fall::Panic => code(it.panic().await.map(|()| "fine".into())),
                    Fall::Timeout => code(it.hang().await.map(|()| "fine".into())),
                    Fall::Commit => {
                        registry.storage().script([Some(Fault::Refuse)]);
                        let written = it.write_surely("lost".into()).await;
                        code(written.map(|()| "fine".into()))
                    }
                    Fall::Load => {
                        registry.storage().fail_reads(1);
                        code(it.lines().await)
                    }
                    Fall::State => {
                        BLIND.set(1);
                        code(it.lines().await)
                    }
                    Fall::Wake(times) => {
                        ILL.set(times);
                        code(it.lines().await)
                    }
                };
                registry.advance(Duration::from_millis(1)).await;
                let same = registry.get_for_id::<Fallen>(id);
                let status = shown(same.status().await);
                let next = code(same.lines().await);
                registry.advance(Duration::from_secs(5)).await;
                let later = code(same.lines().await);
                let hooks = RAN.take().join(" ");
                ILL.set(0);
                let connected = conn.lines().await.is_ok();
                registry.crash().await;
                let disk = code(registry.get_for_id::<Fallen>(id).lines().await);
                RAN.take();
                registry.shutdown().await;
                Seen { told, status, next, later, hooks, connected, disk }
            }
        }
    };
}

fallen!(sleeps: crash = "sleep");
fallen!(restarts: crash = "restart");
fallen!(is_destroyed: crash = "destroy");

#[derive(Clone, Copy, Debug)]
enum Policy {
    Sleep,
    Restart,
    Destroy,
}

/// What was told; the status; the next caller, and a later one; hooks; whether a client is connected; and
/// what is on disk.
type Row = (Policy, Fall, [&'static str; 5], bool, &'static str);

const TABLE: [Row; 21] = [
    // It sleeps until somebody wants something of it, and `on_error` does: what it is told of.
    (
        Policy::Sleep,
        Fall::Panic,
        [
            "actor.panicked",
            "running",
            "first second third",
            "first second third",
            "wake error(panic)",
        ],
        true,
        "first second third",
    ),
    (
        Policy::Sleep,
        Fall::Timeout,
        [
            "actor.action_timed_out",
            "running",
            "first second third",
            "first second third",
            "wake error(hang)",
        ],
        true,
        "first second third",
    ),
    // What was not acknowledged as durable may go with the commit that failed (S4).
    (
        Policy::Sleep,
        Fall::Commit,
        [
            "actor.storage_failed",
            "crashed",
            "first second",
            "first second",
            "wake",
        ],
        true,
        "first second",
    ),
    (
        Policy::Sleep,
        Fall::Load,
        [
            "actor.storage_failed",
            "crashed",
            "first second third",
            "first second third",
            "wake",
        ],
        true,
        "first second third",
    ),
    (
        Policy::Sleep,
        Fall::State,
        [
            "protocol.invalid_persisted_data",
            "crashed",
            "first second third",
            "first second third",
            "wake",
        ],
        true,
        "first second third",
    ),
    (
        Policy::Sleep,
        Fall::Wake(1),
        [
            "user.user_error",
            "crashed",
            "first second third",
            "first second third",
            "wake wake error(on_wake)",
        ],
        true,
        "first second third",
    ),
    // Whoever calls tries again.
    (
        Policy::Sleep,
        Fall::Wake(3),
        [
            "user.user_error",
            "crashed",
            "user.user_error",
            "user.user_error",
            "wake wake wake",
        ],
        true,
        "first second third",
    ),
    // It starts again at once after the first fault.
    (
        Policy::Restart,
        Fall::Panic,
        [
            "actor.panicked",
            "running",
            "first second third",
            "first second third",
            "wake error(panic)",
        ],
        true,
        "first second third",
    ),
    (
        Policy::Restart,
        Fall::Timeout,
        [
            "actor.action_timed_out",
            "running",
            "first second third",
            "first second third",
            "wake error(hang)",
        ],
        true,
        "first second third",
    ),
    (
        Policy::Restart,
        Fall::Commit,
        [
            "actor.storage_failed",
            "running",
            "first second",
            "first second",
            "wake",
        ],
        true,
        "first second",
    ),
    (
        Policy::Restart,
        Fall::Load,
        [
            "actor.storage_failed",
            "running",
            "first second third",
            "first second third",
            "wake",
        ],
        true,
        "first second third",
    ),
    (
        Policy::Restart,
        Fall::State,
        [
            "protocol.invalid_persisted_data",
            "running",
            "first second third",
            "first second third",
            "wake",
        ],
        true,
        "first second third",
    ),
    (
        Policy::Restart,
        Fall::Wake(1),
        [
            "user.user_error",
            "running",
            "first second third",
            "first second third",
            "wake wake error(on_wake)",
        ],
        true,
        "first second third",
    ),
    // After the second it waits, and tries again by itself.
    (
        Policy::Restart,
        Fall::Wake(3),
        [
            "user.user_error",
            "backoff 2",
            "actor.restarting",
            "first second third",
            "wake wake wake wake error(on_wake) error(on_wake) error(on_wake)",
        ],
        true,
        "first second third",
    ),
    // By a fault of its own it is gone, without a hook.
    (
        Policy::Destroy,
        Fall::Panic,
        [
            "actor.panicked",
            "not found",
            "actor.not_found",
            "actor.not_found",
            "",
        ],
        false,
        "actor.not_found",
    ),
    (
        Policy::Destroy,
        Fall::Timeout,
        [
            "actor.action_timed_out",
            "not found",
            "actor.not_found",
            "actor.not_found",
            "",
        ],
        false,
        "actor.not_found",
    ),
    // Storage that fails, and what cannot be read, destroy nobody.
    (
        Policy::Destroy,
        Fall::Commit,
        [
            "actor.storage_failed",
            "crashed",
            "first second",
            "first second",
            "wake",
        ],
        true,
        "first second",
    ),
    (
        Policy::Destroy,
        Fall::Load,
        [
            "actor.storage_failed",
            "crashed",
            "first second third",
            "first second third",
            "wake",
        ],
        true,
        "first second third",
    ),
    (
        Policy::Destroy,
        Fall::State,
        [
            "protocol.invalid_persisted_data",
            "crashed",
            "first second third",
            "first second third",
            "wake",
        ],
        true,
        "first second third",
    ),
    (
        Policy::Destroy,
        Fall::Wake(1),
        [
            "actor.destroyed_while_waiting_for_ready",
            "not found",
            "actor.not_found",
            "actor.not_found",
            "wake",
        ],
        false,
        "actor.not_found",
    ),
    (
        Policy::Destroy,
        Fall::Wake(3),
        [
            "actor.destroyed_while_waiting_for_ready",
            "not found",
            "actor.not_found",
            "actor.not_found",
            "wake",
        ],
        false,
        "actor.not_found",
    ),
];

#[tokio::test(start_paused = true)]
async fn g4_whatever_fault_ends_a_life_its_policy_says_what_follows() {
    let mut wrong = Vec::new();
    for (policy, how, [told, status, next, later, hooks], connected, disk) in TABLE {
        let seen = match policy {
            Policy::Sleep => sleeps::fall(how).await,
            Policy::Restart => restarts::fall(how).await,
            Policy::Destroy => is_destroyed::fall(how).await,
        };
        let expected = Seen {
            told: told.into(),
            status,
            next: next.into(),
            later: later.into(),
            hooks: hooks.into(),
            connected,
            disk: disk.into(),
        };
        if seen != expected {
            wrong.push(format!("{policy:?}, {how:?}: {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

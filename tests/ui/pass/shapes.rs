//! Structs, names and places that an actor may have.

#![deny(warnings, rust_2018_idioms)]

use actor_core::prelude::*;
use serde::{Deserialize, Serialize};

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(it: &Duration, to: S) -> Result<S::Ok, S::Error> {
        it.as_secs().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_secs)
    }
}

/// The derives before the attribute, and serde's own beside it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[actor(params = ())]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outer {
    #[serde(with = "seconds")]
    waited_for: std::time::Duration,
    #[actor(transient)]
    hidden: u32,
    #[cfg(debug_assertions)]
    only_here: u32,
    #[cfg(not(debug_assertions))]
    only_there: u32,
    r#type: String,
}

/// No fields, private, and types of actions that are private too.
#[actor]
#[derive(Default)]
struct Ping;

#[derive(Deserialize, Serialize)]
struct Private(u32);

trait InTheWay {
    fn send(&self) {}
    fn call(&self) {}
}

impl<T> InTheWay for T {}

#[actor]
impl Ping {
    #[action]
    async fn r#type(&self, r#in: Private) -> Private {
        r#in
    }

    #[action(name = "self")]
    async fn self_(_ctx: &TaskCtx<Self>) -> Vec<Self>
    where
        Self: Sized,
    {
        Vec::new()
    }

    #[action]
    async fn send(&mut self, #[default = String::from("hi")] text: String) -> String {
        text
    }
}

impl Serialize for Ping {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for Ping {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        <()>::deserialize(from).map(|()| Self)
    }
}

/// The impl block away from the struct.
mod elsewhere {
    use super::*;

    #[actor]
    impl super::Outer {
        #[on_wake]
        async fn wake(&mut self) {
            self.hidden += 1;
            self.waited_for += std::time::Duration::from_secs(1);
            self.r#type.push('x');
        }
    }
}

/// Actors that a macro of the user makes.
macro_rules! counter {
    ($name:ident, $number:ty, $answer:ty, $start:expr) => {
        #[actor]
        #[derive(Default)]
        pub(crate) struct $name {
            count: $number,
        }

        #[actor]
        impl $name {
            #[action]
            async fn add(&mut self, #[default = $start] by: $number) -> $answer {
                self.count += by;
                Ok(self.count)
            }
        }
    };
}

counter!(Small, u8, Result<u8, ActorError>, 1);
counter!(Large, u64, Result<u64, ActorError>, 1);

/// Nothing to say, nothing to fail with.
#[derive(Debug, Event)]
pub(crate) enum Silence {}

#[derive(Debug, ActionError)]
pub(crate) enum Never {}

/// An error that is a struct.
#[derive(Debug, thiserror::Error, ActionError)]
#[error("no {what}")]
#[action_error(code = "missing", status = 404, group = "shelf")]
pub(crate) struct Missing {
    pub(crate) what: String,
    #[action_error(skip)]
    pub(crate) secret: Secret,
}

#[derive(Debug)]
pub(crate) struct Secret;

#[derive(Debug, thiserror::Error, ActionError)]
#[error(transparent)]
#[action_error(transparent)]
pub(crate) struct Wrapped(#[from] Missing);

fn main() {
    /// An actor inside a function.
    #[actor]
    #[derive(Default)]
    struct Local {}

    #[actor]
    impl Local {}

    let _ = (Outer::default(), Local::default(), Silence::name, Never::to_actor_error);
    let _ = Wrapped::from(Missing { what: String::new(), secret: Secret });
    use actor_core::IntoActorError as _;
    let _ = (SmallHandle::add, LargeHandle::add, PingHandle::send);
    Ping.call();
    InTheWay::send(&Ping);
}

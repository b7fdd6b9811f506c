//! Looking into an actor from outside, between its turns: what the inspector is shown, and its one change.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::{
    guard::guard_now,
    live::{Cell, Held},
    mailbox::Msg,
    slot::{self, Slot},
};
#[cfg(feature = "sqlite")]
use crate::error::IntoActorError as _;
use crate::{
    actor::{
        Actor, Ctx, Hub, Inner, Origin, Output, StateError, Transport, Turn, WorkGuard, aborted,
    },
    config::Durability,
    error::ActorError,
    id::ConnId,
    lifecycle::{Stop, WorkKind},
    queue::Surroundings,
    schedule::Schedules,
    value::Value,
};

/// An actor as it is between two turns.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// The stored form of its state: what is transient is not in it.
    pub state: Value,
    /// Its connections, oldest first.
    pub connections: Vec<Seen>,
}

/// A connection as it is between two turns.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Seen {
    /// Its id.
    pub id: ConnId,
    /// `websocket`, `http`, or `local` for one from inside the process.
    pub kind: &'static str,
    /// What the client said about itself.
    pub params: Value,
    /// What the actor remembers of it.
    pub state: Value,
    /// The events that it hears.
    pub subscriptions: Vec<String>,
    /// Whether it outlives a sleep.
    pub is_hibernatable: bool,
}

/// What a visitor does.
pub(crate) enum Visit {
    Look(oneshot::Sender<Result<Snapshot, ActorError>>),
    ReplaceState(Value, oneshot::Sender<Result<(), ActorError>>),
    Stay(oneshot::Sender<Result<Box<dyn Stay>, ActorError>>),
    /// Destroys it. Whoever asked is told once it is gone and its key is free.
    Destroy(oneshot::Sender<Result<(), ActorError>>),
}

/// An actor that stays awake for a visitor until this is dropped, and lets it into its rooms.
#[async_trait]
pub(crate) trait Stay: Send + Sync {
    /// What its queues need.
    fn queues(&self) -> &dyn Surroundings;

    /// Its schedules.
    fn schedules(&self) -> Schedules<'_>;

    /// Whether it has a database of its own: it migrates one, or has used one in this life.
    fn has_database(&self) -> bool;

    /// Runs statements in its own database; the rows of the last that has some, as objects.
    async fn query(&self, sql: &str, params: &Value) -> Result<Vec<Value>, ActorError>;

    /// Saves what was written until now.
    fn save(&self) -> oneshot::Receiver<Result<(), ActorError>>;
}

struct Staying<A: Actor> {
    ctx: Ctx<A>,
    _awake: WorkGuard,
}

#[async_trait]
impl<A: Actor> Stay for Staying<A> {
    fn queues(&self) -> &dyn Surroundings {
        &self.ctx
    }

    fn schedules(&self) -> Schedules<'_> {
        self.ctx.schedule()
    }

    #[cfg(feature = "sqlite")]
    fn has_database(&self) -> bool {
        A::MIGRATES || self.ctx.hub.sql.is_used()
    }

    #[cfg(feature = "sqlite")]
    async fn query(&self, sql: &str, params: &Value) -> Result<Vec<Value>, ActorError> {
        if !self.has_database() {
            return Err(no_database());
        }
        let rows = self.ctx.sql().query(sql, params).await;
        // Who looks in from outside may read what SQLite says.
        rows.map_err(|it| it.to_actor_error().with_status(400).public())
    }

    #[cfg(not(feature = "sqlite"))]
    fn has_database(&self) -> bool {
        false
    }

    #[cfg(not(feature = "sqlite"))]
    async fn query(&self, _: &str, _: &Value) -> Result<Vec<Value>, ActorError> {
        Err(no_database())
    }

    fn save(&self) -> oneshot::Receiver<Result<(), ActorError>> {
        let (to, saved) = oneshot::channel();
        self.ctx.hub.emit(Origin::Beside, Output::Save(to));
        saved
    }
}

impl Visit {
    pub(super) fn refuse(self, error: &ActorError) {
        // Whoever asked may have gone.
        match self {
            Self::Look(to) => drop(to.send(Err(error.clone()))),
            Self::ReplaceState(_, to) => drop(to.send(Err(error.clone()))),
            Self::Stay(to) => drop(to.send(Err(error.clone()))),
            // Somebody else was quicker.
            Self::Destroy(to) if slot::is_gone(error) => drop(to.send(Ok(()))),
            Self::Destroy(to) => drop(to.send(Err(error.clone()))),
        }
    }

    /// Whether it ends something, and so is never refused for lack of room.
    pub(super) fn ends(&self) -> bool {
        matches!(self, Self::Destroy(_))
    }
}

impl<A: Actor> Slot<A> {
    /// Sends a visitor, waking the actor if it sleeps.
    pub(super) fn receive(self: &Arc<Self>, visit: Visit) -> Result<(), ActorError> {
        let ends = visit.ends();
        self.send(Msg::Visit(Box::new(visit)))
            .map_err(|it| self.refusal(&it))?;
        if ends {
            // Said twice, for one that is starting, busy or on its way to sleep takes in no message.
            self.mailbox().ask(Stop::Destroy);
        }
        Ok(())
    }
}

impl<A: Actor> Cell<A> {
    /// A visitor takes a turn as handlers that run free do.
    pub(super) fn receive_visit(&mut self, visit: Visit) {
        let hub = Arc::clone(&self.hub);
        let turn: Turn<A> = match visit {
            Visit::Stay(to) => {
                // Whoever asked may have gone.
                drop(to.send(stay(&hub)));
                return;
            }
            Visit::Look(to) => Turn::Read(Box::new(move |state| {
                let seen = guard_now(|| look(state, &hub));
                let seen = match seen {
                    Ok(seen) => seen.map_err(|it| unreadable(&it)),
                    Err(fault) => Err(fault.of_hook("serialize")),
                };
                drop(to.send(seen));
            })),
            Visit::ReplaceState(new, to) => Turn::Write(Box::new(move |state| {
                // Serde may panic half-way, but has not touched the state by then.
                let refusal = match guard_now(|| state.replace(new)) {
                    Ok(Ok(())) => {
                        hub.emit(Origin::Beside, Output::Save(to));
                        return true;
                    }
                    Ok(Err(error)) => misfit(&error),
                    Err(fault) => fault.of_hook("deserialize"),
                };
                drop(to.send(Err(refusal)));
                false
            })),
            Visit::Destroy(to) => {
                self.ask(Stop::Destroy);
                self.hold(self.tag(Durability::Acked), Held::Done(to));
                return;
            }
        };
        self.slot.mailbox().push_turn(turn);
    }
}

fn no_database() -> ActorError {
    let text = "the actor has no database of its own";
    ActorError::new("actor", "database_not_configured", text)
        .with_status(400)
        .public()
}

fn stay<A: Actor>(hub: &Arc<Hub<A>>) -> Result<Box<dyn Stay>, ActorError> {
    let awake = hub.hold_bounded(WorkKind::KeepAwake, None)?;
    Ok(Box::new(Staying {
        ctx: Ctx::of_life(hub, Origin::Beside),
        _awake: awake,
    }))
}

fn look<A: Actor>(state: &A, hub: &Hub<A>) -> Result<Snapshot, StateError> {
    let mut bytes = Vec::new();
    state.encode(&mut bytes)?;
    let state = ciborium::from_reader(&*bytes).map_err(|e| StateError::Decode(e.into()))?;
    // Their own code runs without the table's lock.
    let listed = hub.table().listed();
    let connections = listed
        .iter()
        .map(|(conn, hears)| seen(conn, hears))
        .collect::<Result<_, _>>()?;
    Ok(Snapshot { state, connections })
}

fn seen<A: Actor>(conn: &Inner<A>, hears: &[Arc<str>]) -> Result<Seen, StateError> {
    let kind = match conn.transport {
        Transport::Http | Transport::Request => "http",
        Transport::Local => "local",
        Transport::Socket | Transport::Raw { .. } => "websocket",
    };
    let value = |it: Result<Value, _>| it.map_err(|e| StateError::Encode(Box::new(e)));
    Ok(Seen {
        id: conn.id,
        kind,
        params: value(Value::from_serialize(&conn.params))?,
        state: value(Value::from_serialize(&*conn.lock_state()))?,
        subscriptions: hears.iter().map(ToString::to_string).collect(),
        is_hibernatable: conn.transport.is_hibernatable(),
    })
}

fn unreadable(error: &StateError) -> ActorError {
    ActorError::internal(with_cause(error))
}

fn misfit(error: &StateError) -> ActorError {
    ActorError::new("actor", "invalid_request", with_cause(error)).public()
}

fn with_cause(error: &StateError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Waits for what a visitor brings back.
pub(crate) async fn brought<T>(
    back: oneshot::Receiver<Result<T, ActorError>>,
) -> Result<T, ActorError> {
    back.await.unwrap_or_else(|_| Err(aborted()))
}

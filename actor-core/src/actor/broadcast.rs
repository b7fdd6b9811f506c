//! Events to everyone who listens: who that is, and what each is sent.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use super::{
    ActorType,
    conn::{Listener, LocalQueue},
    event::Event,
    hub::{Hub, Origin, Output},
};
use crate::{
    connection::Outbox,
    protocol::{self, Encoding},
    value::Value,
};

/// An event that is kept for clients who are away. It gets its number, and its listeners, as it leaves.
pub(crate) struct Recorded<A: ActorType> {
    pub(crate) event: Arc<A::Event>,
    pub(crate) args: Value,
}

/// Who hears an event: clients, and connections from inside the process.
pub(crate) type Listeners<A> = (Vec<Arc<Outbox>>, Vec<Arc<LocalQueue<A>>>);

impl<A: ActorType> Hub<A> {
    /// An event to everyone who listens for it.
    pub(crate) fn broadcast(&self, origin: Origin, event: A::Event) {
        let name = event.name();
        if A::Event::REPLAYS.iter().any(|it| it.event == name) {
            return self.record(origin, event);
        }
        let (outboxes, local) = self.listeners(name);
        self.send_event(origin, event, outboxes, local);
    }

    fn record(&self, origin: Origin, event: A::Event) {
        let Some(args) = arguments(&event) else {
            let (outboxes, local) = self.listeners(event.name());
            return self.send_unencoded(origin, event, outboxes, local);
        };
        let event = Arc::new(event);
        self.note_write();
        self.emit(origin, Output::Recorded(Box::new(Recorded { event, args })));
    }

    /// An event by name to everyone who subscribed to it.
    pub(crate) fn broadcast_named(&self, origin: Origin, name: &str, args: &impl Serialize) {
        let (outboxes, _) = self.listeners(name);
        self.send_named(origin, name, args, outboxes);
    }

    /// An event that does not serialize. Who hears it in this process needs no bytes; clients who would miss it
    /// are closed, so that they come again and load what they missed.
    pub(super) fn send_unencoded(
        &self,
        origin: Origin,
        event: A::Event,
        outboxes: Vec<Arc<Outbox>>,
        local: Vec<Arc<LocalQueue<A>>>,
    ) {
        self.cut_off(origin, outboxes);
        if !local.is_empty() {
            let (wire, event) = (Vec::new(), Some(Arc::new(event)));
            self.emit(origin, Output::Event { wire, local, event });
        }
    }

    /// These clients cannot be sent what they hear.
    pub(super) fn cut_off(&self, origin: Origin, outboxes: Vec<Arc<Outbox>>) {
        if !outboxes.is_empty() {
            self.emit(origin, Output::Unsendable(outboxes));
        }
    }

    /// Who hears an event now.
    pub(crate) fn listeners(&self, name: &str) -> Listeners<A> {
        let table = self.table();
        let wire = table.subscribers(name).filter_map(|it| match &it.listener {
            Listener::Wire(outbox) => Some(Arc::clone(outbox)),
            Listener::Local(_) | Listener::Raw(_) | Listener::Request(_) | Listener::Nobody => None,
        });
        let local = table.all().filter_map(|it| match &it.listener {
            Listener::Local(queue) => Some(Arc::clone(queue)),
            Listener::Wire(_) | Listener::Raw(_) | Listener::Request(_) | Listener::Nobody => None,
        });
        (wire.collect(), local.collect())
    }
}

/// The arguments of an event. One that does not serialize is logged.
pub(super) fn arguments(event: &impl Event) -> Option<Value> {
    let args = event.args();
    args.inspect_err(|error| {
        tracing::error!(event = event.name(), %error, "an event does not serialize");
    })
    .ok()
}

/// The arguments of an event by name, as [`arguments`] has those of others.
pub(super) fn named_arguments(name: &str, args: &impl Serialize) -> Option<Value> {
    match Value::from_serialize(args) {
        Ok(args) => Some(as_arguments(args)),
        Err(error) => {
            tracing::error!(event = name, %error, "an event does not serialize");
            None
        }
    }
}

/// A tuple is the list of arguments; anything else is one argument.
fn as_arguments(args: Value) -> Value {
    match args {
        Value::Array(_) => args,
        Value::Undefined => Value::Array(Vec::new()),
        one => Value::Array(vec![one]),
    }
}

/// Encodes an event once for each encoding that someone listens in, with the `position` where it stands
/// for those who follow.
pub(crate) fn address(
    outboxes: Vec<Arc<Outbox>>,
    name: &str,
    args: &Value,
    position: Option<&str>,
) -> Vec<(Arc<Outbox>, Bytes)> {
    let mut encoded: Vec<((Encoding, bool), Bytes)> = Vec::new();
    let mut addressed = Vec::with_capacity(outboxes.len());
    for outbox in outboxes {
        let form = (outbox.encoding(), position.is_some() && outbox.follows());
        let bytes = match encoded.iter().find(|(it, _)| *it == form) {
            Some((_, bytes)) => bytes.clone(),
            None => {
                let bytes = encode(form.0, name, args, position.filter(|_| form.1));
                encoded.push((form, bytes.clone()));
                bytes
            }
        };
        addressed.push((outbox, bytes));
    }
    addressed
}

/// An event, with where it stands as its last argument for who follows.
fn encode(encoding: Encoding, name: &str, args: &Value, position: Option<&str>) -> Bytes {
    match (args, position) {
        (Value::Array(args), Some(position)) => {
            let mut args = args.clone();
            args.push(position.into());
            protocol::encode_event(encoding, name, &Value::Array(args))
        }
        _ => protocol::encode_event(encoding, name, args),
    }
}

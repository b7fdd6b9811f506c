//! Events that are kept for clients who were away: numbered as they leave, and sent again to who says
//! what it saw last.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use super::live::{Cell, Held};
use crate::{
    actor::{Actor, Event as _, Inner, Listener, Output, Recorded, address},
    config::Durability,
    connection::{Outbox, RESYNC, Rings},
    id::{ConnId, Generation},
    value::Value,
};

/// Rows of kept events as waking finds them, in order.
#[derive(Default)]
pub(super) struct KeptRows(Vec<(String, u64, Bytes)>);

impl KeptRows {
    pub(super) fn add(&mut self, event: &str, number: u64, row: Bytes) {
        self.0.push((event.to_owned(), number, row));
    }
}

/// How many events of a kind an actor keeps.
fn keeps<A: Actor>(event: &str) -> usize {
    let all = A::Event::REPLAYS.iter();
    let found = all.filter(|it| it.event == event).map(|it| it.keep).next();
    found.map_or(0, |it| it as usize)
}

impl<A: Actor> Cell<A> {
    /// Takes back what earlier lives kept.
    pub(super) fn restore_events(&mut self, rows: KeptRows, generation: Generation) {
        if A::Event::REPLAYS.is_empty() && rows.0.is_empty() {
            return;
        }
        // A quarter, so that all of it fits into a client's outbox in any encoding.
        let limit = self.options().outbox / 4;
        let mut rings = Rings::new(self.slot.about.id, generation, limit);
        for (event, number, row) in rows.0 {
            if let Err(error) = rings.restore(&event, number, &row) {
                // Clients who saw one before it are told to load anew.
                tracing::error!(
                    actor = %self.slot.about.address, event, number, error,
                    "a kept event cannot be read"
                );
            }
        }
        let surplus = rings.trim(keeps::<A>);
        self.write_beside(surplus);
        self.rings = Some(Box::new(rings));
    }

    /// Gives those among `outputs` that are kept their numbers, in the order in which they leave. Their
    /// listeners are looked up now: who subscribes from here on gets them by that.
    pub(super) fn record_events(&mut self, outputs: &[Output<A>]) -> VecDeque<Held<A>> {
        let mut recorded = VecDeque::new();
        if A::Event::REPLAYS.is_empty() {
            return recorded;
        }
        for output in outputs {
            if let Output::Recorded(event) = output {
                recorded.push_back(self.record(event));
            }
        }
        recorded
    }

    fn record(&mut self, recorded: &Recorded<A>) -> Held<A> {
        let Recorded { event, args } = recorded;
        let name = event.name();
        let version = self.saving.version() + u64::from(!self.saving.is_dirty());
        let done = self
            .rings
            .as_mut()
            .map(|rings| rings.record(name, keeps::<A>(name), args, version));
        let position = match done {
            Some(Ok(done)) => {
                self.write_beside(done.ops);
                Some(done.position.to_string())
            }
            Some(Err(error)) => {
                tracing::error!(event = name, error, "an event cannot be kept");
                None
            }
            None => None,
        };
        let (outboxes, local) = self.hub.listeners(name);
        Held::Event {
            wire: address(outboxes, name, args, position.as_deref()),
            local,
            event: Some(Arc::clone(event)),
        }
    }

    /// Lets an event that is kept leave, as durable as the actor's own are whatever its action says, so
    /// that all of them leave in order.
    pub(super) fn hold_recorded(&mut self, held: Option<Held<A>>) {
        let tag = self.tag(self.options().durability);
        if let Some(held) = held {
            self.hold(tag, held);
        }
    }

    /// A client has just begun to hear `event`: it gets what it missed, or is told to load anew. What
    /// is not durable yet waits for that, and never was if its commit fails.
    pub(super) fn catch_up(&mut self, conn: ConnId, event: &str) {
        let Some(rings) = self.rings.as_ref().filter(|_| 0 < keeps::<A>(event)) else {
            return;
        };
        let conn = self.hub.table_with(conn).by_id(conn).cloned();
        let Some(outbox) = conn.as_deref().and_then(follower) else {
            return;
        };
        let seen = outbox.take_seen(event);
        let frames = match seen.and_then(|it| rings.since(event, &it)) {
            Some(missed) => missed
                .into_iter()
                .map(|(at, kept)| (kept.version, event, kept.args.clone(), Some(at)))
                .collect(),
            None => {
                let last = rings.last(event).to_string();
                let args = Value::Array(vec![event.into(), last.into()]);
                vec![(0, RESYNC, args, None)]
            }
        };
        let waits = self.options().durability == Durability::Acked;
        for (version, name, args, at) in frames {
            let at = at.map(|it| it.to_string());
            let held = Held::Event {
                wire: address(vec![Arc::clone(&outbox)], name, &args, at.as_deref()),
                local: Vec::new(),
                event: None,
            };
            self.hold(if waits { version } else { 0 }, held);
        }
    }
}

/// The outbox of a client that says what it saw.
fn follower<A: Actor>(conn: &Inner<A>) -> Option<Arc<Outbox>> {
    match &conn.listener {
        Listener::Wire(outbox) if outbox.follows() => Some(Arc::clone(outbox)),
        _ => None,
    }
}

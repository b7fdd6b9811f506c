//! A context as the surroundings of its actor's queues.

use std::sync::{Arc, atomic::AtomicBool};

use super::{
    ActorType,
    ctx::Ctx,
    hub::{Origin, Output},
    task::TaskCtx,
};
use crate::{
    clock::Timestamp,
    queue::{Desk, Inbox, Limits, Parking, Queue, QueueSpec, Queues, Surroundings},
    value::Value,
};

impl<A: ActorType> Ctx<A> {
    /// The actor's queues: sends to them, and takes what is there.
    #[must_use]
    pub fn queue(&self) -> Queues<'_, A::Queue> {
        Queues::new(self)
    }
}

impl<A: ActorType> TaskCtx<A> {
    /// The actor's queues: sends to them, and waits for what comes. Only here, because a handler that
    /// borrows the state keeps everybody else waiting meanwhile.
    #[must_use]
    pub fn queue(&self) -> Inbox<'_, A::Queue> {
        Inbox::new(self.ctx.queue())
    }
}

impl<A: ActorType> Surroundings for Ctx<A> {
    fn desk(&self) -> &Desk {
        self.hub.desk()
    }

    fn declared(&self) -> &'static [QueueSpec] {
        A::Queue::QUEUES
    }

    fn limits(&self) -> Limits {
        Limits {
            messages: self.hub.options.max_queue_size,
            bytes: self.hub.options.max_queue_message_size,
        }
    }

    fn now(&self) -> Timestamp {
        self.hub.clock.now()
    }

    fn in_turn(&self) -> bool {
        self.hub.effective(self.origin) == Origin::Turn
    }

    fn completed(&self, id: u64, response: Value) {
        // Most messages have nobody who waits for them.
        if self.hub.doorbell.completions().is_awaited(id) {
            self.hub.emit(self.origin, Output::Completed(id, response));
        }
    }

    fn is_atomic(&self) -> bool {
        self.hub.atomic(self.origin).is_some()
    }

    fn lost(&self, id: u64) {
        if self.is_atomic() {
            self.hub.emit(self.origin, Output::Lost(id));
        } else {
            self.hub.doorbell.completions().forget(id);
        }
    }

    fn holds_message(&self) -> &AtomicBool {
        &self.holds_message
    }

    fn is_stopping(&self) -> bool {
        self.hub.is_stopping()
    }

    fn park(&self) -> Parking {
        Parking {
            guard: self.parked(),
            stop: self.stopping(),
        }
    }
}

impl<A: ActorType> Ctx<A> {
    /// A context that nobody called.
    pub(crate) fn of_life(hub: &Arc<super::Hub<A>>, origin: Origin) -> Self {
        Self {
            hub: Arc::clone(hub),
            caller: None,
            request: None,
            scheduled: None,
            origin,
            holds_message: AtomicBool::new(false),
        }
    }
}

//! Messages that others send to the actor's queues, and those whose time has come.

use super::live::{Cell, Held};
use crate::{
    actor::{Actor, Ctx, Origin, Output, Spawn, WorkGuard},
    config::Durability,
    error::{ActorError, IntoActorError as _},
    lifecycle::WorkKind,
    queue::{QueueError, Sending, Surroundings as _},
};

impl<A: Actor> Cell<A> {
    /// Takes a message in, once the queues are read from storage.
    pub(super) fn take_in(&mut self, sending: Sending) {
        if self.hub.desk().is_open() {
            self.add_message(sending);
            return;
        }
        let guard = match self.hub.hold_bounded(WorkKind::KeepAwake, None) {
            Ok(guard) => guard,
            Err(error) => return sending.refuse(&error),
        };
        self.read_queues(guard, |opened| match opened {
            Ok(()) => Ok(Some(Output::Send(Box::new(sending)))),
            Err(error) => {
                sending.refuse(&error.to_actor_error());
                Ok(None)
            }
        });
    }

    /// Offers messages whose time has come, if there are any: the queues are read first where no handler
    /// of this life has used them. Whether there are.
    pub(super) fn offer_due(&mut self) -> bool {
        let now = self.hub.clock.now();
        if self.hub.next_message().is_none_or(|it| now < it) {
            return false;
        }
        if self.hub.desk().is_open() {
            self.offer_delayed();
            return true;
        }
        // The alarm in storage stays as it is until that succeeded, so that it is tried again.
        self.hub.desk().begin_due();
        self.look_at_schedules();
        if let Ok(guard) = self.hub.hold_bounded(WorkKind::KeepAwake, None) {
            self.read_queues(guard, |opened| {
                opened.map_err(|it| it.to_actor_error())?;
                Ok(Some(Output::QueueRead))
            });
        }
        true
    }

    /// Offers what is due of queues that are read, and has the alarm moved to what is due then.
    pub(super) fn offer_delayed(&mut self) {
        let ctx = Ctx::of_life(&self.hub, Origin::Beside);
        ctx.desk().offer_due(&ctx);
        self.connections_changed();
        self.look_at_schedules();
    }

    /// Reads the queues from storage, and does what `then` says.
    fn read_queues(
        &mut self,
        guard: WorkGuard,
        then: impl FnOnce(Result<(), QueueError>) -> Result<Option<Output<A>>, ActorError>
        + Send
        + 'static,
    ) {
        let ctx = Ctx::of_life(&self.hub, Origin::Beside);
        self.spawn_background(Spawn {
            name: "queue",
            guard,
            work: Box::pin(async move {
                let opened = ctx.desk().open(&ctx).await;
                if let Some(output) = then(opened)? {
                    ctx.hub.emit(Origin::Beside, output);
                }
                Ok(())
            }),
        });
    }

    fn add_message(&mut self, sending: Sending) {
        let ctx = Ctx::of_life(&self.hub, Origin::Beside);
        let Sending {
            queue,
            body,
            options,
            expect,
            to,
        } = sending;
        let completions = &self.slot.completions;
        let added = ctx
            .desk()
            .add(&ctx, queue.name, &body, options.within(queue), |id| {
                if let Some(expect) = expect {
                    completions.expect(id, expect);
                }
            });
        match added {
            Ok(id) => {
                self.drain_outputs(false, self.options().durability);
                // Durable first, whatever the actor's other outputs may do (Q6).
                let tag = self.tag(Durability::Acked);
                self.hold(tag, Held::Sent(to, id));
            }
            Err(error) => {
                // The sender may have gone.
                let _ = to.send(Err(error.to_actor_error()));
            }
        }
    }
}

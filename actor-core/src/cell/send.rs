//! Messages that others send to the actor's queues.

use super::live::{Cell, Held};
use crate::{
    actor::{Actor, Ctx, Origin, Output, Spawn},
    config::Durability,
    error::IntoActorError as _,
    lifecycle::WorkKind,
    queue::{Sending, Surroundings as _},
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
        let ctx = Ctx::of_life(&self.hub, Origin::Beside);
        self.spawn_background(Spawn {
            name: "queue",
            guard,
            work: Box::pin(async move {
                match ctx.desk().open(&ctx).await {
                    Ok(()) => ctx
                        .hub
                        .emit(Origin::Beside, Output::Send(Box::new(sending))),
                    Err(error) => sending.refuse(&error.to_actor_error()),
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

//! One actor alive: the task that owns its state, and the slot through which others reach it.
//!
//! - [`host`]: what cells share.
//! - [`slot`]: what outlives a life: the mailbox, the clients' outboxes, the actor's name.
//! - [`task`]: one life after another. [`live`]: what a life does next. [`startup`] comes before it,
//!   in which [`restore`] brings the connections back, [`mod@stopping`] after. [`fold`]: what one leaves
//!   to the next of its connections.
//! - [`wire`]: what clients send, decoded into the actor's own types. [`mod@request`]: raw HTTP.
//! - [`calls`]: calls become jobs. [`keyed`]: those with an idempotency key, once.
//!   [`tunnel`]: what clients send takes effect once. [`replay`]: what clients missed is sent again.
//! - [`turns`]: handlers on the state, [`mod@atomic`]: those that leave nothing behind when they fail.
//!   [`side`]: what goes on beside them, and [`background`]: what was left to itself.
//! - [`here`]: calls that their callers run, while the task has nothing to do.
//! - [`queue`]: what waits in a cell.
//! - [`mod@failure`]: what failed, and who is told. [`crash`]: what follows a life that broke.
//! - [`fence`]: a life that is over writes no more.
//! - [`frame`]: who waits for whom, when actors call each other.
//! - [`guard`]: the only place where user code may panic or time out.
//! - [`claim`]: who has a request, its actor or who sent it.
//! - [`send`]: messages of others on their way into the actor's queues.
//! - [`gate`]: outputs wait here until what they saw is durable. [`commit`] makes it durable.
//! - [`mod@schedule`] runs what is due. [`alarms`] tells the registry when a sleeping actor is.
//! - [`visit`]: looks from outside. [`why`]: what keeps the actor awake.
//! - [`access`]: what clients may do. [`connect`]: connections on their way in and out; [`raw`]: raw
//!   WebSockets, which are more than that. [`persist`]: the stored form of connections and of the
//!   state.

mod access;
mod alarms;
mod atomic;
mod background;
mod calls;
mod claim;
mod commit;
mod connect;
mod crash;
mod failure;
mod fence;
mod fold;
mod frame;
mod gate;
mod guard;
mod here;
mod host;
mod job;
mod keyed;
mod live;
mod mailbox;
mod persist;
mod queue;
mod raw;
mod replay;
mod request;
mod restore;
mod schedule;
mod send;
mod side;
mod slot;
mod startup;
mod stopping;
mod task;
mod tunnel;
mod turns;
mod visit;
mod why;
mod wire;

pub use self::visit::{Seen, Snapshot};
pub(crate) use self::{
    alarms::{Alarms, LOOK},
    claim::Claim,
    frame::{PeerCall, Waits, check_end, current, is_inside, waits_for},
    host::{Host, Roster, TypeInfo},
    job::{OpenDone, Opening},
    keyed::KeyedCall,
    mailbox::{Msg, Refused},
    request::Asked,
    slot::{Slot, destroyed_meanwhile, gone, is_gone, stopped_while_waiting, stopping},
    visit::{Stay, Visit, brought},
    wire::{AnySlot, FrameRefused, OpenRefused, OpenSocket, SocketKind, WireCall, WireSend},
};

//! Who hears an event: everybody, or some. Groups of connections, and the tags that say who is in which.

use std::{fmt, sync::Arc};

use serde::Serialize;

use super::{
    ActorType, Event as _,
    broadcast::{address, arguments, named_arguments},
    conn::{Conn, Inner, Listener, LocalQueue},
    ctx::Ctx,
    hub::{Hub, Origin, Output},
    table::{MAX_TAGS, Table},
};
use crate::{connection::Outbox, error::ActorError, id::ConnId};

/// Longest tag, in bytes.
pub const MAX_TAG: usize = 128;

/// Some of an actor's connections, from [`Ctx::to`] and [`Ctx::everyone`].
///
/// ```
/// use actor_core::prelude::*;
///
/// #[actor(params = String, event = Told)]
/// #[derive(Default)]
/// pub struct Lobby;
///
/// #[derive(Event)]
/// pub enum Told { Said(String) }
///
/// #[actor]
/// impl Lobby {
///     /// Who connects says which table it sits at.
///     #[on_connect]
///     async fn joined(&self, conn: &Conn<Self>) -> Result<(), ActorError> {
///         conn.tag(&format!("table:{}", conn.params()))?;
///         Ok(())
///     }
///
///     /// Heard by the others at the table.
///     #[action]
///     async fn say(&self, ctx: &Ctx<Self>, text: String) -> Result<(), ActorError> {
///         let own = ctx.require_conn()?;
///         for table in own.tags() {
///             ctx.to(&table).except(&own).broadcast(Told::Said(text.clone()));
///         }
///         Ok(())
///     }
/// }
/// ```
#[derive(Clone)]
#[must_use = "nobody hears anything before `broadcast`"]
pub struct Audience<'a, A: ActorType> {
    ctx: &'a Ctx<A>,
    /// Everybody where there is none.
    tags: Vec<String>,
    except: Vec<ConnId>,
}

impl<A: ActorType> Ctx<A> {
    /// The connections with this tag.
    pub fn to(&self, tag: &str) -> Audience<'_, A> {
        self.everyone().to(tag)
    }

    /// Every connection, before some are [excepted](Audience::except).
    pub fn everyone(&self) -> Audience<'_, A> {
        Audience {
            ctx: self,
            tags: Vec::new(),
            except: Vec::new(),
        }
    }
}

impl<A: ActorType> Audience<'_, A> {
    /// Those with this tag too. Who has several of the tags is there once.
    pub fn to(mut self, tag: &str) -> Self {
        self.tags.push(tag.to_owned());
        self
    }

    /// Without this connection, given as such or by its id.
    pub fn except(mut self, conn: impl Into<ConnId>) -> Self {
        self.except.push(conn.into());
        self
    }

    /// The connections, oldest first.
    #[must_use]
    pub fn conns(&self) -> Vec<Conn<A>> {
        let table = self.ctx.hub.table();
        let chosen = self.chosen(&table);
        let conns = chosen.map(|it| self.ctx.hub.lend(it, self.ctx.origin));
        conns.collect()
    }

    /// Sends an event to those of them who subscribed to it, and to those from inside the process (C6).
    pub fn broadcast(self, event: A::Event) {
        let name = event.name();
        let (mut outboxes, mut local) = (Vec::new(), Vec::new());
        {
            let table = self.ctx.hub.table();
            for conn in self.chosen(&table) {
                match &conn.listener {
                    Listener::Wire(outbox) if table.hears(conn.id, name) => {
                        outboxes.push(outbox.clone());
                    }
                    Listener::Local(queue) => local.push(queue.clone()),
                    Listener::Wire(_)
                    | Listener::Raw(_)
                    | Listener::Request(_)
                    | Listener::Nobody => {}
                }
            }
        }
        let hub = &self.ctx.hub;
        hub.send_event(self.ctx.origin, event, outboxes, local);
    }

    /// As [`Ctx::broadcast_named`], to these connections only.
    pub fn broadcast_named(self, name: &str, args: impl Serialize) {
        let hub = &self.ctx.hub;
        let outboxes = {
            let table = hub.table();
            let hearing = self.chosen(&table).filter(|it| table.hears(it.id, name));
            let outboxes = hearing.filter_map(|it| match &it.listener {
                Listener::Wire(outbox) => Some(outbox.clone()),
                Listener::Local(_) | Listener::Raw(_) | Listener::Request(_) | Listener::Nobody => {
                    None
                }
            });
            outboxes.collect()
        };
        hub.send_named(self.ctx.origin, name, &args, outboxes);
    }

    fn chosen<'t>(&'t self, table: &'t Table<A>) -> impl Iterator<Item = &'t Arc<Inner<A>>> {
        let atomic = self.ctx.hub.atomic(self.ctx.origin);
        let among = if self.tags.is_empty() {
            table.all().collect()
        } else if let Some(atomic) = atomic.filter(|it| it.has_tags()) {
            let is_in = |it: &&Arc<Inner<A>>| {
                let tags = atomic.tags(it);
                self.tags.iter().any(|tag| tags.contains(&**tag))
            };
            table.all().filter(is_in).collect()
        } else {
            table.tagged(&self.tags)
        };
        let fine = |it: &&Arc<Inner<A>>| !self.except.contains(&it.id);
        among.into_iter().filter(fine)
    }
}

impl<A: ActorType> Conn<A> {
    /// Puts the connection into the group `tag`, see [`Ctx::to`]. It is in it until it is
    /// [taken out](Self::untag) or closed, through every sleep (C6). Answers whether it was not in it.
    ///
    /// # Errors
    ///
    /// `actor.too_many_tags` when it has 100 already, `actor.tag_too_long` past 128 bytes.
    pub fn tag(&self, tag: &str) -> Result<bool, ActorError> {
        if MAX_TAG < tag.len() {
            let text = format!("a tag has at most {MAX_TAG} bytes");
            return Err(ActorError::new("actor", "tag_too_long", text));
        }
        let tagged = match self.hub.atomic(self.origin) {
            Some(atomic) => atomic.tag(&self.inner, tag, true),
            None => self.hub.seen_of_table().tag(&self.inner, tag),
        };
        let changed = tagged.map_err(|_| {
            let text = format!("a connection has at most {MAX_TAGS} tags");
            ActorError::new("actor", "too_many_tags", text)
        })?;
        if changed {
            self.hub.note_write();
            self.hub.touch(self.origin);
        }
        Ok(changed)
    }

    /// Takes the connection out of the group `tag`, if it is in it.
    pub fn untag(&self, tag: &str) {
        let changed = match self.hub.atomic(self.origin) {
            // Only one that is to be in one more may be in too many.
            Some(atomic) => atomic.tag(&self.inner, tag, false).unwrap_or(false),
            None => self.hub.seen_of_table().untag(&self.inner, tag),
        };
        if changed {
            self.hub.note_write();
            self.hub.touch(self.origin);
        }
    }

    /// The groups that the connection is in, sorted.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        if let Some(atomic) = self.hub.atomic(self.origin) {
            let tags = atomic.tags(&self.inner);
            return tags.iter().map(ToString::to_string).collect();
        }
        let tags = self.inner.tags();
        let tags = tags.iter().flat_map(|it| it.iter());
        tags.map(ToString::to_string).collect()
    }
}

impl<A: ActorType> Hub<A> {
    /// An event to these.
    pub(super) fn send_event(
        &self,
        origin: Origin,
        event: A::Event,
        outboxes: Vec<Arc<Outbox>>,
        local: Vec<Arc<LocalQueue<A>>>,
    ) {
        let name = event.name();
        let wire = if outboxes.is_empty() {
            Vec::new()
        } else {
            let Some(args) = arguments(&event) else {
                return self.send_unencoded(origin, event, outboxes, local);
            };
            address(outboxes, name, &args, None)
        };
        if wire.is_empty() && local.is_empty() {
            return;
        }
        let event = (!local.is_empty()).then(|| Arc::new(event));
        self.emit(origin, Output::Event { wire, local, event });
    }

    /// An event by name to these.
    pub(super) fn send_named(
        &self,
        origin: Origin,
        name: &str,
        args: &impl Serialize,
        outboxes: Vec<Arc<Outbox>>,
    ) {
        if outboxes.is_empty() {
            return;
        }
        let Some(args) = named_arguments(name, args) else {
            return self.cut_off(origin, outboxes);
        };
        let wire = address(outboxes, name, &args, None);
        self.emit(
            origin,
            Output::Event {
                wire,
                local: Vec::new(),
                event: None,
            },
        );
    }
}

impl<A: ActorType> From<&Conn<A>> for ConnId {
    fn from(conn: &Conn<A>) -> Self {
        conn.id()
    }
}

impl<A: ActorType> fmt::Debug for Audience<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audience")
            .field("tags", &self.tags)
            .field("except", &self.except)
            .finish_non_exhaustive()
    }
}

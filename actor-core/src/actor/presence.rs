//! Who is here: users, not connections, and without flicker when one reloads the page.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::ConnId;

/// The users of an actor's connections. Keep it in the state: it is then saved with it, and as it was after
/// a sleep or a restart.
///
/// Several connections of one user count as one. Whose last connection closes is still here, until the
/// actor says by [`gone`](Self::gone) that the user is. A schedule says so after a time of grace, through
/// every sleep; who has come back by then was never away.
///
/// ```
/// use std::time::Duration;
/// use actor_core::{Presence, actor::Arrival, prelude::*, schedule::ScheduleError};
///
/// #[actor(params = String, event = Changed)]
/// #[derive(Default)]
/// pub struct Page { here: Presence<String> }
///
/// #[derive(Event)]
/// pub enum Changed { Came(String), Left(String) }
///
/// #[actor]
/// impl Page {
///     /// The user is part of a schedule's name below, which has at most 128 bytes.
///     #[on_before_connect]
///     async fn admit(user: String) -> Result<(), ActorError> {
///         if 64 < user.len() {
///             return Err(ActorError::user("the name is too long"));
///         }
///         Ok(())
///     }
///
///     #[on_connect]
///     async fn came(&mut self, ctx: &Ctx<Self>, conn: &Conn<Self>) {
///         let user = conn.params().clone();
///         if self.here.join(conn.id(), user.clone()) == Arrival::New {
///             ctx.broadcast(Changed::Came(user));
///         }
///     }
///
///     #[on_disconnect]
///     async fn closed(&mut self, ctx: &Ctx<Self>, conn: &Conn<Self>) -> Result<(), ScheduleError> {
///         if let Some(user) = self.here.leave(conn.id()) {
///             // The name makes a second departure take the place of the first.
///             ctx.after(Duration::from_secs(5)).named(format!("left {user}")).left(user)?;
///         }
///         Ok(())
///     }
///
///     #[scheduled]
///     async fn left(&mut self, ctx: &Ctx<Self>, user: String) {
///         if self.here.gone(&user) {
///             ctx.broadcast(Changed::Left(user));
///         }
///     }
///
///     #[action]
///     async fn here(&self) -> Vec<String> {
///         self.here.users().cloned().collect()
///     }
/// }
/// ```
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(bound = "U: Ord + Serialize + serde::de::DeserializeOwned")]
pub struct Presence<U = String> {
    conns: BTreeMap<ConnId, U>,
    /// How many connections each user has. None, while it may come back.
    users: BTreeMap<U, u32>,
}

/// What a connection means for its user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Arrival {
    /// The user was not here.
    New,
    /// The user is here by another connection already.
    Another,
    /// The user's last connection had closed, and nobody was told yet.
    Back,
}

impl<U> Default for Presence<U> {
    fn default() -> Self {
        Self {
            conns: BTreeMap::new(),
            users: BTreeMap::new(),
        }
    }
}

impl<U: Clone + Ord> Presence<U> {
    /// A connection of `user` is open. One that was another user's is this one's from now on; whether it
    /// was the other's last says [`leave`](Self::leave), called before.
    pub fn join(&mut self, conn: ConnId, user: U) -> Arrival {
        match self.conns.insert(conn, user.clone()) {
            Some(before) if before == user => return Arrival::Another,
            Some(before) => self.lose(&before),
            None => {}
        }
        let arrival = match self.users.get(&user) {
            None => Arrival::New,
            Some(0) => Arrival::Back,
            Some(_) => Arrival::Another,
        };
        *self.users.entry(user).or_default() += 1;
        arrival
    }

    /// A connection is closed. `Some` if it was its user's last, who is here still until
    /// [`gone`](Self::gone).
    pub fn leave(&mut self, conn: ConnId) -> Option<U> {
        let user = self.conns.remove(&conn)?;
        self.lose(&user);
        (self.users.get(&user) == Some(&0)).then_some(user)
    }

    /// The time of grace is over: unless the user has come back, it is here no more. Answers whether that is
    /// so now.
    pub fn gone(&mut self, user: &U) -> bool {
        let is_away = self.users.get(user) == Some(&0);
        if is_away {
            self.users.remove(user);
        }
        is_away
    }

    /// Who is here, sorted; those too who may come back.
    pub fn users(&self) -> impl Iterator<Item = &U> {
        self.users.keys()
    }

    /// Whether a user is here.
    #[must_use]
    pub fn is_here(&self, user: &U) -> bool {
        self.users.contains_key(user)
    }

    /// How many connections a user has.
    #[must_use]
    pub fn conns_of(&self, user: &U) -> usize {
        self.users.get(user).map_or(0, |it| *it as usize)
    }

    /// How many users are here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether nobody is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    fn lose(&mut self, user: &U) {
        if let Some(conns) = self.users.get_mut(user) {
            *conns = conns.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Who was announced and not taken back is here; nobody else is.
        #[test]
        fn what_is_announced_is_who_is_here(steps: Vec<(u8, u8, u8)>) {
            let mut presence = Presence::default();
            let (mut open, mut told) = (BTreeMap::new(), BTreeSet::new());
            for (step, conn, user) in steps {
                let (conn, user) = (ConnId::from_bytes([conn % 4; 16]), user % 3);
                match step % 3 {
                    0 => {
                        let was_there = told.contains(&user);
                        let arrival = presence.join(conn, user);
                        prop_assert_eq!(arrival == Arrival::New, !was_there);
                        told.insert(user);
                        open.insert(conn, user);
                    }
                    1 => {
                        let last = presence.leave(conn);
                        let left = open.remove(&conn);
                        let others = open.values().any(|it| Some(*it) == left);
                        prop_assert_eq!(last, left.filter(|_| !others));
                    }
                    _ => {
                        let is_open = open.values().any(|it| *it == user);
                        let gone = presence.gone(&user);
                        prop_assert_eq!(gone, told.contains(&user) && !is_open);
                        if gone {
                            told.remove(&user);
                        }
                    }
                }
                prop_assert!(presence.users().eq(&told));
                for user in 0..3 {
                    let conns = open.values().filter(|it| **it == user).count();
                    prop_assert_eq!(presence.conns_of(&user), conns);
                }
            }
            let mut bytes = Vec::new();
            ciborium::into_writer(&presence, &mut bytes).unwrap();
            let back: Presence<u8> = ciborium::from_reader(&*bytes).unwrap();
            prop_assert_eq!(back, presence);
        }
    }
}

//! How much one client may ask for: requests in a minute, requests and sockets at a time, told apart by
//! where they come from. Off unless a server asks for it.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{error::ActorError, id::ActorId, metrics, value::Value};

/// How much one client may ask for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    /// Requests in a minute, upgrades to sockets among them. All may come at once; what is spent comes back
    /// evenly.
    pub per_minute: u32,
    /// Requests that are being answered and sockets that are open, together.
    pub in_flight: u32,
}

impl Quota {
    /// So many requests in a minute, and so many requests and sockets at a time. Both are at least 1.
    #[must_use]
    pub fn new(per_minute: u32, in_flight: u32) -> Self {
        Self {
            per_minute: per_minute.max(1),
            in_flight: in_flight.max(1),
        }
    }
}

/// How much the clients of one address may ask for: an IPv4 address, or a /64 network of IPv6, which is
/// what one customer of a provider has.
///
/// What goes over is refused with status 429, `guard.rate_limit` or `guard.in_flight_limit`, before the actor
/// hears of it; a socket is opened and closed with that reason. A message over an open socket is no
/// request: who sends too many of those is held back by TCP, or by a [`Pace`](super::Pace).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// What one address may ask of one actor. Default: 1,200 in a minute, 32 at a time.
    pub per_actor: Quota,
    /// What one address may ask of all actors together. Default: 10,000 in a minute, 2,000 at a time.
    pub per_address: Quota,
    /// Pairs of an actor and an address, and addresses, that are remembered: those with something
    /// in flight, or that have not all of their requests back. While so many are known, new ones are refused
    /// with `guard.rate_limit`. Default: 65,536, which takes 6 MiB.
    pub remembered: usize,
}

impl Limits {
    /// Sets [`per_actor`](Self::per_actor).
    #[must_use]
    pub fn per_actor(mut self, quota: Quota) -> Self {
        self.per_actor = quota;
        self
    }

    /// Sets [`per_address`](Self::per_address).
    #[must_use]
    pub fn per_address(mut self, quota: Quota) -> Self {
        self.per_address = quota;
        self
    }

    /// Sets [`remembered`](Self::remembered).
    #[must_use]
    pub fn remembered(mut self, most: usize) -> Self {
        self.remembered = most;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_actor: Quota::new(1_200, 32),
            per_address: Quota::new(10_000, 2_000),
            remembered: 65_536,
        }
    }
}

/// Keeps clients to their [`Limits`]. Cloning is cheap; all clones count together.
///
/// ```
/// use std::net::Ipv4Addr;
/// use actor_core::gateway::{Limiter, Limits, Quota};
///
/// let limiter = Limiter::new(Limits::default().per_address(Quota::new(100, 1)));
/// let first = limiter.admit(Ipv4Addr::LOCALHOST.into(), None)?;
/// assert!(limiter.admit(Ipv4Addr::LOCALHOST.into(), None).is_err());
/// drop(first);
/// assert!(limiter.admit(Ipv4Addr::LOCALHOST.into(), None).is_ok());
/// # Ok::<(), actor_core::ActorError>(())
/// ```
#[derive(Clone)]
pub struct Limiter {
    limits: Limits,
    known: Arc<Mutex<Known>>,
}

/// One request of a client, or one socket: while it is there, it counts as in flight.
#[must_use = "what is dropped is over"]
pub struct Admission {
    known: Arc<Mutex<Known>>,
    who: Who,
}

/// An address, at one actor or at all.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Who {
    address: u128,
    actor: Option<ActorId>,
}

#[derive(Default)]
struct Known {
    accounts: HashMap<Who, Account>,
    /// When those were last looked for that need not be known.
    cleared: Option<Instant>,
}

/// What one client has asked for. Pure.
#[derive(Clone, Copy, Debug)]
struct Account {
    in_flight: u32,
    /// When all its requests are back.
    whole_at: Instant,
}

/// Why a request is not admitted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Over {
    Rate { again_in: Duration },
    InFlight,
}

impl Limiter {
    /// Keeps clients to `limits`.
    #[must_use]
    pub fn new(mut limits: Limits) -> Self {
        for quota in [&mut limits.per_actor, &mut limits.per_address] {
            // Its fields are open to all.
            *quota = Quota::new(quota.per_minute, quota.in_flight);
        }
        Self {
            limits,
            known: Arc::default(),
        }
    }

    /// Counts a request from `address`, to `actor` or, with `None`, to anything: a server asks for both, in
    /// that order reversed, so that who is over its limit finds no actor and makes none.
    ///
    /// # Errors
    ///
    /// `guard.rate_limit` when there were too many requests, `guard.in_flight_limit` when too many are in
    /// flight. Either has status 429 and may be read by the client; the first says in its metadata after
    /// how many milliseconds (`retryAfterMs`) the next is admitted.
    pub fn admit(&self, address: IpAddr, actor: Option<ActorId>) -> Result<Admission, ActorError> {
        let (quota, limit) = match actor {
            Some(_) => (self.limits.per_actor, "actor"),
            None => (self.limits.per_address, "address"),
        };
        let who = Who {
            address: network(address),
            actor,
        };
        let now = Instant::now();
        let admitted = lock(&self.known).admit(who, quota, self.limits.remembered, now);
        admitted.map_err(|over| {
            metrics::count(&metrics::GATEWAY_REFUSALS, [limit]);
            over.to_error()
        })?;
        Ok(Admission {
            known: Arc::clone(&self.known),
            who,
        })
    }
}

impl Known {
    fn admit(&mut self, who: Who, quota: Quota, most: usize, now: Instant) -> Result<(), Over> {
        if most <= self.accounts.len() && !self.accounts.contains_key(&who) {
            self.clear(now);
            if most <= self.accounts.len() {
                return Err(Over::Rate {
                    again_in: CLEARED_EVERY,
                });
            }
        }
        let account = self.accounts.entry(who).or_insert(Account {
            in_flight: 0,
            whole_at: now,
        });
        account.admit(quota, now)
    }

    /// Forgets who has nothing in flight and all requests back. Not too often, for it looks at all.
    fn clear(&mut self, now: Instant) {
        if self.cleared.is_some_and(|it| now < it + CLEARED_EVERY) {
            return;
        }
        self.cleared = Some(now);
        self.accounts
            .retain(|_, it| it.in_flight != 0 || now < it.whole_at);
    }
}

impl Account {
    fn admit(&mut self, quota: Quota, now: Instant) -> Result<(), Over> {
        if quota.in_flight <= self.in_flight {
            return Err(Over::InFlight);
        }
        let spent = spend(self.whole_at, MINUTE / quota.per_minute, MINUTE, now);
        self.whole_at = spent.map_err(|again_in| Over::Rate { again_in })?;
        self.in_flight += 1;
        Ok(())
    }
}

/// Spends one of what may all be had at once and comes back evenly: one after `each`, the whole of it in
/// `all`. All is back at `whole_at`; gives when it is then, or after how long one can be spent.
pub(super) fn spend(
    whole_at: Instant,
    each: Duration,
    all: Duration,
    now: Instant,
) -> Result<Instant, Duration> {
    let whole_at = whole_at.max(now) + each;
    let owed = whole_at - now;
    if all < owed {
        return Err(owed - all);
    }
    Ok(whole_at)
}

impl Over {
    fn to_error(self) -> ActorError {
        let error = match self {
            Self::Rate { again_in } => {
                let millis = u32::try_from(again_in.as_millis()).unwrap_or(u32::MAX);
                // At least that long.
                let metadata =
                    Value::object([("retryAfterMs", Value::from(millis.saturating_add(1)))]);
                ActorError::new("guard", "rate_limit", "too many requests in a minute")
                    .with_metadata(metadata)
            }
            Self::InFlight => {
                let text = "too many requests and sockets at a time";
                ActorError::new("guard", "in_flight_limit", text)
            }
        };
        error.with_status(429).public()
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(account) = lock(&self.known).accounts.get_mut(&self.who) {
            account.in_flight = account.in_flight.saturating_sub(1);
        }
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    // Nothing in there can panic half-way.
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The part of an address that tells clients apart.
fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(it) => it.to_bits().into(),
        IpAddr::V6(it) => it.to_bits() >> 64 << 64,
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").finish_non_exhaustive()
    }
}

const MINUTE: Duration = Duration::from_secs(60);
/// How often it is looked for who can be forgotten.
const CLEARED_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn who(address: u128) -> Who {
        Who {
            address,
            actor: None,
        }
    }

    #[test]
    fn p6_only_those_are_known_who_have_to_be() {
        let (mut known, mut now) = (Known::default(), Instant::now());
        let quota = Quota::new(60, 2);
        for address in 0..4 {
            assert_eq!(known.admit(who(address), quota, 4, now), Ok(()));
        }
        let full = Err(Over::Rate {
            again_in: CLEARED_EVERY,
        });
        assert_eq!(known.admit(who(4), quota, 4, now), full);
        // Those who are known go on.
        assert_eq!(known.admit(who(0), quota, 4, now), Ok(()));
        known.accounts.get_mut(&who(2)).unwrap().in_flight = 0;
        now += Duration::from_secs(2);
        assert_eq!(known.admit(who(4), quota, 4, now), Ok(()));
        assert_eq!(known.accounts.len(), 4);
        assert!(!known.accounts.contains_key(&who(2)));
    }

    #[test]
    fn addresses_are_told_apart_by_network() {
        let of = |it: &str| network(it.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }

    #[test]
    fn a_quota_of_nothing_is_one_of_one() {
        let nothing = Quota {
            per_minute: 0,
            in_flight: 0,
        };
        let limiter = Limiter::new(Limits::default().per_address(nothing));
        let admit = || limiter.admit(Ipv4Addr::LOCALHOST.into(), None);
        let first = admit();
        assert!(first.is_ok() && admit().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_as_long_as_told_is_admitted() {
        let limiter = Limiter::new(Limits::default().per_address(Quota::new(3, 100)));
        let admit = || limiter.admit(Ipv4Addr::LOCALHOST.into(), None);
        for _ in 0..3 {
            drop(admit().unwrap());
        }
        let error = admit().unwrap_err();
        assert!(error.is("guard", "rate_limit") && error.status() == 429 && error.is_public());
        let wait: Wait = error
            .metadata()
            .unwrap()
            .clone()
            .deserialize_into()
            .unwrap();
        tokio::time::advance(Duration::from_millis(wait.retry_after_ms - 2)).await;
        assert!(admit().is_err());
        tokio::time::advance(Duration::from_millis(2)).await;
        assert!(admit().is_ok());
    }

    #[derive(serde::Deserialize)]
    struct Wait {
        #[serde(rename = "retryAfterMs")]
        retry_after_ms: u64,
    }

    proptest! {
        /// Whatever comes when: never more at a time than may be, never more in a minute than twice what may
        /// come at once, and whoever asks slowly enough is never refused.
        #[test]
        fn accounts_are_kept(
            per_minute in 1..200_u32,
            in_flight in 1..5_u32,
            steps in prop::collection::vec((0..3_000_u64, any::<bool>()), 0..300),
        ) {
            let quota = Quota::new(per_minute, in_flight);
            let mut now = Instant::now();
            let mut account = Account { in_flight: 0, whole_at: now };
            let mut admitted: Vec<Instant> = Vec::new();
            let mut last = None;
            for (pause, ends) in steps {
                now += Duration::from_millis(pause);
                if ends {
                    account.in_flight = account.in_flight.saturating_sub(1);
                }
                let is_slow = last.is_none_or(|it| it + MINUTE / per_minute <= now);
                last = Some(now);
                let before = account.in_flight;
                match account.admit(quota, now) {
                    Ok(()) => {
                        admitted.push(now);
                        prop_assert!(before < in_flight);
                    }
                    Err(Over::InFlight) => prop_assert_eq!(before, in_flight),
                    Err(Over::Rate { again_in }) => {
                        prop_assert!(!is_slow && again_in <= MINUTE);
                    }
                }
                let recent = admitted.iter().filter(|it| now < **it + MINUTE).count();
                prop_assert!(recent <= 2 * per_minute as usize);
            }
        }
    }
}

//! Wakes sleeping actors when a schedule of theirs is due. One timer for all of them: storage knows
//! the earliest alarm, and who is due.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::{Instant, timeout};

use super::{Inner, Registry};
use crate::{
    cell::LOOK,
    clock::Timestamp,
    id::ActorId,
    storage::{Alarm, StorageError},
};

/// How many actors are woken at a time; the others follow as these get on (P6).
const AT_ONCE: usize = 512;
/// When an actor is woken again whose alarm stays as it was: it did not start, or is busy still.
/// Doubles each time, up to [`LOOK`].
const AGAIN: Duration = Duration::from_secs(1);

/// Starts to watch the alarms of a registry, until it stops or is gone.
pub(super) fn watch(registry: &Arc<Inner>) {
    let host = Arc::clone(&registry.host);
    let tasks = host.tasks.clone();
    let registry = Arc::downgrade(registry);
    tasks.spawn(async move {
        let mut woken = Woken::default();
        loop {
            host.alarms.disarm();
            if host.is_closing() {
                return;
            }
            let next = match look(&registry, &mut woken).await {
                Ok(Some(next)) => next,
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(%error, "alarms cannot be read");
                    Next {
                        at: None,
                        wait: Some(AGAIN),
                    }
                }
            };
            host.alarms.arm(next.at, woken.is_crowded);
            match next.wait {
                Some(wait) => {
                    // Whichever comes first: time to look.
                    let _ = timeout(wait, host.alarms.news()).await;
                }
                None => host.alarms.news().await,
            }
        }
    });
}

/// When to look again.
struct Next {
    /// When the next actor is due, if one is.
    at: Option<Timestamp>,
    /// How long until then at most, `None` when there is nothing to wait for.
    wait: Option<Duration>,
}

/// Wakes who is due. `None` when the registry is gone.
async fn look(registry: &Weak<Inner>, woken: &mut Woken) -> Result<Option<Next>, StorageError> {
    let Some(inner) = registry.upgrade() else {
        return Ok(None);
    };
    let registry = Registry { inner };
    let host = registry.host();
    let now = host.clock.now();
    let most = woken.actors.len() + AT_ONCE;
    let due = host.driver.alarms(now, most).await?;
    for id in woken.update(&due, Instant::now()) {
        if host.is_closing() {
            return Ok(None);
        }
        match registry.by_id(id).await {
            Ok(slot) => slot.alarm(),
            Err(error) => tracing::warn!(actor = %id, %error, "an actor that is due is not woken"),
        }
    }
    // While some wait for room, the next is one of them.
    let at = if woken.is_crowded {
        None
    } else {
        let behind = due.len().saturating_add(1);
        let later = host.driver.alarms(END_OF_TIME, behind).await?;
        later.get(due.len()).map(|it| it.at)
    };
    let until = at.map(|it| it.since(host.clock.now()).min(LOOK));
    let wait = until.into_iter().chain(woken.next(Instant::now())).min();
    Ok(Some(Next { at, wait }))
}

const END_OF_TIME: Timestamp = Timestamp::from_millis(u64::MAX);

/// Actors that were woken and whose alarm is due still. Pure.
#[derive(Default)]
struct Woken {
    actors: HashMap<ActorId, Try>,
    /// Whether others wait for these.
    is_crowded: bool,
}

struct Try {
    /// For this alarm.
    at: Timestamp,
    /// How long to wait before the next try, and until when.
    wait: Duration,
    next: Instant,
}

impl Woken {
    /// Forgets those whose alarm is another now, and answers whom to wake of those who are due.
    fn update(&mut self, due: &[Alarm], now: Instant) -> Vec<ActorId> {
        let alarms: HashMap<_, _> = due.iter().map(|it| (it.id, it.at)).collect();
        self.actors.retain(|id, it| alarms.get(id) == Some(&it.at));
        let first = |it: &&Try| it.wait == AGAIN;
        let mut room = AT_ONCE.saturating_sub(self.actors.values().filter(first).count());
        self.is_crowded = false;
        let mut wake = Vec::new();
        for alarm in due {
            match self.actors.entry(alarm.id) {
                Entry::Occupied(mut it) if it.get().next <= now => {
                    let it = it.get_mut();
                    it.wait = (it.wait * 2).min(LOOK);
                    it.next = now + it.wait;
                    wake.push(alarm.id);
                }
                Entry::Occupied(_) => {}
                Entry::Vacant(_) if room == 0 => self.is_crowded = true,
                Entry::Vacant(it) => {
                    room -= 1;
                    it.insert(Try {
                        at: alarm.at,
                        wait: AGAIN,
                        next: now + AGAIN,
                    });
                    wake.push(alarm.id);
                }
            }
        }
        wake
    }

    /// How long until one of them is to be woken again.
    fn next(&self, now: Instant) -> Option<Duration> {
        let next = self.actors.values().map(|it| it.next).min()?;
        Some(next.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(number: u8, at: u64) -> Alarm {
        Alarm {
            at: Timestamp::from_millis(at),
            id: ActorId::from_bytes([number; 16]),
        }
    }

    #[test]
    fn who_does_not_get_on_is_woken_less_and_less_often() {
        let start = Instant::now();
        let mut woken = Woken::default();
        let due = [alarm(1, 10)];
        let mut at = Vec::new();
        for second in 0..200 {
            let now = start + Duration::from_secs(second);
            if !woken.update(&due, now).is_empty() {
                at.push(second);
            }
        }
        assert_eq!(at, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
        // One that got on and is due again is new.
        assert_eq!(woken.update(&[alarm(1, 11)], start).len(), 1);
        assert_eq!(woken.update(&[], start), []);
        assert_eq!(woken.next(start), None);
    }

    #[test]
    fn p6_many_are_woken_by_and_by() {
        let start = Instant::now();
        let id = |number: usize| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            ActorId::from_bytes(bytes)
        };
        let all: Vec<_> = (0..2 * AT_ONCE)
            .map(|it| Alarm {
                at: Timestamp::from_millis(1),
                id: id(it),
            })
            .collect();
        let mut woken = Woken::default();
        assert_eq!(woken.update(&all, start).len(), AT_ONCE);
        assert!(woken.is_crowded);
        assert_eq!(woken.update(&all, start).len(), 0);
        assert_eq!(woken.update(&all[10..], start).len(), 10);
        // Those that do not get on make room for others.
        assert_eq!(woken.update(&all[10..], start + AGAIN).len(), AT_ONCE);
        assert_eq!(woken.update(&all[10..], start + AGAIN).len(), AT_ONCE - 10);
        assert!(!woken.is_crowded);
    }
}

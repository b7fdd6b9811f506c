//! The queues of one life: the table in memory, and each change of it written where the next commit
//! finds it (P3).
//!
//! The table is read from storage by the first use of a queue in a life, not by waking: most wakes
//! have nothing to do with queues. From then on nothing is read from storage, and the table goes with
//! the life.

use std::{
    any::Any,
    collections::BTreeMap,
    future::{Future as _, poll_fn},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    task::{Poll, Waker},
    time::Duration,
};

use tokio::{sync::OnceCell, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    QueueSpec, SendOptions,
    due::Due,
    error::QueueError,
    row::{self, RowError, Times},
    table::{Released, Selection, Table, Ticket},
    write::{delete, number, put_attempts, put_message, put_next},
};
use crate::{
    clock::Timestamp,
    journal::Ledger,
    storage::{Entry, Op, ScanRange, keys},
    value::Value,
};

/// What queues need of the life they belong to.
pub(crate) trait Surroundings: Ledger {
    /// The queues in memory.
    fn desk(&self) -> &Desk;

    /// The queues that the actor declares.
    fn declared(&self) -> &'static [QueueSpec];

    /// Most messages, and most bytes of one.
    fn limits(&self) -> Limits;

    /// The time.
    fn now(&self) -> Timestamp;

    /// Whether what is written now counts only if the exclusive turn that runs succeeds.
    fn in_turn(&self) -> bool;

    /// Whether that turn is an atomic one, and what it takes may have to be there again.
    fn is_atomic(&self) -> bool;

    /// Tells whoever waits for this message, once that is durable, that it is completed.
    fn completed(&self, id: u64, response: Value);

    /// Tells whoever waits for this message that it will never be completed.
    fn lost(&self, id: u64);

    /// Whether the handler holds a message that it has not completed.
    fn holds_message(&self) -> &AtomicBool;

    /// Whether the actor stops.
    fn is_stopping(&self) -> bool;

    /// Lets the actor sleep though the handler is not over, and says when the actor stops.
    fn park(&self) -> Parking;
}

/// A handler that waits in a queue.
pub(crate) struct Parking {
    /// Lets the actor sleep until it is dropped.
    pub(crate) guard: Option<Box<dyn Any + Send>>,
    /// Cancelled once the actor stops.
    pub(crate) stop: CancellationToken,
}

/// What the queues of an actor may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// The queues of one life, once they are used.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    pub(super) table: OnceCell<Mutex<Table<Waker>>>,
    pub(super) due: Mutex<Due>,
}

/// Most messages that are read from storage at once.
const PAGE: usize = 256;

impl Desk {
    /// Whether the table is there, so that [`add`](Self::add) need not wait.
    pub(crate) fn is_open(&self) -> bool {
        self.table.initialized()
    }

    /// Reads the table from storage unless it is there.
    pub(crate) async fn open(&self, life: &dyn Surroundings) -> Result<(), QueueError> {
        if !life.is_stored() {
            return Err(QueueError::NotStored);
        }
        let table = self.table.get_or_try_init(|| load(life)).await;
        table.map(|_| ())
    }

    /// The exclusive turn that ran succeeded. `write` is told what the turn wrote and others have written
    /// anew meanwhile.
    pub(crate) fn keep_turn(&self, write: impl FnOnce(Vec<Op>)) {
        self.with(|table| {
            if table.keep_turn() {
                write(vec![put_next(table.next_id())]);
            }
        });
    }

    /// The exclusive turn that ran failed.
    pub(crate) fn discard_turn(&self) {
        self.with(Table::discard_turn);
    }

    /// Adds a message to an open table; one for a queue that the actor does not have is offered to nobody.
    /// `expect` is told its id before anybody can receive it.
    pub(crate) fn add(
        &self,
        life: &dyn Surroundings,
        queue: &str,
        body: &Value,
        options: SendOptions,
        expect: impl FnOnce(u64),
    ) -> Result<u64, QueueError> {
        let now = life.now();
        let due = options.delay.filter(|it| !it.is_zero());
        let times = Times {
            sent: now,
            due: due.map(|it| now.after(it)),
            expires: options.ttl.map(|it| now.after(it)),
        };
        let row = row::encode(queue, times, body).map_err(|e| invalid(queue, e))?;
        let limits = life.limits();
        if limits.bytes < row.len() {
            return Err(QueueError::too_large(limits.bytes, row.len()));
        }
        let message = row::decode(&row, 0).map_err(|e| invalid(queue, e))?;
        self.with(|table| {
            advance(life, table);
            if limits.messages <= table.len() {
                return Err(QueueError::full(limits.messages));
            }
            let id = table.next_id();
            life.write(vec![put_message(id, row), put_next(id + 1)])?;
            expect(id);
            table.add(message, life.in_turn());
            if find(life.declared(), queue).is_err() {
                table.set_aside(id);
            }
            Ok(id)
        })
        .unwrap_or(Err(QueueError::NotStored))
    }

    /// Takes the first message of the queues selected that `read` understands, for good or until it is
    /// completed.
    pub(super) fn receive<T>(
        &self,
        life: &dyn Surroundings,
        wanted: &Wanted<'_, T>,
    ) -> Result<Option<Taken<T>>, QueueError> {
        self.with(|table| take_first(life, table, wanted))
            .unwrap_or(Ok(None))
    }

    /// As [`receive`](Self::receive), waiting for one. Who is called and leaves passes the call on.
    pub(super) async fn wait<T>(
        &self,
        life: &dyn Surroundings,
        wanted: &Wanted<'_, T>,
    ) -> Result<Taken<T>, QueueError> {
        if life.is_stopping() {
            return Err(QueueError::Aborted);
        }
        if let Some(found) = self.receive(life, wanted)? {
            return Ok(found);
        }
        let Parking {
            guard: _parked,
            stop,
        } = life.park();
        let waiting = self.wait_in_line(life, wanted);
        let found = stop.run_until_cancelled(waiting).await;
        found.unwrap_or(Err(QueueError::Aborted))
    }

    async fn wait_in_line<T>(
        &self,
        life: &dyn Surroundings,
        wanted: &Wanted<'_, T>,
    ) -> Result<Taken<T>, QueueError> {
        let mut place = Place {
            desk: self,
            ticket: None,
        };
        let mut timer = None;
        poll_fn(|cx| {
            loop {
                let looked = self.with(|table| {
                    let found = take_first(life, table, wanted)?;
                    if found.is_none() {
                        place.stay(table, &wanted.queues, cx.waker());
                    }
                    Ok((found, table.next_due()))
                });
                let due = match looked.unwrap_or(Err(QueueError::NotStored))? {
                    (Some(found), _) => return Poll::Ready(Ok(found)),
                    (None, due) => due,
                };
                let Some(due) = due else { return Poll::Pending };
                let left = due.since(life.now()).max(Duration::from_millis(1));
                let timer = timer.insert(Box::pin(sleep(left)));
                if timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// A message that is held is completed.
    pub(super) fn complete(
        &self,
        life: &dyn Surroundings,
        id: u64,
        response: Value,
    ) -> Result<(), QueueError> {
        let done = self.with(|table| {
            if !table.is_held(id) {
                return Err(QueueError::AlreadyCompleted);
            }
            life.write(delete(id))?;
            if life.is_atomic() {
                table.touch(id);
            }
            table.complete(id);
            Ok(())
        });
        done.unwrap_or(Err(QueueError::AlreadyCompleted))?;
        life.completed(id, response);
        Ok(())
    }

    /// A message that was held and not completed is offered again, or dead.
    pub(super) fn release(&self, life: &dyn Surroundings, id: u64, queue: &'static QueueSpec) {
        self.with(|table| {
            let Released::Exhausted(message) =
                table.release(id, queue.max_attempts, life.is_atomic())
            else {
                return;
            };
            let attempts = message.attempts;
            let to = queue.dead_letter;
            tracing::error!(
                queue = queue.name,
                id,
                attempts,
                to,
                "a message was never completed"
            );
            let mut ops = delete(id);
            let moved = to.and_then(|to| {
                let row = row::moved(&message.body, to).ok()?;
                Some((row.clone(), row::decode(&row, 0).ok()?))
            });
            if let Some((row, message)) = moved {
                let id = table.add(message, life.in_turn());
                ops.extend([put_message(id, row), put_next(id + 1)]);
            }
            note(life, ops);
            life.lost(id);
        });
    }

    /// Changes the table if it is there, then wakes whom that calls.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Table<Waker>) -> T) -> Option<T> {
        let mut table = lock(self.table.get()?);
        let done = change(&mut table);
        let called = table.take_called();
        drop(table);
        for waker in called {
            waker.wake();
        }
        Some(done)
    }
}

fn invalid(queue: &str, source: RowError) -> QueueError {
    QueueError::Invalid {
        queue: queue.to_owned(),
        source: source.into(),
    }
}

pub(super) fn lock(table: &Mutex<Table<Waker>>) -> MutexGuard<'_, Table<Waker>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a receiver wants.
pub(super) struct Wanted<'a, T> {
    pub(super) queues: Selection,
    /// Whether it will complete the message, which stays until then.
    pub(super) hold: bool,
    pub(super) read: Read<'a, T>,
}

/// Reads a message of a queue.
pub(super) type Read<'a, T> = &'a (dyn Fn(&str, Value) -> Result<T, QueueError> + Sync);

/// A message that was received.
pub(super) struct Taken<T> {
    pub(super) id: u64,
    pub(super) attempts: u32,
    pub(super) content: T,
}

/// One place among those who wait, given up when dropped.
struct Place<'a> {
    desk: &'a Desk,
    ticket: Option<Ticket>,
}

impl Place<'_> {
    fn stay(&mut self, table: &mut Table<Waker>, wanted: &Selection, waker: &Waker) {
        match self.ticket {
            Some(ticket) => table.wait_on(ticket, waker.clone()),
            None => self.ticket = Some(table.wait(wanted.clone(), waker.clone())),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.desk.with(|table| table.leave(ticket));
        }
    }
}

fn take_first<T>(
    life: &dyn Surroundings,
    table: &mut Table<Waker>,
    wanted: &Wanted<'_, T>,
) -> Result<Option<Taken<T>>, QueueError> {
    advance(life, table);
    let in_atomic = life.is_atomic();
    loop {
        let first = if in_atomic {
            table.first_in_atomic(&wanted.queues)
        } else {
            table.first(&wanted.queues)
        };
        let Some((id, message)) = first else {
            return Ok(None);
        };
        let body = row::body(&message.body).map_err(|e| invalid(&message.queue, e));
        let content = match body.and_then(|it| (wanted.read)(&message.queue, it)) {
            Ok(content) => content,
            Err(error) => {
                // It would be in the way of all others: it stays for a program that can read it.
                tracing::error!(queue = &*message.queue, id, %error, "a message is set aside");
                table.set_aside(id);
                continue;
            }
        };
        let attempts = message.attempts.saturating_add(1);
        if in_atomic {
            table.touch(id);
        }
        if wanted.hold {
            // Noted before it is tried, so that a crash counts too.
            note(life, vec![put_attempts(id, attempts)]);
            table.hold(id);
        } else {
            life.write(delete(id))?;
            table.take(id);
            // To take it is to be done with it.
            life.completed(id, Value::Undefined);
        }
        return Ok(Some(Taken {
            id,
            attempts,
            content,
        }));
    }
}

/// Looks at the clock: what is due, and what is pointless by now.
pub(super) fn advance(life: &dyn Surroundings, table: &mut Table<Waker>) {
    let expired = if life.is_atomic() {
        table.advance_in_atomic(life.now())
    } else {
        table.advance(life.now())
    };
    if !expired.is_empty() {
        note(life, expired.iter().flat_map(|id| delete(*id)).collect());
        for id in expired {
            life.lost(id);
        }
    }
}

/// Writes what need not succeed: the same is found out again in the next life.
fn note(life: &dyn Surroundings, ops: Vec<Op>) {
    if let Err(error) = life.write(ops) {
        tracing::warn!(%error, "a change of a queue is not saved");
    }
}

async fn load(life: &dyn Surroundings) -> Result<Mutex<Table<Waker>>, QueueError> {
    let (mut next, mut rows, mut attempts) = (1, Vec::new(), BTreeMap::new());
    let mut start = keys::QUEUE.to_vec();
    loop {
        let range = ScanRange {
            start,
            end: keys::after_prefix(keys::QUEUE),
            limit: PAGE,
            reverse: false,
        };
        let page = life.scan(range).await?;
        let is_last = page.len() < PAGE;
        start = page.last().map(|it| it.key.clone()).unwrap_or_default();
        start.push(0);
        for Entry { key, value } in page {
            match keys::read_queue(&key) {
                keys::QueueKey::Next => next = number(&value).unwrap_or(next),
                keys::QueueKey::Message(id) => rows.push((id, value)),
                keys::QueueKey::Attempts(id) => {
                    attempts.insert(id, number(&value).unwrap_or_default());
                }
                keys::QueueKey::Unknown => {
                    tracing::warn!(?key, "an entry of a queue of an unknown kind");
                }
            }
        }
        if is_last {
            break;
        }
    }
    let messages = rows.into_iter().filter_map(|(id, row)| {
        let tries = attempts.get(&id).copied().unwrap_or_default();
        match row::decode(&row, u32::try_from(tries).unwrap_or(u32::MAX)) {
            Ok(message) => Some((id, message)),
            Err(error) => {
                // The bytes stay as they are, for a program that can read them (S6).
                tracing::error!(id, %error, "a message of a queue is unreadable");
                None
            }
        }
    });
    let mut table = Table::new(next, messages);
    for (id, queue) in table.undeclared(|it| find(life.declared(), it).is_ok()) {
        tracing::warn!(
            id,
            queue = &*queue,
            "a message for a queue that is gone is set aside"
        );
        table.set_aside(id);
    }
    Ok(Mutex::new(table))
}

/// The queues that `names` selects; all when there is none.
pub(super) fn select(
    declared: &'static [QueueSpec],
    names: Option<&[String]>,
) -> Result<Selection, QueueError> {
    let Some(names) = names else {
        return Ok(Selection::default());
    };
    let known = names
        .iter()
        .map(|name| Ok(Arc::from(find(declared, name)?.name)));
    Ok(Selection(Some(known.collect::<Result<_, QueueError>>()?)))
}

/// The queue of this name.
pub(crate) fn find(
    declared: &'static [QueueSpec],
    name: &str,
) -> Result<&'static QueueSpec, QueueError> {
    let found = declared.iter().find(|it| it.name == name);
    found.ok_or_else(|| QueueError::NotDefined {
        queue: name.to_owned(),
    })
}

//! From storage to a live actor: load or create, bring the connections back, wake.

use std::{any::Any, collections::BTreeMap, mem, panic::AssertUnwindSafe, sync::Arc};

use bytes::Bytes;
use futures_util::FutureExt as _;
use serde::de::DeserializeOwned;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use super::{
    commit::{DEADLINE, Saving},
    crash::Down,
    failure::hears_of_failures,
    fence::fence,
    frame::Who,
    guard::{Fault, Guard},
    job::read_answer,
    live::Cell,
    mailbox::Msg,
    persist::{self, StoredConn},
    replay::KeptRows,
    restore::{self, Stored},
    slot::{self, Left, Slot},
};
use crate::{
    actor::{
        self, Actor, Ctx, Doorbell, FailureKind, Fold, Hook, Hub, Listener, Origin, Receiver, Reply,
    },
    clock::Timestamp,
    config::Durability,
    connection::CloseFrame,
    error::{ActorError, IntoActorError as _},
    id::{ConnId, Generation},
    lifecycle::{Event, Stop},
    metrics, queue, schedule,
    storage::{ActorRecord, Entry, Loaded, StorageError, keys},
    value::Value,
};

/// Begins a life. One that did not has told everybody who waited for it.
pub(super) async fn start<A: Actor>(slot: &Arc<Slot<A>>) -> Result<(Cell<A>, A), Down> {
    // Reading state and connections back is user code too.
    let started = AssertUnwindSafe(try_start(slot)).catch_unwind().await;
    let started = started.unwrap_or_else(|payload| {
        let fault = Fault::panicked(&*payload);
        Err(fault.of_hook("deserialize").into())
    });
    match started {
        Ok((mut cell, actor)) => {
            slot.hibernating.set(&slot.info.meters, 0);
            let mut awake = slot.info.meters.wake();
            awake.lists(cell.hub.seen_of_table().len());
            cell.awake = Some(awake);
            slot.health.has_started();
            Ok((cell, actor))
        }
        Err(failure) => {
            let error = failure.error;
            metrics::count(&metrics::START_FAILURES, [&slot.info.name]);
            if let Some((handler, kind)) = failure.hook
                && hears_of_failures::<A>()
            {
                let error = error.clone();
                slot.note_failure_of(actor::Failure {
                    handler,
                    kind,
                    error,
                });
            }
            tracing::error!(actor = %slot.about.address, %error, "the actor did not start");
            Err(slot
                .give_up(&error, failure.is_final, failure.hook.is_some())
                .await)
        }
    }
}

/// Why a start failed.
struct Failure {
    error: ActorError,
    /// Whether the next message need not try again.
    is_final: bool,
    /// The hook that failed, if one did, and how.
    hook: Option<(&'static str, FailureKind)>,
}

impl From<ActorError> for Failure {
    fn from(error: ActorError) -> Self {
        Self {
            error,
            is_final: false,
            hook: None,
        }
    }
}

async fn try_start<A: Actor>(slot: &Arc<Slot<A>>) -> Result<(Cell<A>, A), Failure> {
    let (Loaded { record, entries }, fold) = load(slot).await?;
    let Sorted {
        state,
        rows,
        schedules,
        queue_due,
        kept,
    } = sort(slot, entries)?;
    let generation = next_generation(slot, &record);
    slot.about.set_generation(generation.number());
    let saving = Saving::new(&slot.host.driver, &record, generation, Instant::now());

    let rows = restore::read(slot, rows)
        .await
        .map_err(|e| unreadable(&e))?;
    let mut left = slot.take_left();
    let (table, stale) = match fold {
        Some(fold) => (restore::lay_out(slot, fold), Vec::new()),
        None => rows.join(slot, mem::take(&mut left.hears)).await,
    };
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(unused_mut, reason = "nothing to tell it")
    )]
    let mut hub = Hub::new(
        Arc::clone(&slot.about),
        Arc::clone(&slot.info.options),
        Arc::clone(&slot.host.clock),
        Arc::clone(&slot.host.entropy),
        Arc::clone(slot) as Arc<dyn Doorbell<A>>,
        table,
    );
    #[cfg(feature = "sqlite")]
    {
        hub.sql.is_new = state.is_none();
    }
    let hub = Arc::new(hub);
    *hub.schedules() = schedules;
    if let Some(due) = queue_due {
        hub.desk().resume(due);
    }
    let mut cell = Cell::new(Arc::clone(slot), Arc::clone(&hub), saving);
    cell.restore_events(kept, generation);
    let begun = begin(cell, state, record.input, stale, &mut left).await;
    if begun.is_err() {
        #[cfg(feature = "sqlite")]
        hub.sql.close().await;
        left.hears = hub
            .seen_of_table()
            .rows()
            .map(|(conn, hears)| (conn.id, hears))
            .collect();
        slot.leave_again(left);
        slot.spare(hub.seen_of_table().spared());
        hub.close();
    }
    begun
}

/// Runs the hooks of a start, the actor being there or not.
async fn begin<A: Actor>(
    mut cell: Cell<A>,
    state: Option<Bytes>,
    input: Option<Bytes>,
    stale: Vec<StoredConn<A>>,
    left: &mut Left,
) -> Result<(Cell<A>, A), Failure> {
    let (slot, hub) = (Arc::clone(&cell.slot), Arc::clone(&cell.hub));
    let waits = slot.mailbox().waits();
    let who = Who::starts(&hub.about, waits.as_ref());
    #[cfg(feature = "sqlite")]
    migrate(&hub, who, state.is_none()).await?;
    let mut actor = match state {
        Some(bytes) => persist::decode_state::<A>(&bytes).map_err(|e| unreadable(&e))?,
        None => {
            let actor = create(&hub, who, input).await?;
            if cell.stores() {
                cell.saving.state_changed();
                cell.saving.want_now();
            }
            actor
        }
    };
    let changed = wake(&hub, who, &mut actor).await?;
    if changed {
        cell.state_changed();
        cell.want_save();
    }
    if cell.stores() && hub.seen_of_table().is_dirty() {
        cell.saving.connections_changed();
        cell.saving.want_now();
    }
    cell.tell(Event::Started);
    slot.mailbox().serves = true;
    cell.resume_schedules(&left.failed);
    for failure in mem::take(&mut left.failures) {
        cell.report(failure);
    }
    if cell.machine.is_started() {
        cell.start_run();
    }
    if slot.host.is_closing() {
        // Asked before there was anybody to ask.
        cell.ask(Stop::Shutdown);
    }
    if slot.news.is_there() {
        let durability = cell.options().durability;
        cell.drain_outputs(true, durability);
    }
    cell.count_sockets();
    for conn in stale {
        // Its client left while nobody was awake to see it (H12).
        cell.run_leave_hooks(&conn.restore(Listener::Nobody), restore::stale_metadata());
    }
    Ok((cell, actor))
}

/// What storage has, but for connections that the last life has left as they are there.
async fn load<A: Actor>(slot: &Arc<Slot<A>>) -> Result<(Loaded, Option<Box<Fold>>), Failure> {
    if slot.info.options.durability == Durability::None {
        let record = ActorRecord {
            id: slot.about.id,
            address: slot.about.address.clone(),
            created: slot.host.clock.now(),
            generation: Generation::from_number(slot.about.generation()),
            input: slot.input().cloned(),
        };
        // They stay parked until the next sleep, should this start fail.
        let parked = slot.parked().clone();
        let entry = |(id, value)| Entry {
            key: keys::connection(id),
            value,
        };
        let entries = parked.into_iter().map(entry).collect();
        return Ok((Loaded { record, entries }, None));
    }
    if slot.is_unsure() {
        fence(slot).await;
    }
    if let Some(kept) = slot.take_fold() {
        let loaded = load_without(slot, keys::CONNECTIONS).await?;
        if loaded.record.generation == kept.generation {
            return Ok((loaded, Some(kept.fold)));
        }
        // Another process had the actor meanwhile.
    }
    Ok((load_without(slot, &[]).await?, None))
}

async fn load_without<A: Actor>(slot: &Arc<Slot<A>>, without: &[&[u8]]) -> Result<Loaded, Failure> {
    let id = slot.about.id;
    let loading = slot.host.driver.load_without(id, keys::WAKE, without);
    match timeout(DEADLINE, loading).await {
        Ok(Ok(Some(loaded))) => Ok(loaded),
        Ok(Ok(None)) => Err(Failure {
            error: slot::gone(),
            is_final: true,
            hook: None,
        }),
        Ok(Err(error)) => Err(storage_failed(&error).into()),
        Err(_) => {
            let text = "the actor was not loaded within 30 s";
            Err(ActorError::new("actor", "storage_failed", text).into())
        }
    }
}

fn storage_failed(error: &StorageError) -> ActorError {
    ActorError::new(
        "actor",
        "storage_failed",
        format!("the actor cannot be loaded: {error}"),
    )
}

/// Each start counts one up from the last that saved, or that this process has seen.
pub(super) fn next_generation<A: Actor>(slot: &Slot<A>, record: &ActorRecord) -> Generation {
    let seen = Generation::from_number(slot.about.generation());
    record.generation.max(seen).next()
}

struct Sorted {
    state: Option<Bytes>,
    rows: BTreeMap<ConnId, Stored>,
    schedules: Option<Box<schedule::Table>>,
    queue_due: Option<Timestamp>,
    kept: KeptRows,
}

fn sort<A: Actor>(slot: &Slot<A>, entries: Vec<Entry>) -> Result<Sorted, Failure> {
    let mut sorted = Sorted {
        state: None,
        rows: BTreeMap::new(),
        schedules: None,
        queue_due: None,
        kept: KeptRows::default(),
    };
    let (mut schedules, mut shelf) = (BTreeMap::new(), None);
    for Entry { key, value } in entries {
        match keys::read(&key) {
            keys::WakeKey::State => sorted.state = Some(value),
            keys::WakeKey::Connection(id) => {
                sorted.rows.entry(id).or_default().row = Some(value);
            }
            keys::WakeKey::Taken(id) => {
                sorted.rows.entry(id).or_default().taken = Some(value);
            }
            keys::WakeKey::Schedule(id) => {
                let row = schedule::Row::decode(&value).map_err(|e| e.to_actor_error())?;
                schedules.insert(id, row);
            }
            keys::WakeKey::ScheduleShelf => {
                let found = schedule::Shelf::decode(&value).map_err(|e| e.to_actor_error())?;
                shelf = Some(found);
            }
            keys::WakeKey::QueueDue => sorted.queue_due = queue::read_due(&value),
            keys::WakeKey::KeptEvent(event, number) => sorted.kept.add(event, number, value),
            keys::WakeKey::Unknown => {
                tracing::warn!(actor = %slot.about.address, ?key, "an entry of an unknown kind");
            }
        }
    }
    if !schedules.is_empty() || shelf.is_some() {
        let table = schedule::Table::load(schedules, shelf);
        sorted.schedules = Some(Box::new(table));
    }
    Ok(sorted)
}

fn unreadable(error: &crate::actor::StateError) -> ActorError {
    // The bytes stay as they are, for a program that can read them (S6).
    let mut text = error.to_string();
    if let Some(source) = std::error::Error::source(error) {
        text = format!("{text}: {source}");
    }
    ActorError::new("protocol", "invalid_persisted_data", text)
}

/// Runs `on_migrate`, in a transaction.
#[cfg(feature = "sqlite")]
async fn migrate<A: Actor>(hub: &Arc<Hub<A>>, who: Who<'_>, is_new: bool) -> Result<(), Failure> {
    if !A::MIGRATES {
        return Ok(());
    }
    let (ctx, sql) = (context(hub), hub.sql());
    let timeout = hub.options.on_migrate_timeout;
    let work = async |tx: crate::sql::Transaction| A::migrate(&ctx, &tx, is_new).await;
    let migrated = sql.transaction_within(timeout, work);
    finish("on_migrate", Guard::new(migrated, timeout, who).await)
}

async fn create<A: Actor>(
    hub: &Arc<Hub<A>>,
    who: Who<'_>,
    input: Option<Bytes>,
) -> Result<A, Failure> {
    let input: A::Input = match input {
        Some(bytes) => ciborium::from_reader(&*bytes)
            .map_err(|e| e.to_string())
            .and_then(|value: Value| value.deserialize_into().map_err(|e| e.to_string())),
        None => undefined(),
    }
    .map_err(|e| {
        ActorError::new("actor", "invalid_input", format!("the actor's input: {e}"))
            .with_status(400)
            .public()
    })?;
    let ctx = context(hub);
    let timeout = hub.options.on_create_timeout;
    finish(
        "on_create",
        Guard::new(A::create(&ctx, input), timeout, who).await,
    )
}

/// The input that nobody gave. Most actors take any value, and that needs no reading.
fn undefined<T: DeserializeOwned + 'static>() -> Result<T, String> {
    let mut input: Option<T> = None;
    if let Some(any) = (&mut input as &mut dyn Any).downcast_mut() {
        *any = Some(Value::Undefined);
    }
    input.map_or_else(
        || {
            Value::Undefined
                .deserialize_into()
                .map_err(|e| e.to_string())
        },
        Ok,
    )
}

/// Runs `on_wake`; whether it may have changed the state.
async fn wake<A: Actor>(hub: &Arc<Hub<A>>, who: Who<'_>, actor: &mut A) -> Result<bool, Failure> {
    let (to, mut answer) = oneshot::channel();
    let Some(mut call) = A::hook(Hook::Wake(Reply::caller(to))) else {
        return Ok(false);
    };
    let ctx = context(hub);
    let timeout = hub.options.on_wake_timeout;
    let receiver = A::HANDLERS[A::handler(&call)].receiver;
    let outcome = match receiver {
        Receiver::Shared => {
            let handler = actor.run_shared(&ctx, &mut call);
            Guard::new(handler, timeout, who).await
        }
        Receiver::Exclusive | Receiver::Free => {
            let handler = actor.run_exclusive(&ctx, &mut call);
            Guard::new(handler, timeout, who).await
        }
    };
    A::reply(&mut call).release();
    finish("on_wake", outcome.map(|()| read_answer(&mut answer)))?;
    Ok(receiver != Receiver::Shared)
}

fn context<A: Actor>(hub: &Arc<Hub<A>>) -> Ctx<A> {
    Ctx::of_life(hub, Origin::Turn)
}

/// Names the hook in whatever went wrong (P5).
fn finish<T>(
    hook: &'static str,
    outcome: Result<Result<T, ActorError>, Fault>,
) -> Result<T, Failure> {
    let (kind, error) = match outcome {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => {
            tracing::warn!(hook, %error, "a start hook failed");
            (FailureKind::Error, error)
        }
        Err(fault) => (
            fault.kind().unwrap_or(FailureKind::Error),
            fault.of_hook(hook),
        ),
    };
    Err(Failure {
        error,
        is_final: false,
        hook: Some((hook, kind)),
    })
}

/// Tells whoever sent a message that it will not be served.
pub(super) fn refuse<A: Actor>(msg: Msg<A>, error: &ActorError) {
    match msg {
        Msg::Call(mut call, _) => {
            let reply = A::reply(&mut call);
            reply.fail(error.clone());
            reply.release();
        }
        Msg::Peer(mut peer) => {
            let reply = A::reply(&mut peer.call);
            reply.fail(error.clone());
            reply.release();
        }
        Msg::Keyed(mut keyed) => {
            let reply = A::reply(&mut keyed.call);
            reply.fail(error.clone());
            reply.release();
        }
        Msg::SocketCall(mut sent) => {
            let reply = A::reply(&mut sent.call);
            reply.fail(error.clone());
            reply.release();
            sent.ticket.settle();
        }
        Msg::Frame(incoming) => {
            // There is no answer by which its client could be told. That the process stops it is told
            // otherwise.
            let reason = format!("{}.{}", error.group(), error.code());
            let outbox = incoming.ticket.outbox();
            if !error.is("actor", "stopping") {
                outbox.close(CloseFrame::new(1011, reason));
            }
            incoming.ticket.settle();
        }
        Msg::Http(call) => call.opening.done.refuse(error),
        Msg::Send(sending) => sending.refuse(error),
        Msg::Open(opening) => opening.done.refuse(error),
        Msg::Visit(visit) => visit.refuse(error),
        Msg::Close(..) | Msg::Subscribe(..) => {}
    }
}

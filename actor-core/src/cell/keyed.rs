//! Calls with an idempotency key: each is run once, and answered as often as it comes. What is known of them is
//! read from storage beside the turns, and the answer is written in one commit with what the turn did (P3).

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::FuturesUnordered};

use super::{
    frame::{Waits, deadline_exceeded},
    guard::guard_now,
    job::{Job, Then},
    live::Cell,
};
use crate::{
    actor::{Actor, Ctx, Origin, Outcome, Receiver, WorkGuard},
    error::ActorError,
    id::ConnId,
    idempotency::{
        self, Answer, Found, IdempotencyError, Limits, Mark, Table, fingerprint, read_answer,
        write_answer,
    },
    journal::Ledger as _,
    lifecycle::WorkKind,
    metrics,
    storage::keys,
    value::Value,
};

/// A call with an idempotency key.
pub(crate) struct KeyedCall<A: Actor> {
    pub(crate) call: A::Call,
    pub(crate) conn: Option<Arc<ConnId>>,
    /// Who waits for it, if that is another actor.
    pub(crate) waits: Option<Waits>,
    pub(crate) key: Arc<str>,
}

/// What one life knows of keys.
pub(super) struct Keyed<A: Actor> {
    /// Absent until it is read.
    table: Option<Table>,
    waiting: Vec<Waiting<A>>,
    reads: FuturesUnordered<Reading>,
}

/// A call of which it is not known yet what becomes of it.
struct Waiting<A: Actor> {
    job: Job<A>,
    mark: Mark,
    wants: Wants,
    _guard: WorkGuard,
}

/// What a call waits for.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Wants {
    /// Storage, to say what it has.
    Table,
    /// Storage, to say what this was.
    Answer(u64),
    /// The call with its key, whose turn comes before its own.
    Turn,
}

type Reading = Pin<Box<dyn Future<Output = Read> + Send>>;

/// What storage said.
enum Read {
    Table(Result<Table, ActorError>),
    /// The answer of this number, if it is still there.
    Answer(u64, Result<Option<Bytes>, ActorError>),
}

impl<A: Actor> Default for Keyed<A> {
    fn default() -> Self {
        Self {
            table: None,
            waiting: Vec::new(),
            reads: FuturesUnordered::new(),
        }
    }
}

impl<A: Actor> Keyed<A> {
    fn take_waiting(&mut self, wants: Wants) -> Vec<Waiting<A>> {
        self.part(|it, _| it.wants == wants)
    }

    /// Those whose turn it may be.
    fn take_turns(&mut self) -> Vec<Waiting<A>> {
        self.part(|it, table| {
            it.wants == Wants::Turn && table.is_some_and(|table| !table.is_underway(&it.mark))
        })
    }

    fn part(&mut self, is_over: impl Fn(&Waiting<A>, Option<&Table>) -> bool) -> Vec<Waiting<A>> {
        let all = mem::take(&mut self.waiting).into_iter();
        let (over, waiting) = all.partition(|it| is_over(it, self.table.as_ref()));
        self.waiting = waiting;
        over
    }
}

impl<A: Actor> Cell<A> {
    /// A call with a key becomes a job, unless it was answered before or has to wait for storage.
    pub(super) fn take_keyed(&mut self, keyed: KeyedCall<A>) -> Option<Job<A>> {
        let KeyedCall {
            call,
            conn,
            waits,
            key,
        } = keyed;
        if waits.as_ref().is_some_and(|it| it.left().is_zero()) {
            Job::<A>::call(call, None).refuse(&deadline_exceeded());
            return None;
        }
        let mut job = self.admit(call, conn.as_deref())?;
        if let Some(waits) = waits {
            job.then = Then::Peer(waits);
        }
        let job = self.unless_known(job, key)?;
        self.unless_free(job)
    }

    /// A job that may run is to, if no other with its key has.
    pub(super) fn unless_known(&mut self, job: Job<A>, key: Arc<str>) -> Option<Job<A>> {
        match mark_of(&job, key) {
            Ok(mark) => self.look_up(job, mark),
            Err(error) => {
                self.refuse_keyed(job, &error);
                None
            }
        }
    }

    fn look_up(&mut self, mut job: Job<A>, mark: Mark) -> Option<Job<A>> {
        self.is_keyed = true;
        let (now, limits, stores) = (self.hub.clock.now(), self.key_limits(), self.stores());
        let keyed = self.keyed.get_or_insert_default();
        if !stores {
            keyed.table.get_or_insert_default();
        }
        let Some(table) = &keyed.table else {
            self.wait_for(Wants::Table, job, mark);
            return None;
        };
        match table.find(&mark, now, limits) {
            Ok(Found::New(first)) => {
                let answer = None;
                A::reply(&mut job.call).keep(Outcome { first, answer });
                return Some(job);
            }
            Ok(Found::Kept(number)) => self.wait_for(Wants::Answer(number), job, mark),
            Ok(Found::Held(answer)) => self.answer_again(job, &answer),
            // Calls that run one at a time wait for those before them anyway, and this one knows then.
            Err(IdempotencyError::InProgress) if job.receiver() == Receiver::Exclusive => {
                self.wait_for(Wants::Turn, job, mark);
            }
            Err(error) => self.refuse_keyed(job, &error.into()),
        }
        None
    }

    fn wait_for(&mut self, wants: Wants, job: Job<A>, mark: Mark) {
        let guard = match self.hub.hold_bounded(WorkKind::KeepAwake, None) {
            Ok(guard) => guard,
            Err(error) => return self.refuse_keyed(job, &error),
        };
        let ctx = Ctx::of_life(&self.hub, Origin::Beside);
        let keyed = self.keyed.get_or_insert_default();
        let is_asked = keyed.waiting.iter().any(|it| it.wants == wants);
        match wants {
            Wants::Table if !is_asked => keyed.reads.push(Box::pin(async move {
                Read::Table(idempotency::load(&ctx).await)
            })),
            Wants::Answer(number) if !is_asked => keyed.reads.push(Box::pin(async move {
                let answer = ctx.fetch(keys::idempotency_answer(number)).await;
                Read::Answer(number, answer.map_err(|it| idempotency::failed(&it)))
            })),
            Wants::Table | Wants::Answer(_) | Wants::Turn => {}
        }
        keyed.waiting.push(Waiting {
            job,
            mark,
            wants,
            _guard: guard,
        });
        self.beside = true;
    }

    /// Whether a call with a key waits for something.
    pub(super) fn keyed_wait(&self) -> bool {
        self.keyed.as_ref().is_some_and(|it| !it.waiting.is_empty())
    }

    /// Goes on with calls that have waited for long enough.
    pub(super) fn poll_keyed(&mut self, cx: &mut Context<'_>) {
        let turns = self.keyed.as_mut().map(|it| it.take_turns());
        for it in turns.into_iter().flatten() {
            self.look_again(it);
        }
        // What follows from that is asked for in here.
        while let Some(keyed) = &mut self.keyed
            && let Poll::Ready(Some(read)) = keyed.reads.poll_next_unpin(cx)
        {
            let wanted = match &read {
                Read::Table(_) => Wants::Table,
                Read::Answer(number, _) => Wants::Answer(*number),
            };
            let waiting = keyed.take_waiting(wanted);
            let answer = match read {
                Read::Table(table) => table.map(|it| {
                    keyed.table = Some(it);
                    None
                }),
                Read::Answer(number, Ok(None))
                    if keyed.table.as_ref().is_some_and(|it| it.has(number)) =>
                {
                    Err(idempotency::missing())
                }
                Read::Answer(_, answer) => answer,
            };
            for it in waiting {
                match &answer {
                    Ok(Some(answer)) => self.answer_again(it.job, answer),
                    // The answer had to go meanwhile, or it is only known now what to look for.
                    Ok(None) => self.look_again(it),
                    Err(error) => self.refuse_keyed(it.job, error),
                }
            }
        }
    }

    fn look_again(&mut self, waiting: Waiting<A>) {
        let job = self.look_up(waiting.job, waiting.mark);
        let job = job.and_then(|it| self.unless_free(it));
        self.jobs.extend(job);
    }

    /// Answers a call as an earlier one was, once what that one left is durable.
    fn answer_again(&mut self, mut job: Job<A>, answer: &Bytes) {
        let replayed = match read_answer(answer) {
            Ok(Answer::Ok(value)) => guard_now(|| A::replay(&mut job.call, value))
                .map_err(|fault| fault.of_hook("deserialize")),
            Ok(Answer::Error(error)) => {
                A::reply(&mut job.call).fail(error.into());
                Ok(())
            }
            Ok(Answer::Large) => Err(answer_not_kept()),
            Err(error) => Err(idempotency::unreadable(&error)),
        };
        if let Err(error) = replayed {
            return self.refuse_keyed(job, &error);
        }
        let tag = self.tag(self.durability_of(&job));
        self.follow(job, tag);
    }

    /// Keeps what a call with a key was answered, in one commit with what its turn did. Nothing is kept of
    /// a handler that did not return, nor of an answer that says to come again.
    pub(super) fn keep_answer(&mut self, call: &mut A::Call) {
        let Some(Outcome { first, answer }) = A::reply(call).take_kept() else {
            return;
        };
        let (now, limits, stores) = (self.hub.clock.now(), self.key_limits(), self.stores());
        let table = self.keyed.as_mut().and_then(|it| it.table.as_mut());
        let (Some(answer), Some(table)) = (answer.filter(is_final), table) else {
            return;
        };
        let answer = write_answer(answer, limits.bytes);
        let kept = table.keep(first, answer, now, limits, stores);
        let name = &self.info.name;
        metrics::count_many(&metrics::IDEMPOTENCY_DROPS, [name], kept.dropped);
        self.write_beside(kept.ops);
    }

    /// Nothing is waited for any more: the calls that did are jobs again, for whoever gives those up.
    pub(super) fn give_up_waiting(&mut self) {
        if let Some(keyed) = &mut self.keyed {
            keyed.reads = FuturesUnordered::new();
            let waiting = mem::take(&mut keyed.waiting);
            self.jobs.extend(waiting.into_iter().map(|it| it.job));
        }
    }

    fn refuse_keyed(&mut self, job: Job<A>, error: &ActorError) {
        if let Then::HttpDone(conn) = &job.then {
            let conn = Arc::clone(conn);
            self.http_done(&conn);
        }
        job.refuse(error);
    }

    fn key_limits(&self) -> Limits {
        let options = self.options();
        Limits {
            window: options.idempotency_window,
            keys: options.max_idempotency_keys,
            bytes: options.max_idempotency_answer,
        }
    }
}

/// What a call is known by. To serialize its arguments is user code too.
fn mark_of<A: Actor>(job: &Job<A>, key: Arc<str>) -> Result<Mark, ActorError> {
    idempotency::check(&key)?;
    let arguments = guard_now(|| A::arguments(&job.call))
        .unwrap_or_else(|fault| Err(fault.of_hook("serialize")))?;
    let action = A::HANDLERS[A::handler(&job.call)].name;
    Ok(Mark::new(action.into(), key, fingerprint(&arguments)))
}

/// Whether an answer is the handler's own. An error of the library's that it passes on says that something
/// was not done, or not now, and is no reason not to try again.
fn is_final(answer: &Result<Value, ActorError>) -> bool {
    let Err(error) = answer else { return true };
    !matches!(error.group(), "actor" | "guard") && error.status() != 503
}

/// What is told in place of an answer that was too large to keep.
fn answer_not_kept() -> ActorError {
    let text = "the action took effect, but its answer was too large to be kept";
    ActorError::new("actor", "answer_lost", text)
}

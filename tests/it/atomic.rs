//! Atomic actions (A7): one that fails leaves nothing behind, and takes nothing of others along.

use std::{future::pending, time::Duration};

use actor_core::{
    CallError, IntoActorError,
    clock::Timestamp,
    kv::{KvError, Range},
    prelude::*,
    queue::QueueError,
    schedule::{Outcome, ScheduleError},
    sql::{SqlError, Transaction},
    testing::{Fault, TestRegistry},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

#[derive(Debug, Event)]
pub(crate) enum Told {
    Told(u32),
}

#[derive(Debug, Queue)]
pub(crate) enum Jobs {
    Job(u32),
}

#[derive(Debug, thiserror::Error, ActionError)]
pub(crate) enum Trouble {
    #[error("as asked")]
    AsAsked,
    #[error(transparent)]
    Kv(#[from] KvError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    #[error(transparent)]
    Sql(#[from] SqlError),
    #[error(transparent)]
    Actor(#[from] ActorError),
}

/// Something that a turn does to one part of its surroundings.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) enum Deed {
    Count(u32),
    Put(u8, u32),
    Delete(u8),
    /// Under this name, at this time.
    Schedule(u8, u32),
    /// Every so many hours.
    Repeat(u8, u32),
    Cancel(u8),
    Send(u32),
    Take,
    /// Takes a message, and completes it or lets go of it.
    Hold(bool),
    Tag(u8),
    Untag(u8),
    Remember(u32),
    Say(u32),
    /// To those with a tag.
    SayTo(u8, u32),
    Later(u32),
    Background(u32),
    Insert(u32),
    /// In a transaction of its own, which fails or not.
    InsertWithin(u32, bool),
}

/// How a turn ends.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum End {
    Well,
    Error,
    Panic,
    Timeout,
}

/// All that can be seen of a vault.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Seen {
    counts: Vec<u32>,
    kept: Vec<(String, u32)>,
    planned: Vec<(String, u64)>,
    waiting: usize,
    tags: Vec<String>,
    in_groups: Vec<usize>,
    remembered: u32,
    rows: Vec<u32>,
}

#[actor(
    conn = u32,
    event = Told,
    queue = Jobs,
    action_timeout = "5s",
    sleep_after = "10m"
)]
#[derive(Default)]
pub(crate) struct Vault {
    counts: Vec<u32>,
    #[actor(transient)]
    since_wake: u32,
}

#[actor]
impl Vault {
    #[on_migrate]
    async fn migrate(tx: &Transaction) -> Result<(), SqlError> {
        tx.migrate(&["create table rows (n integer not null)"])
            .await
    }

    #[action(atomic)]
    async fn at_once(
        &mut self,
        ctx: &Ctx<Self>,
        deeds: Vec<Deed>,
        end: End,
    ) -> Result<Seen, Trouble> {
        self.since_wake += 1;
        for deed in deeds {
            Self::perform(ctx, &mut self.counts, deed).await?;
        }
        let seen = self.see(ctx).await?;
        match end {
            End::Well => Ok(seen),
            End::Error => Err(Trouble::AsAsked),
            End::Panic => panic!("as asked"),
            End::Timeout => pending().await,
        }
    }

    #[action]
    async fn plainly(&mut self, ctx: &Ctx<Self>, deeds: Vec<Deed>) -> Result<(), Trouble> {
        for deed in deeds {
            Self::perform(ctx, &mut self.counts, deed).await?;
        }
        Ok(())
    }

    #[action]
    async fn look(&self, ctx: &Ctx<Self>) -> Result<Seen, Trouble> {
        self.see(ctx).await
    }

    #[action]
    async fn since_wake(&self) -> u32 {
        self.since_wake
    }

    /// All messages there are.
    #[action]
    async fn drain(ctx: &TaskCtx<Self>) -> Result<Vec<u32>, Trouble> {
        let found = ctx.queue().batch(100, Duration::ZERO).await?;
        Ok(found.into_iter().map(|Jobs::Job(n)| n).collect())
    }

    /// Does it, waits until others have had their time, and fails or not.
    #[action(atomic)]
    async fn slowly(&mut self, ctx: &Ctx<Self>, deeds: Vec<Deed>, end: End) -> Result<(), Trouble> {
        for deed in deeds {
            Self::perform(ctx, &mut self.counts, deed).await?;
        }
        sleep(Duration::from_secs(1)).await;
        if end == End::Well {
            Ok(())
        } else {
            Err(Trouble::AsAsked)
        }
    }

    /// Runs beside a turn, of whose doings it sees nothing.
    #[action]
    async fn beside(ctx: &TaskCtx<Self>, deeds: Vec<Deed>) -> Result<Seen, Trouble> {
        let seen = Self::default().see(ctx).await?;
        for deed in deeds {
            Self::perform(ctx, &mut Vec::new(), deed).await?;
        }
        Ok(seen)
    }

    #[action]
    async fn put_beside(ctx: &TaskCtx<Self>, at: u8, n: u32) -> Result<(), Trouble> {
        Self::perform(ctx, &mut Vec::new(), Deed::Put(at, n)).await
    }

    #[action]
    async fn generation(&self, ctx: &Ctx<Self>) -> u64 {
        ctx.generation().number()
    }

    #[scheduled]
    async fn due(&mut self, n: u32) {
        self.counts.push(n);
    }

    /// As a client's message, or a schedule, does it.
    #[scheduled(atomic)]
    async fn due_and_fails(&mut self) -> Result<(), Trouble> {
        self.counts.push(99);
        Err(Trouble::AsAsked)
    }

    /// How runs of schedules ended.
    #[action]
    async fn past(&self, ctx: &Ctx<Self>) -> Result<Vec<String>, Trouble> {
        let past = ctx.schedule().past().await?;
        let codes = past.iter().map(|it| match &it.outcome {
            Outcome::Failed { group, code, .. } => format!("{group}.{code}"),
            other => format!("{other:?}"),
        });
        Ok(codes.collect())
    }

    #[action]
    async fn plan_to_fail(&self, ctx: &Ctx<Self>) -> Result<(), Trouble> {
        ctx.after(Duration::from_secs(1)).due_and_fails()?;
        Ok(())
    }
}

impl Vault {
    async fn perform(ctx: &Ctx<Self>, counts: &mut Vec<u32>, deed: Deed) -> Result<(), Trouble> {
        let key = |it: u8| format!("key/{it}");
        let name = |it: u8| format!("name/{it}");
        match deed {
            Deed::Count(n) => counts.push(n),
            Deed::Put(at, n) => ctx.kv().put(key(at), &n)?,
            Deed::Delete(at) => ctx.kv().delete(key(at))?,
            Deed::Schedule(at, n) => {
                let due = Timestamp::from_millis(FAR + u64::from(n));
                ctx.at(due).named(name(at)).due(n)?;
            }
            Deed::Repeat(at, n) => {
                let hours = Duration::from_secs(3_600_000 * u64::from(1 + n % 3));
                ctx.every(hours).named(name(at)).due(n)?;
            }
            Deed::Cancel(at) => {
                if let Some(found) = ctx.schedule().find(&name(at)) {
                    ctx.schedule().cancel(found.id)?;
                }
            }
            Deed::Send(n) => drop(ctx.queue().send(Jobs::Job(n)).await?),
            Deed::Take => {
                ctx.queue().try_next().await?;
            }
            Deed::Hold(completes) => {
                if let Some(JobsMessage::Job(job)) = ctx.queue().try_message().await?
                    && completes
                {
                    job.complete(())?;
                }
            }
            Deed::Tag(at) => drop(ctx.require_conn()?.tag(&name(at))?),
            Deed::Untag(at) => ctx.require_conn()?.untag(&name(at)),
            Deed::Remember(n) => ctx.require_conn()?.write(|it| *it += n),
            Deed::Say(n) => ctx.broadcast(Told::Told(n)),
            Deed::SayTo(at, n) => ctx.to(&name(at)).broadcast(Told::Told(n)),
            Deed::Later(n) => ctx.write_later(move |it: &mut Self| it.counts.push(n))?,
            Deed::Background(n) => {
                let work = move |ctx: TaskCtx<Self>| async move {
                    ctx.write(move |it| it.counts.push(n)).await;
                };
                ctx.keep_awake_while(work)?;
            }
            Deed::Insert(n) => drop(ctx.sql().execute(INSERT, n).await?),
            Deed::InsertWithin(n, fails) => {
                let work = move |tx: Transaction| async move {
                    tx.execute(INSERT, n).await?;
                    if fails { Err(Trouble::AsAsked) } else { Ok(()) }
                };
                let done = ctx.sql().transaction(work).await;
                assert_eq!(done.is_err(), fails);
            }
        }
        Ok(())
    }

    async fn see(&self, ctx: &Ctx<Self>) -> Result<Seen, Trouble> {
        let kept = ctx.kv().list::<u32>(Range::prefix("key/")).await?;
        let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
        let planned = ctx.schedule().list();
        let named = |it: &actor_core::schedule::Schedule| it.name.as_deref().map(str::to_owned);
        let mut planned: Vec<_> = planned
            .iter()
            .filter_map(|it| Some((named(it)?, it.due.as_millis())))
            .map(|(name, due)| (name, if due < FAR { 0 } else { due }))
            .collect();
        planned.sort();
        let conn = ctx.conn();
        Ok(Seen {
            counts: self.counts.clone(),
            kept: kept.iter().map(|(key, it)| (text(key), *it)).collect(),
            planned,
            waiting: ctx.queue().count().await?,
            tags: conn.as_ref().map(Conn::tags).unwrap_or_default(),
            in_groups: (0..4)
                .map(|it| ctx.to(&format!("name/{it}")).conns().len())
                .collect(),
            remembered: conn.map(|it| it.read(|it| *it)).unwrap_or_default(),
            rows: ctx
                .sql()
                .query("select n from rows order by rowid", ())
                .await?,
        })
    }
}

const INSERT: &str = "insert into rows values (?)";

/// Later than any test.
const FAR: u64 = 4_000_000_000_000;

async fn start() -> TestRegistry {
    TestRegistry::start(|it| it.actor::<Vault>()).await
}

/// One of each.
fn all() -> Vec<Deed> {
    vec![
        Deed::Count(1),
        Deed::Put(1, 1),
        Deed::Delete(2),
        Deed::Schedule(1, 1),
        Deed::Repeat(3, 1),
        Deed::Cancel(2),
        Deed::Take,
        Deed::Hold(true),
        Deed::Hold(false),
        Deed::Send(1),
        Deed::Tag(1),
        Deed::Untag(2),
        Deed::Remember(1),
        Deed::Say(1),
        Deed::SayTo(1, 2),
        Deed::Later(3),
        Deed::Background(4),
        Deed::Insert(1),
        Deed::InsertWithin(2, false),
        Deed::InsertWithin(3, true),
    ]
}

/// What is there before.
fn before() -> Vec<Deed> {
    vec![
        Deed::Count(7),
        Deed::Put(2, 7),
        Deed::Schedule(2, 7),
        Deed::Send(5),
        Deed::Send(6),
        Deed::Send(7),
        Deed::Tag(2),
        Deed::Remember(7),
        Deed::Insert(7),
    ]
}

fn code<T: std::fmt::Debug, E: IntoActorError + std::fmt::Debug>(
    result: Result<T, CallError<E>>,
) -> String {
    let error = result.unwrap_err().to_actor_error();
    format!("{}.{}", error.group(), error.code())
}

#[tokio::test(start_paused = true)]
async fn a_failed_turn_leaves_nothing_behind_however_it_fails() {
    for (end, told) in [
        (End::Error, "user.as_asked"),
        (End::Panic, "actor.panicked"),
        (End::Timeout, "actor.action_timed_out"),
    ] {
        let mut registry = start().await;
        let vault = registry.get_or_create::<Vault>("one");
        let mut conn = vault.connect(Value::Undefined).await.unwrap();
        conn.plainly(before()).await.unwrap();
        let (seen, life) = (
            conn.look().await.unwrap(),
            vault.generation().await.unwrap(),
        );
        assert_eq!(code(conn.at_once(all(), end).await), told);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(conn.look().await.unwrap(), seen, "{end:?}");
        assert!(conn.try_next().is_none(), "{end:?} told something");
        assert_eq!(
            vault.generation().await.unwrap(),
            life,
            "{end:?}: same life"
        );
        // What it took is there for others, in order and once.
        assert_eq!(vault.drain().await.unwrap(), [5, 6, 7]);
        // Nothing of it comes back with the next life.
        registry.crash().await;
        let after = registry.get_or_create::<Vault>("one").look().await.unwrap();
        let expected = Seen {
            tags: Vec::new(),
            in_groups: after.in_groups.clone(),
            remembered: 0,
            waiting: 0,
            ..seen
        };
        assert_eq!(after, expected, "{end:?} and a crash");
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_succeeds_sees_what_it_did_and_keeps_it_whole() {
    let mut registry = start().await;
    let vault = registry.get_or_create::<Vault>("one");
    let mut conn = vault.connect(Value::Undefined).await.unwrap();
    conn.plainly(before()).await.unwrap();
    let seen = conn.at_once(all(), End::Well).await.unwrap();
    let expected = Seen {
        counts: vec![7, 1],
        kept: vec![("key/1".into(), 1)],
        planned: vec![("name/1".into(), FAR + 1), ("name/3".into(), 0)],
        // The second and the third were held, of which the second is completed.
        waiting: 2,
        tags: vec!["name/1".into()],
        in_groups: vec![0, 1, 0, 0],
        remembered: 8,
        rows: vec![7, 1, 2],
    };
    assert_eq!(seen, expected);
    sleep(Duration::from_millis(1)).await;
    let after = Seen {
        counts: vec![7, 1, 3, 4],
        ..seen
    };
    assert_eq!(conn.look().await.unwrap(), after);
    let mut heard = Vec::new();
    while let Some(event) = conn.try_next() {
        let Told::Told(n) = *event;
        heard.push(n);
    }
    assert_eq!(heard, [1, 2]);
    assert_eq!(vault.drain().await.unwrap(), [7, 1]);
    registry.crash().await;
    let vault = registry.get_or_create::<Vault>("one");
    let again = vault.look().await.unwrap();
    assert_eq!((again.counts, again.kept), (after.counts, after.kept));
    assert_eq!((again.planned, again.rows), (after.planned, after.rows));
}

fn deeds_beside() -> Vec<Deed> {
    vec![
        Deed::Put(1, 50),
        Deed::Put(3, 50),
        Deed::Schedule(1, 50),
        Deed::Schedule(3, 50),
        Deed::Send(50),
        Deed::Tag(1),
        Deed::Tag(3),
        Deed::Remember(50),
    ]
}

/// What is there when only what others did counts.
fn with_what_was_beside(seen: Seen) -> Seen {
    Seen {
        kept: vec![
            ("key/1".into(), 50),
            ("key/2".into(), 7),
            ("key/3".into(), 50),
        ],
        planned: vec![
            ("name/1".into(), FAR + 50),
            ("name/2".into(), FAR + 7),
            ("name/3".into(), FAR + 50),
        ],
        waiting: 4,
        tags: vec!["name/1".into(), "name/2".into(), "name/3".into()],
        in_groups: vec![0, 1, 1, 1],
        remembered: 57,
        ..seen
    }
}

/// What is there when both count.
fn with_both() -> Seen {
    // Who ends last has said the last word of one thing, and no word of others.
    Seen {
        counts: vec![7, 1, 3, 4],
        kept: vec![("key/1".into(), 1), ("key/3".into(), 50)],
        planned: vec![("name/1".into(), FAR + 1), ("name/3".into(), 0)],
        waiting: 3,
        tags: vec!["name/1".into(), "name/3".into()],
        in_groups: vec![0, 1, 0, 1],
        remembered: 8,
        rows: Vec::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_do_beside_a_turn_survives_its_undoing() {
    for end in [End::Well, End::Error] {
        let mut registry = start().await;
        let vault = registry.get_or_create::<Vault>("one");
        let conn = vault.connect(Value::Undefined).await.unwrap();
        // Without SQL, for whose end others would wait.
        let is_sql = |it: &Deed| matches!(it, Deed::Insert(_) | Deed::InsertWithin(..));
        let mut first = before();
        first.retain(|it| !is_sql(it));
        let mut deeds = all();
        deeds.retain(|it| !is_sql(it));
        conn.plainly(first).await.unwrap();
        let seen = conn.look().await.unwrap();
        let turn = conn.slowly(deeds, end);
        let beside = async {
            sleep(Duration::from_millis(1)).await;
            conn.beside(deeds_beside()).await.unwrap()
        };
        let (turn, saw) = tokio::join!(turn, beside);
        let unchanged = Seen {
            counts: Vec::new(),
            rows: Vec::new(),
            // What the turn has taken, nobody else can take; what it sent counts.
            waiting: saw.waiting,
            ..seen.clone()
        };
        assert_eq!(saw, unchanged, "{end:?}: seen from beside");
        sleep(Duration::from_millis(1)).await;
        let after = conn.look().await.unwrap();
        if end == End::Error {
            assert_eq!(code(turn), "user.as_asked");
            assert_eq!(after, with_what_was_beside(seen));
            assert_eq!(vault.drain().await.unwrap(), [5, 6, 7, 50]);
        } else {
            turn.unwrap();
            assert_eq!(after, with_both());
            assert_eq!(vault.drain().await.unwrap(), [7, 1, 50]);
        }
        // Memory and disk agree.
        let seen = vault.look().await.unwrap();
        registry.crash().await;
        let again = registry.get_or_create::<Vault>("one").look().await.unwrap();
        assert_eq!((again.counts, again.kept), (seen.counts, seen.kept));
        assert_eq!((again.planned, again.waiting), (seen.planned, seen.waiting));
    }
}

#[tokio::test(start_paused = true)]
async fn sql_of_others_waits_for_the_end_of_a_turn_that_uses_it() {
    let registry = start().await;
    let vault = registry.get_or_create::<Vault>("one");
    let turn = vault.slowly(
        vec![Deed::Insert(1), Deed::InsertWithin(2, true)],
        End::Error,
    );
    let beside = async {
        sleep(Duration::from_millis(1)).await;
        vault.beside(vec![Deed::Insert(3)]).await.unwrap()
    };
    let (turn, saw) = tokio::join!(turn, beside);
    turn.unwrap_err();
    assert_eq!(saw.rows, [0; 0]);
    assert_eq!(vault.look().await.unwrap().rows, [3]);
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_the_middle_finds_nothing_of_the_turn() {
    let mut registry = start().await;
    let vault = registry.get_or_create::<Vault>("one");
    let conn = vault.connect(Value::Undefined).await.unwrap();
    conn.plainly(before()).await.unwrap();
    let turn = tokio::spawn({
        let vault = vault.clone();
        async move {
            vault
                .slowly(
                    vec![Deed::Count(1), Deed::Put(1, 1), Deed::Insert(1)],
                    End::Well,
                )
                .await
        }
    });
    sleep(Duration::from_millis(1)).await;
    // Nothing is saved in the middle of a turn, this neither.
    let beside = tokio::spawn({
        let vault = vault.clone();
        async move { vault.put_beside(3, 3).await }
    });
    sleep(Duration::from_millis(1)).await;
    registry.crash().await;
    turn.await.unwrap().unwrap_err();
    beside.await.unwrap().unwrap_err();
    let seen = registry.get_or_create::<Vault>("one").look().await.unwrap();
    assert_eq!((seen.counts, seen.rows), (vec![7], vec![7]));
    assert_eq!(seen.kept, [("key/2".to_owned(), 7)]);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_fails_takes_the_turn_along_whole() {
    let registry = start().await;
    let vault = registry.get_or_create::<Vault>("one");
    let mut conn = vault.connect(Value::Undefined).await.unwrap();
    conn.plainly(before()).await.unwrap();
    let mut deeds = all();
    deeds.retain(|it| !matches!(it, Deed::Insert(_) | Deed::InsertWithin(..)));
    let seen = conn.look().await.unwrap();
    registry.storage().script([Some(Fault::Refuse)]);
    let told = code(conn.at_once(deeds, End::Well).await);
    assert_eq!(told, "actor.storage_failed");
    assert_eq!(conn.look().await.unwrap(), seen);
    assert!(conn.try_next().is_none());
    assert_eq!(vault.drain().await.unwrap(), [5, 6, 7]);
}

#[tokio::test(start_paused = true)]
async fn a_scheduled_turn_is_undone_too_and_remembered_as_failed() {
    let registry = start().await;
    let vault = registry.get_or_create::<Vault>("one");
    vault.plan_to_fail().await.unwrap();
    sleep(Duration::from_secs(2)).await;
    let seen = vault.look().await.unwrap();
    assert_eq!((seen.counts, seen.planned), (vec![], vec![]));
    let past = vault.past().await.unwrap();
    assert_eq!(past, ["user.as_asked"]);
}

#[tokio::test(start_paused = true)]
async fn transient_fields_stay_as_the_turn_left_them() {
    let registry = start().await;
    let vault = registry.get_or_create::<Vault>("one");
    vault.at_once(vec![], End::Error).await.unwrap_err();
    vault.at_once(vec![], End::Panic).await.unwrap_err();
    assert_eq!(vault.since_wake().await.unwrap(), 2);
}

fn deed() -> impl Strategy<Value = Deed> {
    let (at, n) = (0..4_u8, 0..1000_u32);
    prop_oneof![
        n.clone().prop_map(Deed::Count),
        (at.clone(), n.clone()).prop_map(|(at, n)| Deed::Put(at, n)),
        at.clone().prop_map(Deed::Delete),
        (at.clone(), n.clone()).prop_map(|(at, n)| Deed::Schedule(at, n)),
        (at.clone(), n.clone()).prop_map(|(at, n)| Deed::Repeat(at, n)),
        at.clone().prop_map(Deed::Cancel),
        n.clone().prop_map(Deed::Send),
        n.clone().prop_map(Deed::Send),
        Just(Deed::Take),
        any::<bool>().prop_map(Deed::Hold),
        at.clone().prop_map(Deed::Tag),
        at.clone().prop_map(Deed::Untag),
        n.clone().prop_map(Deed::Remember),
        n.clone().prop_map(Deed::Say),
        (at, n.clone()).prop_map(|(at, n)| Deed::SayTo(at, n)),
        n.clone().prop_map(Deed::Later),
        n.clone().prop_map(Deed::Insert),
        (n, any::<bool>()).prop_map(|(n, fails)| Deed::InsertWithin(n, fails)),
    ]
}

/// A turn: what it does, and how it ends if it is an atomic one.
fn turn() -> impl Strategy<Value = (Vec<Deed>, Option<End>)> {
    let end = prop::sample::select(vec![
        None,
        Some(End::Well),
        Some(End::Error),
        Some(End::Error),
        Some(End::Timeout),
    ]);
    (prop::collection::vec(deed(), 0..8), end)
}

/// What is there after some turns, and after a crash; what was heard, and what messages there are.
async fn outcome(turns: &[(Vec<Deed>, Option<End>)]) -> (Seen, Seen, Vec<u32>, Vec<u32>) {
    let mut registry = start().await;
    let vault = registry.get_or_create::<Vault>("one");
    let mut conn = vault.connect(Value::Undefined).await.unwrap();
    for (deeds, end) in turns {
        match end {
            None => conn.plainly(deeds.clone()).await.unwrap(),
            Some(end) => {
                let done = conn.at_once(deeds.clone(), *end).await;
                assert_eq!(done.is_ok(), *end == End::Well);
            }
        }
        sleep(Duration::from_millis(1)).await;
    }
    let seen = conn.look().await.unwrap();
    let mut heard = Vec::new();
    while let Some(event) = conn.try_next() {
        let Told::Told(n) = *event;
        heard.push(n);
    }
    registry.crash().await;
    let vault = registry.get_or_create::<Vault>("one");
    let stored = vault.look().await.unwrap();
    (seen, stored, heard, vault.drain().await.unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Turns that failed might as well not have been.
    #[test]
    fn atomic_turns_that_fail_change_nothing(turns in prop::collection::vec(turn(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let mut kept = turns.clone();
        kept.retain(|(_, end)| matches!(end, None | Some(End::Well)));
        for (_, end) in &mut kept {
            // And those that succeed are as any other turn.
            *end = None;
        }
        let (all, without) = runtime.block_on(async { (outcome(&turns).await, outcome(&kept).await) });
        prop_assert_eq!(all, without);
    }
}

//! What earlier programs stored, checked in as the files they left, is read by the present one (S6).
//!
//! `golden/program-<n>.db` was written by version `n` of the program below: a state, a connection whose
//! client was there to the end, a schedule with arguments, a message of a queue, a value under a key.
//! `golden/keys-1.db` has what calls with idempotency keys were answered.
//! None of them is written again, whatever changes in here or in the library: `WRITE_GOLDEN=1` writes
//! those that are missing.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::{
    cell::RefCell,
    fs, mem,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use actor_core::{
    CallError, Registry,
    clock::Timestamp,
    prelude::*,
    queue::QueueError,
    registry::RegistryBuilder,
    storage::{Driver, Sqlite},
    testing::VirtualClock,
};
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, time::timeout};

/// The first program: amounts are whole units.
mod first {
    use super::*;

    #[derive(Clone, Debug, Deserialize, Serialize)]
    pub(crate) struct Member {
        name: String,
    }

    #[derive(Queue)]
    pub(crate) enum Jobs {
        Transfer(u64),
    }

    #[actor(name = "account", version = 1, params = String, conn = Member, queue = Jobs)]
    #[derive(Default)]
    pub(crate) struct Account {
        owner: String,
        units: u64,
    }

    #[actor]
    impl Account {
        #[on_before_connect]
        async fn admit(&self, name: String) -> Member {
            Member { name }
        }

        #[action]
        async fn fill(&mut self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
            (self.owner, self.units) = ("ann".into(), 12);
            ctx.kv().put("greeting", "hello")?;
            ctx.queue().send(Jobs::Transfer(3)).await?;
            ctx.after(HOUR).remind("pay".into()).unwrap();
            Ok(())
        }

        #[scheduled]
        async fn remind(&self, _what: String) {}
    }

    pub(super) async fn fill(registry: &Registry) {
        let account = registry.get_or_create::<Account>("ann");
        account.fill().await.unwrap();
        // Its client goes with the process, and its row stays.
        mem::forget(account.connect("ann".into()).await.unwrap());
    }
}

/// The second: amounts are cents, members have a colour, reminders may be loud.
mod second {
    use super::*;

    #[derive(Clone, Debug, Deserialize, Serialize)]
    pub(crate) struct Member {
        name: String,
        #[serde(default)]
        colour: Option<String>,
    }

    #[derive(Debug, Deserialize, Serialize)]
    pub(crate) struct Transfer {
        cents: u64,
    }

    #[derive(Queue)]
    pub(crate) enum Jobs {
        Transfer(Transfer),
    }

    #[actor(name = "account", version = 2, migrate = migrate, params = String, conn = Member, queue = Jobs)]
    #[derive(Default)]
    pub(crate) struct Account {
        owner: String,
        cents: u64,
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "as every `migrate` is called"
    )]
    pub(super) fn migrate(_found: u32, old: Value) -> Result<Value, String> {
        let units = old
            .member("units")
            .and_then(Value::as_integer)
            .ok_or("no units")?;
        let cents = u64::try_from(units * 100).map_err(|it| it.to_string())?;
        let owner = old.member("owner").cloned().unwrap_or_default();
        Ok(Value::object([("owner", owner), ("cents", cents.into())]))
    }

    #[actor]
    impl Account {
        #[on_before_connect]
        async fn admit(&self, name: String) -> Member {
            let colour = Some("red".into());
            Member { name, colour }
        }

        #[action]
        async fn fill(&mut self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
            (self.owner, self.cents) = ("ann".into(), 1_250);
            ctx.kv().put("greeting", "hello")?;
            ctx.queue()
                .send(Jobs::Transfer(Transfer { cents: 350 }))
                .await?;
            ctx.after(HOUR).remind("pay".into(), Some(true)).unwrap();
            Ok(())
        }

        #[scheduled]
        async fn remind(&self, _what: String, _loud: Option<bool>) {}

        #[action]
        async fn cents(&self) -> u64 {
            self.cents
        }
    }

    pub(super) async fn fill(registry: &Registry) {
        let account = registry.get_or_create::<Account>("ann");
        account.fill().await.unwrap();
        mem::forget(account.connect("ann".into()).await.unwrap());
    }
}

/// The third and present one: an amount has a currency.
mod third {
    use super::*;

    #[derive(Clone, Debug, Deserialize, Serialize)]
    pub(crate) struct Member {
        #[serde(alias = "name")]
        nick: String,
        #[serde(default)]
        colour: Option<String>,
    }

    /// As each of the programs sends it.
    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    #[serde(untagged)]
    pub(crate) enum Transfer {
        Units(u64),
        Cents { cents: u64 },
        Money(Money),
    }

    #[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
    pub(crate) struct Money {
        amount: u64,
        currency: String,
    }

    #[derive(Debug, PartialEq, Queue)]
    pub(crate) enum Jobs {
        Transfer(Transfer),
    }

    #[actor(name = "account", version = 3, migrate = migrate, params = String, conn = Member, queue = Jobs)]
    #[derive(Default)]
    pub(crate) struct Account {
        owner: String,
        balance: Money,
    }

    /// From the first by way of the second.
    fn migrate(found: u32, old: Value) -> Result<Value, String> {
        let old = match found {
            1 => super::second::migrate(1, old)?,
            _ => old,
        };
        let amount = old.member("cents").cloned().ok_or("no cents")?;
        let currency = Value::from("EUR");
        let balance = Value::object([("amount", amount), ("currency", currency)]);
        let owner = old.member("owner").cloned().unwrap_or_default();
        Ok(Value::object([("owner", owner), ("balance", balance)]))
    }

    #[actor]
    impl Account {
        #[on_before_connect]
        async fn admit(&self, nick: String) -> Member {
            let colour = Some("blue".into());
            Member { nick, colour }
        }

        #[on_disconnect]
        async fn left(&self, conn: &Conn<Self>) {
            let member = conn.read(Clone::clone);
            let Member { nick, colour } = member;
            tell(format!("{nick} ({}) left, {colour:?}", conn.params()));
        }

        #[action]
        async fn fill(&mut self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
            let money = |amount| Money {
                amount,
                currency: "USD".into(),
            };
            (self.owner, self.balance) = ("ann".into(), money(1_300));
            ctx.kv().put("greeting", "hello")?;
            ctx.queue()
                .send(Jobs::Transfer(Transfer::Money(money(400))))
                .await?;
            let later = ctx.after(HOUR);
            later.remind("pay".into(), Some(true), Some(7)).unwrap();
            Ok(())
        }

        #[scheduled]
        async fn remind(&self, what: String, loud: Option<bool>, day: Option<u8>) {
            tell(format!("remind {what}, {loud:?}, {day:?}"));
        }

        #[action]
        async fn balance(&self) -> (String, u64, String) {
            let Money { amount, currency } = self.balance.clone();
            (self.owner.clone(), amount, currency)
        }

        #[action]
        async fn greeting(&self, ctx: &Ctx<Self>) -> Result<Option<String>, ActorError> {
            Ok(ctx.kv().get("greeting").await?)
        }

        #[action]
        async fn transfer(&self, ctx: &Ctx<Self>) -> Result<String, QueueError> {
            let job = ctx.queue().try_next().await?;
            Ok(format!("{job:?}"))
        }
    }

    pub(super) async fn fill(registry: &Registry) {
        let account = registry.get_or_create::<Account>("ann");
        account.fill().await.unwrap();
        mem::forget(account.connect("ann".into()).await.unwrap());
    }
}

/// A program that was called with idempotency keys.
mod keyed {
    use super::*;

    #[actor(name = "till")]
    #[derive(Default)]
    pub(crate) struct Till {
        cents: i64,
    }

    #[actor]
    impl Till {
        #[action]
        async fn charge(&mut self, cents: i64, what: Vec<String>) -> Result<i64, ActorError> {
            if 100 < cents {
                let error = ActorError::user("too much").with_code("too_much");
                return Err(error.with_status(402).with_metadata(what.len() as u64));
            }
            self.cents -= cents;
            Ok(self.cents)
        }
    }

    pub(super) fn what() -> Vec<String> {
        vec!["tea".into(), "café".into()]
    }

    pub(super) async fn fill(registry: &Registry) {
        let till = registry.get_or_create::<Till>("ann");
        let charged = till.idempotency_key("a").charge(5, what()).await;
        assert_eq!(charged.unwrap(), -5);
        let refused = till.idempotency_key("b").charge(500, what()).await;
        refused.unwrap_err();
    }
}

thread_local! {
    /// Who hears of what runs by itself in this test, which has its thread to itself.
    static TOLD: RefCell<Option<mpsc::Sender<String>>> = const { RefCell::new(None) };
}

fn tell(what: String) {
    TOLD.with_borrow(|it| it.as_ref().map(|it| it.try_send(what)));
}

const HOUR: Duration = Duration::from_secs(3600);
/// When all the files were written.
const WRITTEN: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn golden(version: u32) -> PathBuf {
    folder().join(format!("program-{version}.db"))
}

fn golden_keys() -> PathBuf {
    folder().join("keys-1.db")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// A registry over a file, at this time.
async fn open(
    path: &Path,
    now: Timestamp,
    declare: impl FnOnce(RegistryBuilder) -> RegistryBuilder,
) -> (Arc<dyn Driver>, Registry) {
    let driver: Arc<dyn Driver> = Arc::new(Sqlite::open(path).unwrap());
    let clock = VirtualClock::default();
    clock.set(now);
    let builder = Registry::builder()
        .shared_storage(Arc::clone(&driver))
        .clock(clock);
    (driver, declare(builder).build().await.unwrap())
}

/// Writes the file of a version that has none. As a process that dies leaves it.
async fn write(version: u32) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program.db");
    let (driver, registry) = match version {
        1 => open(&path, WRITTEN, |it| it.actor::<first::Account>()).await,
        2 => open(&path, WRITTEN, |it| it.actor::<second::Account>()).await,
        _ => open(&path, WRITTEN, |it| it.actor::<third::Account>()).await,
    };
    match version {
        1 => first::fill(&registry).await,
        2 => second::fill(&registry).await,
        _ => third::fill(&registry).await,
    }
    registry.abort();
    driver.close().await.unwrap();
    fs::create_dir_all(golden(version).parent().unwrap()).unwrap();
    fs::copy(&path, golden(version)).unwrap();
}

/// A copy of a file, which opening it may change.
async fn copy_of(version: u32) -> (tempfile::TempDir, PathBuf) {
    if !golden(version).exists() && std::env::var_os("WRITE_GOLDEN").is_some() {
        write(version).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program.db");
    fs::copy(golden(version), &path).unwrap();
    (folder, path)
}

/// As [`write`], with keys.
async fn write_keys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program.db");
    let (driver, registry) = open(&path, WRITTEN, |it| it.actor::<keyed::Till>()).await;
    keyed::fill(&registry).await;
    registry.abort();
    driver.close().await.unwrap();
    fs::copy(&path, golden_keys()).unwrap();
}

/// What was answered is given again, so fingerprints of arguments and rows are what they were.
#[tokio::test]
async fn s6_answers_that_an_earlier_program_kept_are_given_again() {
    if !golden_keys().exists() && std::env::var_os("WRITE_GOLDEN").is_some() {
        write_keys().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program.db");
    fs::copy(golden_keys(), &path).unwrap();
    for (hours, cents) in [(23, -5), (25, -10)] {
        let now = WRITTEN.after(hours * HOUR);
        let (_driver, registry) = open(&path, now, |it| it.actor::<keyed::Till>()).await;
        let till = registry.get::<keyed::Till>("ann");
        let (a, b) = (till.idempotency_key("a"), till.idempotency_key("b"));
        assert_eq!(a.charge(5, keyed::what()).await.unwrap(), cents);
        let error = b.charge(500, keyed::what()).await.unwrap_err();
        // The handler's own value, or what came of it when it was kept.
        assert_eq!(matches!(error, CallError::Actor(_)), hours < 24);
        let error = error.to_actor_error();
        assert!(error.is("user", "too_much"), "{error}");
        assert_eq!((error.status(), error.metadata()), (402, Some(&2.into())));
        let error = b.charge(501, keyed::what()).await.unwrap_err();
        let error = error.to_actor_error();
        assert!(error.is("idempotency", "key_reused"), "{error}");
        registry.shutdown().await;
    }
}

/// Of each version: the state, what the connection had, what the schedule was to say, the message.
const FOUND: [(u32, u64, &str, &str, &str, &str); 3] = [
    (
        1,
        1_200,
        "EUR",
        "ann (ann) left, None",
        "remind pay, None, None",
        "Some(Transfer(Units(3)))",
    ),
    (
        2,
        1_250,
        "EUR",
        "ann (ann) left, Some(\"red\")",
        "remind pay, Some(true), None",
        "Some(Transfer(Cents { cents: 350 }))",
    ),
    (
        3,
        1_300,
        "USD",
        "ann (ann) left, Some(\"blue\")",
        "remind pay, Some(true), Some(7)",
        "Some(Transfer(Money(Money { amount: 400, currency: \"USD\" })))",
    ),
];

/// The version of the tables in each file, as it was written.
const SCHEMAS: [(u32, u32); 3] = [(1, 1), (2, 1), (3, 1)];

/// Where SQLite keeps it in a file.
fn schema_of(path: &Path) -> u32 {
    let header = fs::read(path).unwrap();
    u32::from_be_bytes(header[60..64].try_into().unwrap())
}

/// Whoever changes the tables of the storage leaves a file of each shape they had, and one of the present:
/// add a program to `FOUND`, write its file, and never write another again.
#[tokio::test]
async fn s6_there_is_a_file_of_every_version_of_the_tables() {
    for (program, schema) in SCHEMAS {
        let found = schema_of(&golden(program));
        assert_eq!(found, schema, "program {program} was written again");
    }
    assert_eq!(SCHEMAS.map(|it| it.0), FOUND.map(|it| it.0));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.db");
    Sqlite::open(&path).unwrap().close().await.unwrap();
    let present = schema_of(&path);
    assert_ne!(present, 0);
    for version in 1..=present {
        assert!(
            SCHEMAS.iter().any(|it| it.1 == version),
            "there is no file of version {version} of the tables"
        );
    }
}

/// In real time: the storage's thread does not stop a paused clock.
#[tokio::test]
async fn s6_whatever_an_earlier_program_stored_is_read() {
    for (version, amount, currency, left, remind, message) in FOUND {
        let (told, mut heard) = mpsc::channel(8);
        TOLD.set(Some(told));
        let (_folder, path) = copy_of(version).await;
        // Nobody calls it: its alarm wakes it.
        let now = WRITTEN.after(2 * HOUR);
        let (_driver, registry) = open(&path, now, |it| it.actor::<third::Account>()).await;
        let mut by_itself = Vec::new();
        for _ in 0..2 {
            let next = timeout(Duration::from_secs(60), heard.recv())
                .await
                .unwrap();
            by_itself.push(next.unwrap());
        }
        by_itself.sort();
        assert_eq!(by_itself, [left, remind], "program {version}");
        let account = registry.get::<third::Account>("ann");
        let balance = account.balance().await.unwrap();
        assert_eq!(
            balance,
            ("ann".into(), amount, currency.into()),
            "program {version}"
        );
        assert_eq!(account.transfer().await.unwrap(), message);
        assert_eq!(account.greeting().await.unwrap().as_deref(), Some("hello"));
        registry.shutdown().await;
    }
}

/// A program that is older than what it finds says so, and leaves it as it is.
#[tokio::test]
async fn s6_an_older_program_refuses_what_a_newer_one_stored() {
    let (_folder, path) = copy_of(3).await;
    let (_driver, registry) = open(&path, WRITTEN, |it| it.actor::<second::Account>()).await;
    let account = registry.get::<second::Account>("ann");
    let error = account.cents().await.unwrap_err().to_actor_error();
    assert!(error.is("protocol", "invalid_persisted_data"), "{error}");
    assert!(error.message().contains("version 3"), "{error}");
    registry.shutdown().await;

    let (_driver, registry) = open(&path, WRITTEN, |it| it.actor::<third::Account>()).await;
    let account = registry.get::<third::Account>("ann");
    assert_eq!(account.balance().await.unwrap().1, 1_300);
    registry.shutdown().await;
}

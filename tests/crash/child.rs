//! The process that is killed: opens the database, tells what it finds, then counts and tells of every
//! acknowledgement, until it dies or its input ends.

use std::{
    collections::BTreeSet,
    fmt,
    io::{Read as _, Write as _},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use actor_core::{
    CallError, Registry,
    prelude::*,
    storage::{Driver, Sqlite},
};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::{
    actors::{Archive, Book, Counted, Draft, Ledger, Till, set_round},
    random::Random,
};

/// Names the variable that makes this test binary such a process, and holds its [`Orders`].
pub(crate) const ORDERS: &str = "ACTOR_CRASH_ORDERS";

/// Stands before every record, whatever the test harness writes around them.
pub(crate) const MARK: &str = "@crash ";

const CALLERS: u64 = 16;

/// What a process is told to do.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Orders {
    pub(crate) database: PathBuf,
    pub(crate) round: u64,
    pub(crate) seed: u64,
    /// Actors to tell of before anything else.
    pub(crate) tell: Vec<Name>,
    /// Calls to ask again, with the key that they had, before the load. Their actors are told of again.
    pub(crate) again: Vec<Ask>,
    /// Actors to count in.
    pub(crate) load: Vec<Name>,
}

/// A call with an idempotency key.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct Ask {
    pub(crate) till: String,
    pub(crate) caller: u64,
    pub(crate) n: u64,
}

/// An actor's type and key.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) enum Name {
    Ledger(String),
    Draft(String),
    Archive(String),
    Till(String),
}

/// What a process says, one line each.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Record {
    /// What an actor holds before the load; nothing if there is no such actor.
    Found(Name, Option<Found>),
    /// A call was asked again, and answered this.
    Again(Ask, Counted),
    /// That was all; the load begins.
    Ready,
    /// A call with a key is about to be made.
    Asked(Ask),
    /// An action was acknowledged.
    Counted(Name, Ack),
    /// A connection was acknowledged.
    Connected(Name, u64),
    /// Something failed, which nothing should.
    Failed(String),
}

/// An actor as it was found.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Found {
    pub(crate) book: Book,
    /// How many entries it has in storage.
    pub(crate) entries: usize,
}

/// An acknowledged count.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Ack {
    pub(crate) caller: u64,
    pub(crate) n: u64,
    pub(crate) counted: Counted,
    /// Whether the answer promised that it is on disk.
    pub(crate) sure: bool,
}

/// One write to the pipe, so that a record arrives whole or not at all.
fn say(record: &Record) {
    let line = format!("\n{MARK}{}\n", serde_json::to_string(record).unwrap());
    let mut out = std::io::stdout().lock();
    // Whoever listened may have gone; the input ends then, too.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

fn failed(what: impl fmt::Display) {
    say(&Record::Failed(what.to_string()));
}

pub(crate) fn run(orders: &str) {
    let orders: Orders = serde_json::from_str(orders).unwrap();
    set_round(orders.round);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(serve(orders));
}

async fn serve(orders: Orders) {
    let driver: Arc<dyn Driver> = match Sqlite::open(&orders.database) {
        Ok(driver) => Arc::new(driver),
        Err(error) => return failed(format!("the database does not open: {error}")),
    };
    let registry = Registry::builder()
        .actor::<Ledger>()
        .actor::<Draft>()
        .actor::<Archive>()
        .actor::<Till>()
        .shared_storage(Arc::clone(&driver))
        .build()
        .await
        .unwrap();
    tell(&registry, &*driver, &orders.tell).await;
    for ask in &orders.again {
        match ask.twice(&registry).await {
            Ok(counted) => say(&Record::Again(ask.clone(), counted)),
            Err(error) => failed(format!("{ask:?} again: {error}")),
        }
    }
    let asked: BTreeSet<_> = orders.again.into_iter().map(|it| it.till).collect();
    let asked: Vec<_> = asked.into_iter().map(Name::Till).collect();
    tell(&registry, &*driver, &asked).await;
    say(&Record::Ready);
    let mut load = JoinSet::new();
    if !orders.load.is_empty() {
        let names: Arc<[Name]> = orders.load.into();
        for i in 0..CALLERS {
            let caller = Caller {
                registry: registry.clone(),
                names: Arc::clone(&names),
                number: orders.round * 100 + i,
                random: Random::new(orders.seed ^ (i << 32)),
                sent: vec![0; names.len()],
                connections: 0,
            };
            load.spawn(caller.run());
        }
    }
    // Ends when the other process closes the pipe or dies.
    let end = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let _ = end.await.unwrap();
    load.shutdown().await;
    registry.shutdown().await;
}

async fn tell(registry: &Registry, driver: &dyn Driver, names: &[Name]) {
    for name in names {
        match find(registry, driver, name).await {
            Ok(found) => say(&Record::Found(name.clone(), found)),
            Err(error) => failed(format!("{name:?}: {error}")),
        }
    }
}

impl Ask {
    /// Makes the call twice at once; both are to be answered the same.
    async fn twice(&self, registry: &Registry) -> Result<Counted, CallError> {
        let (one, other) = tokio::join!(self.once(registry), self.once(registry));
        let (one, other) = (one?, other?);
        if one != other {
            failed(format!("{self:?} was answered {one:?} and {other:?}"));
        }
        Ok(one)
    }

    async fn once(&self, registry: &Registry) -> Result<Counted, CallError> {
        let (caller, n) = (self.caller, self.n);
        let till = registry.get_or_create::<Till>(&*self.till);
        let till = till.idempotency_key(format!("{caller}/{n}"));
        // The action is part of what is asked, so the number decides.
        match n % 3 {
            0 => till.count_slowly(caller, n).await,
            1 => till.count_wholly(caller, n).await,
            _ => till.count(caller, n).await,
        }
    }
}

async fn find(
    registry: &Registry,
    driver: &dyn Driver,
    name: &Name,
) -> Result<Option<Found>, ActorError> {
    let read = match name {
        Name::Ledger(key) => {
            let actor = registry.get::<Ledger>(&**key);
            match actor.book().await {
                Ok(book) => Ok((book, actor.resolve().await?)),
                Err(error) => Err(error),
            }
        }
        Name::Draft(key) => {
            let actor = registry.get::<Draft>(&**key);
            match actor.book().await {
                Ok(book) => Ok((book, actor.resolve().await?)),
                Err(error) => Err(error),
            }
        }
        Name::Till(key) => {
            let actor = registry.get::<Till>(&**key);
            match actor.book().await {
                Ok(book) => Ok((book, actor.resolve().await?)),
                Err(error) => Err(error),
            }
        }
        Name::Archive(key) => {
            let actor = registry.get::<Archive>(&**key);
            match actor.book().await {
                Ok(book) => Ok((book, actor.resolve().await?)),
                Err(CallError::Actor(error)) => Err(CallError::Actor(error)),
                Err(error) => return Err(error.to_actor_error()),
            }
        }
    };
    let (book, id) = match read {
        Ok(found) => found,
        Err(CallError::Actor(error)) if error.is("actor", "not_found") => return Ok(None),
        Err(error) => return Err(error.to_actor_error()),
    };
    let loaded = driver.load(id, &[]).await;
    let loaded = loaded.map_err(|it| ActorError::internal(it.to_string()))?;
    let entries = loaded.map_or(0, |it| it.entries.len());
    Ok(Some(Found { book, entries }))
}

/// Counts over all actors, one call at a time.
struct Caller {
    registry: Registry,
    names: Arc<[Name]>,
    number: u64,
    random: Random,
    /// The last number sent to each actor.
    sent: Vec<u64>,
    connections: u64,
}

impl Caller {
    async fn run(mut self) {
        let mut open = Vec::new();
        loop {
            let i = self.random.index(self.names.len());
            let names = Arc::clone(&self.names);
            let done = match &names[i] {
                Name::Ledger(key) if self.random.below(40) == 0 => {
                    if open.len() < 3 {
                        self.connect(key).await.map(|it| open.push(it))
                    } else {
                        open.remove(0);
                        Ok(())
                    }
                }
                name => {
                    self.sent[i] += 1;
                    self.count(name, self.sent[i]).await
                }
            };
            if let Err(error) = done {
                return failed(format!("caller {}: {:?}: {error}", self.number, names[i]));
            }
            if self.random.below(100) == 0 {
                // Not synchronisation: some actors are to fall asleep in the middle.
                tokio::time::sleep(Duration::from_millis(self.random.below(25))).await;
            }
        }
    }

    async fn count(&mut self, name: &Name, n: u64) -> Result<(), CallError> {
        let caller = self.number;
        let which = self.random.below(8);
        let (counted, sure) = match name {
            Name::Ledger(key) => {
                let ledger = self.registry.get_or_create::<Ledger>(&**key);
                let counted = match which {
                    0 => ledger.count_slowly(caller, n).await?,
                    _ => ledger.count(caller, n).await?,
                };
                (counted, true)
            }
            Name::Draft(key) => {
                let draft = self.registry.get_or_create::<Draft>(&**key);
                match which {
                    0 => (draft.count_surely(caller, n).await?, true),
                    _ => (draft.count(caller, n).await?, false),
                }
            }
            Name::Archive(key) => {
                let archive = self.registry.get_or_create::<Archive>(&**key);
                let counted = match which {
                    0..4 => archive.count_briefly(caller, n).await,
                    _ => archive.count(caller, n).await,
                };
                (counted.map_err(|it| it.to_actor_error())?, true)
            }
            Name::Till(key) => {
                let till = key.clone();
                let ask = Ask { till, caller, n };
                say(&Record::Asked(ask.clone()));
                let counted = match which {
                    0..3 => ask.twice(&self.registry).await?,
                    _ => ask.once(&self.registry).await?,
                };
                if which.is_multiple_of(2) {
                    // An answer may be long on its way, so that more of them are lost on it.
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                (counted, true)
            }
        };
        let ack = Ack {
            caller,
            n,
            counted,
            sure,
        };
        say(&Record::Counted(name.clone(), ack));
        Ok(())
    }

    async fn connect(&mut self, key: &str) -> Result<actor_core::Connection<Ledger>, CallError> {
        self.connections += 1;
        let number = self.number * 1_000_000 + self.connections;
        let ledger = self.registry.get_or_create::<Ledger>(key);
        let connection = ledger.connect(number).await?;
        say(&Record::Connected(Name::Ledger(key.into()), number));
        Ok(connection)
    }
}

//! Creating, waking and putting to sleep, against what storage alone needs for it.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use actor_core::{Registry, gateway::ActorRef};
use anyhow::{Context, Result};
use tokio::{task::yield_now, time::Instant};

use crate::{
    measure::{Side, each, per_second, rate},
    ours::{self, Ledger, LedgerHandle},
    raw_sqlite::{ACTORS, Raw},
    report::{Report, Target, Unit},
};

/// Measures the section.
pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let raw = Arc::new(Mutex::new(Raw::open(&folder.path().join("raw.db"))?));
    let ours = Ours {
        registry: ours::on_disk(&folder.path().join("ours.db")).await?,
        created: Arc::default(),
    };
    create(report, &ours, &raw).await?;
    wake(report, &ours, &raw).await?;
    ours.registry.shutdown().await;
    Ok(())
}

async fn create(report: &mut Report, ours: &Ours, raw: &Arc<Mutex<Raw>>) -> Result<()> {
    report
        .compare(
            "create durably and act, alone",
            Unit::Time,
            ours.creations(1),
            vec![(
                creation("sqlite commit", 1, raw.clone()),
                Target::RatioAtMost(5.0),
            )],
        )
        .await?;
    report
        .compare(
            "create durably and act, 64 at once, each",
            Unit::Time,
            ours.creations(64),
            vec![
                // Grouped means that none pays for a commit of its own.
                (
                    creation("sqlite commit", 1, raw.clone()),
                    Target::RatioAtMost(1.0),
                ),
                (
                    creation("sqlite, 64 a commit", 64, raw.clone()),
                    Target::Shown,
                ),
            ],
        )
        .await
}

async fn wake(report: &mut Report, ours: &Ours, raw: &Arc<Mutex<Raw>>) -> Result<()> {
    let sleepers = Sleepers::create(&ours.registry).await?;
    report
        .compare(
            "wake and answer, through a kept handle",
            Unit::Time,
            sleepers.wakes(true),
            vec![(read_and_spawn(raw.clone()), Target::RatioAtMost(5.0))],
        )
        .await?;
    report
        .compare(
            "wake and answer, by key",
            Unit::Time,
            sleepers.wakes(false),
            vec![(read_and_spawn(raw.clone()), Target::Shown)],
        )
        .await?;
    report
        .compare(
            "fall asleep, 1000 at once",
            Unit::PerSecond,
            sleepers.sleeps(),
            Vec::new(),
        )
        .await
}

struct Ours {
    registry: Registry,
    created: Arc<AtomicU64>,
}

impl Ours {
    /// Seconds from asking for an actor that is not there to its first durable answer.
    fn creations(&self, at_once: usize) -> Side<'static> {
        let (registry, created) = (self.registry.clone(), self.created.clone());
        Side::new("ours", move || {
            let workers = vec![(registry.clone(), created.clone()); at_once];
            async move {
                let created = rate(workers, |(registry, created)| async move {
                    let key = format!("new {}", created.fetch_add(1, Relaxed));
                    registry.get_or_create::<Ledger>(key).increment(1).await?;
                    Ok((registry, created))
                });
                Ok(1.0 / created.await?)
            }
        })
    }
}

/// Actors that are put to sleep and woken again.
#[derive(Clone)]
struct Sleepers {
    registry: Registry,
    actors: Arc<[(LedgerHandle, ActorRef)]>,
}

impl Sleepers {
    async fn create(registry: &Registry) -> Result<Self> {
        let gateway = registry.gateway();
        let mut actors = Vec::new();
        for number in 0..ACTORS {
            let handle = registry.get_or_create::<Ledger>(key(number));
            handle.increment(1).await?;
            let actor = gateway
                .find_by_key("default", "ledger", key(number).into())
                .await?;
            actors.push((
                handle,
                actor.context("an actor that was created is not found")?,
            ));
        }
        Ok(Self {
            registry: registry.clone(),
            actors: actors.into(),
        })
    }

    /// Seconds for one of all actors, which are asleep, to wake and answer.
    fn wakes(&self, kept_handles: bool) -> Side<'static> {
        let this = self.clone();
        Side::new("ours", move || {
            let this = this.clone();
            let wake_all = async move {
                this.sleep_all().await;
                let start = Instant::now();
                for (number, (handle, _)) in (0..).zip(&*this.actors) {
                    if kept_handles {
                        handle.get().await?;
                    } else {
                        this.registry
                            .get_or_create::<Ledger>(key(number))
                            .get()
                            .await?;
                    }
                }
                anyhow::Ok(each(ACTORS.into(), start.elapsed()))
            };
            async { tokio::spawn(wake_all).await? }
        })
    }

    /// How many actors per second fall asleep.
    fn sleeps(&self) -> Side<'static> {
        let this = self.clone();
        Side::new("ours", move || {
            let this = this.clone();
            let sleep_all = async move {
                for (handle, _) in &*this.actors {
                    handle.get().await?;
                }
                let start = Instant::now();
                this.sleep_all().await;
                anyhow::Ok(per_second(ACTORS.into(), start.elapsed()))
            };
            async { tokio::spawn(sleep_all).await? }
        })
    }

    async fn sleep_all(&self) {
        for (_, actor) in &*self.actors {
            actor.sleep();
        }
        for (_, actor) in &*self.actors {
            while actor.is_awake() {
                yield_now().await;
            }
        }
    }
}

fn key(number: u32) -> String {
    format!("sleeper {number}")
}

fn creation(label: &'static str, at_once: u32, raw: Arc<Mutex<Raw>>) -> Side<'static> {
    Side::new(label, move || {
        let raw = raw.clone();
        async move { lock(&raw).one_creation(at_once) }
    })
}

/// The least a wake must do: read the state, start a task that has it.
fn read_and_spawn(raw: Arc<Mutex<Raw>>) -> Side<'static> {
    Side::new("sqlite read + spawn", move || {
        let raw = raw.clone();
        let wake_all = async move {
            let start = Instant::now();
            for _ in 0..ACTORS {
                let state = lock(&raw).read()?;
                tokio::spawn(async move { state.len() }).await?;
            }
            anyhow::Ok(each(ACTORS.into(), start.elapsed()))
        };
        async { tokio::spawn(wake_all).await? }
    })
}

fn lock(raw: &Mutex<Raw>) -> MutexGuard<'_, Raw> {
    raw.lock().unwrap_or_else(PoisonError::into_inner)
}

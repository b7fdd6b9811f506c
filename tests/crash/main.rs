//! P2 against `kill -9`: a process that counts and tells of every acknowledgement is killed at random
//! moments and started again over the same database. Nothing acknowledged may be missing, nothing may
//! be counted twice. Calls with an idempotency key that were under way are asked again, and each counts
//! once, whether it had run or not. Here the clock is real and so is the disk.
//!
//! `ACTOR_CRASH_ROUNDS` says how often it is killed, `ACTOR_CRASH_SEED` with which random numbers.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy does not see"
)]

mod actors;
mod child;
mod model;
mod process;
mod random;

use std::{env, path::Path, time::Duration};

use actor_core::storage::{OpenError, Sqlite};

use self::{
    child::{Name, ORDERS, Orders, Record},
    model::Model,
    process::Process,
    random::Random,
};

/// Rounds of an ordinary test run.
const ROUNDS: u64 = 5;

/// How long a process may take to say anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Not a test: what the tests start and kill.
#[test]
fn child() {
    if let Ok(orders) = env::var(ORDERS) {
        child::run(&orders);
    }
}

fn from_env(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number")),
    )
}

/// Actors that live through all rounds.
fn lasting() -> Vec<Name> {
    let ledgers = (0..12).map(|i| Name::Ledger(format!("ledger {i}")));
    let drafts = (0..6).map(|i| Name::Draft(format!("draft {i}")));
    let archives = (0..4).map(|i| Name::Archive(format!("archive {i}")));
    let tills = (0..6).map(|i| Name::Till(format!("till {i}")));
    let names = ledgers.chain(drafts).chain(archives).chain(tills);
    names.collect()
}

/// Actors that are created during a round.
fn of_round(round: u64) -> Vec<Name> {
    let key = |i| format!("round {round} {i}");
    let ledgers = (0..6).map(|i| Name::Ledger(key(i)));
    let drafts = (0..2).map(|i| Name::Draft(key(i)));
    let archives = (0..2).map(|i| Name::Archive(key(i)));
    let tills = (0..2).map(|i| Name::Till(key(i)));
    let names = ledgers.chain(drafts).chain(archives).chain(tills);
    names.collect()
}

fn orders(database: &Path, round: u64, seed: u64, model: &Model) -> Orders {
    let mut tell = lasting();
    tell.extend(round.checked_sub(1).into_iter().flat_map(of_round));
    let mut load = lasting();
    load.extend(of_round(round));
    Orders {
        database: database.into(),
        round,
        seed,
        tell,
        again: model.to_ask_again(),
        load,
    }
}

/// Hears what the process found, up to where its load begins.
fn hear_found(process: &mut Process, model: &mut Model) -> Result<(), String> {
    loop {
        match process.next(PATIENCE)?.1 {
            Record::Found(name, found) => model.check(&name, found)?,
            Record::Again(ask, counted) => model.answered_again(&ask, counted)?,
            Record::Failed(what) => return Err(what),
            Record::Ready => return Ok(()),
            other => return Err(format!("{other:?} before the load")),
        }
    }
}

/// One life of the process, from its start over what the last one left to its kill.
fn round(
    database: &Path,
    number: u64,
    random: &mut Random,
    model: &mut Model,
) -> Result<(), String> {
    let mut process = Process::start(&orders(database, number, random.next(), model));
    hear_found(&mut process, model)?;
    // Most die soon, while actors are still created; some live past many saves.
    let life = match random.below(10) {
        0 => Duration::from_millis(random.below(1500)),
        _ => Duration::from_micros(5_000 + random.below(145_000)),
    };
    model.hear(process.next(PATIENCE)?)?;
    let intrude = random.below(4) == 0;
    if intrude {
        let refused = Sqlite::open(database).err();
        if !matches!(refused, Some(OpenError::InUse { .. })) {
            return Err(format!("a second process was told {refused:?}"));
        }
    }
    for said in process.kill_after(life) {
        model.hear(said)?;
    }
    model.killed(process.killed_at());
    Ok(())
}

#[test]
#[allow(clippy::print_stdout, reason = "a long run says how much it tried")]
fn p2_nothing_acknowledged_is_lost_to_kill_9_and_nothing_counted_twice() {
    let rounds = from_env("ACTOR_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = from_env("ACTOR_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("crash.db");
    let mut random = Random::new(seed);
    let mut model = Model::default();
    for number in 0..rounds {
        if let Err(what) = round(&database, number, &mut random, &mut model) {
            let kept = folder.keep();
            panic!(
                "round {number} of seed {seed} (ACTOR_CRASH_SEED): {what}\nthe database: {}",
                kept.display()
            );
        }
    }
    let mut last = orders(&database, rounds, 0, &model);
    last.load.clear();
    let mut process = Process::start(&last);
    let found = hear_found(&mut process, &mut model);
    found.unwrap_or_else(|what| panic!("after the last round of seed {seed}: {what}"));
    process.end().unwrap();
    let tally = model.tally();
    println!("seed {seed}, {rounds} rounds: {tally}");
    assert!(tally.acked > rounds, "hardly any load: {tally}");
    assert!(tally.again > 0, "no call was cut off: {tally}");
}

#[test]
fn a_second_process_is_refused_and_the_first_unharmed() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("crash.db");
    let mut model = Model::default();
    let mut process = Process::start(&orders(&database, 0, 1, &model));
    hear_found(&mut process, &mut model).unwrap();
    for _ in 0..20 {
        let refused = Sqlite::open(&database).unwrap_err();
        assert!(matches!(refused, OpenError::InUse { .. }), "{refused:?}");
        for _ in 0..20 {
            model.hear(process.next(PATIENCE).unwrap()).unwrap();
        }
    }
    for said in process.end().unwrap() {
        model.hear(said).unwrap();
    }
    model.ended();
    // It ended in good order, so that even what was only promised soon is there.
    let mut last = orders(&database, 1, 0, &model);
    last.load.clear();
    let mut process = Process::start(&last);
    hear_found(&mut process, &mut model).unwrap();
    process.end().unwrap();
    Sqlite::open(&database).unwrap();
}

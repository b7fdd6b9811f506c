//! Rules about the databases that actors have for themselves, for drivers that keep any.

use std::fs;

use super::{
    super::{Driver, databases::Place},
    Bench,
};
use crate::{id::ActorId, storage::Databases};

pub(super) async fn check<D: Driver>(bench: &impl AsyncFn(&'static str) -> Bench<D>) {
    destroyed(&bench("destroying an actor removes its own database, and no other").await).await;
    unclaimed(&bench("destroying an actor that never had a database is fine").await).await;
}

async fn destroyed<D: Driver>(it: &Bench<D>) {
    let databases = it.driver.databases();
    let (gone, stays) = (it.made(1).await, it.made(2).await);
    for id in [gone, stays] {
        make(&databases, id);
    }
    it.ok(it.driver.destroy(gone).await);
    // Asked anew: it is the same place each time.
    let left = it.driver.databases().owners();
    let left = left.unwrap_or_else(|err| panic!("rule `{}`: {err}", it.rule));
    it.holds(!left.contains(&gone), "the database is gone");
    if databases.is_somewhere() {
        it.holds(left.contains(&stays), "the other's is still there");
    }
}

async fn unclaimed<D: Driver>(it: &Bench<D>) {
    let id = it.made(1).await;
    it.ok(it.driver.destroy(id).await);
    it.ok(it.driver.destroy(id).await);
}

/// Makes a database, as the first statement does.
#[expect(clippy::expect_used, reason = "a check fails by panicking")]
fn make(databases: &Databases, id: ActorId) {
    match &databases.place {
        Place::Nowhere => {}
        #[cfg(feature = "sqlite")]
        Place::Memory(keepers) => drop(keepers.connect(id).expect("memory has room")),
        #[cfg(not(feature = "sqlite"))]
        Place::Memory(_) => {}
        Place::Directory(directory) => {
            fs::create_dir_all(directory).expect("the directory can be made");
            let file = super::super::databases::file(directory, id);
            fs::write(file, "").expect("the directory can be written");
        }
    }
}

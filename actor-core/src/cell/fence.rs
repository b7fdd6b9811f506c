//! Keeps a life that is over from writing: a commit of it that was not answered may be under way still.

use tokio::time::timeout;

use super::{commit::DEADLINE, slot::Slot, startup::next_generation};
use crate::{
    actor::Actor,
    id::Generation,
    storage::{Batch, StorageError},
};

/// Has storage refuse what lives until now may still write (K6), so that what is read afterwards is all
/// there is. An actor that has never committed anything has nothing that could be left half.
///
/// Where storage does not do it, the next life tries again, and this one begins all the same: what it
/// commits first does the same.
pub(super) async fn fence<A: Actor>(slot: &Slot<A>) {
    let driver = &slot.host.driver;
    let fenced = timeout(DEADLINE, async {
        let record = driver.record(slot.about.id).await?;
        if let Some(record) = record.filter(|it| it.generation != Generation::default()) {
            let empty = Batch::new(record.id, next_generation(slot, &record), 0);
            // No output waits for this commit.
            let _ = driver.commit(empty).await?;
            slot.set_unsure(false);
        }
        Ok(())
    });
    let silence = |_| Err(StorageError::Failed("no answer within 30 s".into()));
    if let Err(error) = fenced.await.unwrap_or_else(silence) {
        let actor = &slot.about.address;
        tracing::warn!(%actor, %error, "a commit of an earlier life may still happen");
    }
}

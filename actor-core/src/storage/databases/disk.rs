//! What is asked before statements of an actor's database run and commit, where the disk under it fails on
//! purpose. A real disk is not asked: it is `None`.

use std::fmt;

use async_trait::async_trait;

use crate::storage::StorageError;

/// A disk that fails when it likes.
#[async_trait]
pub(crate) trait Disk: fmt::Debug + Send + Sync {
    /// Waits until the disk has time.
    async fn wait(&self);

    /// Asked before a call of statements.
    fn call(&self) -> Option<Denied>;

    /// Asked before a commit.
    fn commit(&self) -> Option<Denied>;
}

/// What is not done as asked.
#[derive(Debug)]
pub(crate) struct Denied {
    /// Whether it is done all the same.
    pub(crate) happens: bool,
    /// What whoever asked is told; `None` if nobody ever answers.
    pub(crate) error: Option<StorageError>,
}

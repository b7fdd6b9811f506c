//! Ours, storing nothing, as the peers do.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use actor_core::Registry;
use anyhow::Result;

use super::Library;
use crate::ours::{self, Counter, CounterHandle};

pub(super) struct Ours {
    registry: Registry,
    started: AtomicU64,
}

impl Library for Ours {
    const LABEL: &'static str = "ours";

    type Handle = CounterHandle;

    async fn open() -> Result<Self> {
        Ok(Self {
            registry: ours::in_memory().await?,
            started: AtomicU64::new(0),
        })
    }

    async fn start(&self) -> Result<Self::Handle> {
        let key = self.started.fetch_add(1, Relaxed).to_string();
        Ok(self.registry.get_or_create::<Counter>(key))
    }

    async fn close(self, started: Vec<Self::Handle>) -> Result<()> {
        drop(started);
        self.registry.shutdown().await;
        Ok(())
    }
}

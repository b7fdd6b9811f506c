//! Behaviour through the public API, a module for each concept. Time is paused: nothing here sleeps
//! for real.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail by panicking, and spawns as it likes"
)]

mod access;
mod actions;
mod atomic;
mod attempts;
mod awake;
mod background;
mod beside;
mod between_lives;
mod changes;
mod connections;
mod crashes;
mod crowds;
mod delays;
mod destroy;
mod durability;
mod endless;
mod errors;
mod failures;
mod falls;
mod faults;
mod fold;
mod goodbyes;
mod groups;
mod hardening;
mod here;
mod hooks;
mod idempotency;
mod inspector;
mod keys;
mod kit;
mod kv;
mod last_saves;
mod lifecycle;
mod metrics;
mod peers;
mod queue;
mod receivers;
mod replays;
mod requests;
mod restore;
mod schedules;
mod sleepers;
mod sql;
mod timeouts;
mod told;
mod websockets;

use actor_core::{Registry, registry::RegistryBuilder, storage::Driver, testing::TestRegistry};
use std::sync::Arc;

/// A registry over memory, with whatever actors `declare` adds.
async fn registry(
    declare: impl Fn(RegistryBuilder) -> RegistryBuilder + Send + Sync + 'static,
) -> Registry {
    TestRegistry::start(declare).await.clone()
}

/// A registry over storage of the test's own, which the kit does not have.
async fn registry_over(
    driver: &Arc<dyn Driver>,
    declare: impl FnOnce(RegistryBuilder) -> RegistryBuilder,
) -> Registry {
    // By hand: see above.
    let builder = Registry::builder().shared_storage(Arc::clone(driver));
    declare(builder).build().await.unwrap()
}

//! An actor's own keys and values: one commit with the state (P3), read back as written, bounded (P6).

use std::{cell::Cell, time::Duration};

use actor_core::{
    CallError,
    kv::{KvError, Range},
    prelude::*,
    testing::{Fault, TestRegistry},
};
use tokio::time::sleep;

use crate::registry;

thread_local! {
    /// How many ranges were read in this test, which has its thread to itself.
    static RANGES: Cell<usize> = const { Cell::new(0) };
}

/// Keeps each line twice, in the state and under a key of its own.
#[actor(sleep_after = "5s")]
#[derive(Default)]
pub(crate) struct Log {
    lines: Vec<String>,
}

#[actor]
impl Log {
    #[action]
    async fn add(&mut self, ctx: &Ctx<Self>, line: String) -> Result<usize, KvError> {
        let key = format!("line/{:04}", self.lines.len());
        ctx.kv().put(key, &line)?;
        self.lines.push(line);
        Ok(self.lines.len())
    }

    /// Waits in the middle of its turn.
    #[action]
    async fn add_slowly(&mut self, ctx: &Ctx<Self>, line: String) -> Result<(), KvError> {
        ctx.kv().put("line/slow", &line)?;
        sleep(Duration::from_millis(1)).await;
        self.lines.push(line);
        Ok(())
    }

    #[action]
    async fn add_and_panic(&mut self, ctx: &Ctx<Self>, line: String) -> Result<(), KvError> {
        ctx.kv().put("line/9999", &line)?;
        // Seen by the turn itself, and by nobody after it.
        assert_eq!(ctx.kv().get("line/9999").await?, Some(line));
        panic!("as asked");
    }

    /// Both, which have to be the same.
    #[action]
    async fn both(&self, ctx: &Ctx<Self>) -> Result<(Vec<String>, Vec<String>), KvError> {
        let kept = ctx.kv().list(Range::prefix("line/")).await?;
        let kept = kept.into_iter().map(|(_, line)| line).collect();
        Ok((self.lines.clone(), kept))
    }

    #[action]
    async fn put(&self, ctx: &Ctx<Self>, key: String, value: String) -> Result<(), KvError> {
        ctx.kv().put_bytes(key, value)
    }

    #[action]
    async fn get(&self, ctx: &Ctx<Self>, key: String) -> Result<Option<String>, KvError> {
        let found = ctx.kv().get_bytes(key).await?;
        Ok(found.map(|it| String::from_utf8_lossy(&it).into_owned()))
    }

    #[action]
    async fn put_many(
        &mut self,
        ctx: &Ctx<Self>,
        count: usize,
        size: usize,
    ) -> Result<(), KvError> {
        let value = vec![b'x'; size];
        ctx.kv()
            .put_all((0..count).map(|it| (format!("many/{it:05}"), value.clone())))
    }

    /// Which of these keys have a value, and which.
    #[action]
    async fn get_many(
        &self,
        ctx: &Ctx<Self>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<String>>, KvError> {
        let found = ctx.kv().get_all(&keys).await?.into_iter();
        Ok(found
            .map(|it| Some(String::from_utf8_lossy(&it?).into_owned()))
            .collect())
    }

    #[action]
    async fn remove_many(&mut self, ctx: &Ctx<Self>, keys: Vec<String>) -> Result<(), KvError> {
        ctx.kv().delete_all(&keys)
    }

    /// In one turn, as much as it may: how many bytes that are, and what it is told then.
    #[action]
    async fn put_on_and_on(&mut self, ctx: &Ctx<Self>) -> (usize, String) {
        let mut bytes = 0;
        loop {
            let key = format!("much/{bytes:010}");
            let written = key.len() + 128 * 1024;
            if let Err(error) = ctx.kv().put_bytes(key, vec![b'x'; 128 * 1024]) {
                return (bytes, error.to_string());
            }
            bytes += written;
        }
    }

    #[action]
    async fn keys(
        &self,
        ctx: &Ctx<Self>,
        start: String,
        end: String,
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<String>, KvError> {
        let mut range = Range::from_key(start).until(end).limit(limit);
        if reverse {
            range = range.reverse();
        }
        let found = ctx.kv().list_bytes(range).await?;
        RANGES.set(RANGES.get() + 1);
        let keys = found.into_iter().map(|(key, _)| key);
        Ok(keys
            .map(|it| String::from_utf8_lossy(&it).into_owned())
            .collect())
    }

    #[action]
    async fn clear(&mut self, ctx: &Ctx<Self>, prefix: String) -> Result<usize, KvError> {
        ctx.kv().delete_range(Range::prefix(prefix)).await
    }

    #[action]
    async fn remove(&mut self, ctx: &Ctx<Self>, key: String) -> Result<(), KvError> {
        ctx.kv().delete(key)
    }

    #[action]
    async fn destroy(&mut self, ctx: &Ctx<Self>) {
        ctx.destroy();
    }

    /// Beside everything: each write is for itself.
    #[action]
    async fn put_free(ctx: &TaskCtx<Self>, key: String, value: String) -> Result<(), KvError> {
        ctx.kv().put_bytes(key, value)
    }
}

/// Stores nothing.
#[actor(durability = "none")]
#[derive(Default)]
pub(crate) struct Ghost {}

#[actor]
impl Ghost {
    #[action]
    async fn put(&mut self, ctx: &Ctx<Self>) -> Result<(), KvError> {
        ctx.kv().put("key", "value")
    }
}

/// Saves later.
#[actor(durability = "relaxed", save_interval = "1s")]
#[derive(Default)]
pub(crate) struct Lazy {}

#[actor]
impl Lazy {
    #[action]
    async fn put(&mut self, ctx: &Ctx<Self>, value: u32) -> Result<(), KvError> {
        ctx.kv().put("key", &value)
    }

    #[action]
    async fn get(&self, ctx: &Ctx<Self>) -> Result<Option<u32>, KvError> {
        ctx.kv().get("key").await
    }
}

async fn open() -> TestRegistry {
    TestRegistry::start(|it| it.actor::<Log>().actor::<Lazy>().actor::<Wide>()).await
}

fn is(error: &CallError<KvError>, code: &str) -> bool {
    error.to_actor_error().is("kv", code)
}

#[tokio::test(start_paused = true)]
async fn p3_keys_and_state_are_saved_together_or_not_at_all() {
    for seed in 0..60 {
        let mut registry = open().await;
        registry.storage().seeded(seed, 4);
        registry
            .storage()
            .crash_after(usize::try_from(seed % 20).unwrap() + 1);
        let log = registry.get_or_create::<Log>("one");
        let mut acked = Vec::new();
        for n in 0..30 {
            if log.add(n.to_string()).await.is_ok() {
                acked.push(n.to_string());
            }
            // Commits go on while the next lines come.
            let _ = log.put_free(format!("free/{n}"), "x".into()).await;
        }
        registry.crash().await;
        let (state, keys) = registry.get_or_create::<Log>("one").both().await.unwrap();
        assert_eq!(state, keys, "seed {seed}");
        assert!(acked.iter().all(|it| state.contains(it)), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn p3_a_turn_that_waited_saves_its_keys_too() {
    let mut registry = open().await;
    let log = registry.get_or_create::<Log>("one");
    log.add_slowly("slow".into()).await.unwrap();
    registry.crash().await;
    let (state, keys) = registry.get_or_create::<Log>("one").both().await.unwrap();
    assert_eq!((state, keys), (vec!["slow".into()], vec!["slow".into()]));
}

#[tokio::test(start_paused = true)]
async fn what_a_panicking_turn_wrote_never_was() {
    let registry = registry(|it| it.actor::<Log>()).await;
    let log = registry.get_or_create::<Log>("one");
    log.add("kept".into()).await.unwrap();
    log.add_and_panic("lost".into()).await.unwrap_err();
    let (state, keys) = log.both().await.unwrap();
    assert_eq!(state, ["kept"]);
    assert_eq!(keys, ["kept"]);
}

#[tokio::test(start_paused = true)]
async fn p2_an_answer_waits_for_what_its_handler_wrote() {
    let mut registry = open().await;
    let log = registry.get_or_create::<Log>("one");
    log.add("first".into()).await.unwrap();
    for free in [false, true] {
        registry.storage().script([Some(Fault::Refuse)]);
        let failed = if free {
            log.put_free("key".into(), "value".into()).await
        } else {
            // Saves its key, though it saves no state.
            log.put("key".into(), "value".into()).await
        };
        let error = failed.unwrap_err().to_actor_error();
        assert!(error.is("actor", "storage_failed"), "{error}");
        assert_eq!(log.get("key".into()).await.unwrap(), None);
    }
    log.put("key".into(), "value".into()).await.unwrap();
    registry.crash().await;
    let log = registry.get_or_create::<Log>("one");
    assert_eq!(log.get("key".into()).await.unwrap().unwrap(), "value");
}

#[tokio::test(start_paused = true)]
async fn s2_a_relaxed_save_that_failed_takes_its_keys_along_when_tried_again() {
    let mut registry = open().await;
    let lazy = registry.get_or_create::<Lazy>("one");
    lazy.put(1).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    registry.storage().script([Some(Fault::Refuse)]);
    lazy.put(2).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(lazy.get().await.unwrap(), Some(2));
    registry.crash().await;
    let lazy = registry.get_or_create::<Lazy>("one");
    assert_eq!(lazy.get().await.unwrap(), Some(2));
}

#[tokio::test(start_paused = true)]
async fn ranges_see_what_is_saved_and_what_is_not_yet() {
    let registry = open().await;
    let log = registry.get_or_create::<Log>("one");
    for key in ["a", "b", "c", "d", "e"] {
        log.put(key.into(), "old".into()).await.unwrap();
    }
    sleep(Duration::from_secs(10)).await;
    registry.storage().hold();
    // From here on nothing reaches the storage.
    let writer = log.clone();
    let waiting = tokio::spawn(async move {
        writer.remove("b".into()).await.unwrap();
    });
    let writer = log.clone();
    let waiting_too = tokio::spawn(async move {
        writer.put("c2".into(), "new".into()).await.unwrap();
    });
    while registry.storage().waiting() == 0 {
        tokio::task::yield_now().await;
    }
    let keys = |start: &str, end: &str, limit, reverse| {
        let (log, start, end) = (log.clone(), start.to_owned(), end.to_owned());
        async move { log.keys(start, end, limit, reverse).await.unwrap() }
    };
    let all = tokio::spawn(keys("a", "z", 10, false));
    let first = tokio::spawn(keys("a", "z", 2, false));
    let last = tokio::spawn(keys("a", "d", 2, true));
    let none = tokio::spawn(keys("d", "a", 10, false));
    // They read while nothing can be saved; only their answers wait for what they saw.
    while RANGES.get() < 4 {
        tokio::task::yield_now().await;
    }
    assert!(!all.is_finished());
    registry.storage().release();
    waiting.await.unwrap();
    waiting_too.await.unwrap();
    assert_eq!(all.await.unwrap(), ["a", "c", "c2", "d", "e"]);
    assert_eq!(first.await.unwrap(), ["a", "c"]);
    assert_eq!(last.await.unwrap(), ["c2", "c"]);
    assert!(none.await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn keys_outlive_a_sleep_and_go_with_the_actor() {
    let registry = registry(|it| it.actor::<Log>()).await;
    let log = registry.get_or_create::<Log>("one");
    log.put_many(128, 10).await.unwrap();
    log.put("other".into(), "value".into()).await.unwrap();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(
        log.get("many/00127".into()).await.unwrap().unwrap(),
        "xxxxxxxxxx"
    );
    assert_eq!(log.clear("many/".into()).await.unwrap(), 128);
    assert_eq!(log.clear("many/".into()).await.unwrap(), 0);
    assert_eq!(log.get("other".into()).await.unwrap().unwrap(), "value");
    let elsewhere = registry.get_or_create::<Log>("two");
    assert_eq!(elsewhere.get("other".into()).await.unwrap(), None);
    log.destroy().await.unwrap();
    let again = registry.get_or_create::<Log>("one");
    assert_eq!(again.get("other".into()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn p6_keys_and_values_have_limits() {
    let registry = registry(|it| it.actor::<Log>().actor::<Ghost>()).await;
    let log = registry.get_or_create::<Log>("one");
    let long = "k".repeat(2_048);
    log.put(long.clone(), String::new()).await.unwrap();
    let error = log.put(long + "k", String::new()).await.unwrap_err();
    assert!(is(&error, "key_too_large"), "{error}");
    let error = log.put(String::new(), String::new()).await.unwrap_err();
    assert!(is(&error, "key_empty"), "{error}");
    log.put_many(1, 128 * 1024).await.unwrap();
    let error = log.put_many(1, 128 * 1024 + 1).await.unwrap_err();
    assert!(is(&error, "value_too_large"), "{error}");
    // 976 KiB with keys of ten bytes.
    let most = 976 * 1024 / 16 - 10;
    for (count, size) in [(129, 1), (16, most + 1)] {
        let error = log.put_many(count, size).await.unwrap_err();
        assert!(is(&error, "batch_too_large"), "{error}");
    }
    assert_eq!(
        log.get("many/00001".into()).await.unwrap(),
        None,
        "all or none"
    );
    log.put_many(16, most).await.unwrap();
    log.put_many(128, 1).await.unwrap();
    let keys = |count| (0..count).map(|it| format!("many/{it:05}")).collect();
    let found = log.get_many(keys(128)).await.unwrap();
    assert_eq!(found, vec![Some("x".to_owned()); 128]);
    let error = log.get_many(keys(129)).await.unwrap_err();
    assert!(is(&error, "batch_too_large"), "{error}");
    let error = log.remove_many(keys(129)).await.unwrap_err();
    assert!(is(&error, "batch_too_large"), "{error}");
    assert!(log.get("many/00000".into()).await.unwrap().is_some());
    log.remove_many(keys(128)).await.unwrap();
    assert_eq!(log.get("many/00000".into()).await.unwrap(), None);
    let ghost = registry.get_or_create::<Ghost>("one");
    let error = ghost.put().await.unwrap_err();
    assert!(is(&error, "not_stored"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn several_keys_are_read_in_the_order_asked_for() {
    let registry = open().await;
    let log = registry.get_or_create::<Log>("one");
    for key in ["a", "b", "c"] {
        log.put(key.into(), format!("of {key}")).await.unwrap();
    }
    log.remove("b".into()).await.unwrap();
    let keys = ["c", "b", "a", "c"].map(str::to_owned);
    let found = log.get_many(keys.into()).await.unwrap();
    let of = |key: &str| Some(format!("of {key}"));
    assert_eq!(found, [of("c"), None, of("a"), of("c")]);
    assert_eq!(log.get_many(Vec::new()).await.unwrap(), []);
    registry.storage().fail_reads(1);
    let error = log
        .get_many(vec!["a".into(), "c".into()])
        .await
        .unwrap_err();
    let error = error.to_actor_error();
    assert!(error.is("actor", "storage_failed"), "{error}");
}

/// Bytes of any kind are keys, and a list ends at its limit, whatever was asked for.
#[tokio::test(start_paused = true)]
async fn p6_a_list_is_bounded() {
    let registry = open().await;
    let wide = registry.get_or_create::<Wide>("one");
    for hundreds in 0..130 {
        wide.fill(hundreds).await.unwrap();
    }
    assert_eq!(wide.count(None, Vec::new()).await.unwrap(), 16_384);
    let most = Some(usize::MAX);
    assert_eq!(wide.count(most, Vec::new()).await.unwrap(), 16_384);
    assert_eq!(wide.count(Some(0), Vec::new()).await.unwrap(), 0);
    // After the last of them there is none.
    assert_eq!(wide.count(None, vec![255, 255]).await.unwrap(), 2);
    assert_eq!(wide.count(None, vec![255]).await.unwrap(), 2);
    assert_eq!(wide.count(None, vec![129, 127]).await.unwrap(), 1);
    assert_eq!(wide.count(None, vec![7]).await.unwrap(), 128);
    // What is left of 16,642 after one call that takes as many as it may.
    assert_eq!(wide.clear().await.unwrap(), 16_384);
    assert_eq!(wide.count(None, Vec::new()).await.unwrap(), 258);
}

/// Keys that are no text.
#[actor]
#[derive(Default)]
pub(crate) struct Wide {}

#[actor]
impl Wide {
    #[action]
    async fn fill(&mut self, ctx: &Ctx<Self>, first: u8) -> Result<(), KvError> {
        ctx.kv().put_all((0..128).map(|it| ([first, it], "")))?;
        ctx.kv()
            .put_all([(vec![255, 255], ""), (vec![255, 255, 0], "")])
    }

    #[action]
    async fn count(
        &self,
        ctx: &Ctx<Self>,
        limit: Option<usize>,
        prefix: Vec<u8>,
    ) -> Result<usize, KvError> {
        let mut range = Range::prefix(prefix);
        if let Some(limit) = limit {
            range = range.limit(limit);
        }
        Ok(ctx.kv().list_bytes(range).await?.len())
    }

    #[action]
    async fn clear(&mut self, ctx: &Ctx<Self>) -> Result<usize, KvError> {
        ctx.kv().delete_range(Range::all()).await
    }
}

#[tokio::test(start_paused = true)]
async fn p6_what_waits_for_storage_is_bounded() {
    let registry = open().await;
    let log = registry.get_or_create::<Log>("one");
    let (bytes, told) = log.put_on_and_on().await.unwrap();
    let most = 64 * 1024 * 1024;
    assert!((most - 256 * 1024..=most).contains(&bytes), "{bytes}");
    assert_eq!(told, KvError::Overloaded.to_string());
    // There is room again once it is saved.
    log.put_many(7, 128 * 1024).await.unwrap();
}

//! What becomes of a hook that fails, however it fails: what its caller hears, and what `on_error` is told,
//! by which life. One table.

use std::{cell::RefCell, future::pending, time::Duration};

use actor_core::{Failure, prelude::*, testing::TestRegistry};

thread_local! {
    /// Which hook fails in this test, which has its thread to itself, and how; once.
    static FAILS: RefCell<(&'static str, How)> = const { RefCell::new(("", How::Error)) };
    /// What `on_error` was told: by which life, of what.
    static TOLD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum How {
    Error,
    Panic,
    Timeout,
}

/// Fails if it is its turn to.
async fn may_fail(hook: &str) -> Result<(), ActorError> {
    let (fails, how) = FAILS.with_borrow(|it| *it);
    if fails != hook {
        return Ok(());
    }
    FAILS.set(("", how));
    match how {
        How::Error => Err(ActorError::user("no").with_code("on_purpose")),
        How::Panic => panic!("on purpose"),
        How::Timeout => pending().await,
    }
}

#[actor(sleep_after = "1h", sleep_grace = "1s")]
pub(crate) struct Frail {
    n: u32,
}

#[actor]
impl Frail {
    #[on_migrate]
    async fn migrate() -> Result<(), ActorError> {
        may_fail("on_migrate").await
    }

    #[on_create]
    async fn create() -> Result<Self, ActorError> {
        may_fail("on_create").await?;
        Ok(Self { n: 0 })
    }

    #[on_wake]
    async fn wake(&mut self) -> Result<(), ActorError> {
        may_fail("on_wake").await
    }

    #[run]
    async fn run(_ctx: &TaskCtx<Self>) -> Result<(), ActorError> {
        may_fail("run").await
    }

    #[on_state_change]
    async fn changed(&self) -> Result<(), ActorError> {
        may_fail("on_state_change").await
    }

    #[on_before_connect]
    async fn admit(&self) -> Result<(), ActorError> {
        may_fail("on_before_connect").await
    }

    #[on_connect]
    async fn joined(&mut self) -> Result<(), ActorError> {
        may_fail("on_connect").await
    }

    #[on_disconnect]
    async fn left(&mut self) -> Result<(), ActorError> {
        may_fail("on_disconnect").await
    }

    #[on_sleep]
    async fn sleep(&mut self) -> Result<(), ActorError> {
        may_fail("on_sleep").await
    }

    #[on_destroy]
    async fn destroyed(&mut self) -> Result<(), ActorError> {
        may_fail("on_destroy").await
    }

    #[on_error]
    async fn failed(&self, ctx: &Ctx<Self>, failure: Failure) {
        let Failure { handler, kind, .. } = failure;
        let life = ctx.generation().number();
        TOLD.with_borrow_mut(|it| it.push(format!("{life}: {kind:?} in {handler}")));
    }

    #[action]
    async fn look(&self) {}

    #[action]
    async fn change(&mut self) {
        self.n += 1;
    }
}

/// What the caller of a hook hears.
fn heard<T>(of: Result<T, ActorError>) -> String {
    match of {
        Ok(_) => "fine".into(),
        Err(error) => format!("{}.{}", error.group(), error.code()),
    }
}

async fn provoke(hook: &'static str, how: How) -> (String, String) {
    let registry = TestRegistry::start(|it| it.actor::<Frail>()).await;
    let frail = registry.get_or_create::<Frail>("it");
    let is_of_start = ["on_migrate", "on_create", "on_wake", "run"].contains(&hook);
    if !is_of_start {
        frail.look().await.unwrap();
    }
    FAILS.set((hook, how));
    let nothing = Value::Undefined;
    let heard = match hook {
        "on_before_connect" | "on_connect" => heard(frail.connect(nothing).await),
        "on_disconnect" => {
            drop(frail.connect(nothing).await.unwrap());
            "nobody".into()
        }
        "on_sleep" => {
            registry.hibernate(&frail).await;
            "nobody".into()
        }
        "on_destroy" => heard(frail.destroy().await),
        "on_state_change" => heard(frail.change().await.map_err(ActorError::from)),
        _ => heard(frail.look().await.map_err(ActorError::from)),
    };
    registry.advance(Duration::from_secs(60)).await;
    if hook == "run" {
        registry.hibernate(&frail).await;
    }
    assert_eq!(FAILS.with_borrow(|it| it.0), "", "{hook} did not run");
    // Whoever asks next is served, and by then all is told.
    frail.look().await.unwrap();
    registry.advance(Duration::from_secs(60)).await;
    registry.shutdown().await;
    (heard, TOLD.take().join(", "))
}

/// A hook, what whoever called for it hears of an error, a panic and a timeout, and the life in which
/// `on_error` is told: of a start the first that succeeds is; `0` for nobody.
const TABLE: [(&str, [&str; 3], [u64; 3]); 10] = [
    // The start fails, and everybody who waits for it is told.
    ("on_migrate", START, [2; 3]),
    ("on_create", START, [2; 3]),
    ("on_wake", START, [2; 3]),
    // Runs beside all else. What hangs is its right, until the actor stops.
    ("run", ["fine"; 3], [1, 1, 0]),
    ("on_state_change", ["fine"; 3], [1; 3]),
    // Refuses the client.
    ("on_before_connect", START, [1; 3]),
    ("on_connect", START, [1, 2, 2]),
    ("on_disconnect", ["nobody"; 3], [1, 2, 2]),
    // The same life is told while it stops. A hook that takes all of its grace leaves no time for that.
    ("on_sleep", ["nobody"; 3], [1, 1, 0]),
    ("on_destroy", ["fine"; 3], [1, 1, 0]),
];

const START: [&str; 3] = [
    "user.on_purpose",
    "actor.panicked",
    "actor.callback_timed_out",
];

#[tokio::test(start_paused = true)]
async fn whatever_hook_fails_its_caller_hears_and_on_error_is_told_once() {
    let mut wrong = Vec::new();
    for (hook, callers, lives) in TABLE {
        for (at, how) in [How::Error, How::Panic, How::Timeout]
            .into_iter()
            .enumerate()
        {
            let seen = provoke(hook, how).await;
            let told = match lives[at] {
                0 => String::new(),
                life => format!("{life}: {how:?} in {hook}"),
            };
            if seen != (callers[at].to_owned(), told) {
                wrong.push(format!("{hook}, {how:?}: {seen:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

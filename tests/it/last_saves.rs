//! What is on disk once a life is over, however it ended (G4, G5, S4): one table.

use std::{cell::RefCell, future::pending, time::Duration};

use actor_core::{
    kv::KvError,
    prelude::*,
    testing::{Fault, TestRegistry},
};
use serde::{Deserialize, Serialize, Serializer, de::Deserializer};
use tokio::time::sleep;

thread_local! {
    /// How the stop hooks of this test behave, which has its thread to itself.
    static HOOK: RefCell<&'static str> = const { RefCell::new("") };
}

/// Cannot be written down once it says so.
#[derive(Default)]
struct Line(String);

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.0 == "unwritable" {
            return Err(serde::ser::Error::custom("on purpose"));
        }
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self)
    }
}

/// What is beside the state: of kv, of queues, of schedules.
type Beside = (Option<String>, usize, usize);

#[derive(Queue)]
pub(crate) enum Post {
    Letter(u32),
}

/// What happens is stored an hour later, or when its life ends.
#[actor(queue = Post, durability = "relaxed", save_interval = "1h", sleep_after = "10s",
                sleep_grace = "2s")]
#[derive(Default)]
pub(crate) struct Diary {
    lines: Vec<Line>,
}

#[actor]
impl Diary {
    #[on_disconnect]
    async fn left(&mut self) {
        self.lines.push(Line("left".into()));
    }

    #[on_sleep]
    async fn sleep(&mut self, ctx: &Ctx<Self>) -> Result<(), ActorError> {
        let hook = HOOK.take();
        self.lines
            .push(Line(format!("slept {hook}").trim().to_owned()));
        match hook {
            "fails" => return Err(ActorError::internal("on purpose")),
            "panics" => panic!("on purpose"),
            "hangs" => pending().await,
            "is slow" => {
                sleep(Duration::from_millis(500)).await;
                self.lines.push(Line("worked".into()));
            }
            "writes" => {
                ctx.kv().put("line", "in on_sleep").unwrap();
                ctx.queue().send(Post::Letter(7)).await.unwrap();
                ctx.after(HOUR).remind().unwrap();
            }
            "leaves work" => ctx
                .wait_until(|ctx| async move {
                    sleep(Duration::from_millis(500)).await;
                    ctx.write(|it| it.lines.push(Line("done".into()))).await;
                })
                .unwrap(),
            "unwritable" => self.lines.push(Line("unwritable".into())),
            _ => {}
        }
        Ok(())
    }

    #[on_destroy]
    async fn destroyed(&mut self) {
        match HOOK.take() {
            "panics" => panic!("on purpose"),
            "hangs" => pending().await,
            _ => {}
        }
    }

    #[action(durability = "acked")]
    async fn write_surely(&mut self, line: String) {
        self.lines.push(Line(line));
    }

    #[action]
    async fn write(&mut self, line: String) {
        self.lines.push(Line(line));
    }

    #[action]
    async fn write_and_panic(&mut self) {
        sleep(Duration::from_millis(1)).await;
        self.lines.push(Line("half".into()));
        panic!("on purpose");
    }

    /// Is suspended in the middle of a change.
    #[action]
    async fn write_for_ever(&mut self) {
        self.lines.push(Line("half".into()));
        pending().await
    }

    /// Changes the state in short turns, until it is aborted.
    #[action]
    async fn write_on_and_on(ctx: &TaskCtx<Self>) {
        ctx.write(|it| it.lines.push(Line("beside".into()))).await;
        pending().await
    }

    #[scheduled]
    async fn remind(&self) {}

    #[action]
    async fn lines(&self) -> Vec<String> {
        self.lines.iter().map(|it| it.0.clone()).collect()
    }

    #[action]
    async fn beside(&self, ctx: &Ctx<Self>) -> Result<Beside, KvError> {
        let line = ctx.kv().get("line").await?;
        let letters = ctx.queue().count().await.unwrap();
        Ok((line, letters, ctx.schedule().list().len()))
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// How a life ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// It was idle.
    Idle,
    /// Somebody asked it to sleep.
    Asked,
    /// The process stops as it should.
    Stop,
    /// The process dies.
    Crash,
    /// A turn panics that may be suspended.
    Panic,
    /// It is to sleep while a turn is suspended in the middle of a change.
    Turn,
    /// It is to sleep while a handler beside the turns goes on for ever.
    Free,
    /// A client leaves at that very moment.
    Leave,
    /// The write of what its stop hook left fails so.
    Fault(Fault),
    /// Every write fails.
    Faults,
    /// Somebody destroys it.
    Destroy,
}

impl End {
    async fn come(self, registry: &mut TestRegistry, diary: &DiaryHandle) {
        match self {
            Self::Idle => registry.advance(Duration::from_secs(20)).await,
            Self::Asked => registry.hibernate(diary).await,
            Self::Stop => registry.restart().await,
            Self::Crash => {}
            Self::Panic => {
                diary.write_and_panic().await.unwrap_err();
            }
            Self::Turn | Self::Free => {
                let other = diary.clone();
                let begun = tokio::spawn(async move {
                    match self {
                        Self::Turn => other.write_for_ever().await,
                        _ => other.write_on_and_on().await,
                    }
                });
                registry.advance(Duration::from_millis(1)).await;
                registry.hibernate(diary).await;
                begun.await.unwrap().unwrap_err();
            }
            Self::Leave => {
                let conn = diary.connect(Value::Undefined).await.unwrap();
                let actor = diary.actor().await.unwrap();
                actor.sleep();
                drop(conn);
                registry.hibernate(diary).await;
            }
            Self::Fault(fault) => {
                registry.storage().script([None, Some(fault)]);
                registry.hibernate(diary).await;
            }
            Self::Faults => {
                registry.storage().script([Some(Fault::Refuse); 9]);
                registry.hibernate(diary).await;
                registry.storage().heal();
            }
            Self::Destroy => diary.destroy().await.unwrap(),
        }
    }
}

/// How a life ends, how its stop hook behaves, and what is on disk then: `first` was acknowledged as
/// durable, `second` was not yet.
const TABLE: [(End, &str, &[&str]); 28] = [
    (End::Idle, "", &["first", "second", "slept"]),
    (End::Asked, "", &["first", "second", "slept"]),
    (End::Stop, "", &["first", "second", "slept"]),
    // An error is an answer, and what came before it stays.
    (End::Idle, "fails", &["first", "second", "slept fails"]),
    (End::Asked, "fails", &["first", "second", "slept fails"]),
    (End::Stop, "fails", &["first", "second", "slept fails"]),
    // What came before the hook is safe from it.
    (End::Idle, "panics", &["first", "second"]),
    (End::Asked, "panics", &["first", "second"]),
    (End::Stop, "panics", &["first", "second"]),
    (End::Idle, "hangs", &["first", "second"]),
    (End::Asked, "hangs", &["first", "second"]),
    (End::Stop, "hangs", &["first", "second"]),
    // All of the grace counts (G2).
    (
        End::Idle,
        "is slow",
        &["first", "second", "slept is slow", "worked"],
    ),
    (
        End::Stop,
        "is slow",
        &["first", "second", "slept is slow", "worked"],
    ),
    (
        End::Idle,
        "leaves work",
        &["first", "second", "slept leaves work", "done"],
    ),
    (
        End::Stop,
        "leaves work",
        &["first", "second", "slept leaves work", "done"],
    ),
    (End::Idle, "writes", &["first", "second", "slept writes"]),
    (End::Leave, "", &["first", "second", "left", "slept"]),
    // Half a change is none; a short turn is a whole one.
    (End::Turn, "", &["first", "second"]),
    (End::Free, "", &["first", "second", "beside", "slept"]),
    // A state that cannot be written leaves what was stored before (G4).
    (End::Asked, "unwritable", &["first", "second"]),
    // One failure is not the end (S2), and when all fail what was stored before stays (G4).
    (End::Fault(Fault::Refuse), "", &["first", "second", "slept"]),
    (End::Fault(Fault::Tear), "", &["first", "second", "slept"]),
    (
        End::Fault(Fault::Swallow),
        "",
        &["first", "second", "slept"],
    ),
    (End::Faults, "", &["first"]),
    // What came before a turn that may be suspended is safe from it.
    (End::Panic, "", &["first", "second"]),
    // Without a stop there is no last save: what was not acknowledged as durable may be lost (S4).
    (End::Crash, "", &["first"]),
    (End::Destroy, "panics", &[]),
];

#[tokio::test(start_paused = true)]
async fn g4_whatever_ends_a_life_what_counts_is_on_disk() {
    let mut wrong = Vec::new();
    for (end, hook, expected) in TABLE {
        let mut registry = TestRegistry::start(|it| it.actor::<Diary>()).await;
        let diary = registry.get_or_create::<Diary>("it");
        diary.write_surely("first".into()).await.unwrap();
        diary.write("second".into()).await.unwrap();
        HOOK.set(hook);
        end.come(&mut registry, &diary).await;
        let writes = hook == "writes";
        // From now on only the disk knows.
        registry.crash().await;
        HOOK.set("");
        let diary = registry.get_or_create::<Diary>("it");
        let lines = diary.lines().await.unwrap();
        if lines != expected {
            wrong.push(format!("{end:?}, on_sleep {hook}: {lines:?}"));
        }
        let beside = diary.beside().await.unwrap();
        let all = (Some("in on_sleep".to_owned()), 1, 1);
        let none = (None, 0, 0);
        if beside != if writes { all } else { none } {
            wrong.push(format!("{end:?}, on_sleep {hook}: {beside:?}"));
        }
        // Nobody of this row is to meet the hook of the next.
        registry.shutdown().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! Keys, ids, creation races and limits.

use actor_core::{CallError, prelude::*};

use crate::registry;

#[actor(input = Option<String>, name = "keyed")]
pub(crate) struct Keyed {
    input: Option<String>,
    created: u32,
}

#[actor]
impl Keyed {
    #[on_create]
    async fn create(input: Option<String>) -> Self {
        Self { input, created: 1 }
    }

    #[action]
    async fn input(&self) -> Option<String> {
        self.input.clone()
    }

    #[action]
    async fn created(&self) -> u32 {
        self.created
    }

    #[action]
    async fn parts(&self, ctx: &Ctx<Self>) -> Vec<String> {
        ctx.key().parts().iter().map(|it| it.to_string()).collect()
    }
}

/// Another type with the same keys.
#[actor]
#[derive(Default)]
pub(crate) struct Other {}

#[actor]
impl Other {
    #[action]
    async fn name(&self, ctx: &Ctx<Self>) -> String {
        ctx.name().to_owned()
    }
}

fn code(error: &CallError) -> String {
    let error = error.to_actor_error();
    format!("{}.{}", error.group(), error.code())
}

#[tokio::test(start_paused = true)]
async fn k4_get_does_not_create_and_create_needs_a_free_key() {
    let registry = registry(|it| it.actor::<Keyed>()).await;
    let error = registry.get::<Keyed>("a").input().await.unwrap_err();
    assert_eq!(code(&error), "actor.not_found");
    let made = registry
        .create::<Keyed>("a", &Some("x".into()))
        .await
        .unwrap();
    assert_eq!(made.input().await.unwrap().as_deref(), Some("x"));
    let error = registry.create::<Keyed>("a", &None).await.unwrap_err();
    assert!(error.is("actor", "duplicate_key"), "{error}");
    let again = registry
        .get_or_create_with::<Keyed>("a", &Some("y".into()))
        .unwrap();
    assert_eq!(again.input().await.unwrap().as_deref(), Some("x"));
    let id = made.resolve().await.unwrap();
    assert_eq!(registry.get_for_id::<Keyed>(id).created().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn k3_types_do_not_share_actors_and_keys_are_compared_by_part() {
    let registry = registry(|it| it.actor::<Keyed>().actor::<Other>()).await;
    let keyed = registry.get_or_create::<Keyed>("a");
    keyed.created().await.unwrap();
    assert_eq!(
        registry.get_or_create::<Other>("a").name().await.unwrap(),
        "other"
    );
    let slash = registry.get_or_create::<Keyed>("a/b");
    let parts = registry.get_or_create::<Keyed>(["a", "b"]);
    assert_eq!(slash.parts().await.unwrap(), ["a/b"]);
    assert_eq!(parts.parts().await.unwrap(), ["a", "b"]);
    assert_ne!(
        slash.resolve().await.unwrap(),
        parts.resolve().await.unwrap()
    );
    let id = keyed.resolve().await.unwrap();
    let error = registry.get_for_id::<Other>(id).name().await.unwrap_err();
    assert_eq!(code(&error), "actor.wrong_type");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k4_get_or_create_creates_once_under_races() {
    let registry = registry(|it| it.actor::<Keyed>()).await;
    for round in 0..50 {
        let calls: Vec<_> = (0..16)
            .map(|n| {
                let registry = registry.clone();
                tokio::spawn(async move {
                    let key = format!("race {round}");
                    let input = Some(n.to_string());
                    let keyed = registry.get_or_create_with::<Keyed>(key, &input).unwrap();
                    (keyed.resolve().await.unwrap(), keyed.input().await.unwrap())
                })
            })
            .collect();
        let mut seen = std::collections::HashSet::new();
        for call in calls {
            seen.insert(call.await.unwrap());
        }
        assert_eq!(seen.len(), 1, "one id and one input for all: {seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn k1_keys_over_their_limits_are_refused() {
    let registry = registry(|it| it.actor::<Keyed>()).await;
    let long = registry.get_or_create::<Keyed>("x".repeat(129));
    assert_eq!(
        code(&long.created().await.unwrap_err()),
        "actor.key_too_large"
    );
    let long = registry.get_or_create::<Keyed>(vec!["x".repeat(100); 11]);
    assert_eq!(
        code(&long.created().await.unwrap_err()),
        "actor.key_too_large"
    );
    assert_eq!(
        registry
            .get_or_create::<Keyed>([""; 0])
            .parts()
            .await
            .unwrap(),
        [""; 0]
    );
}

#[tokio::test(start_paused = true)]
async fn an_undeclared_type_says_so() {
    let registry = registry(|it| it.actor::<Other>()).await;
    let error = registry
        .get_or_create::<Keyed>("a")
        .created()
        .await
        .unwrap_err();
    assert_eq!(code(&error), "actor.not_registered");
    // By hand: the kit panics where a registry cannot be built.
    let twice = actor_core::Registry::builder()
        .actor::<Other>()
        .actor::<Other>()
        .build()
        .await;
    assert!(twice.unwrap_err().to_string().contains("`other`"));
}

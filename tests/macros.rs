//! What the macros' options do: names on the wire, defaults of arguments, errors, stored forms.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy does not see"
)]

use std::time::Duration;

use actor_core::{
    Durability, IntoActorError as _,
    actor::{Actor, ActorType, Receiver, StateError},
    gateway::ActionRequest,
    prelude::*,
    protocol::{Encoding, target::Target},
    testing::SchemaLock,
};

#[actor(
    name = "shelf",
    rename_all = "snake_case",
    durability = "relaxed",
    sleep_after = "never",
    sleep_grace = "1m",
    action_timeout = "1h",
    mailbox = 3
)]
#[derive(Default)]
struct BookShelf {
    books: Vec<String>,
}

#[actor]
impl BookShelf {
    #[action]
    async fn put_book(&mut self, title: String, #[default = 1] copies: usize) -> usize {
        self.books.extend(std::iter::repeat_n(title, copies));
        self.books.len()
    }

    #[action(name = "books.list", durability = "none", timeout = "50ms")]
    async fn list(&self, #[default] skip: usize, most: Option<usize>) -> Vec<String> {
        let most = most.unwrap_or(usize::MAX);
        self.books.iter().skip(skip).take(most).cloned().collect()
    }

    #[action]
    async fn burn(_ctx: &TaskCtx<Self>) -> Result<(), ShelfError> {
        Err(ShelfError::Forbidden { needed: 3 })
    }

    #[on_sleep]
    async fn sleep(&self) {}
}

#[derive(Debug, thiserror::Error, ActionError)]
#[action_error(group = "shelf", status = 403)]
enum ShelfError {
    #[error("level {needed} is needed")]
    Forbidden { needed: u32 },
    #[error("no {0}")]
    #[action_error(code = "gone", status = 410, group = "user")]
    Missing(#[action_error(metadata)] String, u32),
    #[error("damp")]
    #[action_error(internal)]
    Damp(#[source] std::io::Error),
    #[error(transparent)]
    #[action_error(transparent)]
    Other(#[from] ActorError),
}

#[derive(Debug, Event)]
#[event(rename_all = "kebab-case")]
enum ShelfEvent {
    BookAdded(String, u32),
    #[serde(rename_all = "camelCase")]
    MovedTo {
        new_room: String,
        #[serde(rename = "by")]
        mover: Option<u8>,
    },
    #[event(name = "theEnd")]
    Gone,
}

#[test]
fn names_options_and_receivers() {
    let handlers: Vec<_> = BookShelf::HANDLERS
        .iter()
        .map(|it| (it.name, it.receiver, it.durability, it.timeout))
        .collect();
    let quick = Some(Duration::from_millis(50));
    assert_eq!(
        handlers,
        [
            ("put_book", Receiver::Exclusive, None, None),
            (
                "books.list",
                Receiver::Shared,
                Some(Durability::None),
                quick
            ),
            ("burn", Receiver::Free, None, None),
            ("on_sleep", Receiver::Shared, None, None),
        ]
    );
    assert_eq!(
        (BookShelf::NAME, BookShelf::VERSION, BookShelf::ACTIONS),
        ("shelf", 1, 3)
    );
    let options = BookShelf::options();
    assert_eq!(options.durability, Durability::Relaxed);
    assert_eq!(options.sleep_after, None);
    assert_eq!(options.sleep_grace, Duration::from_secs(60));
    assert_eq!(options.action_timeout, Duration::from_secs(3600));
    assert_eq!(options.mailbox, 3);
}

/// What a client is answered that sends `args`.
async fn answer(registry: &Registry, action: &str, args: &str) -> String {
    let id = registry
        .get_or_create::<BookShelf>("one")
        .resolve()
        .await
        .unwrap();
    let gateway = registry.gateway();
    let target = Target::Direct {
        actor_id: id.to_string(),
        token: None,
    };
    let actor = gateway.resolve(&target).await.unwrap();
    let request = ActionRequest {
        name: action.to_owned(),
        encoding: Encoding::Json,
        body: format!("{{\"args\":{args}}}").into(),
        params: Value::Undefined,
        request: None,
        idempotency_key: None,
    };
    let answer = gateway.action(&mut actor.clone(), request).await;
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    match json.get("output") {
        Some(output) => output.to_string(),
        None => format!("{} {}.{}", answer.status, json["group"], json["code"]).replace('"', ""),
    }
}

#[tokio::test(start_paused = true)]
async fn clients_may_leave_out_what_has_a_default() {
    let registry = Registry::builder()
        .actor::<BookShelf>()
        .build()
        .await
        .unwrap();
    let check = async |action: &str, args: &str, expected: &str| {
        assert_eq!(
            answer(&registry, action, args).await,
            expected,
            "{action}({args})"
        );
    };
    check("put_book", r#"["a"]"#, "1").await;
    check("put_book", r#"["b", null]"#, "2").await;
    check("put_book", r#"["c", ["$Undefined", 0]]"#, "3").await;
    check("put_book", r#"["d", 2]"#, "5").await;
    check("books.list", "[]", r#"["a","b","c","d","d"]"#).await;
    check("books.list", "[3]", r#"["d","d"]"#).await;
    check("books.list", "[1, 2]", r#"["b","c"]"#).await;
    check("books.list", "[null, 1]", r#"["a"]"#).await;

    check("put_book", "[]", "400 actor.validation_error").await;
    check("put_book", "[7]", "400 actor.validation_error").await;
    check("put_book", r#"["a", "many"]"#, "400 actor.validation_error").await;
    check("put_book", r#"["a", 1, 2]"#, "400 actor.validation_error").await;
    check("putBook", r#"["a"]"#, "404 actor.action_not_found").await;
    check("list", "[]", "404 actor.action_not_found").await;
    check("on_sleep", "[]", "404 actor.action_not_found").await;
    check("burn", "[]", "403 shelf.forbidden").await;
    check("books.list", "[4]", r#"["d"]"#).await;
}

#[test]
fn errors_say_what_their_attributes_say() {
    let forbidden = ShelfError::Forbidden { needed: 3 }.to_actor_error();
    assert!(forbidden.is("shelf", "forbidden") && forbidden.is_public());
    assert_eq!(
        (forbidden.status(), forbidden.message()),
        (403, "level 3 is needed")
    );
    assert_eq!(forbidden.metadata(), Some(&Value::object([("needed", 3)])));

    let missing = ShelfError::Missing("Emma".to_owned(), 1).to_actor_error();
    assert!(missing.is("user", "gone"));
    assert_eq!((missing.status(), missing.message()), (410, "no Emma"));
    assert_eq!(missing.metadata(), Some(&Value::from("Emma")));

    let damp = ShelfError::Damp(std::io::Error::other("the cellar floods")).to_actor_error();
    assert!(!damp.is_public());
    assert_eq!(
        damp.message(),
        "damp: the cellar floods",
        "the log is told the cause"
    );
    assert!(
        !damp.masked().message().contains("cellar"),
        "clients are not"
    );

    let other = ShelfError::from(ActorError::user("no").with_code("inner")).to_actor_error();
    assert!(other.is("user", "inner"));
}

#[test]
fn events_have_names_and_a_list_of_arguments() {
    let check = |event: ShelfEvent, name: &str, args: Vec<Value>| {
        assert_eq!(
            (event.name(), event.args().unwrap()),
            (name, Value::Array(args))
        );
    };
    let added = ShelfEvent::BookAdded("Emma".to_owned(), 2);
    check(added, "book-added", vec!["Emma".into(), 2.into()]);
    let moved = ShelfEvent::MovedTo {
        new_room: "hall".to_owned(),
        mover: Some(7),
    };
    let object = Value::object([("newRoom", Value::from("hall")), ("by", 7.into())]);
    check(moved, "moved-to", vec![object]);
    check(ShelfEvent::Gone, "theEnd", Vec::new());
}

/// The first version of a document, as it was stored once.
mod first {
    use super::*;

    #[actor]
    pub(crate) struct Document {
        pub(crate) text: String,
        pub(crate) words: u32,
    }

    #[actor]
    impl Document {
        #[on_create]
        async fn create() -> Self {
            Self {
                text: String::new(),
                words: 0,
            }
        }
    }
}

#[actor(version = 2, migrate = upgrade)]
struct Document {
    lines: Vec<String>,
    #[serde(default)]
    title: String,
    #[actor(transient)]
    open: bool,
}

#[actor]
impl Document {
    #[on_create]
    async fn create() -> Self {
        Self {
            lines: Vec::new(),
            title: String::new(),
            open: true,
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a migration is given the old form"
)]
fn upgrade(from: u32, old: Value) -> Result<Value, String> {
    assert_eq!(from, 1);
    let text = old
        .member("text")
        .and_then(Value::as_str)
        .ok_or("no text")?;
    let lines: Vec<Value> = text.lines().map(Value::from).collect();
    Ok(Value::object([("lines", lines)]))
}

#[test]
fn an_older_form_is_migrated_and_a_newer_one_refused() {
    let mut old = Vec::new();
    let document = first::Document {
        text: "a\nb".to_owned(),
        words: 2,
    };
    document.encode(&mut old).unwrap();

    let new = Document::decode(1, &old).unwrap();
    assert_eq!(
        (new.lines, &*new.title, new.open),
        (vec!["a".to_owned(), "b".to_owned()], "", false)
    );

    // Without the field it looks for, the migration fails, and nothing is made up.
    let mut other = Vec::new();
    BookShelf::default().encode(&mut other).unwrap();
    let error = Document::decode(1, &other).err().unwrap();
    assert!(
        matches!(&error, StateError::Decode(why) if why.to_string() == "no text"),
        "{error:?}"
    );

    let error = first::Document::decode(2, &old).err().unwrap();
    assert!(matches!(error, StateError::Newer { found: 2, known: 1 }));
    let error = BookShelf::decode(0, &old).err().unwrap();
    assert!(matches!(
        error,
        StateError::NoMigration { found: 0, known: 1 }
    ));
}

#[test]
fn a_transient_field_is_never_stored() {
    let mut stored = Vec::new();
    let document = Document {
        lines: Vec::new(),
        title: "t".to_owned(),
        open: true,
    };
    document.encode(&mut stored).unwrap();
    let stored_text = String::from_utf8_lossy(&stored);
    assert!(
        stored_text.contains("title") && !stored_text.contains("open"),
        "{stored_text:?}"
    );
    assert!(!Document::decode(2, &stored).unwrap().open);
}

#[actor(version = 3, migrate = upgrade)]
#[serde(deny_unknown_fields)]
struct Locked {
    plain: u32,
    nested: std::collections::BTreeMap<String, Vec<(u8, Option<bool>)>>,
    #[serde(default, rename = "l")]
    later: [u8; 2],
    #[actor(transient)]
    open: bool,
}

#[actor]
impl Locked {
    #[on_create]
    async fn create() -> Self {
        unreachable!("only its form matters")
    }

    #[on_wake]
    async fn wake(&mut self) {
        self.open = !self.open;
    }
}

#[test]
fn a_form_is_written_down_as_it_stands_in_the_source() {
    let locked = SchemaLock::new().actor::<Locked>().to_string();
    let expected = r#"locked 3
  #[serde(deny_unknown_fields)]
  plain: u32
  nested: std::collections::BTreeMap<String, Vec<(u8, Option<bool>)>>
  #[serde(default, rename = "l")] later: [u8; 2]
"#;
    assert_eq!(locked, expected);
}

/// Bytes that version 1 of `Document` stored, kept since.
#[test]
fn s6_a_golden_state_of_the_first_version_is_still_read() {
    const FIRST: &[u8] = b"\xa2\x64text\x63a\nb\x65words\x02";
    let document = Document::decode(1, FIRST).unwrap();
    assert_eq!(document.lines, ["a", "b"]);
    assert_eq!((&*document.title, document.open), ("", false));
}

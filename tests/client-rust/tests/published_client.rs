//! The published Rust client, unmodified, in every encoding: actions, errors,
//! connections, events, looking up and creating, and the way back after a cut.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use actor_client_rust_tests::Fixtures;
use rivetkit_client::connection::ActorConnection;
use rivetkit_client::{
    Client, ClientConfig, CreateOptions, EncodingKind, GetOptions, GetOrCreateOptions,
};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::timeout};

const ENCODINGS: [EncodingKind; 3] = [EncodingKind::Bare, EncodingKind::Cbor, EncodingKind::Json];

/// No wait in these tests is longer: the client itself waits one second before it reconnects.
const SOON: Duration = Duration::from_secs(10);

fn client(url: String, encoding: EncodingKind) -> Client {
    Client::new(
        ClientConfig::new(url)
            .namespace("default")
            .encoding(encoding),
    )
}

/// A key no other test uses.
fn new_key() -> Vec<String> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    vec![format!(
        "rust-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )]
}

fn with_params(params: Value) -> GetOrCreateOptions {
    GetOrCreateOptions {
        params: Some(params),
        ..GetOrCreateOptions::default()
    }
}

/// How long an event may take before another one is caused.
const RETOLD: Duration = Duration::from_millis(200);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(SOON, future)
        .await
        .unwrap_or_else(|_| panic!("not within {SOON:?}: {what}"))
}

/// Waits until the connection of a `counter` is open. What the client is asked before, it sends in any
/// order: a call may then overtake the subscription that is to hear of it.
async fn open(connection: &ActorConnection) {
    let count = soon(
        "the connection opens",
        connection.action("getCount", vec![]),
    )
    .await;
    assert_eq!(count.unwrap(), json!(0));
}

/// What a connection reports of its own opening and closing, from now on.
struct Life {
    opened: mpsc::UnboundedReceiver<()>,
    closed: mpsc::UnboundedReceiver<()>,
}

impl Life {
    async fn of(connection: &ActorConnection) -> Self {
        let (opens, opened) = mpsc::unbounded_channel();
        let (closes, closed) = mpsc::unbounded_channel();
        connection.on_open(move || _ = opens.send(())).await;
        connection.on_close(move || _ = closes.send(())).await;
        Self { opened, closed }
    }

    async fn lost_and_back(&mut self) {
        soon("the client notices the loss", self.closed.recv()).await;
        soon("the client is back", self.opened.recv()).await;
    }
}

async fn next(what: &str, events: &mut mpsc::UnboundedReceiver<Vec<Value>>) -> Vec<Value> {
    soon(what, events.recv())
        .await
        .expect("the sender lives as long as the connection")
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_answer_over_http() {
    let server = Fixtures::start().await.unwrap();
    for encoding in ENCODINGS {
        let client = client(server.url(), encoding);
        let counter = client
            .get_or_create("counter", new_key(), GetOrCreateOptions::default())
            .unwrap();
        assert_eq!(
            counter.action("increment", vec![json!(5)]).await.unwrap(),
            json!(5),
            "{encoding:?}"
        );
        assert_eq!(
            counter.action("increment", vec![json!(-2)]).await.unwrap(),
            json!(3),
            "{encoding:?}"
        );
        assert_eq!(
            counter.action("getCount", vec![]).await.unwrap(),
            json!(3),
            "{encoding:?}"
        );
        let echo = client
            .get_or_create(
                "largePayloadActor",
                new_key(),
                GetOrCreateOptions::default(),
            )
            .unwrap();
        for value in [
            json!(null),
            json!(true),
            json!(1.5),
            json!("grüße ✓"),
            json!([1, [2, "three"], {}]),
            json!({"a": {"b": [null, false]}, "n": -7}),
        ] {
            assert_eq!(
                echo.action("echo", vec![value.clone()]).await.unwrap(),
                value,
                "{encoding:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_name_their_group_code_and_message() {
    let server = Fixtures::start().await.unwrap();
    for encoding in ENCODINGS {
        let client = client(server.url(), encoding);
        let actor = client
            .get_or_create(
                "errorHandlingActor",
                new_key(),
                GetOrCreateOptions::default(),
            )
            .unwrap();
        let connection = actor.connect();
        for (action, expected) in [
            ("throwSimpleError", "Simple error message"),
            ("throwDetailedError", "detailed_error"),
            ("throwInternalError", "internal_error"),
            ("noSuchAction", "action_not_found"),
        ] {
            let over_http = actor.action(action, vec![]).await.unwrap_err().to_string();
            let over_socket = soon(action, connection.action(action, vec![]))
                .await
                .unwrap_err()
                .to_string();
            if action == "throwSimpleError" {
                assert!(over_http.contains(expected), "{encoding:?}: {over_http}");
                assert!(
                    over_socket.contains(expected),
                    "{encoding:?}: {over_socket}"
                );
            } else {
                assert!(over_http.contains(expected), "{encoding:?}: {over_http}");
            }
            for text in [over_http, over_socket] {
                assert!(
                    !text.contains("This is an internal error"),
                    "{encoding:?}: {text}"
                );
            }
        }
        assert_eq!(
            actor.action("successfulAction", vec![]).await.unwrap(),
            json!("success")
        );
        connection.disconnect().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_calls_and_hears_events() {
    let server = Fixtures::start().await.unwrap();
    for encoding in ENCODINGS {
        let client = client(server.url(), encoding);
        let counter = client
            .get_or_create("counter", new_key(), GetOrCreateOptions::default())
            .unwrap();
        let connection = counter.connect();
        open(&connection).await;
        let (heard, mut events) = mpsc::unbounded_channel();
        let (heard_once, mut once) = mpsc::unbounded_channel();
        connection
            .on_event("newCount", move |args| heard.send(args.clone()).unwrap())
            .await;
        connection
            .once_event("newCount", move |event| {
                heard_once.send(event.args).unwrap()
            })
            .await;
        assert_eq!(
            soon("increment", connection.action("increment", vec![json!(1)]))
                .await
                .unwrap(),
            json!(1)
        );
        assert_eq!(next("the first event", &mut events).await, [json!(1)]);
        assert_eq!(next("the event heard once", &mut once).await, [json!(1)]);
        counter.action("increment", vec![json!(1)]).await.unwrap();
        assert_eq!(
            next("the second event", &mut events).await,
            [json!(2)],
            "{encoding:?}"
        );
        assert!(
            once.try_recv().is_err(),
            "heard twice what was to be heard once"
        );
        connection.disconnect().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_reach_the_connection() {
    let server = Fixtures::start().await.unwrap();
    for encoding in ENCODINGS {
        let client = client(server.url(), encoding);
        let key = new_key();
        let ann = client
            .get_or_create(
                "counterWithParams",
                key.clone(),
                with_params(json!({"name": "ann"})),
            )
            .unwrap();
        let connection = ann.connect();
        let initializers = soon("an answer", connection.action("getInitializers", vec![]))
            .await
            .unwrap();
        assert_eq!(initializers, json!(["ann"]), "{encoding:?}");
        connection.disconnect().await;
        let bob = client
            .get_or_create(
                "counterWithParams",
                key,
                with_params(json!({"name": "bob"})),
            )
            .unwrap();
        assert_eq!(
            bob.action("getInitializers", vec![]).await.unwrap(),
            json!(["ann", "bob"])
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn actors_are_created_resolved_and_found() {
    let server = Fixtures::start().await.unwrap();
    for encoding in ENCODINGS {
        let client = client(server.url(), encoding);
        let key = new_key();
        let missing = client
            .get("counter", key.clone(), GetOptions::default())
            .unwrap();
        assert!(missing.action("getCount", vec![]).await.is_err());
        assert!(missing.resolve_optional().await.unwrap().is_none());

        let input = json!({"from": "rust", "sizes": [1, 2]});
        let options = CreateOptions {
            input: Some(input.clone()),
            ..CreateOptions::default()
        };
        let created = client
            .create("inputActor", key.clone(), options)
            .await
            .unwrap();
        let inputs = created.action("getInputs", vec![]).await.unwrap();
        assert_eq!(inputs["initialInput"], input, "{encoding:?}");
        assert!(
            client
                .create("inputActor", key.clone(), CreateOptions::default())
                .await
                .is_err()
        );

        let id = created.resolve().await.unwrap();
        let by_key = client
            .get("inputActor", key.clone(), GetOptions::default())
            .unwrap();
        assert_eq!(by_key.resolve().await.unwrap(), id);
        assert_eq!(
            by_key.resolve_optional().await.unwrap().unwrap().actor_id(),
            id
        );
        let by_id = client
            .get_for_id("inputActor", &id, GetOptions::default())
            .unwrap();
        assert_eq!(
            by_id.action("getInputs", vec![]).await.unwrap()["initialInput"],
            input
        );
        assert_eq!(
            by_id.resolve_optional().await.unwrap().unwrap().actor_id(),
            id
        );
        let again = client
            .get_or_create("inputActor", key, GetOrCreateOptions::default())
            .unwrap();
        assert_eq!(again.resolve().await.unwrap(), id);

        let with_input = GetOrCreateOptions {
            create_with_input: Some(input.clone()),
            ..GetOrCreateOptions::default()
        };
        let from_query = client
            .get_or_create("inputActor", new_key(), with_input)
            .unwrap();
        assert_eq!(
            from_query.action("getInputs", vec![]).await.unwrap()["initialInput"],
            input
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_comes_back_and_subscribes_again() {
    let server = Fixtures::start().await.unwrap();
    for encoding in ENCODINGS {
        let front = server.front().await.unwrap();
        let key = new_key();
        let away = client(front.url(), encoding);
        let connection = away
            .get_or_create("counter", key.clone(), GetOrCreateOptions::default())
            .unwrap()
            .connect();
        open(&connection).await;
        let (heard, mut events) = mpsc::unbounded_channel();
        connection
            .on_event("newCount", move |args| heard.send(args.clone()).unwrap())
            .await;
        assert_eq!(
            soon("increment", connection.action("increment", vec![json!(1)]))
                .await
                .unwrap(),
            json!(1)
        );
        next("the event before the cut", &mut events).await;

        let mut life = Life::of(&connection).await;
        front.cut();
        life.lost_and_back().await;

        assert_eq!(
            soon("increment", connection.action("increment", vec![json!(1)]))
                .await
                .unwrap(),
            json!(2)
        );
        // The client subscribes again beside the calls it has queued, so the first
        // counts after the cut may go unheard; a later one may not.
        let direct = client(server.url(), encoding)
            .get("counter", key, GetOptions::default())
            .unwrap();
        let heard = soon("an event after the cut", async {
            loop {
                direct.action("increment", vec![json!(1)]).await.unwrap();
                if let Ok(event) = timeout(RETOLD, events.recv()).await {
                    break event.unwrap();
                }
            }
        })
        .await;
        assert!(heard[0].as_i64().unwrap() >= 2, "{encoding:?}: {heard:?}");
        connection.disconnect().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_closed_by_the_actor_comes_back() {
    let server = Fixtures::start().await.unwrap();
    for encoding in ENCODINGS {
        let client = client(server.url(), encoding);
        let key = new_key();
        let actor = client
            .get_or_create(
                "connStateActor",
                key.clone(),
                with_params(json!({"username": "ann"})),
            )
            .unwrap();
        let connection = actor.connect();
        let first = soon("the state", connection.action("getConnectionState", vec![]))
            .await
            .unwrap();
        assert_eq!(first["username"], "ann");
        let mut life = Life::of(&connection).await;
        let leaving = connection.clone();
        // The client never rejects a call cut off by a close, so nobody may wait for this one.
        let call = tokio::spawn(async move { leaving.action("disconnectSelf", vec![]).await });
        life.lost_and_back().await;
        call.abort();
        let second = soon("the state", connection.action("getConnectionState", vec![]))
            .await
            .unwrap();
        assert_eq!(second["username"], "ann", "{encoding:?}");
        assert_ne!(second["id"], first["id"], "{encoding:?}");
        connection.disconnect().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_outlives_its_actors_sleep() {
    let server = Fixtures::start().await.unwrap();
    for encoding in ENCODINGS {
        let client = client(server.url(), encoding);
        let actor = client
            .get_or_create("hibernationActor", new_key(), GetOrCreateOptions::default())
            .unwrap();
        let connection = actor.connect();
        assert_eq!(
            soon("a count", connection.action("connIncrement", vec![]))
                .await
                .unwrap(),
            json!(1)
        );
        let mut life = Life::of(&connection).await;
        for cycle in 1..=2 {
            soon("falling asleep", connection.action("triggerSleep", vec![]))
                .await
                .unwrap();
            let counts = loop {
                let counts = soon("the counts", actor.action("getActorCounts", vec![]))
                    .await
                    .unwrap();
                if counts["sleepCount"] == json!(cycle) {
                    break counts;
                }
            };
            assert_eq!(counts["wakeCount"], json!(cycle + 1), "{encoding:?}");
            let count = soon("the state", connection.action("getConnCount", vec![]))
                .await
                .unwrap();
            assert_eq!(count, json!(1), "{encoding:?}");
        }
        assert!(life.closed.try_recv().is_err(), "the client saw the sleep");
        assert!(life.opened.try_recv().is_err(), "the client opened again");
        connection.disconnect().await;
    }
}

//! Connections: opening, talking, being refused, closing.

use actor_core::protocol::{ToClient, headers::SUBPROTOCOL};
use futures_util::SinkExt as _;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use crate::support::{ENCODINGS, Server, counter, soon, until};

#[tokio::test]
async fn a_conversation_in_every_encoding() {
    let (server, _registry) = Server::plain().await;
    for encoding in ENCODINGS {
        let offer = format!("rivet,rivet_encoding.{encoding}");
        let target = counter(encoding.name(), "/connect");
        let mut client = server.connect(&target, &offer).await;
        assert_eq!(client.protocol.as_deref(), Some(SUBPROTOCOL));
        let (actor, connection) = client.opened().await;
        assert_eq!((actor.len(), connection.len()), (36, 36));

        client.subscribe("newCount").await;
        client.call(7, "increment", (3,)).await;
        match client.next().await {
            ToClient::Event { name, args } => {
                assert_eq!(name, "newCount");
                assert_eq!(args.deserialize_into::<(i64,)>().unwrap(), (3,));
            }
            other => panic!("{other:?} is not the event"),
        }
        assert_eq!(client.output::<i64>(7).await, 3);
        // What others do is heard too.
        assert_eq!(
            server
                .action::<i64>(encoding.name(), "increment", (1,))
                .await,
            4
        );
        assert!(matches!(client.next().await, ToClient::Event { .. }));
    }
}

#[tokio::test]
async fn a_failed_action_leaves_the_socket_open() {
    let (server, _registry) = Server::plain().await;
    let mut client = server.connect(&counter("k", "/connect"), "rivet").await;
    client.opened().await;
    client.call(1, "openVault", ()).await;
    match client.next().await {
        ToClient::Error {
            error, action_id, ..
        } => {
            assert!(error.is("rivetkit", "internal_error"), "{error}");
            assert_eq!(action_id, Some(1));
        }
        other => panic!("{other:?} is not the error"),
    }
    client.call(2, "count", ()).await;
    assert_eq!(client.output::<i64>(2).await, 0);
}

#[tokio::test]
async fn a_close_is_echoed_and_the_actor_told() {
    let (server, _registry) = Server::plain().await;
    let mut client = server.connect(&counter("k", "/connect"), "rivet").await;
    client.opened().await;
    let frame = CloseFrame {
        code: CloseCode::Normal,
        reason: "Disposed".into(),
    };
    client.socket.close(Some(frame)).await.unwrap();
    assert_eq!(client.closed().await, (1000, "Disposed".into()));
    until(async || server.action::<u32>("k", "left", ()).await != 0).await;
}

#[tokio::test]
async fn a_client_that_just_goes_is_missed() {
    let (server, registry) = Server::plain().await;
    let mut client = server.connect(&counter("k", "/connect"), "rivet").await;
    client.opened().await;
    drop(client);
    let counter = registry.get_or_create::<crate::support::Counter>("k");
    until(async || counter.left().await.unwrap() == 1).await;
}

#[tokio::test]
async fn the_actor_may_close_with_a_reason() {
    let (server, _registry) = Server::plain().await;
    let mut client = server.connect(&counter("k", "/connect"), "rivet").await;
    client.opened().await;
    client.call(1, "disconnect", ("enough",)).await;
    let answer = client.next().await;
    assert!(
        matches!(answer, ToClient::Response { id: 1, .. }),
        "{answer:?}"
    );
    assert_eq!(client.closed().await, (1000, "enough".into()));
}

#[tokio::test]
async fn refusals_by_the_actor_are_told_over_the_socket() {
    let (server, _registry) = Server::plain().await;
    for encoding in ENCODINGS {
        let offer = format!(
            "rivet, rivet_encoding.{encoding}, rivet_conn_params.%7B%22name%22%3A%22mallory%22%7D"
        );
        let mut client = server.connect(&counter("k", "/connect"), &offer).await;
        match client.next().await {
            ToClient::Error {
                error, action_id, ..
            } => {
                assert!(error.is("user", "unwelcome"), "{error}");
                assert_eq!(
                    (error.message(), action_id),
                    ("mallory is not welcome", None)
                );
            }
            other => panic!("{other:?} is not the refusal"),
        }
        assert_eq!(client.closed().await, (1011, "user.unwelcome".into()));
    }
}

#[tokio::test]
async fn refusals_by_the_gateway_name_the_request() {
    let (server, _registry) = Server::plain().await;
    let get = "rvt-namespace=default&rvt-method=get&rvt-key=k";
    let cases = [
        (
            format!("/gateway/counter/connect?{get}"),
            "actor.not_found#",
        ),
        ("/gateway/0/connect".into(), "actor.not_found#"),
        (
            format!("/gateway/nobody/connect?{get}"),
            "actor.not_registered#",
        ),
        (
            format!("/gateway/counter/connect?{get}&rvt-x=1"),
            "guard.query_invalid_params#",
        ),
    ];
    for (target, expected) in cases {
        let mut client = server.connect(&target, "rivet,rivet_encoding.bare").await;
        assert!(matches!(
            client.next().await,
            ToClient::Error {
                action_id: None,
                ..
            }
        ));
        let (code, reason) = client.closed().await;
        assert_eq!(code, 1011);
        assert!(reason.starts_with(expected), "{reason}");
    }
}

#[tokio::test]
async fn refusals_without_an_error_frame() {
    let (server, _registry) = Server::plain().await;
    let cases = [
        (
            "/connect",
            "rivet,rivet_encoding.xml",
            1003,
            "actor.unsupported_websocket_encoding",
        ),
        ("/websocket/", "rivet", 1011, "actor.websocket_not_defined"),
        (
            "/websocket/a/b",
            "rivet",
            1011,
            "actor.websocket_not_defined",
        ),
        ("/action/count", "rivet", 1011, "actor.not_found"),
    ];
    for (path, offer, code, reason) in cases {
        let mut client = server.connect(&counter("k", path), offer).await;
        assert_eq!(client.closed().await, (code, reason.into()), "{path}");
    }
}

#[tokio::test]
async fn params_that_are_no_json_are_refused() {
    let (server, _registry) = Server::plain().await;
    let offer = "rivet,rivet_conn_params.%7B,rivet_encoding.cbor";
    let mut client = server.connect(&counter("k", "/connect"), offer).await;
    assert!(matches!(client.next().await, ToClient::Error { .. }));
    assert_eq!(
        client.closed().await,
        (1011, "actor.invalid_request".into())
    );
}

#[tokio::test]
async fn messages_that_are_none_close_the_socket() {
    let (server, _registry) = Server::plain().await;
    let mut client = server.connect(&counter("k", "/connect"), "rivet").await;
    client.opened().await;
    client.socket.send(Message::text("{}")).await.unwrap();
    assert_eq!(
        client.closed().await,
        (1011, "actor.invalid_request".into())
    );
}

#[tokio::test]
async fn only_a_subprotocol_that_was_offered_is_chosen() {
    let (server, _registry) = Server::plain().await;
    let request = server
        .request("GET", &counter("k", "/connect"))
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let answer = request.send().await;
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.headers().get("sec-websocket-protocol"), None);
    assert_eq!(
        answer.headers()["sec-websocket-accept"],
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
}

#[tokio::test]
async fn handshakes_that_are_none_are_refused() {
    let (server, _registry) = Server::plain().await;
    for (version, key) in [("8", "dGhlIHNhbXBsZSBub25jZQ=="), ("13", "")] {
        let mut request = server
            .request("GET", &counter("k", "/connect"))
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", version);
        if !key.is_empty() {
            request = request.header("sec-websocket-key", key);
        }
        assert_eq!(request.send().await.status(), 400);
    }
}

#[tokio::test]
async fn pings_are_answered() {
    let (server, _registry) = Server::plain().await;
    let mut client = server.connect(&counter("k", "/connect"), "rivet").await;
    client.opened().await;
    let ping = Message::Ping("are you there".into());
    client.socket.send(ping).await.unwrap();
    let pong = soon(futures_util::StreamExt::next(&mut client.socket)).await;
    assert_eq!(
        pong.unwrap().unwrap(),
        Message::Pong("are you there".into())
    );
}

#[tokio::test]
async fn a_sleep_is_not_noticed() {
    let (server, _registry) = Server::plain().await;
    let mut client = server.connect(&counter("k", "/connect"), "rivet").await;
    let (actor, _) = client.opened().await;
    client.subscribe("newCount").await;
    client.call(1, "increment", (1,)).await;
    assert_eq!(client.output::<i64>(1).await, 1);

    let sleep = format!("/actors/{actor}/sleep?namespace=default");
    let answer = server.request("POST", &sleep).body("{}").send().await;
    assert_eq!(
        (answer.status().as_u16(), &answer.body()[..]),
        (200, &b"{}"[..])
    );
    let metrics = format!("/gateway/{actor}/metrics");
    until(async || {
        let metrics = server.get(&metrics).await;
        String::from_utf8_lossy(metrics.body()).contains("actor_awake 0")
    })
    .await;

    client.call(2, "increment", (1,)).await;
    // Subscribed as before, and greeted only once.
    assert!(matches!(client.next().await, ToClient::Event { .. }));
    assert_eq!(client.output::<i64>(2).await, 2);
}

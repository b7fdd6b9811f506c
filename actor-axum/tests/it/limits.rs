//! Messages that are too long, in either direction, and clients that do not read.

use std::collections::BTreeMap;

use actor_axum::ActorRouter;
use actor_core::protocol::{ToClient, client};
use axum::Router;
use bytes::Bytes;
use futures_util::SinkExt as _;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{ENCODINGS, Server, action_body, counter, registry, soon, until};

#[tokio::test]
async fn long_bodies_are_refused_however_they_are_framed() {
    let (server, _registry) = Server::plain().await;
    for encoding in ENCODINGS {
        let call = |bytes: usize, chunked: bool| {
            let body = action_body(encoding, ("x".repeat(bytes),));
            let call = server
                .request("POST", &counter("k", "/action/length"))
                .header("x-rivet-encoding", encoding.name());
            if chunked {
                let pieces = (0..body.len()).step_by(7000);
                let pieces = pieces.map(|at| body.slice(at..body.len().min(at + 7000)));
                call.chunked(pieces).send()
            } else {
                call.body(body).send()
            }
        };
        for chunked in [false, true] {
            assert_eq!(call(65_000, chunked).await.status(), 200);
            for bytes in [65_537, 900_000] {
                let answer = call(bytes, chunked).await;
                let (error, _) = client::decode_error(encoding, answer.body()).unwrap();
                assert_eq!(answer.status(), 400);
                assert!(error.is("message", "incoming_too_long"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn long_frames_close_the_socket() {
    let (server, _registry) = Server::plain().await;
    for bytes in [65_537, 3_000_000] {
        let mut client = server.connect(&counter("k", "/connect"), "rivet").await;
        client.opened().await;
        let message = Message::text("x".repeat(bytes));
        // The server closes before it has read all, so the last bytes may find nobody.
        let _ = soon(client.socket.send(message)).await;
        assert_eq!(
            client.closed().await,
            (1011, "message.incoming_too_long".into())
        );
    }
}

#[tokio::test]
async fn frames_just_under_the_limit_arrive() {
    let (server, _registry) = Server::plain().await;
    let mut client = server
        .connect(&counter("k", "/connect"), "rivet,rivet_encoding.bare")
        .await;
    client.opened().await;
    client.call(1, "length", ("x".repeat(65_500),)).await;
    assert_eq!(client.output::<usize>(1).await, 65_500);
}

#[tokio::test]
async fn text_that_is_no_utf_8_closes_the_socket() {
    use tokio_tungstenite::tungstenite::protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    };

    let (server, _registry) = Server::plain().await;
    let mut client = server.connect(&counter("k", "/connect"), "rivet").await;
    client.opened().await;
    let frame = Frame::message(Bytes::from_static(b"\xff"), OpCode::Data(Data::Text), true);
    client.socket.send(Message::Frame(frame)).await.unwrap();
    assert_eq!(client.closed().await, (1007, "message.invalid_utf8".into()));
}

#[tokio::test]
async fn large_events_arrive_whole() {
    let (server, _registry) = Server::plain().await;
    let mut client = server
        .connect(&counter("k", "/connect"), "rivet,rivet_encoding.cbor")
        .await;
    client.opened().await;
    client.subscribe("noise").await;
    client.call(1, "shout", (3, 900_000)).await;
    for _ in 0..3 {
        match client.next().await {
            ToClient::Event { args, .. } => {
                assert_eq!(
                    args.deserialize_into::<(String,)>().unwrap().0.len(),
                    900_000
                );
            }
            other => panic!("{other:?} is not the event"),
        }
    }
    client.output::<()>(1).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_costs_only_itself() {
    let (server, registry) = Server::plain().await;
    let target = counter("k", "/connect");
    let mut deaf = server.connect(&target, "rivet").await;
    deaf.opened().await;
    deaf.subscribe("noise").await;
    let mut other = server.connect(&target, "rivet").await;
    other.opened().await;
    other.subscribe("noise").await;

    // More than the outbox and both kernels' buffers hold.
    for round in 0..40 {
        other.call(round, "shout", (1, 900_000)).await;
        other.output::<()>(round).await;
    }
    let counter = registry.get_or_create::<crate::support::Counter>("k");
    until(async || counter.left().await.unwrap() == 1).await;
    drop(deaf);
}

/// What the stream or the router turns away is counted as what the gateway does.
#[tokio::test]
async fn p6_whatever_is_too_long_is_counted() {
    let recorder = DebuggingRecorder::new();
    let meters = recorder.snapshotter();
    let recorder = Box::leak(Box::new(recorder));
    let _guard = metrics::set_default_local_recorder(recorder);
    let router = ActorRouter::new(registry().await).max_request_body(10);
    let server = Server::of(Router::new().merge(router.into_router())).await;
    let too_long = || {
        let all = meters.snapshot().into_vec().into_iter();
        let counted: BTreeMap<_, _> = all
            .map(|(key, _, _, value)| (key.key().name().to_owned(), value))
            .collect();
        match counted.get("actor_messages_too_long_total") {
            Some(DebugValue::Counter(times)) => *times,
            _ => 0,
        }
    };
    let mut client = server.connect(&counter("k", "/connect"), "rivet").await;
    client.opened().await;
    let long = Message::text("x".repeat(70_000));
    soon(client.socket.send(long)).await.unwrap();
    assert_eq!(client.closed().await.1, "message.incoming_too_long");
    assert_eq!(too_long(), 1);
    let raw = counter("k", "/request/any");
    let answer = server.request("POST", &raw).body("x".repeat(11)).send();
    assert_eq!(answer.await.status(), 413);
    assert_eq!(too_long(), 1);
    let long = action_body(actor_core::protocol::Encoding::Json, ("x".repeat(70_000),));
    let target = counter("k", "/action/length");
    server.request("POST", &target).body(long).send().await;
    assert_eq!(too_long(), 1);
}

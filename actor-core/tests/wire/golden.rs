//! Recorded frames and bodies: what clients wrote reads as snapshotted; what they were sent is
//! written the same, byte for byte in bare, in meaning and in the forms of ids in json and cbor.

use std::fmt::Write as _;

use actor_core::{
    Value,
    protocol::{self, ActorSpecifier, DecodeError, Encoding, ToClient, ToServer, client, http},
    value::tag,
};
use expect_test::{ExpectFile, expect_file};
use serde::Deserialize;

use crate::show::show;

/// One recorded frame or body.
#[derive(Deserialize)]
struct Record {
    kind: String,
    /// The scenario it is from.
    from: String,
    text: Option<String>,
    hex: Option<String>,
}

impl Record {
    fn bytes(&self) -> Vec<u8> {
        match (&self.text, &self.hex) {
            (Some(text), _) => text.clone().into_bytes(),
            (_, Some(hex)) => unhex(hex),
            _ => panic!("a record of {} has no bytes", self.from),
        }
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|it| u8::from_str_radix(std::str::from_utf8(it).unwrap(), 16).unwrap())
        .collect()
}

fn records(encoding: Encoding) -> Vec<Record> {
    let text = match encoding {
        Encoding::Json => include_str!("golden/json.json"),
        Encoding::Cbor => include_str!("golden/cbor.json"),
        Encoding::Bare => include_str!("golden/bare.json"),
    };
    serde_json::from_str(text).unwrap()
}

fn check_reading(encoding: Encoding, expected: &ExpectFile) {
    let mut found = String::new();
    for record in records(encoding) {
        let read = match &*record.kind {
            "action" => http::decode_action(encoding, &record.bytes())
                .map(|args| format!("call with {}", show(&args.into_value()))),
            "queue" => http::decode_queue_send(encoding, &record.bytes()).map(|it| {
                let http::QueueSend {
                    body,
                    name,
                    wait,
                    timeout,
                } = it;
                format!(
                    "send {} to {name:?}, wait {wait}, timeout {timeout:?}",
                    show(&body)
                )
            }),
            "to-server" => protocol::decode(encoding, &record.bytes()).map(|it| match it {
                ToServer::Action { id, name, args } => {
                    format!("#{id} {name} with {}", show(&args.into_value()))
                }
                ToServer::Subscribe {
                    event,
                    subscribe: true,
                } => format!("subscribe {event}"),
                ToServer::Subscribe {
                    event,
                    subscribe: false,
                } => format!("unsubscribe {event}"),
            }),
            _ => continue,
        };
        let read = read.unwrap_or_else(|error| format!("refused: {error}"));
        writeln!(found, "{}: {read}", record.from).unwrap();
    }
    expected.assert_eq(&found);
}

#[test]
fn json_of_clients_reads_as_meant() {
    check_reading(Encoding::Json, &expect_file!["golden/json.read.txt"]);
}

#[test]
fn cbor_of_clients_reads_as_meant() {
    check_reading(Encoding::Cbor, &expect_file!["golden/cbor.read.txt"]);
}

#[test]
fn bare_of_clients_reads_as_meant() {
    check_reading(Encoding::Bare, &expect_file!["golden/bare.read.txt"]);
}

/// Reads what a client was sent, writes it again. `None` for what is not sent to clients.
fn rewrite(encoding: Encoding, record: &Record) -> Option<Result<Vec<u8>, DecodeError>> {
    let bytes = record.bytes();
    let written = match &*record.kind {
        "action-output" => client::decode_action_output(encoding, &bytes)
            .map(|output| http::encode_action_output(encoding, &output)),
        "queue-result" => client::decode_queue_result(encoding, &bytes)
            .map(|(status, it)| http::encode_queue_result(encoding, status, it.as_ref())),
        "error" => client::decode_error(encoding, &bytes)
            .map(|(error, actor)| http::encode_error(encoding, &error, actor.as_ref())),
        "gateway-error" => client::decode_error(Encoding::Json, &bytes)
            .map(|(error, _)| http::gateway_error_json(&error)),
        "to-client" => {
            client::decode(encoding, &bytes).map(|message| protocol::encode(encoding, &message))
        }
        _ => return None,
    };
    Some(written.map(Vec::from))
}

/// The value with what may differ made equal: the order of members, whether bytes are an
/// `ArrayBuffer`, how wide a generation is.
fn normal(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(normal).collect()),
        Value::Map(entries) => {
            let mut entries: Vec<_> = entries
                .into_iter()
                .map(|(key, value)| match (key.as_str(), value) {
                    (Some("generation"), Value::BigInt(n)) => (key, Value::Int(n)),
                    (_, value) => (key, normal(value)),
                })
                .collect();
            entries.sort_by_key(|(key, _)| show(key));
            Value::Map(entries)
        }
        Value::Tag(tag::ARRAY_BUFFER, content) => *content,
        Value::Tag(number, content) => Value::Tag(number, Box::new(normal(*content))),
        other => other,
    }
}

#[test]
fn json_and_cbor_for_clients_mean_the_same() {
    for encoding in [Encoding::Json, Encoding::Cbor] {
        let mut compared = 0;
        for record in records(encoding) {
            let Some(written) = rewrite(encoding, &record) else {
                continue;
            };
            let written = written.unwrap();
            // Bigints are told from numbers here, so this checks the forms of ids too.
            let meaning = |bytes: &[u8]| normal(client::decode_value(encoding, bytes).unwrap());
            let (ours, theirs) = (meaning(&written), meaning(&record.bytes()));
            assert_eq!(
                show(&ours),
                show(&theirs),
                "{encoding} {} {}",
                record.from,
                record.kind
            );
            compared += 1;
        }
        assert!(30 < compared, "{encoding}: {compared}");
    }
}

#[test]
fn bare_for_clients_is_the_same_bytes() {
    let (mut same, mut different) = (0, 0);
    for record in records(Encoding::Bare) {
        let Some(written) = rewrite(Encoding::Bare, &record) else {
            continue;
        };
        let theirs = record.bytes();
        let written = match written {
            Ok(written) => written,
            Err(error) => {
                assert_eq!(record.from, "12h-old-proto-versions", "{error}");
                continue;
            }
        };
        // Where JavaScript wrote it, objects and dates have longer heads and `undefined` is a pair;
        // a frame of an older version is written in the newest.
        let excused = theirs.windows(3).any(|it| it[0] == 0xb9 && it[1] == 0)
            || theirs.windows(2).any(|it| it == [0xc1, 0x1a])
            || theirs.windows(10).any(|it| it == b"$Undefined")
            || (record.kind != "gateway-error" && theirs[0] != 4);
        if !excused {
            assert_eq!(written, theirs, "{} {}", record.from, record.kind);
            same += 1;
        } else {
            let again = Record {
                hex: Some(hex(&written)),
                ..record
            };
            assert_eq!(rewrite(Encoding::Bare, &again).unwrap().unwrap(), written);
            assert!(written.len() <= theirs.len() + 2, "{}", again.from);
            different += 1;
        }
    }
    assert!(
        50 < same && 10 < different,
        "{same} the same, {different} not"
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

#[test]
fn ids_have_the_forms_javascript_needs() {
    let output = Value::from(1);
    let json = protocol::encode_response(Encoding::Json, 7, &output);
    assert_eq!(
        std::str::from_utf8(&json).unwrap(),
        r#"{"body":{"tag":"ActionResponse","val":{"id":["$BigInt","7"],"output":1}}}"#
    );
    let cbor = protocol::encode_response(Encoding::Cbor, 7, &output);
    let id = [&b"bid\x1b"[..], &7u64.to_be_bytes(), b"foutput\x01"].concat();
    assert!(cbor.ends_with(&id), "{}", hex(&cbor));
    assert_eq!(
        hex(&protocol::encode_response(Encoding::Bare, 7, &output)),
        "04000207 0101".replace(' ', "")
    );
}

#[test]
fn errors_leave_out_what_is_not_there_but_keep_the_action_id() {
    let error = actor_core::ActorError::user("no");
    let actor = ActorSpecifier {
        actor_id: "a".into(),
        generation: 1 << 40,
        key: None,
    };
    let json = protocol::encode_error(Encoding::Json, &error, None, Some(&actor));
    assert_eq!(
        std::str::from_utf8(&json).unwrap(),
        r#"{"body":{"tag":"Error","val":{"group":"user","code":"user_error","message":"no","actor":{"actorId":"a","generation":1099511627776},"actionId":null}}}"#
    );
    for encoding in [Encoding::Json, Encoding::Cbor, Encoding::Bare] {
        let bytes = protocol::encode_error(encoding, &error, None, Some(&actor));
        let ToClient::Error {
            error: read,
            action_id: None,
            actor: Some(read_actor),
        } = client::decode(encoding, &bytes).unwrap()
        else {
            panic!("{encoding}: another message");
        };
        assert_eq!((read.to_string(), &read_actor), (error.to_string(), &actor));
        let body = http::encode_error(encoding, &error, None);
        assert_eq!(client::decode_error(encoding, &body).unwrap().1, None);
    }
    let body = http::gateway_error_json(&error);
    assert_eq!(
        &body[..],
        br#"{"group":"user","code":"user_error","message":"no"}"#
    );
}

#[test]
fn older_versions_are_read_and_newer_ones_refused() {
    let init = unhex("0100000161016202746f");
    assert!(matches!(
        client::decode(Encoding::Bare, &init),
        Ok(ToClient::Init { actor_id, connection_id }) if actor_id == "a" && connection_id == "b"
    ));
    // Errors before version 4 do not say which actor they are from.
    let error = unhex("03000101670163016d000107");
    assert!(matches!(
        client::decode(Encoding::Bare, &error),
        Ok(ToClient::Error {
            action_id: Some(7),
            actor: None,
            ..
        })
    ));
    for version in 1..=4 {
        let body = [version, 0, 2, 0x81, 1];
        assert_eq!(http::decode_action(Encoding::Bare, &body).unwrap().len(), 1);
    }
    for version in [0, 5] {
        let refused = http::decode_action(Encoding::Bare, &[version, 0, 2, 0x81, 1]);
        assert!(matches!(refused, Err(DecodeError::Version(_))));
    }
    let queue = unhex(
        "020006b90001616e0101046a6f62730100 00"
            .replace(' ', "")
            .as_str(),
    );
    assert!(http::decode_queue_send(Encoding::Bare, &queue).is_err());
}

//! Whatever can be written can be read again, in every encoding.

use actor_core::{
    ActorError, Value,
    protocol::{self, Args, Encoding, ToClient, ToServer, client, http},
    value::tag,
};
use proptest::prelude::*;

const ENCODINGS: [Encoding; 3] = [Encoding::Json, Encoding::Cbor, Encoding::Bare];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        r"[a-zé\u{1F600}\n\x22\\ ]{0,8}",
        r"\$\$?(BigInt|Set|Undefined|x)",
        r"-?[0-9]{1,60}",
    ]
}

fn integer() -> impl Strategy<Value = i128> {
    prop_oneof![
        -70_000i128..70_000,
        (0u32..127, -2i128..3).prop_map(|(bits, near)| (1 << bits) + near),
        (0u32..127, -2i128..3).prop_map(|(bits, near)| -(1 << bits) + near),
        any::<i128>(),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Undefined),
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        integer().prop_map(Value::Int),
        integer().prop_map(Value::BigInt),
        any::<f64>().prop_map(Value::Float),
        text().prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Bytes),
        (-8_000_000_000_000_000i64..8_000_000_000_000_000).prop_map(Value::date),
        prop::collection::vec(any::<u8>(), 17..30).prop_map(|mut bytes| {
            bytes[0] |= 1;
            Value::Tag(tag::BIG_NEGATIVE, Box::new(Value::Bytes(bytes)))
        }),
        prop::collection::vec(any::<u8>(), 0..9)
            .prop_map(|it| Value::Tag(tag::UINT8_ARRAY, Box::new(Value::Bytes(it)))),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..5);
        prop_oneof![
            items.clone().prop_map(Value::Array),
            (text(), inner.clone()).prop_map(|(name, it)| Value::from(vec![name.into(), it])),
            items.prop_map(Value::set),
            (text(), text()).prop_map(|(a, b)| Value::set(vec![a.into(), b.into()])),
            prop::collection::vec((text(), inner.clone()), 0..5).prop_map(Value::object),
            prop::collection::vec((inner.clone(), inner), 0..4).prop_map(Value::map),
        ]
    })
}

/// What is left of `value` after a way through `encoding`, by the rules of the wire.
fn expected(encoding: Encoding, value: Value) -> Value {
    let inner = |it: Value| expected(encoding, it);
    let json = encoding == Encoding::Json;
    match value {
        // Beyond 32 bits numbers are floats in CBOR, beyond 2^53 bigints everywhere.
        Value::Int(n) if 1 << 53 < n.unsigned_abs() => Value::BigInt(n),
        Value::Int(n) if !json && !(-(1 << 32)..1 << 32).contains(&n) => Value::Float(n as f64),
        Value::Float(f) if json => match Value::Float(f).as_integer() {
            _ if !f.is_finite() => Value::Null,
            Some(n) => Value::Int(n),
            None => Value::Float(f),
        },
        Value::Bytes(bytes) if json => Value::Tag(tag::UINT8_ARRAY, Box::new(Value::Bytes(bytes))),
        Value::Array(items) => Value::Array(items.into_iter().map(inner).collect()),
        Value::Map(entries) if json => Value::Map(
            entries
                .into_iter()
                .filter(|(_, value)| *value != Value::Undefined)
                .map(|(key, value)| (key, inner(value)))
                .collect(),
        ),
        Value::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(k, v)| (inner(k), inner(v)))
                .collect(),
        ),
        Value::Tag(number, content) if matches!(*content, Value::Bytes(_)) => {
            Value::Tag(number, content)
        }
        Value::Tag(number, content) => Value::Tag(number, Box::new(inner(*content))),
        other => other,
    }
}

/// Whether JSON has a form for all of it: it has none for dates and maps, which become something
/// else.
fn json_has_it(value: &Value) -> bool {
    match value {
        Value::Tag(tag::EPOCH | tag::MAP, _) => false,
        Value::Tag(_, content) => json_has_it(content),
        Value::Array(items) => items.iter().all(json_has_it),
        Value::Map(entries) => entries.iter().all(|(_, it)| json_has_it(it)),
        _ => true,
    }
}

/// Floats compared by their bits, so that a NaN is itself.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => {
            a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|(a, b)| same(&a.0, &b.0) && same(&a.1, &b.1))
        }
        (Value::Tag(a, x), Value::Tag(b, y)) => a == b && same(x, y),
        (a, b) => a == b,
    }
}

proptest! {
    #[test]
    fn values_come_back(value in value()) {
        for encoding in ENCODINGS {
            if encoding == Encoding::Json && !json_has_it(&value) {
                continue;
            }
            let bytes = encoding.encode_value(&value);
            let read = client::decode_value(encoding, &bytes).unwrap();
            let expected = expected(encoding, value.clone());
            prop_assert!(same(&read, &expected), "{encoding}: {read:?} for {expected:?}");
        }
    }

    #[test]
    fn what_javascript_can_say_is_echoed_byte_for_byte(value in value()) {
        // What has once been through an encoding passes it unchanged from then on.
        for encoding in ENCODINGS {
            let sent = encoding.encode_value(&value);
            let once = encoding.encode_value(&client::decode_value(encoding, &sent).unwrap());
            let twice = encoding.encode_value(&client::decode_value(encoding, &once).unwrap());
            prop_assert_eq!(once, twice);
        }
    }

    #[test]
    fn an_untyped_value_passes_serde_unchanged(value in value()) {
        let written = Value::from_serialize(&value).unwrap();
        prop_assert!(same(&written, &value), "{written:?}");
        let read: Value = value.clone().deserialize_into().unwrap();
        prop_assert!(same(&read, &value), "{read:?}");
        let mut stored = Vec::new();
        ciborium::into_writer(&value, &mut stored).unwrap();
        let read: Value = ciborium::from_reader(&*stored).unwrap();
        prop_assert!(same(&read, &value), "{read:?}");
    }

    #[test]
    fn messages_come_back(id: u64, name in text(), items in prop::collection::vec(value(), 0..3)) {
        for encoding in ENCODINGS {
            let items: Vec<_> = items.iter().filter(|it| encoding != Encoding::Json || json_has_it(it)).cloned().collect();
            // A client of the cbor encoding escapes nothing.
            if encoding != Encoding::Cbor {
                let message = ToServer::Action { id, name: name.clone(), args: Args::from(items.clone()) };
                let ToServer::Action { id: read_id, name: read_name, args } =
                    protocol::decode(encoding, &client::encode(encoding, &message)).unwrap()
                else {
                    panic!("another message");
                };
                prop_assert_eq!((read_id, &read_name), (id, &name));
                let given = Args::from_value(expected(encoding, Value::Array(items.clone())));
                let (args, given) = (args.into_value(), given.into_value());
                if !matches!(&*items, [Value::Text(it), _] if it.starts_with('$')) {
                    prop_assert!(same(&args, &given), "{args:?} for {given:?}");
                }
            }

            let output = items.first().cloned().unwrap_or_default();
            let bytes = protocol::encode_response(encoding, id, &output);
            let ToClient::Response { id: read_id, output: read } = client::decode(encoding, &bytes).unwrap() else {
                panic!("another message");
            };
            prop_assert!(read_id == id && same(&read, &expected(encoding, output.clone())));
            let body = http::encode_action_output(encoding, &output);
            let read = client::decode_action_output(encoding, &body).unwrap();
            prop_assert!(same(&read, &expected(encoding, output.clone())));

            let args = Value::Array(items);
            let ToClient::Event { name: read_name, args: read } =
                client::decode(encoding, &protocol::encode_event(encoding, &name, &args)).unwrap()
            else {
                panic!("another message");
            };
            prop_assert!(read_name == name && same(&read, &expected(encoding, args)));

            let error = ActorError::user(name.clone()).with_metadata(Value::from(vec![output]));
            let bytes = protocol::encode_error(encoding, &error, Some(id), None);
            let ToClient::Error { error: read, action_id: Some(read_id), actor: None } =
                client::decode(encoding, &bytes).unwrap()
            else {
                panic!("another message");
            };
            prop_assert_eq!((read_id, read.message()), (id, &*name));
        }
    }
}

#[test]
fn numbers_keep_their_kind_for_javascript() {
    let millis = Value::from_serialize(&1_795_227_211_476_u64).unwrap();
    let hex = |encoding: Encoding, value: &Value| {
        encoding
            .encode_value(value)
            .iter()
            .map(|it| format!("{it:02x}"))
            .collect::<String>()
    };
    for encoding in [Encoding::Cbor, Encoding::Bare] {
        assert_eq!(hex(encoding, &millis), "fb427a1fbe156d4000");
        assert_eq!(hex(encoding, &Value::Int(u32::MAX.into())), "1affffffff");
        assert_eq!(hex(encoding, &Value::Int(-(1 << 32))), "3affffffff");
        assert_eq!(hex(encoding, &Value::Int(1 << 53)), "fb4340000000000000");
    }
    assert_eq!(&Encoding::Json.encode_value(&millis)[..], b"1795227211476");
    let big = Value::Int((1 << 53) + 1);
    assert_eq!(hex(Encoding::Cbor, &big), "1b0020000000000001");
    assert_eq!(
        hex(Encoding::Cbor, &Value::BigInt(-5)),
        "3b0000000000000004"
    );
    assert_eq!(
        &Encoding::Json.encode_value(&big)[..],
        br#"["$BigInt","9007199254740993"]"#
    );
    assert_eq!(
        hex(Encoding::Cbor, &Value::BigInt(1 << 64)),
        "c249010000000000000000"
    );
}

#[test]
fn a_rust_clients_wide_integers_are_numbers_in_bare_and_echo_as_they_came_in_cbor() {
    let wide = [0x1b, 0, 0, 1, 0, 0, 0, 0, 0];
    assert_eq!(
        Encoding::Bare.decode_value(&wide).unwrap(),
        Value::Int(1 << 40)
    );
    let echoed = Encoding::Cbor.encode_value(&Encoding::Cbor.decode_value(&wide).unwrap());
    assert_eq!(&echoed[..], wide);
}

#[test]
fn cbor_clients_lists_that_look_like_pairs_are_lists() {
    let sent = b"\x82\x64$foo\x01";
    let read = Encoding::Cbor.decode_value(sent).unwrap();
    assert_eq!(read, Value::from(vec![Value::from("$foo"), Value::from(1)]));
    // Clients do read pairs, so on the way back it is escaped.
    assert_eq!(
        &Encoding::Cbor.encode_value(&read)[..],
        b"\x82\x65$$foo\x01"
    );
}

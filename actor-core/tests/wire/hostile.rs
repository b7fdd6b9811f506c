//! Bytes from strangers: refused in time and space proportional to their own length.

use actor_core::protocol::{
    self, DecodeError, Encoding, client, encoding::decode_params, headers::Subprotocols, http,
    target::Route,
};
use proptest::prelude::*;

const ENCODINGS: [Encoding; 3] = [Encoding::Json, Encoding::Cbor, Encoding::Bare];

/// Reads `bytes` as everything there is; only that it returns matters.
fn read_all(bytes: &[u8]) {
    for encoding in ENCODINGS {
        let _ = protocol::decode(encoding, bytes);
        let _ = http::decode_action(encoding, bytes);
        let _ = http::decode_queue_send(encoding, bytes);
        let _ = encoding
            .decode_value(bytes)
            .map(|it| encoding.encode_value(&it));
        let _ = client::decode(encoding, bytes);
        let _ = client::decode_error(encoding, bytes);
        let _ = client::decode_queue_result(encoding, bytes);
    }
    let _ = decode_params(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = Subprotocols::parse([&*text]);
    let _ = Route::parse(&format!("/gateway/{text}"), Some(&text));
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        read_all(&bytes);
    }

    #[test]
    fn likely_bytes(
        bytes in prop::collection::vec(
            prop::sample::select(&[0, 1, 2, 4, 0x1b, 0x5f, 0x7f, 0x81, 0x9f, 0xa1, 0xbf, 0xc2, 0xd8, 0xf7, 0xff][..]),
            0..40,
        ),
    ) {
        read_all(&bytes);
        read_all(&[&[4, 0][..], &bytes].concat());
    }

    #[test]
    fn broken_messages(cut in 0usize..60, at in 0usize..60, byte: u8) {
        let args = protocol::Args::from(vec!["text".into(), 5.into()]);
        let message = protocol::ToServer::Action { id: 300, name: "increment".into(), args };
        for encoding in ENCODINGS {
            let mut bytes = client::encode(encoding, &message).to_vec();
            let whole = bytes.len();
            if cut < whole {
                prop_assert!(protocol::decode(encoding, &bytes[..cut]).is_err());
            }
            bytes.push(byte);
            if encoding != Encoding::Json {
                prop_assert!(protocol::decode(encoding, &bytes).is_err());
            }
            bytes[at % whole] = byte;
            read_all(&bytes[..whole]);
        }
    }
}

#[test]
fn deep_nesting_is_refused() {
    let tags = [b'\xc1'; 100_000];
    let arrays = [b'\x81'; 100_000];
    let endless = [b'\x9f'; 100_000];
    let maps = [0xa1, 0x00].repeat(50_000);
    for bytes in [&tags[..], &arrays, &endless, &maps] {
        for encoding in [Encoding::Cbor, Encoding::Bare] {
            assert!(matches!(
                encoding.decode_value(bytes),
                Err(DecodeError::TooDeep)
            ));
        }
    }
    let sets = b"\x82\x64$Set".repeat(20_000);
    assert!(matches!(
        Encoding::Bare.decode_value(&sets),
        Err(DecodeError::TooDeep)
    ));
    let json = "[".repeat(100_000);
    assert!(Encoding::Json.decode_value(json.as_bytes()).is_err());
}

#[test]
fn claimed_lengths_are_not_believed() {
    for head in [0x5b, 0x7b, 0x9b, 0xbb] {
        for length in [u64::MAX, 1 << 40, 1 << 62] {
            let mut bytes = vec![head];
            bytes.extend(length.to_be_bytes());
            bytes.extend([0; 8]);
            assert!(matches!(
                Encoding::Cbor.decode_value(&bytes),
                Err(DecodeError::Truncated)
            ));
        }
    }
    // The same in BARE: data of 2^63 bytes.
    let bytes = [
        4, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1,
    ];
    assert!(matches!(
        http::decode_action(Encoding::Bare, &bytes),
        Err(DecodeError::Truncated)
    ));
}

#[test]
fn more_bytes_than_a_message_are_refused() {
    for encoding in [Encoding::Cbor, Encoding::Bare] {
        assert!(matches!(
            encoding.decode_value(&[1, 2]),
            Err(DecodeError::Trailing)
        ));
    }
    assert!(Encoding::Json.decode_value(b"1 2").is_err());
    assert!(matches!(
        http::decode_action(Encoding::Bare, &[4, 0, 1, 0x80, 0]),
        Err(DecodeError::Trailing)
    ));
}

#[test]
fn refusals_tell_the_client_why() {
    let error = actor_core::ActorError::from(DecodeError::Version(9));
    assert!(error.is("actor", "invalid_request") && error.status() == 400 && error.is_public());
    assert_eq!(error.message(), "protocol version 9 is not known");
}

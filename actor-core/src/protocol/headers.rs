//! Names of headers and WebSocket subprotocols, and what the latter say.

use percent_encoding::percent_decode_str;

use super::{DecodeError, encoding::decode_params};
use crate::{error::ActorError, value::Value};

/// The encoding of a call: `json`, `cbor` or `bare`; JSON without it.
pub const ENCODING: &str = "x-rivet-encoding";
/// Connection parameters, as JSON text; read by [`decode_params`].
pub const CONN_PARAMS: &str = "x-rivet-conn-params";
/// `actor`, when the headers say where a request goes.
pub const TARGET: &str = "x-rivet-target";
/// The actor's id: of a request to where it goes, of an answer from where it comes.
pub const ACTOR: &str = "x-rivet-actor";
/// A token for the actor.
pub const TOKEN: &str = "x-rivet-token";
/// Asks to deliver to an actor that is not ready yet.
pub const SKIP_READY_WAIT: &str = "x-rivet-skip-ready-wait";
/// What older clients call [`SKIP_READY_WAIT`].
pub const BYPASS_CONNECTABLE: &str = "x-rivet-bypass-connectable";
/// On errors made before an actor was reached: `group.code`.
pub const ERROR: &str = "x-rivet-error";
/// Which of the actor's lives answered.
pub const ACTOR_GENERATION: &str = "x-rivet-actor-generation";
/// The key of the actor that answered.
pub const ACTOR_KEY: &str = "x-rivet-actor-key";
/// Names one request in logs.
pub const RAY_ID: &str = "x-rivet-ray-id";
/// The namespace, from clients that say it in a header.
pub const NAMESPACE: &str = "x-rivet-namespace";
/// The URL a raw request had before it was sent through the gateway.
pub const ORIGINAL_URL: &str = "x-rivet-internal-original-request-url";

/// An action's idempotency key; read by [`idempotency_key`].
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The subprotocol that both sides agree on.
pub const SUBPROTOCOL: &str = "rivet";
/// The value of [`TARGET`] that means an actor.
pub const TARGET_ACTOR: &str = "actor";

/// What a client's WebSocket subprotocols say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Subprotocols {
    /// Whether [`SUBPROTOCOL`] is offered: the answer has to select it.
    pub rivet: bool,
    /// The encoding's name, not checked.
    pub encoding: Option<String>,
    /// What the socket is to reach; see [`TARGET_ACTOR`].
    pub target: Option<String>,
    /// The actor's id.
    pub actor: Option<String>,
    /// A token for the actor.
    pub token: Option<String>,
    /// The token of the inspector.
    pub inspector_token: Option<String>,
    /// Connection parameters.
    pub conn_params: Option<Value>,
    /// Asks to deliver to an actor that is not ready yet.
    pub skip_ready_wait: bool,
    /// The other tokens, as they are: a raw socket's own subprotocols among them.
    pub others: Vec<String>,
}

impl Subprotocols {
    /// Reads the values of all `Sec-WebSocket-Protocol` headers. Of a token that comes twice the
    /// first counts.
    ///
    /// # Errors
    ///
    /// When the connection parameters are not JSON.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Self, DecodeError> {
        let mut found = Self::default();
        let tokens = values
            .into_iter()
            .flat_map(|it| it.split(','))
            .map(str::trim);
        for token in tokens.filter(|it| !it.is_empty()) {
            let (name, value) = token.split_once('.').unwrap_or((token, ""));
            match name {
                SUBPROTOCOL if value.is_empty() => found.rivet = true,
                "rivet_skip_ready_wait" | "rivet_bypass_connectable" => {
                    found.skip_ready_wait = true
                }
                "rivet_encoding" => first(&mut found.encoding, value),
                "rivet_target" => first(&mut found.target, value),
                "rivet_actor" => first(&mut found.actor, value),
                "rivet_token" => first(&mut found.token, value),
                "rivet_inspector_token" => first(&mut found.inspector_token, value),
                "rivet_conn_params" if found.conn_params.is_none() => {
                    let json: Vec<u8> = percent_decode_str(value).collect();
                    found.conn_params = Some(decode_params(&json)?);
                }
                _ if name.starts_with("rivet_") => {}
                _ => found.others.push(token.to_owned()),
            }
        }
        Ok(found)
    }
}

fn first(place: &mut Option<String>, value: &str) {
    place.get_or_insert_with(|| percent_decode_str(value).decode_utf8_lossy().into_owned());
}

/// Whether the headers ask to deliver to an actor that is not ready yet. An actor here is started by the
/// request itself, so there is nothing to skip; but who asks for it wrongly is told so.
///
/// # Errors
///
/// `guard.invalid_header` when a value is not one that [`parse_flag`] reads.
pub fn skip_ready_wait(headers: &http::HeaderMap) -> Result<bool, ActorError> {
    let mut asked = false;
    for name in [SKIP_READY_WAIT, BYPASS_CONNECTABLE] {
        for value in headers.get_all(name) {
            let flag = value.to_str().ok().and_then(parse_flag);
            asked |= flag.ok_or_else(|| {
                let text = format!("`{name}` is neither `true` nor `false`");
                let metadata = Value::object([("header", name)]);
                ActorError::new("guard", "invalid_header", text)
                    .with_status(400)
                    .with_metadata(metadata)
                    .public()
            })?;
        }
    }
    Ok(asked)
}

/// The key with which an action is called, of [`IDEMPOTENCY_KEY`]: a string in quotes, as the header is defined
/// (`draft-ietf-httpapi-idempotency-key-header`), or the bare key, as most clients send it. Both mean the
/// same key. What follows the quotes as a parameter is passed over.
///
/// # Errors
///
/// `idempotency.invalid_key` when it is neither of these, is empty, or comes more than once.
pub fn idempotency_key(headers: &http::HeaderMap) -> Result<Option<String>, ActorError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = value.to_str().ok().map(str::trim).and_then(parse_key);
    match key.filter(|_| values.next().is_none()) {
        Some(key) => Ok(Some(key)),
        None => Err(ActorError::new(
            "idempotency",
            "invalid_key",
            "`Idempotency-Key` is one key, in quotes or bare, without commas",
        )),
    }
}

fn parse_key(value: &str) -> Option<String> {
    let Some(quoted) = value.strip_prefix('"') else {
        // A comma may be where a proxy put two of them together.
        let is_bare = |it: char| it.is_ascii_graphic() && !matches!(it, '"' | ',' | ';');
        return (!value.is_empty() && value.chars().all(is_bare)).then(|| value.to_owned());
    };
    let mut key = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => break,
            '\\' => key.push(chars.next().filter(|it| matches!(it, '"' | '\\'))?),
            it => key.push(it),
        }
    }
    let rest = chars.as_str();
    let ends = rest.is_empty() || rest.starts_with(';');
    (ends && !key.is_empty()).then_some(key)
}

/// Reads the value of [`SKIP_READY_WAIT`].
#[must_use]
pub fn parse_flag(value: &str) -> Option<bool> {
    match value {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clients_lists_are_understood() {
        let params = Value::object([("user", Value::from("ü")), ("n", Value::from(1))]);
        let npm = "rivet,rivet_encoding.bare,rivet_conn_params.%7B%22user%22%3A%22%C3%BC%22%2C%22n%22%3A1%7D";
        let expected = Subprotocols {
            rivet: true,
            encoding: Some("bare".into()),
            conn_params: Some(params),
            ..Subprotocols::default()
        };
        assert_eq!(Subprotocols::parse([npm]).unwrap(), expected);
        // With spaces, as the Rust client has them, and over several headers.
        let spaced = npm.replace(',', ", ");
        let (one, rest) = spaced.split_once(',').unwrap();
        assert_eq!(Subprotocols::parse([one, rest]).unwrap(), expected);
    }

    #[test]
    fn direct_targets_and_tokens() {
        let found = Subprotocols::parse([
            "rivet,rivet_encoding.json,rivet_target.actor,rivet_actor.a-1,rivet_token.a%20b,\
             rivet_skip_ready_wait,rivet_test_ack_hook.x,rivet_conn.old,my.own,rivet_token.second",
        ])
        .unwrap();
        assert_eq!(found.target.as_deref(), Some(TARGET_ACTOR));
        assert_eq!(found.actor.as_deref(), Some("a-1"));
        assert_eq!(found.token.as_deref(), Some("a b"));
        assert!(found.skip_ready_wait);
        assert_eq!(found.others, ["my.own"]);
    }

    #[test]
    fn flags_are_strict_under_either_name() {
        for name in [SKIP_READY_WAIT, BYPASS_CONNECTABLE] {
            let read = |value: &str| {
                let headers = http::HeaderMap::from_iter([(
                    http::HeaderName::from_static(name),
                    value.parse().unwrap(),
                )]);
                skip_ready_wait(&headers)
            };
            for (value, flag) in [("1", true), ("true", true), ("0", false), ("false", false)] {
                assert_eq!(read(value).unwrap(), flag, "{name}: {value}");
            }
            for value in ["", "yes", "TRUE", "true ", "2"] {
                let error = read(value).unwrap_err();
                assert!(error.is("guard", "invalid_header"), "{error}");
                assert_eq!((error.status(), error.is_public()), (400, true));
            }
        }
        assert!(!skip_ready_wait(&http::HeaderMap::new()).unwrap());
        assert!(
            Subprotocols::parse(["rivet_bypass_connectable"])
                .unwrap()
                .skip_ready_wait
        );
    }

    #[test]
    fn a_key_is_a_string_or_bare() {
        let read = |values: &[&str]| {
            let name = http::HeaderName::from_static(IDEMPOTENCY_KEY);
            let values = values.iter().map(|it| (name.clone(), it.parse().unwrap()));
            idempotency_key(&values.collect())
        };
        assert_eq!(read(&[]).unwrap(), None);
        for (value, key) in [
            ("\"8e03978e-40d5\"", "8e03978e-40d5"),
            ("8e03978e-40d5", "8e03978e-40d5"),
            (" \"a b,;c\" ", "a b,;c"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            ("\"a\";v=1", "a"),
            ("order/17:x=y", "order/17:x=y"),
        ] {
            assert_eq!(read(&[value]).unwrap().as_deref(), Some(key), "{value}");
        }
        for values in [
            &[""][..],
            &["\"\""],
            &["\"a"],
            &["\"a\\"],
            &[r#""a\x""#],
            &["\"a\"b"],
            &["\"a\", \"b\""],
            &["a, b"],
            &["a b"],
            &["a\"b"],
            &["ü"],
            &["a", "a"],
        ] {
            let error = read(values).unwrap_err();
            assert!(
                error.is("idempotency", "invalid_key"),
                "{values:?}: {error}"
            );
            assert_eq!((error.status(), error.is_public()), (400, true));
        }
    }

    #[test]
    fn parameters_that_are_no_json_are_refused() {
        assert!(Subprotocols::parse(["rivet,rivet_conn_params.%7B"]).is_err());
        assert!(!Subprotocols::parse([""]).unwrap().rivet);
    }

    #[test]
    fn header_parameters_may_be_latin_1_and_are_not_unescaped() {
        let expected = Value::object([("u", "ü")]);
        assert_eq!(decode_params("{\"u\":\"ü\"}".as_bytes()).unwrap(), expected);
        assert_eq!(decode_params(b"{\"u\":\"\xfc\"}").unwrap(), expected);
        let pair = decode_params(br#"["$BigInt","1"]"#).unwrap();
        assert_eq!(
            pair,
            Value::from(vec![Value::from("$BigInt"), Value::from("1")])
        );
    }
}

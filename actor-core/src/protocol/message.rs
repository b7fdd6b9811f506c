//! Messages over a connection's socket. The bodies of HTTP calls are in `http`.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;

use super::{
    Args, DecodeError, Encoding,
    bare::{self, Reader, Writer},
    cbor::{self, Dialect},
    fields::{self, Fields},
    json,
};
use crate::{error::ActorError, value::Value};

/// What a client says.
#[derive(Clone, Debug, PartialEq)]
pub enum ToServer {
    /// Call an action.
    Action {
        /// The client's number for the call, which the answer repeats.
        id: u64,
        /// The action's wire name.
        name: String,
        /// Its arguments.
        args: Args,
    },
    /// Begin or stop listening.
    Subscribe {
        /// The event's wire name.
        event: String,
        /// Whether to begin.
        subscribe: bool,
    },
}

/// What a client is told.
#[derive(Clone, Debug)]
pub enum ToClient {
    /// The connection is open.
    Init {
        /// The actor's id.
        actor_id: String,
        /// The connection's id.
        connection_id: String,
    },
    /// Something failed.
    Error {
        /// What failed, as the client is to read it: mask it before.
        error: ActorError,
        /// The call that failed, if it was one.
        action_id: Option<u64>,
        /// The actor that was called.
        actor: Option<ActorSpecifier>,
    },
    /// An action's result.
    Response {
        /// The client's number for the call.
        id: u64,
        /// The result.
        output: Value,
    },
    /// Something happened.
    Event {
        /// The event's wire name.
        name: String,
        /// A list: what the listener is called with.
        args: Value,
    },
}

/// Which actor an error came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ActorSpecifier {
    /// Its id.
    pub actor_id: String,
    /// Which of its lives.
    pub generation: u64,
    /// Its key, serialised.
    pub key: Option<String>,
}

/// Reads one of a client's messages.
///
/// # Errors
///
/// When `bytes` are not exactly one such message.
pub fn decode(encoding: Encoding, bytes: &[u8]) -> Result<ToServer, DecodeError> {
    match encoding {
        Encoding::Json => decode_json(bytes),
        Encoding::Cbor => decode_cbor(bytes),
        Encoding::Bare => decode_bare(bytes),
    }
}

/// `{"body": {"tag": .., "val": ..}}`, members in any order.
#[derive(Deserialize)]
struct JsonMessage<'a> {
    #[serde(borrow)]
    body: JsonBody<'a>,
}

#[derive(Deserialize)]
struct JsonBody<'a> {
    #[serde(borrow)]
    tag: Cow<'a, str>,
    val: JsonVal,
}

/// The members of both messages, as `val` may come before the tag says which it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonVal {
    #[serde(default)]
    id: json::Inner,
    name: Option<String>,
    #[serde(default)]
    args: json::Inner,
    event_name: Option<String>,
    subscribe: Option<bool>,
}

fn decode_json(bytes: &[u8]) -> Result<ToServer, DecodeError> {
    let JsonMessage {
        body: JsonBody { tag, val },
    } = serde_json::from_slice(bytes)?;
    match &*tag {
        "ActionRequest" => Ok(ToServer::Action {
            id: fields::unsigned(&val.id.0, NO_ID)?,
            name: val.name.ok_or(DecodeError::Malformed(NO_NAME))?,
            args: Args::from_value(val.args.0),
        }),
        "SubscriptionRequest" => Ok(ToServer::Subscribe {
            event: val.event_name.ok_or(DecodeError::Malformed(NO_EVENT))?,
            subscribe: val.subscribe.ok_or(DecodeError::Malformed(NO_SUBSCRIBE))?,
        }),
        _ => Err(UNKNOWN),
    }
}

fn decode_cbor(bytes: &[u8]) -> Result<ToServer, DecodeError> {
    let (tag, mut val) = open(Encoding::Cbor.decode_value(bytes)?)?;
    match tag.as_str() {
        "ActionRequest" => Ok(ToServer::Action {
            id: val.unsigned("id", NO_ID)?,
            name: val.text("name", NO_NAME)?,
            args: Args::from_value(val.take("args")),
        }),
        "SubscriptionRequest" => Ok(ToServer::Subscribe {
            event: val.text("eventName", NO_EVENT)?,
            subscribe: val.bool("subscribe", NO_SUBSCRIBE)?,
        }),
        _ => Err(UNKNOWN),
    }
}

/// The tag and content of `{"body": {"tag": .., "val": ..}}`.
pub(super) fn open(envelope: Value) -> Result<(String, Fields), DecodeError> {
    let mut envelope = Fields::of(envelope, "a message is no object")?;
    let mut body = Fields::of(envelope.take("body"), "a message's `body` is no object")?;
    let tag = body.text("tag", "a message's `tag` is no text")?;
    Ok((
        tag,
        Fields::of(body.take("val"), "a message's `val` is no object")?,
    ))
}

fn decode_bare(bytes: &[u8]) -> Result<ToServer, DecodeError> {
    let mut reader = Reader::message(bytes)?;
    let message = match reader.tag()? {
        0 => ToServer::Action {
            id: reader.uint()?,
            name: reader.str()?,
            args: Args::from_value(reader.value()?),
        },
        1 => ToServer::Subscribe {
            event: reader.str()?,
            subscribe: reader.bool()?,
        },
        _ => return Err(UNKNOWN),
    };
    reader.end()?;
    Ok(message)
}

/// Writes one message for a client.
#[must_use]
pub fn encode(encoding: Encoding, message: &ToClient) -> Bytes {
    match message {
        ToClient::Init {
            actor_id,
            connection_id,
        } => encode_init(encoding, actor_id, connection_id),
        ToClient::Error {
            error,
            action_id,
            actor,
        } => encode_error(encoding, error, *action_id, actor.as_ref()),
        ToClient::Response { id, output } => encode_response(encoding, *id, output),
        ToClient::Event { name, args } => encode_event(encoding, name, args),
    }
}

/// Writes [`ToClient::Init`].
#[must_use]
pub fn encode_init(encoding: Encoding, actor_id: &str, connection_id: &str) -> Bytes {
    match encoding {
        Encoding::Json => json_message("Init", |out| {
            out.extend(b"\"actorId\":");
            json::write_text(out, actor_id);
            out.extend(b",\"connectionId\":");
            json::write_text(out, connection_id);
        }),
        Encoding::Cbor => cbor_message(
            "Init",
            2,
            actor_id.len() + connection_id.len() + 30,
            |out| {
                cbor::text(out, "actorId");
                cbor::text(out, actor_id);
                cbor::text(out, "connectionId");
                cbor::text(out, connection_id);
            },
        ),
        Encoding::Bare => {
            let mut out = Writer::message(actor_id.len() + connection_id.len() + 5);
            out.tag(0).str(actor_id).str(connection_id);
            out.done()
        }
    }
}

/// Writes [`ToClient::Response`].
#[must_use]
pub fn encode_response(encoding: Encoding, id: u64, output: &Value) -> Bytes {
    match encoding {
        Encoding::Json => json_message("ActionResponse", |out| {
            out.extend(b"\"id\":");
            json::big(out, &id);
            out.extend(b",\"output\":");
            json::write(out, output);
        }),
        Encoding::Cbor => {
            let len = cbor::len(output, Dialect::Native);
            cbor_message("ActionResponse", 2, 19 + len, |out| {
                cbor::text(out, "id");
                cbor::big_head(out, id);
                cbor::text(out, "output");
                cbor::write(out, output, Dialect::Native);
            })
        }
        Encoding::Bare => {
            let len = bare::measure(output);
            let mut out = Writer::message(1 + bare::uint_len(id) + bare::data_len(len));
            out.tag(2).uint(id).value(output, len);
            out.done()
        }
    }
}

/// Writes [`ToClient::Event`]; `args` is a list.
#[must_use]
pub fn encode_event(encoding: Encoding, name: &str, args: &Value) -> Bytes {
    match encoding {
        Encoding::Json => json_message("Event", |out| {
            out.extend(b"\"name\":");
            json::write_text(out, name);
            out.extend(b",\"args\":");
            json::write(out, args);
        }),
        Encoding::Cbor => {
            let len = cbor::len(args, Dialect::Native);
            cbor_message("Event", 2, 12 + name.len() + len, |out| {
                cbor::text(out, "name");
                cbor::text(out, name);
                cbor::text(out, "args");
                cbor::write(out, args, Dialect::Native);
            })
        }
        Encoding::Bare => {
            let len = bare::measure(args);
            let mut out = Writer::message(1 + bare::data_len(name.len()) + bare::data_len(len));
            out.tag(3).str(name).value(args, len);
            out.done()
        }
    }
}

/// Writes [`ToClient::Error`]: a failed call when there is an `action_id`, else a failed connection.
///
/// The error is written as it is: [mask](ActorError::masked) it before.
#[must_use]
pub fn encode_error(
    encoding: Encoding,
    error: &ActorError,
    action_id: Option<u64>,
    actor: Option<&ActorSpecifier>,
) -> Bytes {
    match encoding {
        Encoding::Json => json_message("Error", |out| {
            json_error(out, error, actor);
            // Clients insist on the member, even when it says nothing.
            out.extend(b",\"actionId\":");
            match action_id {
                Some(id) => json::big(out, &id),
                None => out.extend(b"null"),
            }
        }),
        Encoding::Cbor => {
            let members = cbor_error_members(error, actor) + 1;
            cbor_message("Error", members, 128, |out| {
                cbor_error(out, error, actor);
                cbor::text(out, "actionId");
                match action_id {
                    Some(id) => cbor::big_head(out, id),
                    None => cbor::write(out, &Value::Null, Dialect::Native),
                }
            })
        }
        Encoding::Bare => {
            let mut out = Writer::message(128);
            bare_error(out.tag(1), error);
            out.option(action_id, |out, id| {
                out.uint(id);
            });
            bare_actor(&mut out, actor);
            out.done()
        }
    }
}

/// Writes the members of an error, without the braces.
pub(super) fn json_error(out: &mut Vec<u8>, error: &ActorError, actor: Option<&ActorSpecifier>) {
    out.extend(b"\"group\":");
    json::write_text(out, error.group());
    out.extend(b",\"code\":");
    json::write_text(out, error.code());
    out.extend(b",\"message\":");
    json::write_text(out, error.message());
    if let Some(metadata) = shown(error) {
        out.extend(b",\"metadata\":");
        json::write(out, metadata);
    }
    // Clients refuse the whole error for a `null` here.
    if let Some(actor) = actor {
        out.extend(b",\"actor\":{\"actorId\":");
        json::write_text(out, &actor.actor_id);
        out.extend(b",\"generation\":");
        json::display(out, &actor.generation);
        if let Some(key) = &actor.key {
            out.extend(b",\"key\":");
            json::write_text(out, key);
        }
        out.push(b'}');
    }
}

/// How many members [`cbor_error`] writes.
pub(super) fn cbor_error_members(error: &ActorError, actor: Option<&ActorSpecifier>) -> usize {
    3 + usize::from(shown(error).is_some()) + usize::from(actor.is_some())
}

/// Writes the members of an error, without the map's head.
pub(super) fn cbor_error(out: &mut Vec<u8>, error: &ActorError, actor: Option<&ActorSpecifier>) {
    let texts = [
        ("group", error.group()),
        ("code", error.code()),
        ("message", error.message()),
    ];
    for (name, text) in texts {
        cbor::text(out, name);
        cbor::text(out, text);
    }
    if let Some(metadata) = shown(error) {
        cbor::text(out, "metadata");
        cbor::write(out, metadata, Dialect::Native);
    }
    if let Some(actor) = actor {
        cbor::text(out, "actor");
        cbor::map_head(out, 2 + usize::from(actor.key.is_some()));
        cbor::text(out, "actorId");
        cbor::text(out, &actor.actor_id);
        cbor::text(out, "generation");
        cbor::write(out, &Value::from(actor.generation), Dialect::Native);
        if let Some(key) = &actor.key {
            cbor::text(out, "key");
            cbor::text(out, key);
        }
    }
}

/// Writes an error's group, code, message and metadata.
pub(super) fn bare_error(out: &mut Writer, error: &ActorError) {
    out.str(error.group())
        .str(error.code())
        .str(error.message());
    out.option(shown(error), |out, metadata| {
        out.value(metadata, bare::measure(metadata));
    });
}

/// Writes the actor an error came from.
pub(super) fn bare_actor(out: &mut Writer, actor: Option<&ActorSpecifier>) {
    out.option(actor, |out, actor| {
        out.str(&actor.actor_id).uint(actor.generation);
        out.option(actor.key.as_deref(), |out, key| {
            out.str(key);
        });
    });
}

/// The metadata worth sending.
fn shown(error: &ActorError) -> Option<&Value> {
    error.metadata().filter(|it| **it != Value::Undefined)
}

fn json_message(tag: &str, val: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    json::to_bytes(|out| {
        out.extend(b"{\"body\":{\"tag\":\"");
        out.extend(tag.as_bytes());
        out.extend(b"\",\"val\":{");
        val(out);
        out.extend(b"}}}");
    })
}

fn cbor_message(
    tag: &str,
    members: usize,
    capacity: usize,
    val: impl FnOnce(&mut Vec<u8>),
) -> Bytes {
    let mut out = Vec::with_capacity(17 + tag.len() + capacity);
    cbor::map_head(&mut out, 1);
    cbor::text(&mut out, "body");
    cbor::map_head(&mut out, 2);
    cbor::text(&mut out, "tag");
    cbor::text(&mut out, tag);
    cbor::text(&mut out, "val");
    cbor::map_head(&mut out, members);
    val(&mut out);
    out.into()
}

const NO_ID: &str = "an action's `id` is no number";
const NO_NAME: &str = "an action's `name` is no text";
const NO_EVENT: &str = "a subscription's `eventName` is no text";
const NO_SUBSCRIBE: &str = "a subscription's `subscribe` is no bool";
pub(super) const UNKNOWN: DecodeError = DecodeError::Malformed("a message of an unknown kind");

//! The client's half of the protocol: for tests, and for Rust programs that call actors elsewhere.

use bytes::Bytes;

use super::{
    ActorSpecifier, DecodeError, Encoding, ToClient, ToServer,
    bare::{self, Reader, Writer},
    cbor::{self, Dialect},
    fields::{self, Fields},
    http::{QUEUES_SINCE, QueueSend, QueueStatus},
    message::{UNKNOWN, open},
};
use crate::{error::ActorError, value::Value};

/// The first version whose errors say which actor they are from.
const ACTOR_SINCE: u16 = 4;
/// The last version whose connections have a token.
const TOKEN_UNTIL: u16 = 1;

/// Reads one value that was written for a client.
///
/// # Errors
///
/// When `bytes` are not exactly one value.
pub fn decode_value(encoding: Encoding, bytes: &[u8]) -> Result<Value, DecodeError> {
    match encoding {
        Encoding::Json => encoding.decode_value(bytes),
        Encoding::Cbor => cbor::read_reply(bytes, Dialect::Native),
        Encoding::Bare => cbor::read_reply(bytes, Dialect::Tagged),
    }
}

/// Writes a message to an actor.
#[must_use]
pub fn encode(encoding: Encoding, message: &ToServer) -> Bytes {
    match (encoding, message) {
        (Encoding::Bare, ToServer::Action { id, name, args }) => {
            let args = args.clone().into_value();
            let mut out = Writer::message(64);
            out.tag(0)
                .uint(*id)
                .str(name)
                .value(&args, bare::measure(&args));
            out.done()
        }
        (Encoding::Bare, ToServer::Subscribe { event, subscribe }) => {
            let mut out = Writer::message(event.len() + 4);
            out.tag(1).str(event).bool(*subscribe);
            out.done()
        }
        (_, ToServer::Action { id, name, args }) => {
            let id = Value::BigInt((*id).into());
            let args = args.clone().into_value();
            let val = Value::object([
                ("id", id),
                ("name", Value::from(name.as_str())),
                ("args", args),
            ]);
            envelope(encoding, "ActionRequest", val)
        }
        (_, ToServer::Subscribe { event, subscribe }) => {
            let name = Value::from(event.as_str());
            let val = Value::object([("eventName", name), ("subscribe", Value::from(*subscribe))]);
            envelope(encoding, "SubscriptionRequest", val)
        }
    }
}

fn envelope(encoding: Encoding, tag: &str, val: Value) -> Bytes {
    let body = Value::object([("tag", Value::from(tag)), ("val", val)]);
    encoding.encode_value(&Value::object([("body", body)]))
}

/// Reads a message from an actor.
///
/// # Errors
///
/// When `bytes` are not exactly one such message.
pub fn decode(encoding: Encoding, bytes: &[u8]) -> Result<ToClient, DecodeError> {
    if encoding == Encoding::Bare {
        return decode_bare(bytes);
    }
    let (tag, mut val) = open(decode_value(encoding, bytes)?)?;
    match tag.as_str() {
        "Init" => Ok(ToClient::Init {
            actor_id: val.text("actorId", "`actorId` is no text")?,
            connection_id: val.text("connectionId", "`connectionId` is no text")?,
        }),
        "Error" => {
            let id = val.option("actionId");
            let action_id = id
                .map(|it| fields::unsigned(&it, "`actionId` is no number"))
                .transpose()?;
            let (error, actor) = error(&mut val)?;
            Ok(ToClient::Error {
                error,
                action_id,
                actor,
            })
        }
        "ActionResponse" => Ok(ToClient::Response {
            id: val.unsigned("id", "`id` is no number")?,
            output: val.take("output"),
        }),
        "Event" => Ok(ToClient::Event {
            name: val.text("name", "`name` is no text")?,
            args: val.take("args"),
        }),
        _ => Err(UNKNOWN),
    }
}

fn decode_bare(bytes: &[u8]) -> Result<ToClient, DecodeError> {
    let mut reader = Reader::message(bytes)?;
    let message = match reader.tag()? {
        0 => {
            let message = ToClient::Init {
                actor_id: reader.str()?,
                connection_id: reader.str()?,
            };
            if reader.version <= TOKEN_UNTIL {
                reader.str()?;
            }
            message
        }
        1 => {
            let error = bare_error(&mut reader)?;
            let action_id = reader.option(Reader::uint)?;
            ToClient::Error {
                error,
                action_id,
                actor: bare_actor(&mut reader)?,
            }
        }
        2 => ToClient::Response {
            id: reader.uint()?,
            output: reader.value()?,
        },
        3 => ToClient::Event {
            name: reader.str()?,
            args: reader.value()?,
        },
        _ => return Err(UNKNOWN),
    };
    reader.end()?;
    Ok(message)
}

/// Writes the body of an action's call; `args` is a list.
#[must_use]
pub fn encode_action(encoding: Encoding, args: &Value) -> Bytes {
    if encoding == Encoding::Bare {
        let len = bare::measure(args);
        let mut out = Writer::message(bare::data_len(len));
        out.value(args, len);
        return out.done();
    }
    encoding.encode_value(&Value::object([("args", args.clone())]))
}

/// Reads the body that answers an action's call.
///
/// # Errors
///
/// When `body` is not exactly one such body.
pub fn decode_action_output(encoding: Encoding, body: &[u8]) -> Result<Value, DecodeError> {
    if encoding == Encoding::Bare {
        let mut reader = Reader::message(body)?;
        let output = reader.value()?;
        reader.end()?;
        return Ok(output);
    }
    let answer = decode_value(encoding, body)?;
    Ok(Fields::of(answer, "an answer is no object")?.take("output"))
}

/// Writes the body of a queue send.
#[must_use]
pub fn encode_queue_send(encoding: Encoding, send: &QueueSend) -> Bytes {
    if encoding == Encoding::Bare {
        let mut out = Writer::message(64);
        out.value(&send.body, bare::measure(&send.body));
        out.option(send.name.as_deref(), |out, name| {
            out.str(name);
        });
        out.option(Some(send.wait), |out, wait| {
            out.bool(wait);
        });
        out.option(send.timeout, |out, timeout| {
            out.u64(timeout);
        });
        return out.done();
    }
    encoding.encode_value(&Value::object([
        ("body", send.body.clone()),
        (
            "name",
            send.name.clone().map_or(Value::Undefined, Value::from),
        ),
        ("wait", Value::from(send.wait)),
        (
            "timeout",
            send.timeout.map_or(Value::Undefined, Value::from),
        ),
    ]))
}

/// Reads the body that answers a queue send.
///
/// # Errors
///
/// When `body` is not exactly one such body.
pub fn decode_queue_result(
    encoding: Encoding,
    body: &[u8],
) -> Result<(QueueStatus, Option<Value>), DecodeError> {
    let (status, response) = if encoding == Encoding::Bare {
        let mut reader = Reader::message(body)?;
        if reader.version < QUEUES_SINCE {
            return Err(DecodeError::Malformed(
                "queues are only known since version 3",
            ));
        }
        let answer = (reader.str()?, reader.option(Reader::value)?);
        reader.end()?;
        answer
    } else {
        let mut fields = Fields::of(decode_value(encoding, body)?, "an answer is no object")?;
        let response = Some(fields.take("response")).filter(|it| *it != Value::Undefined);
        (fields.text("status", "`status` is no text")?, response)
    };
    let known = [QueueStatus::Completed, QueueStatus::TimedOut];
    let status = known.into_iter().find(|it| it.name() == status);
    Ok((
        status.ok_or(DecodeError::Malformed("an unknown `status`"))?,
        response,
    ))
}

/// Reads the body of a failed call. The error has no status: that is HTTP's.
///
/// # Errors
///
/// When `body` is not exactly one such body.
pub fn decode_error(
    encoding: Encoding,
    body: &[u8],
) -> Result<(ActorError, Option<ActorSpecifier>), DecodeError> {
    if encoding == Encoding::Bare {
        let mut reader = Reader::message(body)?;
        let error = bare_error(&mut reader)?;
        let actor = bare_actor(&mut reader)?;
        reader.end()?;
        return Ok((error, actor));
    }
    error(&mut Fields::of(
        decode_value(encoding, body)?,
        "an error is no object",
    )?)
}

fn error(fields: &mut Fields) -> Result<(ActorError, Option<ActorSpecifier>), DecodeError> {
    let group = fields.text("group", "`group` is no text")?;
    let code = fields.text("code", "`code` is no text")?;
    let message = fields.text("message", "`message` is no text")?;
    let mut error = ActorError::new(group, code, message);
    if let Some(metadata) = fields.option("metadata") {
        error = error.with_metadata(metadata);
    }
    let actor = match fields.take("actor") {
        Value::Undefined => None,
        actor => Some(specifier(actor)?),
    };
    Ok((error, actor))
}

fn specifier(actor: Value) -> Result<ActorSpecifier, DecodeError> {
    let mut fields = Fields::of(actor, "`actor` is no object")?;
    Ok(ActorSpecifier {
        actor_id: fields.text("actorId", "`actorId` is no text")?,
        generation: fields.unsigned("generation", "`generation` is no number")?,
        key: match fields.take("key") {
            Value::Undefined => None,
            key => Some(fields::text(key, "`key` is no text")?),
        },
    })
}

fn bare_error(reader: &mut Reader<'_>) -> Result<ActorError, DecodeError> {
    let error = ActorError::new(reader.str()?, reader.str()?, reader.str()?);
    let metadata = reader.option(Reader::value)?;
    Ok(match metadata {
        Some(metadata) => error.with_metadata(metadata),
        None => error,
    })
}

fn bare_actor(reader: &mut Reader<'_>) -> Result<Option<ActorSpecifier>, DecodeError> {
    if reader.version < ACTOR_SINCE {
        return Ok(None);
    }
    reader.option(|it| {
        Ok(ActorSpecifier {
            actor_id: it.str()?,
            generation: it.uint()?,
            key: it.option(Reader::str)?,
        })
    })
}

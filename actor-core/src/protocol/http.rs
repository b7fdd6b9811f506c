//! Bodies of HTTP calls. The messages over sockets are in `message`.

use bytes::Bytes;
use serde::Deserialize;

use super::{
    ActorSpecifier, Args, DecodeError, Encoding,
    bare::{self, Reader, Writer},
    cbor::{self, Dialect},
    fields::{self, Fields},
    json,
    message::{bare_actor, bare_error, cbor_error, cbor_error_members, json_error},
};
use crate::{error::ActorError, value::Value};

/// Reads the body of an action's call.
///
/// # Errors
///
/// When `body` is not exactly one such body.
pub fn decode_action(encoding: Encoding, body: &[u8]) -> Result<Args, DecodeError> {
    match encoding {
        Encoding::Json => {
            let JsonAction { args } = serde_json::from_slice(body)?;
            Ok(Args::from_value(args.0))
        }
        Encoding::Cbor => {
            let value = encoding.decode_value(body)?;
            let mut fields = Fields::of(value, "an action's body is no object")?;
            Ok(Args::from_value(fields.take("args")))
        }
        Encoding::Bare => {
            let mut reader = Reader::message(body)?;
            let args = reader.value()?;
            reader.end()?;
            Ok(Args::from_value(args))
        }
    }
}

#[derive(Deserialize)]
struct JsonAction {
    #[serde(default)]
    args: json::Inner,
}

/// Writes the body that answers an action's call.
#[must_use]
pub fn encode_action_output(encoding: Encoding, output: &Value) -> Bytes {
    match encoding {
        Encoding::Json => json::to_bytes(|out| {
            out.extend(b"{\"output\":");
            json::write(out, output);
            out.push(b'}');
        }),
        Encoding::Cbor => {
            let mut out = Vec::with_capacity(8 + cbor::len(output, Dialect::Native));
            cbor::map_head(&mut out, 1);
            cbor::text(&mut out, "output");
            cbor::write(&mut out, output, Dialect::Native);
            out.into()
        }
        Encoding::Bare => {
            let len = bare::measure(output);
            let mut out = Writer::message(bare::data_len(len));
            out.value(output, len);
            out.done()
        }
    }
}

/// A message for an actor's queue.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueSend {
    /// The message.
    pub body: Value,
    /// The queue's name as the body has it; the one in the path counts.
    pub name: Option<String>,
    /// Whether to answer only once the message is completed.
    pub wait: bool,
    /// How long to wait, in milliseconds; without, as long as an action may take.
    pub timeout: Option<u64>,
}

/// Reads the body of a queue send.
///
/// # Errors
///
/// When `body` is not exactly one such body.
pub fn decode_queue_send(encoding: Encoding, body: &[u8]) -> Result<QueueSend, DecodeError> {
    match encoding {
        Encoding::Json | Encoding::Cbor => {
            let value = encoding.decode_value(body)?;
            let mut fields = Fields::of(value, "a queue send's body is no object")?;
            let name = fields.option("name");
            let wait = fields.option("wait");
            let timeout = fields.option("timeout");
            Ok(QueueSend {
                body: fields.take("body"),
                name: name
                    .map(|it| fields::text(it, "a queue's `name` is no text"))
                    .transpose()?,
                wait: match wait {
                    None => false,
                    Some(Value::Bool(it)) => it,
                    Some(_) => return Err(DecodeError::Malformed("`wait` is no bool")),
                },
                timeout: timeout
                    .map(|it| fields::unsigned(&it, "`timeout` is no number"))
                    .transpose()?,
            })
        }
        Encoding::Bare => {
            let mut reader = Reader::message(body)?;
            if reader.version < QUEUES_SINCE {
                return Err(DecodeError::Malformed(
                    "queues are only known since version 3",
                ));
            }
            let send = QueueSend {
                body: reader.value()?,
                name: reader.option(Reader::str)?,
                wait: reader.option(Reader::bool)?.unwrap_or(false),
                timeout: reader.option(Reader::u64)?,
            };
            reader.end()?;
            Ok(send)
        }
    }
}

/// What became of a message sent to a queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum QueueStatus {
    /// It was completed, or nobody waited.
    Completed,
    /// It was not completed in time; it stays in the queue.
    TimedOut,
}

impl QueueStatus {
    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::TimedOut => "timedOut",
        }
    }
}

/// Writes the body that answers a queue send.
#[must_use]
pub fn encode_queue_result(
    encoding: Encoding,
    status: QueueStatus,
    response: Option<&Value>,
) -> Bytes {
    match encoding {
        Encoding::Json => json::to_bytes(|out| {
            out.extend(b"{\"status\":");
            json::write_text(out, status.name());
            if let Some(response) = response {
                out.extend(b",\"response\":");
                json::write(out, response);
            }
            out.push(b'}');
        }),
        Encoding::Cbor => {
            let mut out = Vec::with_capacity(32);
            cbor::map_head(&mut out, 1 + usize::from(response.is_some()));
            cbor::text(&mut out, "status");
            cbor::text(&mut out, status.name());
            if let Some(response) = response {
                cbor::text(&mut out, "response");
                cbor::write(&mut out, response, Dialect::Native);
            }
            out.into()
        }
        Encoding::Bare => {
            let mut out = Writer::message(32);
            out.str(status.name()).option(response, |out, response| {
                out.value(response, bare::measure(response));
            });
            out.done()
        }
    }
}

/// Writes the body of a failed call, in the encoding of the call.
///
/// The error is written as it is: [mask](ActorError::masked) it before.
#[must_use]
pub fn encode_error(
    encoding: Encoding,
    error: &ActorError,
    actor: Option<&ActorSpecifier>,
) -> Bytes {
    match encoding {
        Encoding::Json => json::to_bytes(|out| {
            out.push(b'{');
            json_error(out, error, actor);
            out.push(b'}');
        }),
        Encoding::Cbor => {
            let mut out = Vec::with_capacity(128);
            cbor::map_head(&mut out, cbor_error_members(error, actor));
            cbor_error(&mut out, error, actor);
            out.into()
        }
        Encoding::Bare => {
            let mut out = Writer::message(128);
            bare_error(&mut out, error);
            bare_actor(&mut out, actor);
            out.done()
        }
    }
}

/// Writes the body of a call that failed before it came to an actor: JSON, whatever the encoding of
/// the call, with `content-type: application/json`, by which clients tell it.
///
/// The error is written as it is: [mask](ActorError::masked) it before.
#[must_use]
pub fn gateway_error_json(error: &ActorError) -> Bytes {
    encode_error(Encoding::Json, error, None)
}

/// The first version with queues.
pub(super) const QUEUES_SINCE: u16 = 3;

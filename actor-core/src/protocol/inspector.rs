//! The inspector's messages over a WebSocket, version 6 of its schema: BARE, and no version before each,
//! because the URL has said it.

use bytes::Bytes;

use super::{
    DecodeError,
    bare::{Reader, Writer},
    cbor::{self, Dialect},
};
use crate::value::Value;

/// The version of the schema that is spoken.
pub const VERSION: &str = "6";

/// What the inspector's client asks. `id` comes back with the answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "what a field means is its name")]
pub enum ToServer {
    /// Another state, which no answer follows but [`ToClient::StateUpdated`].
    PatchState { state: Value },
    /// The state.
    State { id: u64 },
    /// The connections.
    Connections { id: u64 },
    /// A call of an action.
    Action { id: u64, name: String, args: Value },
    /// The names of the actions.
    Actions { id: u64 },
    /// Traces, of which there are none.
    Traces { id: u64 },
    /// The first messages of the queues.
    Queue { id: u64, limit: u64 },
    /// What a workflow has done.
    WorkflowHistory { id: u64 },
    /// A workflow, from an entry on.
    WorkflowReplay { id: u64 },
    /// The tables of the database.
    Schema { id: u64 },
    /// Rows of a table.
    Rows {
        id: u64,
        table: String,
        limit: u64,
        offset: u64,
    },
    /// What is scheduled.
    Schedules { id: u64 },
    /// What ran of a schedule.
    ScheduleHistory {
        id: u64,
        schedule: String,
        limit: u64,
    },
    /// A schedule that is to go.
    ScheduleDelete { id: u64, schedule: String },
}

/// What the inspector tells its client. `id` is that of the question.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "what a field means is its name")]
pub enum ToClient {
    /// Comes before everything else.
    Init(Init),
    /// The state.
    State { id: u64, state: Value },
    /// The state was replaced.
    StateUpdated { state: Value },
    /// Ids and details of the connections.
    Connections {
        id: u64,
        connections: Vec<(String, Value)>,
    },
    /// What an action answered.
    Action { id: u64, output: Value },
    /// The names of the actions.
    Actions { id: u64, names: Vec<String> },
    /// No traces.
    Traces { id: u64 },
    /// The queues.
    Queue { id: u64, status: QueueStatus },
    /// No workflow.
    WorkflowHistory { id: u64 },
    /// No workflow either.
    WorkflowReplay { id: u64 },
    /// The tables of the database.
    Schema { id: u64, schema: Value },
    /// Rows of a table.
    Rows { id: u64, result: Value },
    /// What is scheduled.
    Schedules { id: u64, schedules: Vec<Planned> },
    /// What ran of a schedule.
    ScheduleHistory {
        id: u64,
        schedule: String,
        runs: Vec<Fired>,
    },
    /// Whether a schedule was there to go.
    ScheduleDeleted {
        id: u64,
        schedule: String,
        deleted: bool,
    },
    /// Something that was asked failed.
    Error { message: String },
}

/// The actor as it was when the socket was opened.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "what a field means is its name")]
pub struct Init {
    pub connections: Vec<(String, Value)>,
    pub state: Value,
    pub actions: Vec<String>,
    pub has_database: bool,
    pub queue_size: u64,
    pub schedules: Vec<Planned>,
}

/// What waits in the queues: id, queue and the time it was sent of each message.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "what a field means is its name")]
pub struct QueueStatus {
    pub size: u64,
    pub max_size: u64,
    pub messages: Vec<(u64, String, u64)>,
    pub truncated: bool,
}

/// A schedule.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "what a field means is its name")]
pub struct Planned {
    pub id: String,
    pub name: Option<String>,
    pub kind: String,
    pub action: String,
    pub args: Value,
    pub next_ms: u64,
    pub expression: Option<String>,
    pub zone: Option<String>,
    pub interval_ms: Option<u64>,
}

/// A run of a schedule; its error as group, code and message.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "what a field means is its name")]
pub struct Fired {
    pub action: String,
    pub due_ms: u64,
    pub began_ms: u64,
    pub ended_ms: u64,
    pub result: String,
    pub error: Option<(String, String, String)>,
}

/// Reads one message of the inspector's client.
///
/// # Errors
///
/// When `bytes` are not exactly one such message.
pub fn decode(bytes: &[u8]) -> Result<ToServer, DecodeError> {
    let mut it = Reader::unversioned(bytes);
    let tag = it.tag()?;
    let message = if tag == 0 {
        let state = value(&mut it)?;
        ToServer::PatchState { state }
    } else {
        let id = it.uint()?;
        request(tag, id, &mut it)?
    };
    it.end()?;
    Ok(message)
}

fn request(tag: u8, id: u64, it: &mut Reader<'_>) -> Result<ToServer, DecodeError> {
    Ok(match tag {
        1 => ToServer::State { id },
        2 => ToServer::Connections { id },
        3 => ToServer::Action {
            id,
            name: it.str()?,
            args: value(it)?,
        },
        4 => ToServer::Actions { id },
        5 => {
            // From when, until when, how many: of what is not there.
            for _ in 0..3 {
                it.uint()?;
            }
            ToServer::Traces { id }
        }
        6 => ToServer::Queue {
            id,
            limit: it.uint()?,
        },
        7 => ToServer::WorkflowHistory { id },
        8 => {
            it.option(Reader::str)?;
            ToServer::WorkflowReplay { id }
        }
        9 => ToServer::Schema { id },
        10 => ToServer::Rows {
            id,
            table: it.str()?,
            limit: it.uint()?,
            offset: it.uint()?,
        },
        11 => ToServer::Schedules { id },
        12 => ToServer::ScheduleHistory {
            id,
            schedule: it.str()?,
            limit: it.uint()?,
        },
        13 => {
            let schedule = it.str()?;
            // Its kind, which the id says too.
            it.str()?;
            ToServer::ScheduleDelete { id, schedule }
        }
        _ => return Err(DecodeError::Malformed("an unknown kind of message")),
    })
}

fn value(it: &mut Reader<'_>) -> Result<Value, DecodeError> {
    cbor::read(it.data()?, Dialect::Native)
}

/// Writes one message to the inspector's client.
#[must_use]
pub fn encode(message: &ToClient) -> Bytes {
    let mut out = Writer::unversioned();
    let to = &mut out;
    match message {
        ToClient::State { id, state } => {
            data(to.tag(0).uint(*id).bool(true), state).bool(true);
        }
        ToClient::Connections { id, connections } => {
            to.tag(1).uint(*id).list(connections, connection);
        }
        ToClient::Action { id, output } => {
            data(to.tag(2).uint(*id), output);
        }
        ToClient::StateUpdated { state } => {
            data(to.tag(5), state);
        }
        ToClient::Actions { id, names: all } => names(to.tag(8).uint(*id), all),
        ToClient::Traces { id } => {
            to.tag(9).uint(*id).data(&[]);
        }
        ToClient::Queue { id, status } => queue(to.tag(10).uint(*id), status),
        ToClient::WorkflowHistory { id } => {
            to.tag(11).uint(*id).bool(false).bool(false);
        }
        ToClient::WorkflowReplay { id } => {
            to.tag(12).uint(*id).bool(false).bool(false);
        }
        ToClient::Schedules { id, schedules } => {
            to.tag(13).uint(*id).list(schedules, planned);
        }
        ToClient::ScheduleHistory { id, schedule, runs } => {
            to.tag(14).uint(*id).str(schedule).list(runs, fired);
        }
        ToClient::ScheduleDeleted {
            id,
            schedule,
            deleted,
        } => {
            to.tag(15).uint(*id).str(schedule).bool(*deleted);
        }
        ToClient::Error { message } => {
            to.tag(16).str(message);
        }
        ToClient::Init(it) => init(to.tag(17), it),
        ToClient::Schema { id, schema } => {
            data(to.tag(18).uint(*id), schema);
        }
        ToClient::Rows { id, result } => {
            data(to.tag(19).uint(*id), result);
        }
    }
    out.done()
}

fn init(to: &mut Writer, it: &Init) {
    to.list(&it.connections, connection).bool(true);
    names(data(to, &it.state).bool(true), &it.actions);
    to.bool(it.has_database).uint(it.queue_size);
    // No workflow, and no tabs of the author's own.
    to.bool(false).bool(false).uint(0);
    to.list(&it.schedules, planned);
}

fn queue(to: &mut Writer, it: &QueueStatus) {
    to.uint(it.size).uint(it.max_size);
    to.list(&it.messages, |to, (id, queue, sent)| {
        to.uint(*id).str(queue).uint(*sent);
    });
    to.bool(it.truncated);
}

fn planned(to: &mut Writer, it: &Planned) {
    to.str(&it.id).option(it.name.as_deref(), text);
    data(to.str(&it.kind).str(&it.action), &it.args);
    // When it ran last is not kept beside the schedule.
    to.uint(it.next_ms).bool(false);
    to.option(it.expression.as_deref(), text);
    to.option(it.zone.as_deref(), text);
    to.option(it.interval_ms, |to, ms| {
        to.uint(ms);
    });
    to.bool(false);
}

fn fired(to: &mut Writer, it: &Fired) {
    to.str(&it.action).uint(it.due_ms).uint(it.began_ms);
    to.bool(true).uint(it.ended_ms).str(&it.result);
    to.option(it.error.as_ref(), |to, (group, code, message)| {
        to.str(group).str(code).str(message).bool(false);
    });
}

fn connection(to: &mut Writer, (id, details): &(String, Value)) {
    data(to.str(id), details);
}

fn names(to: &mut Writer, names: &[String]) {
    to.list(names, |to, name| {
        to.str(name);
    });
}

fn text(to: &mut Writer, text: &str) {
    to.str(text);
}

fn data<'a>(to: &'a mut Writer, value: &Value) -> &'a mut Writer {
    to.data(&cbor::to_bytes(value, Dialect::Native))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_are_laid_out_as_tabled() {
        let call = ToServer::Action {
            id: 7,
            name: "add".into(),
            args: Value::Array(vec![1.into()]),
        };
        let rows = ToServer::Rows {
            id: 300,
            table: "t".into(),
            limit: 5,
            offset: 0,
        };
        for (bytes, message) in [
            (
                &b"\x00\x01\x07"[..],
                ToServer::PatchState { state: 7.into() },
            ),
            (b"\x01\x05", ToServer::State { id: 5 }),
            (b"\x03\x07\x03add\x02\x81\x01", call),
            (b"\x05\x01\x00\x00\x00", ToServer::Traces { id: 1 }),
            (b"\x08\x02\x00", ToServer::WorkflowReplay { id: 2 }),
            (b"\x08\x02\x01\x01x", ToServer::WorkflowReplay { id: 2 }),
            (b"\x0a\xac\x02\x01t\x05\x00", rows),
        ] {
            assert_eq!(decode(bytes).unwrap(), message);
        }
    }

    #[test]
    fn answers_are_laid_out_as_tabled() {
        let init = Init {
            connections: vec![("c".into(), Value::Null)],
            state: 1.into(),
            actions: vec!["go".into()],
            has_database: true,
            queue_size: 3,
            schedules: Vec::new(),
        };
        let queue = QueueStatus {
            size: 2,
            max_size: 9,
            messages: vec![(1, "q".into(), 300)],
            truncated: true,
        };
        for (message, bytes) in [
            (
                ToClient::Init(init),
                &b"\x11\x01\x01c\x01\xf6\x01\x01\x01\x01\x01\x02go\x01\x03\x00\x00\x00\x00"[..],
            ),
            (
                ToClient::State {
                    id: 5,
                    state: 1.into(),
                },
                b"\x00\x05\x01\x01\x01\x01",
            ),
            (ToClient::WorkflowReplay { id: 2 }, b"\x0c\x02\x00\x00"),
            (
                ToClient::Queue {
                    id: 1,
                    status: queue,
                },
                b"\x0a\x01\x02\x09\x01\x01\x01q\xac\x02\x01",
            ),
        ] {
            assert_eq!(&encode(&message)[..], bytes, "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_refused_and_nothing_more(bytes: Vec<u8>, tag in 0_u8..15) {
            let _ = decode(&bytes);
            let _ = decode(&[&[tag], &bytes[..]].concat());
        }
    }
}

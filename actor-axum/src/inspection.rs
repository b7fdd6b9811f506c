//! What the inspector sees of an actor, as its clients are shown it, whether over HTTP or a WebSocket.

use actor_core::{
    Value,
    inspector::{Seen, Table},
    protocol::inspector::{Fired, Planned},
    schedule::{Cadence, Outcome, Run, Schedule},
};
use http::Uri;

/// Most bytes of a new state.
pub(crate) const MAX_STATE: usize = 20 * 1024 * 1024;
/// Most rows of a table that are shown at once.
pub(crate) const MAX_ROWS: u32 = 500;

/// The id of a connection, and what there is to say of it.
pub(crate) fn connection(conn: &Seen) -> (String, Value) {
    let hears = conn.subscriptions.iter().map(|it| Value::from(it.as_str()));
    let details = Value::object([
        ("type", conn.kind.into()),
        ("params", or_null(&conn.params)),
        ("stateEnabled", true.into()),
        ("state", or_null(&conn.state)),
        ("subscriptions", Value::Array(hears.collect())),
        ("isHibernatable", conn.is_hibernatable.into()),
    ]);
    (conn.id.to_string(), details)
}

/// The tables of a database.
pub(crate) fn schema(tables: Vec<Table>) -> Value {
    let one = |it: Table| {
        let table = Value::object([
            ("schema", Value::from("main")),
            ("name", it.name.into()),
            ("type", it.kind.into()),
        ]);
        Value::object([
            ("table", table),
            ("columns", Value::Array(it.columns)),
            ("foreignKeys", Value::Array(it.foreign_keys)),
            ("records", it.rows.into()),
        ])
    };
    let tables = tables.into_iter().map(one).collect();
    Value::object([("tables", Value::Array(tables))])
}

/// A schedule.
pub(crate) fn planned(it: &Schedule) -> Planned {
    let mut planned = Planned {
        id: it.id.to_string(),
        name: it.name.as_deref().map(str::to_owned),
        kind: "once".into(),
        action: it.action.to_string(),
        args: it.args.clone(),
        next_ms: it.due.as_millis(),
        ..Planned::default()
    };
    match &it.cadence {
        Cadence::Every(interval) => {
            planned.kind = "every".into();
            planned.interval_ms = Some(u64::try_from(interval.as_millis()).unwrap_or(u64::MAX));
        }
        Cadence::Cron { expression, zone } => {
            planned.kind = "cron".into();
            planned.expression = Some(expression.clone());
            planned.zone = Some(zone.clone());
        }
        _ => {}
    }
    planned
}

/// A run of a schedule.
pub(crate) fn fired(it: &Run) -> Fired {
    let (result, error) = match &it.outcome {
        Outcome::Failed {
            group,
            code,
            message,
        } => {
            let error = (group.clone(), code.clone(), message.clone());
            ("error", Some(error))
        }
        Outcome::Skipped => ("skipped", None),
        _ => ("success", None),
    };
    Fired {
        action: it.action.to_string(),
        due_ms: it.due.as_millis(),
        began_ms: it.began.as_millis(),
        ended_ms: it.ended.as_millis(),
        result: result.into(),
        error,
    }
}

/// Clients look for the member.
fn or_null(value: &Value) -> Value {
    match value {
        Value::Undefined => Value::Null,
        other => other.clone(),
    }
}

/// What the query of a request says of `name`.
pub(crate) fn asked(url: &Uri, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(url.query().unwrap_or_default().as_bytes());
    pairs.find_map(|(it, value)| (it == name).then(|| value.into_owned()))
}

//! Values as one would write them in JavaScript, for snapshots.

use actor_core::{Value, value::tag};

pub(crate) fn show(value: &Value) -> String {
    match value {
        Value::Undefined => "undefined".into(),
        Value::Null => "null".into(),
        Value::Bool(it) => it.to_string(),
        Value::Int(n) => n.to_string(),
        Value::BigInt(n) => format!("{n}n"),
        Value::Float(f) => format!("{f:?}f"),
        Value::Text(text) => format!("{text:?}"),
        Value::Bytes(bytes) => format!("Bytes{bytes:?}"),
        Value::Array(items) => list(items),
        Value::Map(entries) => {
            let members: Vec<_> = entries
                .iter()
                .map(|(key, value)| match key {
                    Value::Text(key) => format!("{key}: {}", show(value)),
                    key => format!("[{}]: {}", show(key), show(value)),
                })
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Tag(number, content) => {
            let name = match *number {
                tag::EPOCH => "Date".into(),
                tag::SET => "Set".into(),
                tag::MAP => "Map".into(),
                tag::UINT8_ARRAY => "Uint8Array".into(),
                tag::ARRAY_BUFFER => "ArrayBuffer".into(),
                other => format!("Tag{other}"),
            };
            format!("{name}({})", show(content))
        }
        _ => "?".into(),
    }
}

fn list(items: &[Value]) -> String {
    let items: Vec<_> = items.iter().map(show).collect();
    format!("[{}]", items.join(", "))
}

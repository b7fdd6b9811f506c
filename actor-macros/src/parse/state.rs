//! `#[actor(..)]` on a struct.

use proc_macro2::{Ident, TokenStream};
use syn::{Attribute, Fields, ItemStruct};

use super::{attrs_called, metas, serde_metas, take_attrs};
use crate::{
    attr::Options,
    errors::Errors,
    model::{Field, Setting, SettingValue, State},
};

const OPTIONS: &[&str] = &[
    "input",
    "params",
    "conn",
    "event",
    "queue",
    "name",
    "rename_all",
    "version",
    "migrate",
    "durability",
    "sleep_after",
    "sleep_grace",
    "save_interval",
    "crash",
    "action_timeout",
    "on_migrate_timeout",
    "on_create_timeout",
    "on_wake_timeout",
    "on_before_connect_timeout",
    "on_connect_timeout",
    "on_disconnect_timeout",
    "on_state_change_timeout",
    "on_error_timeout",
    "mailbox",
    "outbox",
    "max_incoming",
    "max_outgoing",
    "max_connections",
    "max_schedules",
    "warn_on_manual_transactions",
    "max_queue_size",
    "max_queue_message_size",
    "idempotency_window",
    "max_idempotency_keys",
    "max_idempotency_answer",
    "deny_by_default",
    "max_message",
    "hibernate_websockets",
    "auto_reply",
];

const DURATIONS: &[&str] = &[
    "sleep_grace",
    "save_interval",
    "action_timeout",
    "on_migrate_timeout",
    "on_create_timeout",
    "on_wake_timeout",
    "on_before_connect_timeout",
    "on_connect_timeout",
    "on_disconnect_timeout",
    "on_state_change_timeout",
    "on_error_timeout",
    "idempotency_window",
];

const COUNTS: &[&str] = &[
    "mailbox",
    "outbox",
    "max_incoming",
    "max_outgoing",
    "max_connections",
    "max_schedules",
    "max_queue_size",
    "max_queue_message_size",
    "max_idempotency_keys",
    "max_idempotency_answer",
    "max_message",
];

const SWITCHES: &[&str] = &["warn_on_manual_transactions", "deny_by_default"];

pub(crate) fn state(errors: &mut Errors, args: TokenStream, mut item: ItemStruct) -> State {
    let mut options = Options::new("actor", OPTIONS);
    options.add_tokens(errors, args);
    let keeps_serde = derives_serde(&item.attrs);
    let serde = container(errors, &mut item, keeps_serde);
    let fields = fields(errors, &mut item, keeps_serde);
    State {
        fields,
        serde,
        input: options.ty(errors, "input"),
        params: options.ty(errors, "params"),
        conn: options.ty(errors, "conn"),
        event: options.ty(errors, "event"),
        queue: options.ty(errors, "queue"),
        name: options.name(errors, "name"),
        rename_all: options.case(errors, "rename_all"),
        version: options.count(errors, "version"),
        migrate: options.path(errors, "migrate"),
        settings: settings(errors, &options),
        item,
    }
}

fn settings(errors: &mut Errors, options: &Options) -> Vec<Setting> {
    let mut settings = Vec::new();
    let mut set = |key: &str, value: Option<SettingValue>| {
        if let (Some(field), Some(value)) = (options.key(key), value) {
            settings.push(Setting {
                field: field.clone(),
                value,
            });
        }
    };
    let durability = options.durability(errors, "durability");
    set("durability", durability.map(SettingValue::Durability));
    set(
        "crash",
        options.crash(errors, "crash").map(SettingValue::Crash),
    );
    set(
        "sleep_after",
        options.wait(errors, "sleep_after").map(SettingValue::Wait),
    );
    for key in DURATIONS {
        set(key, options.millis(errors, key).map(SettingValue::Millis));
    }
    for key in SWITCHES {
        set(key, options.switch(errors, key).map(SettingValue::Switch));
    }
    for key in COUNTS {
        set(key, options.count(errors, key).map(SettingValue::Count));
    }
    let hibernate = options.flag_or_path(errors, "hibernate_websockets");
    set(
        "hibernate_websockets",
        hibernate.map(SettingValue::Hibernate),
    );
    let reply = options.auto_reply(errors, "auto_reply");
    set(
        "auto_reply",
        reply.map(|(to, with)| SettingValue::AutoReply(to, with)),
    );
    settings
}

/// Whether the user derives serde's traits too, and so needs `#[serde(..)]` where it is.
fn derives_serde(attrs: &[Attribute]) -> bool {
    attrs
        .iter()
        .filter(|it| it.path().is_ident("derive"))
        .any(|derive| {
            let derived = derive
                .meta
                .require_list()
                .map(|it| metas(it.tokens.clone()));
            derived.unwrap_or_default().iter().any(|it| {
                let name = it.path().segments.last().map(|it| &it.ident);
                name.is_some_and(|it| it == "Serialize" || it == "Deserialize")
            })
        })
}

fn container(errors: &mut Errors, item: &mut ItemStruct, keeps_serde: bool) -> Vec<TokenStream> {
    let serde = move_serde(&mut item.attrs, keeps_serde);
    if keeps_serde {
        // Options for the user's own derive; the stored form has its own.
        return Vec::new();
    }
    serde_metas(errors, &serde, &["rename_all", "deny_unknown_fields"])
}

fn fields(errors: &mut Errors, item: &mut ItemStruct, keeps_serde: bool) -> Vec<Field> {
    if let Fields::Unnamed(unnamed) = &item.fields {
        errors.at(
            unnamed,
            "an actor needs named fields: its stored form is a map of them",
        );
        return Vec::new();
    }
    let mut fields = Vec::new();
    for field in &mut item.fields {
        let Some(ident) = field.ident.clone() else {
            continue;
        };
        let transient = transient(errors, &mut field.attrs);
        let mut attrs = move_serde(&mut field.attrs, keeps_serde);
        check_serde(errors, &attrs, &ident, transient && !keeps_serde);
        if transient {
            attrs.clear();
        }
        attrs.extend(attrs_called(&field.attrs, "cfg"));
        fields.push(Field {
            ident,
            ty: field.ty.clone(),
            transient,
            attrs,
        });
    }
    fields
}

fn transient(errors: &mut Errors, attrs: &mut Vec<Attribute>) -> bool {
    let mut options = Options::new("actor", &["transient"]);
    for attr in take_attrs(attrs, "actor") {
        options.add(errors, &attr);
    }
    options.flag(errors, "transient")
}

fn move_serde(attrs: &mut Vec<Attribute>, keep: bool) -> Vec<Attribute> {
    if keep {
        attrs_called(attrs, "serde")
    } else {
        take_attrs(attrs, "serde")
    }
}

fn check_serde(errors: &mut Errors, attrs: &[Attribute], field: &Ident, transient: bool) {
    for attr in attrs {
        if transient {
            errors.at(
                attr,
                format!("`{field}` is transient: it has no stored form to describe"),
            );
            continue;
        }
        let Ok(list) = attr.meta.require_list() else {
            continue;
        };
        for meta in metas(list.tokens.clone()) {
            let skips = ["skip", "skip_serializing", "skip_deserializing"];
            if skips.iter().any(|it| meta.path().is_ident(it)) {
                errors.at(
                    meta,
                    "use `#[actor(transient)]` for a field that is not stored",
                );
            }
        }
    }
}

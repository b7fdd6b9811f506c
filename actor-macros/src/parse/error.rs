//! `#[derive(ActionError)]` on an enum or a struct.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{Attribute, Data, DeriveInput, Field, Fields, LitInt, LitStr, Member};

use super::{attrs_called, event::members};
use crate::{
    attr::Options,
    errors::Errors,
    model::{ActionError, ActionErrors, Members, Metadata, Says},
    names::Case,
};

const OPTIONS: &[&str] = &["code", "status", "group", "internal", "transparent"];

/// What stands on the enum and holds for all its variants.
#[derive(Default)]
struct Defaults {
    group: Option<LitStr>,
    status: Option<LitInt>,
}

pub(crate) fn action_errors(errors: &mut Errors, input: DeriveInput) -> ActionErrors {
    let is_generic = !input.generics.params.is_empty();
    if is_generic {
        errors.at(&input.generics, "an error of actions cannot be generic");
    }
    let ident = input.ident;
    let cases = match input.data {
        Data::Enum(data) => {
            let options = read(errors, &["group", "status"], &input.attrs);
            let defaults = Defaults {
                group: options.name(errors, "group"),
                status: options.status(errors, "status"),
            };
            let variants = data.variants.into_iter().map(|it| Body {
                path: {
                    let ident = &it.ident;
                    quote!(Self::#ident)
                },
                ident: it.ident,
                options: read(errors, OPTIONS, &it.attrs),
                fields: it.fields,
            });
            let variants: Vec<_> = variants.collect();
            variants
                .into_iter()
                .map(|it| case(errors, it, &defaults))
                .collect()
        }
        Data::Struct(data) => {
            let options = read(errors, OPTIONS, &input.attrs);
            let body = Body {
                path: quote!(Self),
                ident: ident.clone(),
                options,
                fields: data.fields,
            };
            vec![case(errors, body, &Defaults::default())]
        }
        Data::Union(_) => {
            errors.at(&ident, "an error of actions is an enum or a struct");
            Vec::new()
        }
    };
    ActionErrors {
        ident,
        is_generic,
        cases,
    }
}

/// A variant, or the whole struct.
struct Body {
    path: TokenStream,
    ident: Ident,
    options: Options,
    fields: Fields,
}

fn case(errors: &mut Errors, body: Body, defaults: &Defaults) -> ActionError {
    let Body {
        path,
        ident,
        options,
        fields,
    } = body;
    let status = options.status(errors, "status");
    let group = options.name(errors, "group");
    let code = options.name(errors, "code");
    let says = if options.flag(errors, "transparent") {
        refuse(
            errors,
            &options,
            "transparent",
            &["code", "status", "group", "internal"],
        );
        return ActionError {
            path,
            says: transparent(errors, &options, &fields),
            status: None,
        };
    } else if options.flag(errors, "internal") {
        refuse(errors, &options, "internal", &["code", "group"]);
        Says::Hidden
    } else {
        let group = group
            .as_ref()
            .or(defaults.group.as_ref())
            .map(LitStr::value);
        Says::Public {
            group: group.unwrap_or_else(|| "user".to_owned()),
            code: code.map_or_else(|| Case::Snake.apply(&ident), |it| it.value()),
            metadata: metadata(errors, fields),
        }
    };
    ActionError {
        path,
        says,
        status: status.or_else(|| defaults.status.clone()),
    }
}

fn read(errors: &mut Errors, known: &'static [&'static str], attrs: &[Attribute]) -> Options {
    let mut options = Options::new("action_error", known);
    for attr in attrs_called(attrs, "action_error") {
        options.add(errors, &attr);
    }
    options
}

fn refuse(errors: &mut Errors, options: &Options, flag: &str, others: &[&str]) {
    for key in others.iter().filter_map(|it| options.key(it)) {
        errors.at(key, format!("`{key}` means nothing beside `{flag}`"));
    }
}

fn transparent(errors: &mut Errors, options: &Options, fields: &Fields) -> Says {
    let count = fields.len();
    let mut members = fields.members();
    match (members.next(), count) {
        (Some(member), 1) => Says::Transparent(member),
        _ => {
            let flag = options.key("transparent");
            errors.at(
                flag,
                "`transparent` needs exactly one value, the error that speaks instead",
            );
            Says::Hidden
        }
    }
}

fn metadata(errors: &mut Errors, fields: Fields) -> Metadata {
    match fields {
        Fields::Unit => Metadata::Nothing,
        Fields::Unnamed(fields) => {
            let mut found = Metadata::Nothing;
            for (at, field) in fields.unnamed.iter().enumerate() {
                let options = read(errors, &["metadata"], &field.attrs);
                if !options.flag(errors, "metadata") {
                    continue;
                }
                if matches!(found, Metadata::At(_)) {
                    errors.at(
                        options.key("metadata"),
                        "only one value can be the metadata",
                    );
                }
                found = Metadata::At(Member::from(at));
            }
            found
        }
        Fields::Named(mut fields) => {
            let shown = fields
                .named
                .into_iter()
                .filter(|it| !is_left_out(errors, it));
            fields.named = shown.collect();
            if fields.named.is_empty() {
                return Metadata::Nothing;
            }
            Metadata::Object(Members {
                fields: members(fields),
                serde: Vec::new(),
            })
        }
    }
}

/// The cause of an error is for the log, not for clients; so is what the user says to skip.
fn is_left_out(errors: &mut Errors, field: &Field) -> bool {
    let skip = read(errors, &["skip"], &field.attrs).flag(errors, "skip");
    let causes = ["source", "from", "backtrace"];
    let is_cause = field
        .attrs
        .iter()
        .any(|it| causes.iter().any(|name| it.path().is_ident(name)));
    let is_named_so = field
        .ident
        .as_ref()
        .is_some_and(|it| it == "source" || it == "backtrace");
    skip || is_cause || is_named_so
}

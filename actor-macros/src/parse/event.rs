//! `#[derive(Event)]` on an enum.

use syn::{Data, DeriveInput, Fields};

use super::{attrs_called, serde_metas};
use crate::{
    attr::Options,
    errors::Errors,
    model::{Event, Events, Member, Members, Shape},
    names::Case,
};

/// Most events of a kind that are kept.
const MAX_REPLAY: u32 = 10_000;

pub(crate) fn events(errors: &mut Errors, input: DeriveInput) -> Events {
    let mut options = Options::new("event", &["rename_all"]);
    for attr in attrs_called(&input.attrs, "event") {
        options.add(errors, &attr);
    }
    let case = options.case(errors, "rename_all").unwrap_or(Case::Camel);
    let is_generic = !input.generics.params.is_empty();
    if is_generic {
        errors.at(
            &input.generics,
            "events cannot be generic: an actor has one type of them",
        );
    }
    let variants = match input.data {
        Data::Enum(data) => data.variants,
        Data::Struct(_) | Data::Union(_) => {
            errors.at(
                &input.ident,
                "events are an enum with a variant for each event",
            );
            return Events {
                ident: input.ident,
                is_generic,
                variants: Vec::new(),
            };
        }
    };
    let variants = variants
        .into_iter()
        .map(|it| event(errors, it, case))
        .collect();
    Events {
        ident: input.ident,
        is_generic,
        variants,
    }
}

fn event(errors: &mut Errors, variant: syn::Variant, case: Case) -> Event {
    let mut options = Options::new("event", &["name", "replay"]);
    for attr in attrs_called(&variant.attrs, "event") {
        options.add(errors, &attr);
    }
    let name = options.name(errors, "name").map(|it| it.value());
    let replay = options.count(errors, "replay");
    let too_many = |it: &&syn::LitInt| it.base10_parse().is_ok_and(|it: u32| MAX_REPLAY < it);
    if let Some(replay) = replay.as_ref().filter(too_many) {
        errors.at(replay, format!("`replay` is at most {MAX_REPLAY}"));
    }
    let shape = match variant.fields {
        Fields::Unit => Shape::Unit,
        Fields::Unnamed(fields) => {
            Shape::Tuple(fields.unnamed.into_iter().map(|it| it.ty).collect())
        }
        Fields::Named(fields) => {
            let serde = attrs_called(&variant.attrs, "serde");
            let serde = serde_metas(errors, &serde, &["rename_all"]);
            Shape::Named(Members {
                fields: members(fields),
                serde,
            })
        }
    };
    let name = name.unwrap_or_else(|| case.apply(&variant.ident));
    Event {
        ident: variant.ident,
        name,
        replay,
        shape,
    }
}

/// The fields of a variant that travel as one object.
pub(super) fn members(fields: syn::FieldsNamed) -> Vec<Member> {
    let members = fields.named.into_iter().filter_map(|field| {
        let mut attrs = attrs_called(&field.attrs, "serde");
        attrs.extend(attrs_called(&field.attrs, "cfg"));
        Some(Member {
            ident: field.ident?,
            ty: field.ty,
            attrs,
        })
    });
    members.collect()
}

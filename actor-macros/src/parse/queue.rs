//! `#[derive(Queue)]` on an enum.

use syn::{Data, DeriveInput, Fields, Type, parse_quote};

use super::attrs_called;
use crate::{
    attr::Options,
    errors::Errors,
    model::{Queue, Queues},
    names::Case,
};

pub(crate) fn queues(errors: &mut Errors, input: DeriveInput) -> Queues {
    let mut options = Options::new("queue", &["rename_all"]);
    for attr in attrs_called(&input.attrs, "queue") {
        options.add(errors, &attr);
    }
    let case = options.case(errors, "rename_all").unwrap_or(Case::Camel);
    let is_generic = !input.generics.params.is_empty();
    if is_generic {
        errors.at(
            &input.generics,
            "queues cannot be generic: an actor has one type of them",
        );
    }
    let variants = match input.data {
        Data::Enum(data) => data.variants,
        Data::Struct(_) | Data::Union(_) => {
            errors.at(
                &input.ident,
                "queues are an enum with a variant for each queue",
            );
            syn::punctuated::Punctuated::new()
        }
    };
    let queues = variants.into_iter().map(|it| queue(errors, it, case));
    Queues {
        queues: queues.collect(),
        vis: input.vis,
        ident: input.ident,
        is_generic,
    }
}

fn queue(errors: &mut Errors, variant: syn::Variant, case: Case) -> Queue {
    const OPTIONS: &[&str] = &["name", "reply", "max_attempts", "dead_letter", "ttl"];
    let mut options = Options::new("queue", OPTIONS);
    for attr in attrs_called(&variant.attrs, "queue") {
        options.add(errors, &attr);
    }
    let name = options.name(errors, "name").map(|it| it.value());
    let max_attempts = options.count(errors, "max_attempts");
    let dead_letter = options.variant(errors, "dead_letter");
    if let (Some(dead_letter), None) = (&dead_letter, options.key("max_attempts")) {
        errors.at(
            dead_letter,
            "a message comes here when it was tried too often: give `max_attempts = 3`, say",
        );
    }
    Queue {
        name: name.unwrap_or_else(|| case.apply(&variant.ident)),
        reply: options.ty(errors, "reply"),
        max_attempts,
        dead_letter,
        ttl: options.millis(errors, "ttl"),
        content: content(errors, &variant),
        docs: attrs_called(&variant.attrs, "doc"),
        ident: variant.ident,
    }
}

/// The one value of a variant, if it has one.
fn content(errors: &mut Errors, variant: &syn::Variant) -> Option<Type> {
    match &variant.fields {
        Fields::Unit => None,
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
            fields.unnamed.first().map(|it| it.ty.clone())
        }
        Fields::Unnamed(_) | Fields::Named(_) => {
            errors.at(
                &variant.fields,
                "a message is one value: give the variant a struct",
            );
            Some(parse_quote!(()))
        }
    }
}

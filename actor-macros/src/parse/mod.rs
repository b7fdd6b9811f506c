//! Reads what the user wrote into the model. Judges nothing that takes more than one method, variant
//! or attribute to see.

mod awaits;
mod error;
mod event;
mod handlers;
mod method;
mod queue;
mod state;

use proc_macro2::TokenStream;
use syn::{Attribute, Meta, Token, Type, parse::Parser as _, punctuated::Punctuated};

pub(crate) use self::{
    error::action_errors, event::events, handlers::handlers, queue::queues, state::state,
};
use crate::errors::Errors;

/// Takes the attributes called `name` out of `attrs`.
fn take_attrs(attrs: &mut Vec<Attribute>, name: &str) -> Vec<Attribute> {
    attrs
        .extract_if(.., |it| it.path().is_ident(name))
        .collect()
}

/// Copies the attributes called `name`.
fn attrs_called(attrs: &[Attribute], name: &str) -> Vec<Attribute> {
    attrs
        .iter()
        .filter(|it| it.path().is_ident(name))
        .cloned()
        .collect()
}

/// What stands in `#[serde(..)]` attributes, of which only `allowed` may.
fn serde_metas(errors: &mut Errors, attrs: &[Attribute], allowed: &[&str]) -> Vec<TokenStream> {
    let mut kept = Vec::new();
    for attr in attrs {
        let Meta::List(list) = &attr.meta else {
            continue;
        };
        for meta in metas(list.tokens.clone()) {
            if allowed.iter().any(|it| meta.path().is_ident(it)) {
                kept.push(quote::quote!(#meta));
            } else {
                let allowed = allowed.join("` and `");
                errors.at(
                    meta,
                    format!("of serde's options only `{allowed}` may stand here"),
                );
            }
        }
    }
    kept
}

/// Options of an attribute that is not ours, as far as they can be read.
fn metas(tokens: TokenStream) -> Punctuated<Meta, Token![,]> {
    Punctuated::parse_terminated
        .parse2(tokens)
        .unwrap_or_default()
}

/// The type inside the invisible brackets that `macro_rules!` leaves behind.
fn peel(ty: &Type) -> &Type {
    match ty {
        Type::Group(it) => peel(&it.elem),
        Type::Paren(it) => peel(&it.elem),
        other => other,
    }
}

/// What a path is called in the end, or what the type behind a `&` is.
fn last_name(ty: &Type) -> Option<String> {
    match peel(ty) {
        Type::Path(it) => it.path.segments.last().map(|it| it.ident.to_string()),
        Type::Reference(it) => last_name(&it.elem),
        _ => None,
    }
}

//! Tokens only: by now a model is known to be right, or known to be wrong. Whoever wrote tokens by
//! hand would call the same functions of `__private`.

mod calls;
mod client;
mod error;
mod event;
mod fallback;
mod queue;
mod replay;
mod run;
mod schedule;
mod state;
mod wire;

use proc_macro2::TokenStream;
use quote::quote;
use syn::Attribute;

pub(crate) use self::{
    error::action_errors,
    event::events,
    fallback::{broken_action_errors, broken_events, broken_handlers, broken_queues, broken_state},
    queue::queues,
    state::state,
};
use crate::model::{Durability, Handlers};

/// Items nobody can name, under the `cfg`s of what they belong to.
fn sealed(attrs: &[Attribute], items: &TokenStream) -> TokenStream {
    let cfgs = attrs.iter().filter(|it| it.path().is_ident("cfg"));
    quote! {
        #(#cfgs)*
        #[allow(
            clippy::all,
            clippy::pedantic,
            dead_code,
            missing_debug_implementations,
            private_interfaces,
            unreachable_patterns,
            unreachable_pub,
            unused_mut,
            reason = "written by a macro"
        )]
        const _: () = {
            use ::actor_core::__private as __p;
            #items
        };
    }
}

pub(crate) fn handlers(model: &Handlers) -> TokenStream {
    let item = &model.item;
    let Some(actor) = &model.actor else {
        return quote!(#item);
    };
    let calls = calls::enum_of_calls(model, actor);
    let impl_actor = calls::impl_actor(model, actor);
    let client = client::methods(model, actor);
    let schedule = schedule::plan(model, actor);
    let block = sealed(
        &item.attrs,
        &quote! { #calls #impl_actor #client #schedule },
    );
    quote! { #item #block }
}

fn durability(durability: Durability) -> TokenStream {
    match durability {
        Durability::Acked => quote!(__p::Durability::Acked),
        Durability::Relaxed => quote!(__p::Durability::Relaxed),
        Durability::None => quote!(__p::Durability::None),
    }
}

fn duration(millis: u64) -> TokenStream {
    quote!(__p::Duration::from_millis(#millis))
}

#[cfg(test)]
mod tests;

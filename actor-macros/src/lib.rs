//! Macros for `actor-core`; see its docs.

mod attr;
mod check;
mod errors;
mod expand;
mod model;
mod names;
mod parse;

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::{DeriveInput, Item};

use self::errors::Errors;

#[doc = include_str!("docs/actor.md")]
#[proc_macro_attribute]
pub fn actor(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    actor_tokens(args.into(), item.into()).into()
}

#[doc = include_str!("docs/event.md")]
#[proc_macro_derive(Event, attributes(event, serde))]
pub fn event(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    event_tokens(input.into()).into()
}

#[doc = include_str!("docs/queue.md")]
#[proc_macro_derive(Queue, attributes(queue))]
pub fn queue(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    queue_tokens(input.into()).into()
}

#[doc = include_str!("docs/action_error.md")]
#[proc_macro_derive(ActionError, attributes(action_error))]
pub fn action_error(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    action_error_tokens(input.into()).into()
}

fn actor_tokens(args: TokenStream, item: TokenStream) -> TokenStream {
    match syn::parse2(item) {
        Ok(Item::Struct(item)) => state(args, item),
        Ok(Item::Impl(item)) => handlers(args, item),
        Ok(other) => {
            let message = "`#[actor]` goes on a struct and on its impl block";
            let error = syn::Error::new_spanned(name(&other), message).into_compile_error();
            quote! { #other #error }
        }
        Err(error) => error.into_compile_error(),
    }
}

/// What an item is called, or all of it.
fn name(item: &Item) -> TokenStream {
    match item {
        Item::Enum(it) => it.ident.to_token_stream(),
        Item::Fn(it) => it.sig.ident.to_token_stream(),
        Item::Trait(it) => it.ident.to_token_stream(),
        Item::Union(it) => it.ident.to_token_stream(),
        other => other.to_token_stream(),
    }
}

fn state(args: TokenStream, item: syn::ItemStruct) -> TokenStream {
    let mut errors = Errors::new();
    let model = parse::state(&mut errors, args, item);
    check::state(&mut errors, &model);
    match errors.finish() {
        Ok(()) => expand::state(&model),
        Err(error) => expand::broken_state(&model, &error),
    }
}

fn handlers(args: TokenStream, item: syn::ItemImpl) -> TokenStream {
    let mut errors = Errors::new();
    let model = parse::handlers(&mut errors, args, item);
    check::handlers(&mut errors, &model);
    match errors.finish() {
        Ok(()) => expand::handlers(&model),
        Err(error) => expand::broken_handlers(&model, &error),
    }
}

fn event_tokens(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::new();
    let model = parse::events(&mut errors, input);
    check::events(&mut errors, &model);
    match errors.finish() {
        Ok(()) => expand::events(&model),
        Err(error) => expand::broken_events(&model, &error),
    }
}

fn queue_tokens(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::new();
    let model = parse::queues(&mut errors, input);
    check::queues(&mut errors, &model);
    match errors.finish() {
        Ok(()) => expand::queues(&model),
        Err(error) => expand::broken_queues(&model, &error),
    }
}

fn action_error_tokens(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::new();
    let model = parse::action_errors(&mut errors, input);
    match errors.finish() {
        Ok(()) => expand::action_errors(&model),
        Err(error) => expand::broken_action_errors(&model, &error),
    }
}

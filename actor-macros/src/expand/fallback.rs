//! The user's own items, dead impls and the errors, for what failed its checks: so one mistake is
//! one error, not one for each use of what the macro would have made.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Error;

use super::{client, queue, schedule, sealed, state};
use crate::model::{ActionErrors, Events, Handlers, Queues, State};

pub(crate) fn broken_state(model: &State, error: &Error) -> TokenStream {
    let (item, error) = (&model.item, error.to_compile_error());
    if !item.generics.params.is_empty() {
        return quote! { #item #error };
    }
    let actor = &item.ident;
    let (head, handle) = (state::head(model), state::handle(model));
    let impl_handle = state::impl_handle(model);
    let block = sealed(
        &item.attrs,
        &quote! {
            #[automatically_derived]
            impl __p::ActorType for #actor {
                #head
                fn encode(&self, _: &mut __p::Vec<__p::u8>) -> __p::Result<(), __p::StateError> {
                    __p::unreachable!()
                }
                fn decode(_: __p::u32, _: &[__p::u8]) -> __p::Result<Self, __p::StateError> {
                    __p::unreachable!()
                }
            }
            #impl_handle
        },
    );
    quote! { #item #handle #block #error }
}

pub(crate) fn broken_handlers(model: &Handlers, error: &Error) -> TokenStream {
    let (item, error) = (&model.item, error.to_compile_error());
    let is_plain = item.generics.params.is_empty() && item.trait_.is_none();
    let Some(actor) = model.actor.as_ref().filter(|_| is_plain) else {
        return quote! { #item #error };
    };
    let stubs = client::stubs(model, actor);
    let schedule = schedule::stub(model, actor);
    let block = sealed(
        &item.attrs,
        &quote! {
            pub enum __Call {}
            #[automatically_derived]
            impl __p::Actor for #actor {
                type Call = __Call;
                const HANDLERS: &'static [__p::Handler] = &[];
                const ACTIONS: __p::usize = 0;
                fn handler(__call: &__Call) -> __p::usize { match *__call {} }
                fn decode_call(
                    _: __p::usize,
                    _: __p::Args,
                    _: &mut __p::Option<__p::WireReply>,
                ) -> __p::Result<__Call, __p::ActorError> {
                    __p::unreachable!()
                }
                fn hook(_: __p::Hook<Self>) -> __p::Option<__Call> { __p::unreachable!() }
                fn default_conn_state() -> <Self as __p::ActorType>::ConnState {
                    __p::unreachable!()
                }
                fn reply(__call: &mut __Call) -> &mut dyn __p::ReplySlot { match *__call {} }
                async fn create(
                    _: &__p::Ctx<Self>,
                    _: <Self as __p::ActorType>::Input,
                ) -> __p::Result<Self, __p::ActorError> {
                    __p::unreachable!()
                }
                async fn run_exclusive(&mut self, _: &__p::Ctx<Self>, _: &mut __Call) {}
                async fn run_shared(&self, _: &__p::Ctx<Self>, _: &mut __Call) {}
                async fn run_free(_: &__p::TaskCtx<Self>, _: &mut __Call) {}
            }
            #stubs
            #schedule
        },
    );
    quote! { #item #block #error }
}

pub(crate) fn broken_events(model: &Events, error: &Error) -> TokenStream {
    let (ident, error) = (&model.ident, error.to_compile_error());
    if model.is_generic {
        return error;
    }
    let block = sealed(
        &[],
        &quote! {
            #[automatically_derived]
            impl __p::Event for #ident {
                fn name(&self) -> &'static __p::str { __p::unreachable!() }
                fn args(&self) -> __p::Result<__p::Value, __p::ValueError> { __p::unreachable!() }
            }
        },
    );
    quote! { #block #error }
}

pub(crate) fn broken_queues(model: &Queues, error: &Error) -> TokenStream {
    let (ident, error) = (&model.ident, error.to_compile_error());
    if model.is_generic || model.queues.is_empty() {
        return error;
    }
    let received = queue::received(model);
    let message = queue::message_type(model);
    let block = sealed(
        &[],
        &quote! {
            #[automatically_derived]
            impl __p::Queue for #ident {
                type Message<'__a> = #message<'__a>;
                const QUEUES: &'static [__p::QueueSpec] = &[];
                fn name(&self) -> &__p::str { __p::unreachable!() }
                fn body(&self) -> __p::Result<__p::Value, __p::ValueError> { __p::unreachable!() }
                fn decode(
                    _: &__p::str,
                    _: __p::Value,
                ) -> __p::Result<Self, __p::ValueError> {
                    __p::unreachable!()
                }
                fn received(
                    _: __p::QueueMessage<'_, __p::Value, __p::Value>,
                ) -> __p::Result<#message<'_>, __p::ValueError> {
                    __p::unreachable!()
                }
            }
        },
    );
    quote! { #received #block #error }
}

pub(crate) fn broken_action_errors(model: &ActionErrors, error: &Error) -> TokenStream {
    let (ident, error) = (&model.ident, error.to_compile_error());
    if model.is_generic {
        return error;
    }
    let block = sealed(
        &[],
        &quote! {
            #[automatically_derived]
            impl __p::IntoActorError for #ident {
                fn to_actor_error(&self) -> __p::ActorError { __p::unreachable!() }
            }
        },
    );
    quote! { #block #error }
}

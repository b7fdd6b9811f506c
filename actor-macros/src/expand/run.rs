//! The arms that run handlers: take the arguments, call, reply.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::{Path, Type, spanned::Spanned as _};

use super::calls::{self, answer, called, variant};
use crate::model::{Action, Handlers, Hook, HookKind, Method, Receiver};

pub(super) fn create(model: &Handlers, actor: &Path) -> TokenStream {
    let hook = model.hooks.iter().find(|it| it.kind == HookKind::Create);
    let body = match hook {
        None => {
            let default = quote_spanned! {actor.span()=> __p::DefaultState::default_state() };
            quote!(__p::Result::Ok(#default))
        }
        Some(hook) => {
            let given = quote!(<Self as __p::ActorType>::Input);
            let input = hook.value.as_ref().map(|ty| {
                let input = local("__input", ty);
                quote_spanned!(ty.span()=> __p::input::<#ty, #given>(#input))
            });
            let input: Vec<_> = input.into_iter().collect();
            let call = invoke(&hook.method, &quote!(__p::Ctx<Self>), &input);
            let output = &hook.method.output;
            quote_spanned!(output.span()=> __p::outcome::<Self, #output>(#call))
        }
    };
    quote! {
        async fn create(
            __ctx: &__p::Ctx<Self>,
            __input: <Self as __p::ActorType>::Input,
        ) -> __p::Result<Self, __p::ActorError> {
            #body
        }
    }
}

/// Nothing without the hook: most actors have no database.
pub(super) fn migrate(model: &Handlers) -> TokenStream {
    let hook = model.hooks.iter().find(|it| it.kind == HookKind::Migrate);
    let Some(hook) = hook else {
        return TokenStream::new();
    };
    let tx = hook
        .lent
        .as_ref()
        .map(|ty| lend(ty, &quote!(__p::Transaction), &quote!(__tx)));
    let is_new = hook
        .value
        .as_ref()
        .map(|ty| local("__is_new", ty).into_token_stream());
    let given: Vec<_> = tx.into_iter().chain(is_new).collect();
    let call = invoke(&hook.method, &quote!(__p::Ctx<Self>), &given);
    let output = &hook.method.output;
    let outcome = quote_spanned!(output.span()=> __p::outcome::<(), #output>(#call));
    quote! {
        const MIGRATES: __p::bool = true;
        async fn migrate(
            __ctx: &__p::Ctx<Self>,
            __tx: &__p::Transaction,
            __is_new: __p::bool,
        ) -> __p::Result<(), __p::ActorError> {
            #outcome
        }
    }
}

/// The three functions that run a call, by what the handler borrows.
pub(super) fn runs(model: &Handlers, actor: &Path) -> TokenStream {
    let arms = |receiver: Receiver| {
        let actions = model.actions.iter().enumerate();
        let hooks = called(model).zip(model.actions.len()..);
        let actions = actions.filter(move |(_, it)| it.method.receiver == receiver);
        let hooks = hooks.filter(move |(it, _)| it.method.receiver == receiver);
        actions
            .map(|(at, it)| run_action(at, it, actor))
            .chain(hooks.map(|(it, at)| run_hook(at, it)))
    };
    let exclusive = arms(Receiver::Exclusive);
    let shared = arms(Receiver::Shared);
    let free = arms(Receiver::Free);
    quote! {
        async fn run_exclusive(&mut self, __ctx: &__p::Ctx<Self>, __call: &mut __Call) {
            match *__call {
                #(#exclusive)*
                _ => __p::wrong_receiver(),
            }
        }
        async fn run_shared(&self, __ctx: &__p::Ctx<Self>, __call: &mut __Call) {
            match *__call {
                #(#shared)*
                _ => __p::wrong_receiver(),
            }
        }
        async fn run_free(__ctx: &__p::TaskCtx<Self>, __call: &mut __Call) {
            match *__call {
                #(#free)*
                _ => __p::wrong_receiver(),
            }
        }
    }
}

fn run_action(at: usize, action: &Action, actor: &Path) -> TokenStream {
    let variant = variant(&action.method);
    let locals: Vec<_> = (0..action.args.len())
        .map(|it| format_ident!("__{it}"))
        .collect();
    let given: Vec<_> = locals.iter().map(|it| quote!(#it)).collect();
    let call = run(&action.method, &given);
    let (ok, error) = answer(action, actor);
    let span = action.method.output.span();
    // The function alone wears the span: our locals would be looked for where that comes from.
    let reply = if action.fallible {
        let reply = quote_spanned!(span=> __p::reply_result::<_, #ok, #error>);
        quote!(#reply(__ctx, #at, __reply, #call))
    } else {
        let reply = quote_spanned!(span=> __p::reply::<#ok>);
        quote!(#reply(__reply, #call))
    };
    quote! {
        __Call::#variant(ref mut __args, ref mut __reply) => {
            let (#(#locals,)*) = __p::args(__args);
            #reply;
        }
    }
}

fn run_hook(at: usize, hook: &Hook) -> TokenStream {
    let variant = variant(&hook.method);
    let lent = hook.kind.lent().map(|it| match &hook.lent {
        Some(ty) => {
            let of = calls::lent(it);
            let lent = lend(ty, &quote!(#of<Self>), &quote!(__lent));
            (quote!(ref __lent,), Some(lent))
        }
        None => (quote!(_,), None),
    });
    let given = hook.kind.given().map(|_| match &hook.value {
        Some(ty) => {
            let given = local("__given", ty);
            let value = match hook.kind {
                HookKind::Request => quote_spanned!(ty.span()=> __p::request::<#ty>(#given)),
                HookKind::BeforeConnect => {
                    let params = quote!(<Self as __p::ActorType>::Params);
                    quote_spanned!(ty.span()=> __p::params::<#ty, #params>(#given))
                }
                _ => quote_spanned!(ty.span()=> __p::args(#given).0),
            };
            (quote!(ref mut __given,), Some(value))
        }
        None => (quote!(_,), None),
    });
    let (taken, passed): (Vec<_>, Vec<_>) = lent.into_iter().chain(given).unzip();
    let passed: Vec<_> = passed.into_iter().flatten().collect();
    let call = run(&hook.method, &passed);
    let output = &hook.method.output;
    if hook.kind == HookKind::Request {
        // Not by the type's name, for it may have none.
        let answer = quote_spanned!(output.span()=> __p::Answered(#call).answer());
        return quote! {
            __Call::#variant(#(#taken)* ref mut __reply) => {
                use __p::OtherAnswer as _;
                __p::reply_request(__ctx, #at, __reply, #answer)
            }
        };
    }
    let answer = hook_answer(hook.kind);
    let reply = quote_spanned!(output.span()=> __p::reply_hook::<#answer, #output>);
    quote! {
        __Call::#variant(#(#taken)* ref mut __reply) => #reply(__reply, #call),
    }
}

/// A local of ours that errors show at the user's type. It resolves as ours, which the type's own span
/// would not do where the type was written by a macro of the user's.
fn local(name: &str, ty: &Type) -> Ident {
    Ident::new(name, ty.span().resolved_at(Span::call_site()))
}

/// What a hook has to give back.
fn hook_answer(kind: HookKind) -> TokenStream {
    match kind {
        HookKind::BeforeConnect => quote!(<Self as __p::ActorType>::ConnState),
        HookKind::CanSubscribe | HookKind::CanPublish => quote!(__p::bool),
        _ => quote!(()),
    }
}

/// The call of the user's method, awaited.
fn invoke(method: &Method, given_ctx: &TokenStream, given: &[TokenStream]) -> TokenStream {
    let ident = &method.ident;
    let this = (method.receiver != Receiver::Free).then(|| quote!(self,));
    let ctx = method.ctx.as_ref().map(|ty| {
        let ctx = lend(ty, given_ctx, &quote!(__ctx));
        quote!(#ctx,)
    });
    quote!(Self::#ident(#this #ctx #(#given),*).await)
}

/// The call of the user's method where a call is run.
fn run(method: &Method, given: &[TokenStream]) -> TokenStream {
    let ctx = match method.receiver {
        Receiver::Exclusive | Receiver::Shared => quote!(__p::Ctx<Self>),
        Receiver::Free => quote!(__p::TaskCtx<Self>),
    };
    invoke(method, &ctx, given)
}

/// A context or connection as the type the user names, or an error in our words under that type.
fn lend(ty: &Type, given: &TokenStream, what: &TokenStream) -> TokenStream {
    quote_spanned!(ty.span()=> __p::lend::<#ty, #given>(#what))
}

//! From a client's call or a hook to `__Call`: names, argument decoding, hook arguments.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{LitStr, Path, spanned::Spanned as _};

use super::calls::{called, cases, variant};
use crate::{
    model::{Action, Arg, ArgDefault, Handlers, HookKind},
    names::concrete,
};

/// What clients call an action.
pub(super) fn name(action: &Action) -> TokenStream {
    if let Some(name) = &action.name {
        return quote!(#name);
    }
    let cases = cases(&action.method.ident);
    quote!(__p::pick(<Self as __p::ActorType>::RENAME_ALL, #(#cases),*))
}

pub(super) fn decode_call(model: &Handlers, actor: &Path) -> TokenStream {
    let arms = model.actions.iter().enumerate().map(|(at, action)| {
        let variant = variant(&action.method);
        let locals: Vec<_> = (0..action.args.len())
            .map(|it| format_ident!("__{it}"))
            .collect();
        let takes = action.args.iter().map(|it| take(it, actor));
        quote! {
            #at => {
                #(let #locals = #takes?;)*
                __p::finish(&__args)?;
                __p::Result::Ok(
                    __Call::#variant(__p::Option::Some((#(#locals,)*)), __p::wire_reply(__reply)),
                )
            }
        }
    });
    quote! {
        fn decode_call(
            __action: __p::usize,
            mut __args: __p::Args,
            __reply: &mut __p::Option<__p::WireReply>,
        ) -> __p::Result<__Call, __p::ActorError> {
            match __action {
                #(#arms)*
                _ => __p::Result::Err(__p::no_such_action()),
            }
        }
    }
}

/// The bound stands on the function and the type wears the user's span, so that a type that cannot
/// travel is one error under that type.
fn take(arg: &Arg, actor: &Path) -> TokenStream {
    let name = syn::ext::IdentExt::unraw(&arg.ident).to_string();
    let ty = concrete(&arg.ty, actor);
    let span = arg.ty.span();
    match &arg.default {
        None => quote_spanned!(span=> __p::take::<#ty>(&mut __args, #name)),
        Some(ArgDefault::OfType) => {
            quote_spanned!(span=> __p::take_or::<#ty>(&mut __args, #name, __p::Default::default))
        }
        Some(ArgDefault::Expr(expr)) => {
            quote_spanned!(span=> __p::take_or::<#ty>(&mut __args, #name, || #expr))
        }
    }
}

pub(super) fn hook(model: &Handlers) -> TokenStream {
    let arms = called(model).map(|hook| {
        let variant = variant(&hook.method);
        let kind = match hook.kind {
            HookKind::Wake => quote!(Wake),
            HookKind::Run => quote!(Run),
            HookKind::StateChange => quote!(StateChange),
            HookKind::Sleep => quote!(Sleep),
            HookKind::Destroy => quote!(Destroy),
            HookKind::BeforeConnect => quote!(BeforeConnect),
            HookKind::Connect => quote!(Connect),
            HookKind::Disconnect => quote!(Disconnect),
            HookKind::CanSubscribe => quote!(CanSubscribe),
            HookKind::CanPublish => quote!(CanPublish),
            HookKind::Error => quote!(Error),
            HookKind::WebSocket => quote!(WebSocket),
            HookKind::Message => quote!(Message),
            HookKind::Close => quote!(Close),
            HookKind::Request => quote!(Request),
            HookKind::Migrate | HookKind::Create => return quote!(),
        };
        let lent = hook.kind.lent().map(|_| quote!(__lent,));
        let given = hook.kind.given().map(|_| quote!(__given,));
        let kept = hook
            .kind
            .given()
            .map(|_| quote!(__p::Option::Some((__given,)),));
        quote! {
            __p::Hook::#kind(#lent #given __reply) => {
                __p::Option::Some(__Call::#variant(#lent #kept __reply))
            }
        }
    });
    quote! {
        fn hook(__hook: __p::Hook<Self>) -> __p::Option<__Call> {
            match __hook {
                #(#arms)*
                _ => __p::Option::None,
            }
        }
    }
}

/// A named action against those whose name depends on `rename_all`, which only the struct knows.
pub(super) fn distinct_names(model: &Handlers) -> TokenStream {
    let Some(actor) = &model.actor else {
        return TokenStream::new();
    };
    let named = model.actions.iter().filter_map(|it| it.name.as_ref());
    let clashes = named.flat_map(|name| {
        let others = model.actions.iter().filter(|it| it.name.is_none());
        others.filter_map(move |it| clash(name, &cases(&it.method.ident), actor))
    });
    clashes.collect()
}

fn clash(name: &LitStr, cases: &[String; 4], actor: &Path) -> Option<TokenStream> {
    cases.contains(&name.value()).then(|| {
        quote_spanned! {name.span()=>
            const _: () = __p::assert_distinct(
                #name,
                __p::pick(<#actor as __p::ActorType>::RENAME_ALL, #(#cases),*),
            );
        }
    })
}

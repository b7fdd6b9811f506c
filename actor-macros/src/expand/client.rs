//! The handle's methods, one for each action.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Attribute, Expr, ExprLit, Lit, Meta, Path, spanned::Spanned as _};

use super::calls::variant;
use crate::{
    model::{Action, Handlers},
    names::{self, concrete},
};

pub(super) fn methods(model: &Handlers, actor: &Path) -> TokenStream {
    let methods = model.called().map(|action| {
        let variant = variant(&action.method);
        let args = action.args.iter().map(|it| &it.ident);
        let call = quote! {
            __p::ActorHandle::call(self, |__reply| {
                __Call::#variant(__p::Option::Some((#(#args,)*)), __reply)
            })
            .await
        };
        method(action, actor, &call)
    });
    on_handle(actor, &methods.collect())
}

/// The same methods without a body to speak of, for an actor whose impl block has errors.
pub(super) fn stubs(model: &Handlers, actor: &Path) -> TokenStream {
    let sound = model.called().filter(|it| it.method.sound);
    let stubs = sound.map(|action| {
        let args = action.args.iter().map(|it| &it.ident);
        method(
            action,
            actor,
            &quote!(let _ = (#(#args,)*); __p::unreachable!()),
        )
    });
    on_handle(actor, &stubs.collect())
}

fn on_handle(actor: &Path, methods: &TokenStream) -> TokenStream {
    let mut handle = actor.clone();
    if let Some(last) = handle.segments.last_mut() {
        last.ident = names::handle(&last.ident);
    }
    // Here and not with the handle itself: without an impl block there is nothing to call.
    quote! {
        #[automatically_derived]
        impl __p::Handled for #actor {
            type Handle = #handle;
        }
        impl #handle { #methods }
    }
}

fn method(action: &Action, actor: &Path, body: &TokenStream) -> TokenStream {
    let ident = &action.method.ident;
    let docs = docs(action);
    let output = concrete(&action.method.output, actor);
    let answer = if action.fallible {
        quote_spanned!(action.method.output.span()=> __p::CallResult<#output>)
    } else {
        quote!(__p::Result<#output, __p::CallError>)
    };
    let args = action.args.iter().map(|arg| {
        let (ident, ty) = (&arg.ident, concrete(&arg.ty, actor));
        quote!(#ident: #ty)
    });
    quote! {
        #docs
        pub async fn #ident(&self, #(#args),*) -> #answer {
            #body
        }
    }
}

/// The action's own words, and what they cannot know: how a call may fail.
fn docs(action: &Action) -> TokenStream {
    let given = &action.method.docs;
    let summary = given.is_empty().then(|| {
        let summary = format!(" Calls the action `{}`.", action.method.ident);
        quote!(#[doc = #summary])
    });
    let errors = (!given.iter().any(says_errors)).then(|| {
        quote! {
            #[doc = ""]
            #[doc = " # Errors"]
            #[doc = ""]
            #[doc = " What the action answers with, or why it was not run or not saved."]
        }
    });
    quote! {
        #summary
        #(#given)*
        #errors
        #[doc = ""]
        #[doc = " # Cancel safety"]
        #[doc = ""]
        #[doc = " If dropped before it completes, the action may or may not run."]
    }
}

fn says_errors(doc: &Attribute) -> bool {
    let Meta::NameValue(it) = &doc.meta else {
        return false;
    };
    let Expr::Lit(ExprLit {
        lit: Lit::Str(text),
        ..
    }) = &it.value
    else {
        return false;
    };
    text.value().contains("# Errors")
}

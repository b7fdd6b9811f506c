//! A struct with `#[actor]`: the struct, its stored form, `impl ActorType`, and its handle.

use std::mem;

use proc_macro2::{Delimiter, Group, Ident, Spacing, TokenStream, TokenTree};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{Attribute, LitStr, ext::IdentExt as _, spanned::Spanned as _};

use super::{durability, duration, sealed};
use crate::{
    model::{Crash, Field, Setting, SettingValue, State, Wait},
    names::{self, Case},
};

pub(crate) fn state(model: &State) -> TokenStream {
    let item = &model.item;
    let handle = handle(model);
    let stored = stored(model);
    let impl_type = impl_type(model);
    let impl_handle = impl_handle(model);
    let block = sealed(&item.attrs, &quote! { #stored #impl_type #impl_handle });
    quote! { #item #handle #block }
}

/// The form on disk. It describes the actor itself, so that nothing is moved or copied to write it.
fn stored(model: &State) -> TokenStream {
    let actor = &model.item.ident;
    let name = actor.unraw().to_string();
    let serde = &model.serde;
    let fields = model.fields.iter().map(|field| {
        let (ident, ty, attrs) = (&field.ident, &field.ty, &field.attrs);
        let named = without_self(ty.to_token_stream(), actor);
        let skip = field.transient.then(|| {
            // serde calls this path with the span of the string.
            let default = LitStr::new("__p::transient", ty.span());
            quote!(#[serde(skip, default = #default)])
        });
        quote! { #(#attrs)* #skip #ident: #named }
    });
    let kept = kept(model);
    quote! {
        #kept
        #[derive(__p::Serialize, __p::Deserialize)]
        #[serde(crate = "::actor_core::__private::serde", remote = #name, rename = #name)]
        #(#[serde(#serde)])*
        struct __Stored { #(#fields,)* }

        #[derive(__p::Serialize)]
        #[serde(crate = "::actor_core::__private::serde", transparent)]
        struct __Write<'a>(#[serde(serialize_with = "__Stored::serialize")] &'a #actor);

        #[derive(__p::Deserialize)]
        #[serde(crate = "::actor_core::__private::serde", transparent)]
        struct __Read(#[serde(deserialize_with = "__Stored::deserialize")] #actor);
    }
}

/// Asks of each field whether it can be stored, before serde does in words of its own. Where serde is told
/// how, it alone knows.
fn kept(model: &State) -> Option<TokenStream> {
    let told = |it: &Attribute| it.path().is_ident("serde");
    let plain = model
        .fields
        .iter()
        .filter(|it| !it.transient && !it.attrs.iter().any(told));
    let asked: Vec<_> = plain
        .map(|Field { ty, attrs, .. }| {
            let ty = without_self(ty.to_token_stream(), &model.item.ident);
            quote_spanned!(ty.span()=> #(#attrs)* __p::kept::<#ty>();)
        })
        .collect();
    (!asked.is_empty()).then(|| quote!(const _: () = { #(#asked)* };))
}

/// A field's type as it stands in another struct, where `Self` would be that struct.
fn without_self(tokens: TokenStream, actor: &Ident) -> TokenStream {
    let named = tokens.into_iter().map(|token| match token {
        TokenTree::Ident(it) if it == "Self" => {
            let mut name = actor.clone();
            name.set_span(it.span());
            TokenTree::Ident(name)
        }
        TokenTree::Group(group) => {
            let inner = without_self(group.stream(), actor);
            let mut named = Group::new(group.delimiter(), inner);
            named.set_span(group.span());
            TokenTree::Group(named)
        }
        other => other,
    });
    named.collect()
}

fn impl_type(model: &State) -> TokenStream {
    let actor = &model.item.ident;
    let head = head(model);
    let options = options(&model.settings);
    let schema = schema(model);
    let migrate = match &model.migrate {
        None => quote!(__p::Option::None),
        Some(path) => quote! {
            __p::Option::Some(|__found, __old| {
                #path(__found, __old).map_err(|__it| __p::ToString::to_string(&__it))
            })
        },
    };
    let kept = model.fields.iter().filter(|it| !it.transient).map(|it| {
        let ident = &it.ident;
        let cfgs = it.attrs.iter().filter(|it| it.path().is_ident("cfg"));
        quote!(#(#cfgs)* __p::swap(&mut self.#ident, &mut __read.#ident);)
    });
    quote! {
        #[automatically_derived]
        impl __p::ActorType for #actor {
            #head
            const SCHEMA: &'static [&'static __p::str] = &[#(#schema),*];
            #options
            fn encode(&self, __out: &mut __p::Vec<__p::u8>) -> __p::Result<(), __p::StateError> {
                __p::encode_state(&__Write(self), __out)
            }
            fn decode(
                __found: __p::u32,
                __bytes: &[__p::u8],
            ) -> __p::Result<Self, __p::StateError> {
                let __known = <Self as __p::ActorType>::VERSION;
                let __read = __p::decode_state::<__Read>(__found, __known, __bytes, #migrate);
                __read.map(|__it| __it.0)
            }
            fn replace(&mut self, __stored: __p::Value) -> __p::Result<(), __p::StateError> {
                let __read = __p::read_state::<__Read>(__stored)?.0;
                <Self as __p::ActorType>::take_on(self, __read);
                __p::Result::Ok(())
            }
            fn take_on(&mut self, mut __read: Self) {
                #(#kept)*
            }
        }
    }
}

/// The stored form as a test writes it down: what serde is told of it, then a line for each field.
fn schema(model: &State) -> Vec<String> {
    let stored = model.fields.iter().filter(|it| !it.transient);
    let fields = stored.map(
        |Field {
             ident, ty, attrs, ..
         }| { plain(&quote!(#(#attrs)* #ident: #ty)) },
    );
    let container = model.serde.iter().map(|it| plain(&quote!(#[serde(#it)])));
    container.chain(fields).collect()
}

/// Tokens as one would write them, whatever compiler prints them.
fn plain(tokens: &TokenStream) -> String {
    let mut text = String::new();
    write_plain(tokens.clone(), &mut text);
    text
}

fn write_plain(tokens: TokenStream, text: &mut String) {
    let mut joins = false;
    for token in tokens {
        let joined = mem::take(&mut joins);
        match token {
            TokenTree::Group(it) => {
                let (open, close) = match it.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write_plain(it.stream(), text);
                text.push_str(close);
            }
            TokenTree::Punct(it) => {
                joins = it.spacing() == Spacing::Joint;
                match it.as_char() {
                    ch @ (',' | ';') => text.extend([ch, ' ']),
                    ch @ ('=' | '+') => text.extend([' ', ch, ' ']),
                    ':' if !joins && !joined => text.push_str(": "),
                    ch => text.push(ch),
                }
            }
            word => {
                let is_word = |it: char| it.is_alphanumeric() || matches!(it, '_' | ']');
                if text.ends_with(is_word) {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
            }
        }
    }
}

/// The types and constants of `impl ActorType`.
pub(super) fn head(model: &State) -> TokenStream {
    let given = |ty: &Option<syn::Type>, otherwise: TokenStream| {
        ty.as_ref().map_or(otherwise, |it| it.to_token_stream())
    };
    let input = given(&model.input, quote!(__p::Value));
    let params = given(&model.params, quote!(__p::Value));
    let conn = given(&model.conn, quote!(()));
    let event = given(&model.event, quote!(__p::NoEvent));
    let queue = given(&model.queue, quote!(__p::NoQueue));
    let name = match &model.name {
        Some(name) => name.to_token_stream(),
        None => Case::Camel.apply(&model.item.ident).to_token_stream(),
    };
    let version = match &model.version {
        Some(version) => version.to_token_stream(),
        None => quote!(1),
    };
    let rename_all = model.rename_all.map(|case| {
        let case = match case {
            Case::Camel => quote!(CamelCase),
            Case::Snake => quote!(SnakeCase),
            Case::Pascal => quote!(PascalCase),
            Case::Kebab => quote!(KebabCase),
        };
        quote!(const RENAME_ALL: __p::RenameAll = __p::RenameAll::#case;)
    });
    quote! {
        type Input = #input;
        type Params = #params;
        type ConnState = #conn;
        type Event = #event;
        type Queue = #queue;
        const NAME: &'static __p::str = #name;
        const VERSION: __p::u32 = #version;
        #rename_all
    }
}

fn options(settings: &[Setting]) -> Option<TokenStream> {
    let set = settings.iter().map(|Setting { field, value }| {
        let value = match value {
            SettingValue::Durability(it) => durability(*it),
            SettingValue::Crash(Crash::Sleep) => quote!(__p::CrashPolicy::Sleep),
            SettingValue::Crash(Crash::Restart) => quote!(__p::CrashPolicy::Restart),
            SettingValue::Crash(Crash::Destroy) => quote!(__p::CrashPolicy::Destroy),
            SettingValue::Wait(Wait::Never) => quote!(__p::Option::None),
            SettingValue::Wait(Wait::Millis(it)) => {
                let it = duration(*it);
                quote!(__p::Option::Some(#it))
            }
            SettingValue::Millis(it) => duration(*it),
            SettingValue::Count(it) => it.to_token_stream(),
            SettingValue::Switch(it) => it.to_token_stream(),
            SettingValue::Hibernate(None) => quote!(__p::Hibernate::Always),
            SettingValue::Hibernate(Some(path)) => {
                quote_spanned!(path.span()=> __p::Hibernate::If(#path))
            }
            SettingValue::AutoReply(request, response) => {
                quote!(__p::Option::Some(__p::AutoReply::new(#request, #response)))
            }
        };
        quote!(__options.#field = #value;)
    });
    (!settings.is_empty()).then(|| {
        quote! {
            fn options() -> __p::ActorOptions {
                let mut __options = <__p::ActorOptions as __p::Default>::default();
                #(#set)*
                __options
            }
        }
    })
}

/// The newtype that the impl block puts methods on.
pub(super) fn handle(model: &State) -> TokenStream {
    let (vis, actor) = (&model.item.vis, &model.item.ident);
    let handle = names::handle(actor);
    let summary = format!(
        " Calls a [`{actor}`]: one method for each action, and those of the handle it wraps."
    );
    let is = |it: &&Attribute, name: &str| it.path().is_ident(name);
    let cfgs = model.item.attrs.iter().filter(|it| is(it, "cfg"));
    let docs: Vec<_> = model.item.attrs.iter().filter(|it| is(it, "doc")).collect();
    let gap = (!docs.is_empty()).then(|| quote!(#[doc = ""]));
    quote! {
        #(#cfgs)*
        #[doc = #summary]
        #gap
        #(#docs)*
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #vis struct #handle(::actor_core::__private::ActorHandle<#actor>);
    }
}

pub(super) fn impl_handle(model: &State) -> TokenStream {
    let actor = &model.item.ident;
    let handle = names::handle(actor);
    quote! {
        #[automatically_derived]
        impl __p::From<__p::ActorHandle<#actor>> for #handle {
            fn from(__handle: __p::ActorHandle<#actor>) -> Self {
                Self(__handle)
            }
        }
        #[automatically_derived]
        impl __p::Deref for #handle {
            type Target = __p::ActorHandle<#actor>;
            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }
    }
}

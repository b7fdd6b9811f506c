//! `impl Queue`, the enum of received messages, and a function for each queue that replies.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Path, Type, ext::IdentExt as _, spanned::Spanned as _};

use super::{duration, sealed};
use crate::{
    model::{Queue, Queues},
    names::{Case, concrete},
};

pub(crate) fn queues(model: &Queues) -> TokenStream {
    let received = received(model);
    let this = &model.ident;
    let message = message_type(model);
    let specs = model.queues.iter().map(|it| spec(model, it));
    let names = model.queues.iter().map(|it| {
        let (ident, name) = (&it.ident, &it.name);
        quote!(Self::#ident { .. } => #name,)
    });
    let bodies = model.queues.iter().map(body);
    let decodes = model.queues.iter().map(decode);
    let lends = model.queues.iter().map(|it| {
        let (ident, name, content) = (&it.ident, &it.name, content(model, it));
        let span = it
            .content
            .as_ref()
            .map_or(ident.span(), syn::spanned::Spanned::span);
        let read = quote_spanned!(span=> __p::queue_message::<#content, _>(__message)?);
        quote!(#name => #message::#ident(#read),)
    });
    let asks = model.queues.iter().filter_map(|it| ask(model, it));
    let dead_letters = model.queues.iter().filter_map(|it| dead_letter(model, it));
    let block = sealed(
        &[],
        &quote! {
            #[automatically_derived]
            impl __p::Queue for #this {
                type Message<'__a> = #message<'__a>;
                const QUEUES: &'static [__p::QueueSpec] = &[#(#specs),*];
                fn name(&self) -> &__p::str {
                    match *self { #(#names)* }
                }
                fn body(&self) -> __p::Result<__p::Value, __p::ValueError> {
                    match *self { #(#bodies)* }
                }
                fn decode(
                    __name: &__p::str,
                    __body: __p::Value,
                ) -> __p::Result<Self, __p::ValueError> {
                    __p::Result::Ok(match __name {
                        #(#decodes)*
                        _ => return __p::Result::Err(__p::no_queue(__name)),
                    })
                }
                fn received(
                    __message: __p::QueueMessage<'_, __p::Value, __p::Value>,
                ) -> __p::Result<#message<'_>, __p::ValueError> {
                    __p::Result::Ok(match __message.queue() {
                        #(#lends)*
                        __name => return __p::Result::Err(__p::no_queue(__name)),
                    })
                }
            }
            impl #this { #(#asks)* }
            #(#dead_letters)*
        },
    );
    quote! { #received #block }
}

/// The enum that a receiver matches on, each variant with the reply of its queue.
pub(super) fn received(model: &Queues) -> TokenStream {
    let (vis, message) = (&model.vis, message_type(model));
    let summary = format!(
        " A message of [`{}`] that was received to be completed.",
        model.ident
    );
    let variants = model.queues.iter().map(|it| {
        let (ident, docs) = (&it.ident, &it.docs);
        let (content, reply) = (content(model, it), reply(model, it));
        let missing = docs.is_empty().then(|| {
            let text = format!(" Of the queue `{}`.", it.name);
            quote!(#[doc = #text])
        });
        quote! {
            #missing
            #(#docs)*
            #ident(::actor_core::__private::QueueMessage<'a, #content, #reply>)
        }
    });
    quote! {
        #[doc = #summary]
        #[derive(::core::fmt::Debug)]
        #vis enum #message<'a> { #(#variants),* }
    }
}

pub(super) fn message_type(model: &Queues) -> Ident {
    let ident = &model.ident;
    format_ident!("{}Message", ident.unraw(), span = ident.span())
}

fn content(model: &Queues, queue: &Queue) -> TokenStream {
    or_unit(model, queue.content.as_ref())
}

fn reply(model: &Queues, queue: &Queue) -> TokenStream {
    or_unit(model, queue.reply.as_ref())
}

fn or_unit(model: &Queues, ty: Option<&Type>) -> TokenStream {
    let this = Path::from(model.ident.clone());
    ty.map_or_else(|| quote!(()), |it| concrete(it, &this))
}

fn spec(model: &Queues, queue: &Queue) -> TokenStream {
    let name = &queue.name;
    let attempts = queue
        .max_attempts
        .as_ref()
        .map(|it| quote!(.with_max_attempts(#it)));
    let dead_letter = target(model, queue).map(|it| {
        let name = &it.name;
        quote!(.with_dead_letter(#name))
    });
    let ttl = queue.ttl.map(|it| {
        let ttl = duration(it);
        quote!(.with_ttl(#ttl))
    });
    quote!(__p::QueueSpec::new(#name) #attempts #dead_letter #ttl)
}

fn body(queue: &Queue) -> TokenStream {
    let ident = &queue.ident;
    match &queue.content {
        None => quote!(Self::#ident => __p::Result::Ok(__p::Value::Undefined),),
        Some(ty) => {
            let encoded = quote_spanned!(ty.span()=> __p::queue_body::<#ty>(__it));
            quote!(Self::#ident(ref __it) => #encoded,)
        }
    }
}

fn decode(queue: &Queue) -> TokenStream {
    let (ident, name) = (&queue.ident, &queue.name);
    match &queue.content {
        None => quote!(#name => {
            __p::queue_content::<()>(__body)?;
            Self::#ident
        }),
        Some(ty) => {
            let decoded = quote_spanned!(ty.span()=> __p::queue_content::<#ty>(__body)?);
            quote!(#name => Self::#ident(#decoded),)
        }
    }
}

/// `Jobs::resize(image)`: the message with the type of its reply.
fn ask(model: &Queues, queue: &Queue) -> Option<TokenStream> {
    let reply = queue.reply.as_ref()?;
    let (vis, ident) = (&model.vis, &queue.ident);
    let name = Case::Snake.apply(ident);
    let function = syn::parse_str(&name).unwrap_or_else(|_| format_ident!("{name}_"));
    let docs = format!(
        " A message to the queue `{}` whose sender waits for the reply.",
        queue.name
    );
    let (parameter, variant) = match &queue.content {
        None => (None, quote!(Self::#ident)),
        Some(ty) => (Some(quote!(content: #ty)), quote!(Self::#ident(content))),
    };
    let function = Ident::new(&Ident::to_string(&function), ident.span());
    Some(quote! {
        #[doc = #docs]
        #vis fn #function(#parameter) -> __p::Ask<Self, #reply> {
            __p::Ask::new(#variant)
        }
    })
}

/// Fails the build where a message does not fit into the queue for dead ones.
fn dead_letter(model: &Queues, queue: &Queue) -> Option<TokenStream> {
    let target = target(model, queue)?;
    let (from, to) = (content(model, queue), content(model, target));
    let span = queue.dead_letter.as_ref()?.span();
    Some(quote_spanned!(span=> const _: fn(#from) -> #to = |__it| __it;))
}

fn target<'a>(model: &'a Queues, queue: &Queue) -> Option<&'a Queue> {
    let ident = queue.dead_letter.as_ref()?;
    model.queues.iter().find(|it| it.ident == *ident)
}

//! `impl Event`: the name and the arguments of each variant.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Index, spanned::Spanned as _};

use super::sealed;
use crate::model::{Event, Events, Members, Shape};

pub(crate) fn events(model: &Events) -> TokenStream {
    let this = &model.ident;
    let names = model
        .variants
        .iter()
        .map(|Event { ident, name, .. }| quote!(Self::#ident { .. } => #name,));
    let args = model.variants.iter().map(args);
    let replays = model.variants.iter().filter_map(|it| {
        let (name, keep) = (&it.name, it.replay.as_ref()?);
        Some(quote!(__p::Replay::new(#name, #keep)))
    });
    let replays: Vec<_> = replays.collect();
    let replays = (!replays.is_empty())
        .then(|| quote!(const REPLAYS: &'static [__p::Replay] = &[#(#replays),*];));
    sealed(
        &[],
        &quote! {
            #[automatically_derived]
            impl __p::Event for #this {
                #replays
                fn name(&self) -> &'static __p::str {
                    match *self { #(#names)* }
                }
                fn args(&self) -> __p::Result<__p::Value, __p::ValueError> {
                    match *self { #(#args)* }
                }
            }
        },
    )
}

fn args(event: &Event) -> TokenStream {
    let ident = &event.ident;
    match &event.shape {
        Shape::Unit => quote!(Self::#ident => __p::event_args([]),),
        Shape::Tuple(types) => {
            let members = (0..types.len()).map(Index::from);
            let locals: Vec<_> = (0..types.len()).map(|it| format_ident!("__{it}")).collect();
            let args = types
                .iter()
                .zip(&locals)
                .map(|(ty, local)| quote_spanned!(ty.span()=> __p::event_arg::<#ty>(#local)?));
            quote! {
                Self::#ident { #(#members: ref #locals),* } => __p::event_args([#(#args),*]),
            }
        }
        Shape::Named(members) => {
            let (pattern, object) = (pattern(members), object(ident, members));
            quote! {
                Self::#ident { #pattern } => {
                    #object
                    __p::event_args([__p::event_arg(&__object)?])
                }
            }
        }
    }
}

/// Binds every member that travels.
pub(super) fn pattern(members: &Members) -> TokenStream {
    let bindings = members.fields.iter().map(|it| {
        let ident = &it.ident;
        let cfgs = it.attrs.iter().filter(|it| it.path().is_ident("cfg"));
        quote!(#(#cfgs)* ref #ident,)
    });
    quote!(#(#bindings)* ..)
}

/// `__object`: the bound members as one thing to serialize.
pub(super) fn object(variant: &Ident, members: &Members) -> TokenStream {
    let name = syn::ext::IdentExt::unraw(variant).to_string();
    let serde = &members.serde;
    let fields = members.fields.iter().map(|it| {
        let (ident, ty, attrs) = (&it.ident, &it.ty, &it.attrs);
        quote!(#(#attrs)* #ident: &'a #ty)
    });
    let values = members.fields.iter().map(|it| {
        let ident = &it.ident;
        let cfgs = it.attrs.iter().filter(|it| it.path().is_ident("cfg"));
        quote!(#(#cfgs)* #ident,)
    });
    quote! {
        #[derive(__p::Serialize)]
        #[serde(crate = "::actor_core::__private::serde", rename = #name)]
        #(#[serde(#serde)])*
        struct __Object<'a> { #(#fields,)* }
        let __object = __Object { #(#values)* };
    }
}

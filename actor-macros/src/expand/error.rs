//! `impl IntoActorError`: what each variant says to clients.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::{
    event::{object, pattern},
    sealed,
};
use crate::model::{ActionError, ActionErrors, Metadata, Says};

pub(crate) fn action_errors(model: &ActionErrors) -> TokenStream {
    let this = &model.ident;
    let arms = model.cases.iter().map(|it| arm(this, it));
    sealed(
        &[],
        &quote! {
            #[automatically_derived]
            impl __p::IntoActorError for #this {
                fn to_actor_error(&self) -> __p::ActorError {
                    match *self { #(#arms)* }
                }
            }
        },
    )
}

fn arm(this: &Ident, case: &ActionError) -> TokenStream {
    let path = &case.path;
    let status = case.status.as_ref().map(|it| quote!(.with_status(#it)));
    match &case.says {
        Says::Transparent(member) => quote! {
            #path { #member: ref __inner } => __p::IntoActorError::to_actor_error(__inner),
        },
        Says::Hidden => quote!(#path { .. } => __p::hidden_error(self)#status,),
        Says::Public {
            group,
            code,
            metadata,
        } => {
            let error = quote!(__p::public_error(self, #group, #code)#status);
            match metadata {
                Metadata::Nothing => quote!(#path { .. } => #error,),
                Metadata::At(member) => quote! {
                    #path { #member: ref __value, .. } => __p::with_metadata(#error, __value),
                },
                Metadata::Object(members) => {
                    let (pattern, object) = (pattern(members), object(this, members));
                    quote! {
                        #path { #pattern } => {
                            #object
                            __p::with_metadata(#error, &__object)
                        }
                    }
                }
            }
        }
    }
}

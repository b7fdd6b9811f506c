//! `ctx.after(..)` and its like: one method for each handler that a schedule may call.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Path;

use crate::{
    model::{Action, Handlers},
    names::concrete,
};

pub(super) fn plan(model: &Handlers, actor: &Path) -> TokenStream {
    let methods = model.actions.iter().enumerate().map(|(at, action)| {
        let args = action.args.iter().map(|it| &it.ident);
        let body = quote! {
            #[allow(unused_imports, reason = "for arguments that cannot travel")]
            use __p::CannotGive as _;
            let __name = <#actor as __p::Actor>::HANDLERS[#at].name;
            __p::submit(&self.0, __name, [#(__p::Giver(&#args).give()),*])
        };
        method(action, actor, &body)
    });
    around(actor, &methods.collect())
}

/// The same methods without a body to speak of, for an actor whose impl block has errors.
pub(super) fn stub(model: &Handlers, actor: &Path) -> TokenStream {
    let sound = model.actions.iter().filter(|it| it.method.sound);
    let methods = sound.map(|action| {
        let args = action.args.iter().map(|it| &it.ident);
        let body = quote!(let _ = (#(#args,)*); __p::unreachable!());
        method(action, actor, &body)
    });
    around(actor, &methods.collect())
}

/// The struct that has the methods. Nobody needs its name.
fn around(actor: &Path, methods: &TokenStream) -> TokenStream {
    quote! {
        pub struct __Schedule<'__a>(__p::Draft<'__a>);
        #[automatically_derived]
        impl<'__a> __p::From<__p::Draft<'__a>> for __Schedule<'__a> {
            fn from(__draft: __p::Draft<'__a>) -> Self {
                Self(__draft)
            }
        }
        #[automatically_derived]
        impl<'__a> __p::Planned<'__a> for __Schedule<'__a> {
            fn draft(&self) -> &__p::Draft<'__a> {
                &self.0
            }
            fn draft_mut(&mut self) -> &mut __p::Draft<'__a> {
                &mut self.0
            }
        }
        #[automatically_derived]
        impl __p::Scheduled for #actor {
            type Planned<'__a> = __Schedule<'__a>;
        }
        impl __Schedule<'_> { #methods }
    }
}

fn method(action: &Action, actor: &Path, body: &TokenStream) -> TokenStream {
    let ident = &action.method.ident;
    let docs = &action.method.docs;
    let args = action.args.iter().map(|arg| {
        let (ident, ty) = (&arg.ident, concrete(&arg.ty, actor));
        quote!(#ident: #ty)
    });
    quote! {
        #(#docs)*
        pub fn #ident(
            &self,
            #(#args),*
        ) -> __p::Result<__p::ScheduleId, __p::ScheduleError> {
            #body
        }
    }
}

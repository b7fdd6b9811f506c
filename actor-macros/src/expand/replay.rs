//! What calls with an idempotency key need: their arguments again, and to be answered as before.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::calls::variant;
use crate::model::{Action, Handlers};

/// `arguments`, which makes a value of what a call holds.
pub(super) fn arguments(model: &Handlers) -> Option<TokenStream> {
    let arms: Vec<_> = model.called().map(arguments_of).collect();
    if arms.is_empty() {
        return None;
    }
    Some(quote! {
        fn arguments(__call: &__Call) -> __p::Result<__p::Value, __p::ActorError> {
            #[allow(unused_imports, reason = "for arguments that cannot travel")]
            use __p::CannotGive as _;
            match *__call {
                #(#arms)*
                _ => __p::Result::Err(__p::no_such_action()),
            }
        }
    })
}

fn arguments_of(action: &Action) -> TokenStream {
    let variant = variant(&action.method);
    let locals: Vec<_> = (0..action.args.len())
        .map(|it| format_ident!("__{it}"))
        .collect();
    quote! {
        __Call::#variant(ref __args, ..) => {
            let (#(#locals,)*) = __p::untaken(__args);
            __p::arguments([#(__p::Giver(#locals).give()),*])
        }
    }
}

/// `replay`, which answers a call with a value.
pub(super) fn replay(model: &Handlers) -> Option<TokenStream> {
    let arms: Vec<_> = model
        .called()
        .map(|action| {
            let variant = variant(&action.method);
            quote! {
                __Call::#variant(.., ref mut __reply) => __p::Refill(__reply).refill(__answer),
            }
        })
        .collect();
    if arms.is_empty() {
        return None;
    }
    Some(quote! {
        fn replay(__call: &mut __Call, __answer: __p::Value) {
            #[allow(unused_imports, reason = "for answers that cannot travel")]
            use __p::CannotRefill as _;
            match *__call {
                #(#arms)*
                _ => __p::wrong_receiver(),
            }
        }
    })
}

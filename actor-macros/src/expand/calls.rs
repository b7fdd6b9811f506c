//! `enum __Call`, one variant for each handler, and the frame of `impl Actor`.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Path, spanned::Spanned as _};

use super::{durability, duration, replay, run, wire};
use crate::{
    model::{Access, Action, Given, Handlers, Hook, HookKind, Lent, Method, Receiver},
    names::{self, Case, concrete},
};

/// Hooks that are calls; two come before there is anything to call.
pub(super) fn called(model: &Handlers) -> impl Iterator<Item = &Hook> {
    model.hooks.iter().filter(|it| !it.kind.is_before_actor())
}

/// Every handler in the order of `HANDLERS`.
fn methods(model: &Handlers) -> impl Iterator<Item = &Method> {
    model
        .actions
        .iter()
        .map(|it| &it.method)
        .chain(called(model).map(|it| &it.method))
}

pub(super) fn variant(method: &Method) -> Ident {
    names::variant(&method.ident)
}

pub(super) fn enum_of_calls(model: &Handlers, actor: &Path) -> TokenStream {
    let actions = model.actions.iter().map(|action| {
        let variant = variant(&action.method);
        let types = action.args.iter().map(|it| concrete(&it.ty, actor));
        let (ok, error) = answer(action, actor);
        quote!(#variant(__p::Option<(#(#types,)*)>, __p::Reply<#ok, #error>))
    });
    let hooks = called(model).map(|hook| {
        let variant = variant(&hook.method);
        let lent = hook.kind.lent().map(|it| {
            let lent = lent(it);
            quote!(#lent<#actor>,)
        });
        let given = hook.kind.given().map(|it| {
            let given = given(it, &quote!(#actor));
            quote!(__p::Option<(#given,)>,)
        });
        let answer = match hook.kind {
            HookKind::BeforeConnect => quote!(<#actor as __p::ActorType>::ConnState),
            HookKind::CanSubscribe | HookKind::CanPublish => quote!(__p::bool),
            HookKind::Request => quote!(__p::Box<__p::Response>),
            _ => quote!(()),
        };
        quote!(#variant(#lent #given __p::Reply<#answer, __p::ActorError>))
    });
    quote! {
        pub enum __Call { #(#actions,)* #(#hooks,)* }
    }
}

/// What a hook is lent, without its actor.
pub(super) fn lent(lent: Lent) -> TokenStream {
    match lent {
        Lent::Conn => quote!(__p::Conn),
        Lent::Socket => quote!(__p::Socket),
        Lent::Transaction => quote!(__p::Transaction),
    }
}

/// The type of what a hook is given.
fn given(given: Given, actor: &TokenStream) -> TokenStream {
    match given {
        Given::IsNew => quote!(__p::bool),
        Given::Input => quote!(<#actor as __p::ActorType>::Input),
        Given::Params => quote!(<#actor as __p::ActorType>::Params),
        Given::Name => quote!(__p::String),
        Given::Failure => quote!(__p::Failure),
        Given::Message => quote!(__p::Message),
        Given::CloseFrame => quote!(__p::CloseFrame),
        Given::Request => quote!(__p::Box<__p::Request>),
    }
}

/// What an action answers with: its value and its error.
pub(super) fn answer(action: &Action, actor: &Path) -> (TokenStream, TokenStream) {
    let output = concrete(&action.method.output, actor);
    if !action.fallible {
        return (output, quote!(__p::Infallible));
    }
    let span = action.method.output.span();
    (
        quote_spanned!(span=> <#output as __p::Fallible>::Ok),
        quote_spanned!(span=> <#output as __p::Fallible>::Err),
    )
}

/// Refuses a `Result` that is called otherwise: clients would get it as a value, error and all.
fn plain_answer(action: &Action, actor: &Path) -> TokenStream {
    let output = concrete(&action.method.output, actor);
    quote_spanned! {action.method.output.span()=>
        const _: () = {
            use __p::Otherwise as _;
            __p::assert_plain(__p::Probe::<#output>::IS_RESULT)
        };
    }
}

pub(super) fn impl_actor(model: &Handlers, actor: &Path) -> TokenStream {
    let table = table(model);
    let decode = wire::decode_call(model, actor);
    let hooks = wire::hook(model);
    let migrate = run::migrate(model);
    let create = run::create(model, actor);
    let default_conn_state = default_conn_state(model, actor);
    let runs = run::runs(model, actor);
    let reply = reply(model);
    let arguments = replay::arguments(model);
    let replay = replay::replay(model);
    let guard = guard(model);
    let distinct = wire::distinct_names(model);
    let plain = model
        .actions
        .iter()
        .filter(|it| !it.fallible)
        .map(|it| plain_answer(it, actor));
    quote! {
        #[automatically_derived]
        impl __p::Actor for #actor {
            type Call = __Call;
            #table
            #decode
            #hooks
            #default_conn_state
            #reply
            #arguments
            #replay
            #guard
            #migrate
            #create
            #runs
        }
        #distinct
        #(#plain)*
    }
}

/// Asks the guards of actions; written where there are any.
fn guard(model: &Handlers) -> Option<TokenStream> {
    let guarded = model.actions.iter().enumerate();
    let arms: Vec<_> = guarded
        .filter_map(|(at, action)| match &action.access {
            Access::Guarded(path) => {
                Some(quote_spanned!(path.span()=> #at => __p::verdict(#path(__ctx)),))
            }
            Access::Unsaid | Access::Open => None,
        })
        .collect();
    if arms.is_empty() {
        return None;
    }
    Some(quote! {
        fn guard(
            __action: __p::usize,
            __ctx: &__p::Ctx<Self>,
        ) -> __p::Result<(), __p::ActorError> {
            match __action {
                #(#arms)*
                _ => __p::Result::Ok(()),
            }
        }
    })
}

/// `HANDLERS`, `ACTIONS` and `handler`, which have one order.
fn table(model: &Handlers) -> TokenStream {
    let actions = model.actions.iter().map(|action| {
        let name = wire::name(action);
        let handler = handler(&name, &action.method);
        let durability = action.durability.map(|it| {
            let it = durability(it);
            quote!(.with_durability(#it))
        });
        let timeout = action.timeout.map(|it| {
            let it = duration(it);
            quote!(.with_timeout(#it))
        });
        let access = match &action.access {
            Access::Unsaid => None,
            Access::Open => Some(quote!(.with_access(__p::Access::Open))),
            Access::Guarded(_) => Some(quote!(.with_access(__p::Access::Guarded))),
        };
        let atomic = action.atomic.as_ref().map(|_| quote!(.atomic()));
        quote!(#handler #durability #timeout #access #atomic)
    });
    let hooks = called(model).map(|hook| {
        let name = hook.kind.name();
        handler(&quote!(#name), &hook.method)
    });
    let count = model.called().count();
    let scheduled = model.actions.len() - count;
    let scheduled = (scheduled != 0).then(|| quote!(const SCHEDULED: __p::usize = #scheduled;));
    let indices = methods(model).enumerate().map(|(at, method)| {
        let variant = variant(method);
        quote!(__Call::#variant { .. } => #at,)
    });
    quote! {
        const HANDLERS: &'static [__p::Handler] = &[#(#actions,)* #(#hooks,)*];
        const ACTIONS: __p::usize = #count;
        #scheduled
        fn handler(__call: &__Call) -> __p::usize {
            match *__call { #(#indices)* }
        }
    }
}

fn handler(name: &TokenStream, method: &Method) -> TokenStream {
    let receiver = match method.receiver {
        Receiver::Exclusive => quote!(Exclusive),
        Receiver::Shared => quote!(Shared),
        Receiver::Free => quote!(Free),
    };
    let at_once = (!method.awaits).then(|| quote!(.at_once()));
    // With the span of the method, which the handler keeps as its place in the source.
    let new =
        quote_spanned!(method.ident.span()=> __p::Handler::new(#name, __p::Receiver::#receiver));
    quote!(#new #at_once)
}

fn reply(model: &Handlers) -> TokenStream {
    let arms = methods(model).map(|method| {
        let variant = variant(method);
        quote!(__Call::#variant(.., ref mut __reply) => __reply,)
    });
    quote! {
        fn reply(__call: &mut __Call) -> &mut dyn __p::ReplySlot {
            match *__call { #(#arms)* }
        }
    }
}

fn default_conn_state(model: &Handlers, actor: &Path) -> TokenStream {
    let is_given = model
        .hooks
        .iter()
        .any(|it| it.kind == HookKind::BeforeConnect);
    let body = if is_given {
        quote!(__p::has_before_connect())
    } else {
        quote_spanned!(actor.span()=> __p::DefaultConnState::default_conn_state())
    };
    quote! {
        fn default_conn_state() -> <Self as __p::ActorType>::ConnState { #body }
    }
}

/// The name of an action in each case, for `pick`.
pub(super) fn cases(ident: &Ident) -> [String; 4] {
    Case::ALL.map(|case| case.apply(ident))
}

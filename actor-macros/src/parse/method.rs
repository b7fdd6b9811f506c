//! One handler: its receiver, context, arguments and answer.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Attribute, FnArg, ImplItemFn, Meta, Pat, PatType, ReceiverKind, ReturnType, Signature, Type,
    TypeReference, ext::IdentExt as _, parse_quote,
};

use super::{attrs_called, awaits, last_name, peel, take_attrs};
use crate::{
    errors::Errors,
    model::{Arg, ArgDefault, HookKind, Method, Receiver},
};

/// An action and its arguments. Takes `#[default]` off them.
pub(super) fn action(errors: &mut Errors, item: &mut ImplItemFn) -> (Method, Vec<Arg>) {
    let before = errors.count();
    let mut method = method(errors, item);
    unnamed(errors, &method.output);
    let mut args = Vec::new();
    let typed = item.sig.inputs.iter_mut().filter_map(|it| match it {
        FnArg::Typed(param) => Some(param),
        FnArg::Receiver(_) => None,
    });
    for (at, param) in typed.enumerate() {
        match lent(&param.ty).filter(|it| at == 0 && !is_plain_data(&it.elem)) {
            Some(ctx) => method.ctx = Some(context(errors, ctx)),
            None => args.extend(arg(errors, param)),
        }
    }
    method.sound = errors.count() == before;
    (method, args)
}

/// A hook and what it takes beside the context: what it is lent, what it is given.
pub(super) fn hook(
    errors: &mut Errors,
    kind: HookKind,
    item: &mut ImplItemFn,
) -> (Method, Option<Type>, Option<Type>) {
    let before = errors.count();
    let mut method = method(errors, item);
    if kind != HookKind::Request {
        unnamed(errors, &method.output);
    }
    let (mut borrowed, mut value) = (None, None);
    for param in &item.sig.inputs {
        let FnArg::Typed(PatType { ty, .. }) = param else {
            continue;
        };
        match lent(ty) {
            Some(ctx)
                if is_context(ty)
                    && method.ctx.is_none()
                    && borrowed.is_none()
                    && value.is_none() =>
            {
                method.ctx = Some(context(errors, ctx));
            }
            Some(it) if is_lent(kind, ty) && borrowed.is_none() && value.is_none() => {
                borrowed = Some(context(errors, it));
            }
            None if kind.given().is_some() && value.is_none() => value = Some((**ty).clone()),
            _ => errors.at(param, takes(kind)),
        }
    }
    method.sound = errors.count() == before;
    (method, borrowed, value)
}

/// The context and a connection or socket are all references, so in hooks alone the name of a type
/// says which of them a parameter is; rustc then checks the type itself.
fn is_context(ty: &Type) -> bool {
    matches!(last_name(ty).as_deref(), Some("Ctx" | "TaskCtx"))
}

fn is_lent(kind: HookKind, ty: &Type) -> bool {
    kind.lent()
        .is_some_and(|it| last_name(ty).as_deref() == Some(it.name()))
}

fn takes(kind: HookKind) -> String {
    let what = match kind {
        HookKind::Migrate => {
            "`&Ctx<Self>`, then `&Transaction`, then a `bool`: whether the actor is new; each may \
             be left out"
        }
        HookKind::Create => "`&Ctx<Self>` and then the input, by value; each may be left out",
        HookKind::BeforeConnect => {
            "`&Ctx<Self>` and then the params, by value; each may be left out"
        }
        HookKind::Connect | HookKind::Disconnect => {
            "`&Ctx<Self>` and then `&Conn<Self>`; each may be left out"
        }
        HookKind::CanSubscribe => {
            "`&Ctx<Self>` and then the event's name, a `String`; each may be left out"
        }
        HookKind::CanPublish => {
            "`&Ctx<Self>` and then the queue's name, a `String`; each may be left out"
        }
        HookKind::Error => "`&Ctx<Self>` and then the `Failure`, by value; each may be left out",
        HookKind::Run => "`&TaskCtx<Self>` or nothing",
        HookKind::Request => "`&Ctx<Self>` and then the `Request`, by value; each may be left out",
        HookKind::WebSocket => "`&Ctx<Self>` and then `&Socket<Self>`; each may be left out",
        HookKind::Message => {
            "`&Ctx<Self>`, `&Socket<Self>` and then the `Message`, by value; each may be left out"
        }
        HookKind::Close => {
            "`&Ctx<Self>`, `&Socket<Self>` and then the `CloseFrame`, by value; each may be left out"
        }
        HookKind::Wake | HookKind::StateChange | HookKind::Sleep | HookKind::Destroy => {
            "`&Ctx<Self>` or nothing"
        }
    };
    format!("`#[{}]` takes {what}", kind.name())
}

/// What every handler has. The caller finds the context.
fn method(errors: &mut Errors, item: &ImplItemFn) -> Method {
    let sig = &item.sig;
    plain(errors, sig);
    for attr in attrs_called(&item.attrs, "cfg") {
        errors.at(
            attr,
            "a handler is always there: put the condition inside it",
        );
    }
    let output = match &sig.output {
        ReturnType::Default => parse_quote!(()),
        ReturnType::Type(_, ty) => (**ty).clone(),
    };
    if let Some(borrow) = borrow(&output) {
        errors.at(
            borrow,
            "the answer outlives the call: give back an owned value",
        );
    }
    Method {
        ident: sig.ident.clone(),
        receiver: receiver(errors, sig),
        awaits: awaits::may_wait(item),
        ctx: None,
        docs: attrs_called(&item.attrs, "doc"),
        output,
        sound: true,
    }
}

/// Refuses what no handler can be.
fn plain(errors: &mut Errors, sig: &Signature) {
    if sig.asyncness.is_none() {
        errors.at(&sig.ident, "a handler has to be an `async fn`");
    }
    if !sig.generics.params.is_empty() {
        errors.at(
            &sig.generics,
            "a handler cannot be generic: clients send values of one type",
        );
    }
    if let syn::Safety::Unsafe(token) = &sig.safety {
        errors.at(token, "a handler cannot be `unsafe`: clients call it");
    }
    if let Some(abi) = &sig.abi {
        errors.at(abi, "a handler cannot be `extern`");
    }
    if sig.ident.unraw().to_string().starts_with("__") {
        errors.at(&sig.ident, "names starting with `__` are reserved");
    }
}

fn receiver(errors: &mut Errors, sig: &Signature) -> Receiver {
    let Some(receiver) = sig.receiver() else {
        return Receiver::Free;
    };
    match &receiver.kind {
        ReceiverKind::Reference(_, _, Some(_)) => Receiver::Exclusive,
        ReceiverKind::Reference(_, _, None) => Receiver::Shared,
        _ => {
            errors.at(
                receiver,
                "a handler takes `&mut self`, `&self`, or no `self` at all",
            );
            Receiver::Exclusive
        }
    }
}

fn arg(errors: &mut Errors, param: &mut PatType) -> Option<Arg> {
    let default = default(errors, &mut param.attrs);
    for attr in attrs_called(&param.attrs, "cfg") {
        errors.at(attr, "an argument is always there");
    }
    unnamed(errors, &param.ty);
    if let Some(borrow) = borrow(&param.ty) {
        let message = if is_context(&param.ty) {
            "the context comes first"
        } else {
            "an action takes its arguments by value: clients send them"
        };
        errors.at(borrow, message);
    }
    let ident = name(errors, &param.pat)?;
    let is_option = last_name(&param.ty).as_deref() == Some("Option");
    Some(Arg {
        ident,
        ty: (*param.ty).clone(),
        default,
        is_option,
    })
}

fn name(errors: &mut Errors, pat: &Pat) -> Option<Ident> {
    match pat {
        Pat::Ident(it) if it.by_ref.is_none() && it.subpat.is_none() => {
            if it.ident.unraw().to_string().starts_with("__") {
                errors.at(&it.ident, "names starting with `__` are reserved");
            }
            Some(it.ident.clone())
        }
        other => {
            errors.at(
                other,
                "an argument has a plain name: take it apart in the body",
            );
            None
        }
    }
}

fn default(errors: &mut Errors, attrs: &mut Vec<Attribute>) -> Option<ArgDefault> {
    let mut found = take_attrs(attrs, "default").into_iter();
    let default = match found.next()?.meta {
        Meta::Path(_) => ArgDefault::OfType,
        Meta::NameValue(it) => ArgDefault::Expr(Box::new(it.value)),
        Meta::List(it) => {
            errors.at(it, "write `#[default]` or `#[default = expression]`");
            ArgDefault::OfType
        }
    };
    if let Some(second) = found.next() {
        errors.at(second, "`default` is given twice");
    }
    Some(default)
}

fn lent(ty: &Type) -> Option<&TypeReference> {
    match peel(ty) {
        Type::Reference(it) => Some(it),
        _ => None,
    }
}

/// What is behind the `&` of a context or connection.
fn context(errors: &mut Errors, ty: &TypeReference) -> Type {
    if ty.mutability.is_some() {
        errors.at(ty, "contexts and connections are lent with `&`");
    }
    (*ty.elem).clone()
}

/// Whether a type cannot possibly be a context, which allows better words than "mismatched types".
fn is_plain_data(ty: &Type) -> bool {
    match peel(ty) {
        Type::Path(_) => {
            let plain = [
                "str", "String", "Vec", "Option", "bool", "u32", "i32", "u64", "i64", "f64",
            ];
            last_name(ty).is_some_and(|it| plain.contains(&it.as_str()))
        }
        _ => true,
    }
}

/// The first `&` or lifetime in a type, with what it stands before.
fn borrow(ty: &Type) -> Option<TokenStream> {
    if lent(ty).is_some() {
        return Some(ty.to_token_stream());
    }
    find(
        ty.to_token_stream(),
        &|tree| matches!(tree, TokenTree::Punct(it) if matches!(it.as_char(), '&' | '\'')),
    )
}

/// Refuses `impl Trait`, a type without a name to decode into.
fn unnamed(errors: &mut Errors, ty: &Type) {
    let found = find(
        ty.to_token_stream(),
        &|tree| matches!(tree, TokenTree::Ident(it) if it == "impl"),
    );
    if found.is_some() {
        errors.at(ty, "a handler names its types: `impl Trait` cannot travel");
    }
}

fn find(tokens: TokenStream, is_it: &dyn Fn(&TokenTree) -> bool) -> Option<TokenStream> {
    tokens.into_iter().find_map(|tree| match &tree {
        TokenTree::Group(group) => find(group.stream(), is_it),
        other => is_it(other).then(|| other.to_token_stream()),
    })
}

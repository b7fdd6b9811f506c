//! `#[actor]` on an impl block: which methods are handlers, and which kind each is.

use proc_macro2::TokenStream;
use syn::{Attribute, ImplItem, ImplItemFn, ItemImpl, Path, PathArguments, Type};

use super::{method, peel};
use crate::{
    attr::Options,
    errors::Errors,
    model::{Access, Action, Handlers, Hook, HookKind},
    names,
};

pub(crate) fn handlers(errors: &mut Errors, args: TokenStream, mut item: ItemImpl) -> Handlers {
    if !args.is_empty() {
        errors.at(args, "options stand in the `#[actor(..)]` of the struct");
    }
    if let Some((path, _)) = &item.trait_ {
        errors.at(
            path,
            "`#[actor]` goes on the actor's own impl block, not on one of a trait",
        );
    }
    if !item.generics.params.is_empty() {
        errors.at(&item.generics, "an actor cannot be generic");
    }
    let actor = actor(errors, &item.self_ty);
    let (mut actions, mut scheduled, mut hooks) = (Vec::new(), Vec::new(), Vec::new());
    for it in &mut item.items {
        let ImplItem::Fn(method) = it else { continue };
        match role(errors, method) {
            Some(Role::Action(attr)) => actions.push(action(errors, false, &attr, method)),
            Some(Role::Scheduled(attr)) => scheduled.push(action(errors, true, &attr, method)),
            Some(Role::Hook(kind, attr)) => hooks.push(hook(errors, kind, attr, method)),
            None => {}
        }
    }
    actions.append(&mut scheduled);
    Handlers {
        item,
        actor,
        actions,
        hooks,
    }
}

/// The path of the actor, from which that of its handle is made.
fn actor(errors: &mut Errors, ty: &Type) -> Option<Path> {
    if let Type::Path(it) = peel(ty)
        && it.qself.is_none()
    {
        let path = &it.path;
        if path
            .segments
            .iter()
            .all(|it| matches!(it.arguments, PathArguments::None))
        {
            return Some(path.clone());
        }
        errors.at(path, "an actor cannot be generic");
    } else {
        errors.at(ty, "an actor is a struct, named by its path");
    }
    None
}

enum Role {
    Action(Attribute),
    Scheduled(Attribute),
    Hook(HookKind, Attribute),
}

/// What a method is by its attributes, which are taken off.
fn role(errors: &mut Errors, method: &mut ImplItemFn) -> Option<Role> {
    let is_ours = |it: &mut Attribute| {
        let name = it
            .path()
            .get_ident()
            .map(ToString::to_string)
            .unwrap_or_default();
        matches!(&*name, "action" | "run" | "scheduled")
            || name.starts_with("on_")
            || name.starts_with("can_")
    };
    let mut role = None;
    for attr in method.attrs.extract_if(.., is_ours) {
        let name = attr
            .path()
            .get_ident()
            .map(ToString::to_string)
            .unwrap_or_default();
        let kind = HookKind::ALL.into_iter().find(|it| it.name() == name);
        let found = match kind {
            Some(kind) => Role::Hook(kind, attr.clone()),
            None if name == "action" => Role::Action(attr.clone()),
            None if name == "scheduled" => Role::Scheduled(attr.clone()),
            None => {
                let known = HookKind::ALL.map(HookKind::name);
                let meant = names::closest(&name, &known)
                    .map(|it| format!(", did you mean `#[{it}]`?"))
                    .unwrap_or_default();
                let known = known.map(|it| format!("`#[{it}]`")).join(", ");
                errors.at(
                    attr.path(),
                    format!("no hook `{name}`{meant}\nhooks are {known}"),
                );
                continue;
            }
        };
        if role.is_some() {
            errors.at(
                &attr,
                "a method is one handler: move this attribute to a method of its own",
            );
        } else {
            role = Some(found);
        }
    }
    role
}

fn action(
    errors: &mut Errors,
    scheduled_only: bool,
    attr: &Attribute,
    item: &mut ImplItemFn,
) -> Action {
    // Only a client has to be let.
    let mut options = if scheduled_only {
        Options::new("scheduled", &["name", "durability", "timeout", "atomic"])
    } else {
        let known = &["name", "durability", "timeout", "guard", "open", "atomic"];
        Options::new("action", known)
    };
    options.add(errors, attr);
    let name = options.name(errors, "name");
    let durability = options.durability(errors, "durability");
    let timeout = options.millis(errors, "timeout");
    let access = access(errors, &options);
    let atomic = options
        .flag(errors, "atomic")
        .then(|| options.key("atomic").cloned());
    let (method, args) = method::action(errors, item);
    let fallible = is_result(&method.output);
    Action {
        method,
        args,
        name,
        durability,
        timeout,
        access,
        atomic: atomic.flatten(),
        fallible,
        scheduled_only,
    }
}

fn access(errors: &mut Errors, options: &Options) -> Access {
    let is_open = options.flag(errors, "open");
    match options.path(errors, "guard") {
        Some(path) => {
            if is_open && let Some(open) = options.key("open") {
                errors.at(open, "an action is `open`, or it has a `guard`");
            }
            Access::Guarded(path)
        }
        None if is_open => Access::Open,
        None => Access::Unsaid,
    }
}

/// Whether a type is called a `Result`: `Result<T, E>`, `io::Result<T>`, `RoomResult<T>`, and not the
/// `SearchResult` that is a struct. Expansion checks the answer against the type itself.
fn is_result(ty: &Type) -> bool {
    let Type::Path(it) = peel(ty) else {
        return false;
    };
    it.path.segments.last().is_some_and(|it| {
        let name = it.ident.to_string();
        name == "Result" || name.ends_with("Result") && !it.arguments.is_none()
    })
}

fn hook(errors: &mut Errors, kind: HookKind, attr: Attribute, item: &mut ImplItemFn) -> Hook {
    Options::new(kind.name(), &[]).add(errors, &attr);
    let (method, lent, value) = method::hook(errors, kind, item);
    Hook {
        kind,
        method,
        lent,
        value,
        attr,
    }
}

//! Rules that take more than one method, field or attribute to judge. One function for each, with
//! the code it is against.

use syn::LitStr;

use crate::{
    errors::Errors,
    model::{Action, Events, Handlers, Hook, HookKind, Queues, Receiver, State},
    names::{self, Case},
};

pub(crate) fn state(errors: &mut Errors, state: &State) {
    actor_is_generic(errors, state);
    migration_without_version(errors, state);
}

pub(crate) fn handlers(errors: &mut Errors, model: &Handlers) {
    for action in &model.actions {
        hides_the_handle(errors, action);
        hides_the_plan(errors, action);
        required_after_default(errors, action);
        atomic_receiver(errors, action);
    }
    for hook in &model.hooks {
        hook_receiver(errors, hook);
    }
    hook_twice(errors, &model.hooks);
    action_twice(errors, &model.actions);
}

pub(crate) fn events(errors: &mut Errors, events: &Events) {
    event_twice(errors, events);
}

pub(crate) fn queues(errors: &mut Errors, queues: &Queues) {
    no_queue_at_all(errors, queues);
    queue_twice(errors, queues);
    dead_letter_queue(errors, queues);
}

/// `#[actor] struct Room<T> { .. }`
fn actor_is_generic(errors: &mut Errors, state: &State) {
    if !state.item.generics.params.is_empty() {
        errors.at(
            &state.item.generics,
            "an actor cannot be generic: each type of actor has a name",
        );
    }
}

/// `#[actor(migrate = upgrade)]`
fn migration_without_version(errors: &mut Errors, state: &State) {
    let version = state.version.as_ref().map(|it| it.base10_parse::<u32>());
    if let Some(path) = &state.migrate
        && !matches!(version, Some(Ok(2..)))
    {
        errors.at(
            path,
            "`migrate` reads older versions: give the present one, `version = 2`",
        );
    }
}

/// Methods that every handle has.
const OF_HANDLES: [&str; 8] = [
    "id",
    "key",
    "connect",
    "call",
    "fetch",
    "resolve",
    "open_websocket",
    "open_websocket_with",
];

/// `#[action] async fn connect(&self) {}`, `#[action] async fn send__(&self) {}` beside `send`
fn hides_the_handle(errors: &mut Errors, action: &Action) {
    let ident = &action.method.ident;
    if OF_HANDLES.iter().any(|it| ident == it) {
        let instead = format!(
            "the handle has a method `{ident}` of its own: call yours otherwise and put \
             `#[action(name = \"{ident}\")]` on it"
        );
        errors.at(ident, instead);
    }
}

/// `#[action] async fn named(&self) {}`
fn hides_the_plan(errors: &mut Errors, action: &Action) {
    let ident = &action.method.ident;
    if ["named", "with_retry", "with_history"]
        .iter()
        .any(|it| ident == it)
    {
        let instead = format!(
            "a schedule has a method `{ident}` of its own: call yours otherwise and put \
             `name = \"{ident}\"` into its attribute"
        );
        errors.at(ident, instead);
    }
}

/// `async fn add(&mut self, #[default = 1] by: i64, label: String)`
fn required_after_default(errors: &mut Errors, action: &Action) {
    let after = action.args.iter().skip_while(|it| it.default.is_none());
    // An `Option` may be left out as well: whoever renames that type gets an error too many.
    for arg in after.filter(|it| it.default.is_none() && !it.is_option) {
        let ident = &arg.ident;
        errors.at(
            ident,
            format!("`{ident}` stands after an argument that may be left out"),
        );
    }
}

/// `#[action(atomic)] async fn look(&self)`, `#[action(atomic)] async fn ask(ctx: &TaskCtx<Self>)`
fn atomic_receiver(errors: &mut Errors, action: &Action) {
    let Some(atomic) = &action.atomic else { return };
    match action.method.receiver {
        Receiver::Exclusive => {}
        Receiver::Shared => errors.at(
            atomic,
            "`atomic` undoes a turn, and what takes `&self` changes nothing: write `&mut self`, or \
             leave `atomic` out",
        ),
        Receiver::Free => errors.at(
            atomic,
            "`atomic` undoes a turn, and without a receiver there is none: write `&mut self`, or \
             change the state in one `ctx.write(..)`",
        ),
    }
}

/// `#[on_create] async fn create(&self)`, `#[on_wake] async fn wake(ctx: &TaskCtx<Self>)`,
/// `#[run] async fn run(&self)`, `#[on_state_change] async fn changed(&mut self)`
fn hook_receiver(errors: &mut Errors, hook: &Hook) {
    let (ident, name) = (&hook.method.ident, hook.kind.name());
    let free = hook.method.receiver == Receiver::Free;
    match hook.kind {
        HookKind::Create if !free => {
            errors.at(
                ident,
                format!("`#[{name}]` makes the actor, so it takes no `self`"),
            );
        }
        HookKind::Run if !free => {
            errors.at(
                ident,
                "`#[run]` goes on beside everything else, so it takes no `self`: \
                 `ctx: &TaskCtx<Self>` reads and writes the state",
            );
        }
        HookKind::StateChange if hook.method.receiver != Receiver::Shared => {
            errors.at(
                ident,
                "`#[on_state_change]` takes `&self`: what it works out from the state it keeps in \
                 transient fields of type `Derived`",
            );
        }
        HookKind::Migrate if !free => {
            errors.at(
                ident,
                format!("`#[{name}]` runs before there is an actor, so it takes no `self`"),
            );
        }
        HookKind::CanSubscribe if free => {
            errors.at(
                ident,
                "`#[can_subscribe]` takes `&mut self` or `&self`: what the client sends next waits \
                 for it",
            );
        }
        HookKind::Wake if free => {
            errors.at(ident, format!("`#[{name}]` takes `&mut self` or `&self`"));
        }
        _ => {}
    }
}

/// Two methods with `#[on_wake]`.
fn hook_twice(errors: &mut Errors, hooks: &[Hook]) {
    for (at, hook) in hooks.iter().enumerate() {
        if let Some(first) = hooks[..at].iter().find(|it| it.kind == hook.kind) {
            let (name, first) = (hook.kind.name(), &first.method.ident);
            errors.at(&hook.attr, format!("`{first}` is the `#[{name}]` already"));
        }
    }
}

/// `#[action(name = "add")]` twice, or `send_line` beside `sendLine`.
fn action_twice(errors: &mut Errors, actions: &[Action]) {
    for (at, action) in actions.iter().enumerate() {
        let ident = &action.method.ident;
        let known = match &action.name {
            Some(name) => name.value(),
            None => Case::Camel.apply(ident),
        };
        let same_variant = |it: &&Action| names::variant(&it.method.ident) == names::variant(ident);
        let same = |it: &&Action| match (&it.name, &action.name) {
            (Some(other), Some(_)) => other.value() == known,
            (None, None) => Case::Camel.apply(&it.method.ident) == known,
            // Which name the other one has is known only with `rename_all`: expansion compares.
            (Some(_), None) | (None, Some(_)) => false,
        };
        let before = &actions[..at];
        if let Some(first) = before.iter().find(|it| same(it) || same_variant(it)) {
            let first = &first.method.ident;
            let span = action
                .name
                .as_ref()
                .map_or_else(|| ident.span(), LitStr::span);
            let message =
                format!("clients cannot tell `{ident}` from `{first}`: name it otherwise");
            errors.push(syn::Error::new(span, message));
        }
    }
}

/// Two variants with `#[event(name = "line")]`.
fn event_twice(errors: &mut Errors, events: &Events) {
    for (at, event) in events.variants.iter().enumerate() {
        if let Some(first) = events.variants[..at]
            .iter()
            .find(|it| it.name == event.name)
        {
            let message = format!("`{}` is the event `{}` already", first.ident, event.name);
            errors.push(syn::Error::new(event.ident.span(), message));
        }
    }
}

/// `#[derive(Queue)] enum Jobs {}`
fn no_queue_at_all(errors: &mut Errors, queues: &Queues) {
    if queues.queues.is_empty() {
        errors.at(
            &queues.ident,
            "an actor without queues needs no enum of them",
        );
    }
}

/// Two variants with `#[queue(name = "mail")]`.
fn queue_twice(errors: &mut Errors, queues: &Queues) {
    let queues = &queues.queues;
    for (at, queue) in queues.iter().enumerate() {
        if let Some(first) = queues[..at].iter().find(|it| it.name == queue.name) {
            let message = format!("`{}` is the queue `{}` already", first.ident, queue.name);
            errors.push(syn::Error::new(queue.ident.span(), message));
        }
    }
}

/// `#[queue(max_attempts = 3, dead_letter = Nowhere)]`
fn dead_letter_queue(errors: &mut Errors, queues: &Queues) {
    for queue in &queues.queues {
        let Some(target) = &queue.dead_letter else {
            continue;
        };
        if *target == queue.ident {
            errors.at(target, "a dead message cannot go back to its own queue");
        } else if !queues.queues.iter().any(|it| it.ident == *target) {
            let message = format!("`{}` has no variant `{target}`", queues.ident);
            errors.at(target, message);
        }
    }
}

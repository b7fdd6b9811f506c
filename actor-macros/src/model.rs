//! What the user wrote, in our words. Emits nothing and judges nothing.

use proc_macro2::{Ident, TokenStream};
use syn::{Attribute, Expr, ItemImpl, ItemStruct, LitInt, LitStr, Path, Type, Visibility};

use crate::names::Case;

/// A struct with `#[actor]`.
pub(crate) struct State {
    /// The struct as it is emitted: without our attributes.
    pub(crate) item: ItemStruct,
    pub(crate) fields: Vec<Field>,
    /// What stands in `#[serde(..)]` on the struct.
    pub(crate) serde: Vec<TokenStream>,
    pub(crate) input: Option<Type>,
    pub(crate) params: Option<Type>,
    pub(crate) conn: Option<Type>,
    pub(crate) event: Option<Type>,
    pub(crate) queue: Option<Type>,
    pub(crate) name: Option<LitStr>,
    pub(crate) rename_all: Option<Case>,
    pub(crate) version: Option<LitInt>,
    pub(crate) migrate: Option<Path>,
    pub(crate) settings: Vec<Setting>,
}

/// A field of the stored form.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) transient: bool,
    /// `#[serde(..)]` and `#[cfg(..)]` of the field.
    pub(crate) attrs: Vec<Attribute>,
}

/// One field of `ActorOptions`.
pub(crate) struct Setting {
    pub(crate) field: Ident,
    pub(crate) value: SettingValue,
}

pub(crate) enum SettingValue {
    Durability(Durability),
    Crash(Crash),
    Wait(Wait),
    Millis(u64),
    Count(LitInt),
    Switch(bool),
    /// All, or those that the function at a path likes.
    Hibernate(Option<Path>),
    /// A text of clients, and what answers it.
    AutoReply(LitStr, LitStr),
}

#[derive(Clone, Copy)]
pub(crate) enum Durability {
    Acked,
    Relaxed,
    None,
}

/// What follows a life that ended by a fault.
#[derive(Clone, Copy)]
pub(crate) enum Crash {
    Sleep,
    Restart,
    Destroy,
}

#[derive(Clone, Copy)]
pub(crate) enum Wait {
    Never,
    Millis(u64),
}

/// An impl block with `#[actor]`.
pub(crate) struct Handlers {
    /// The block as it is emitted: without our attributes.
    pub(crate) item: ItemImpl,
    /// The actor, `None` when that is not a plain path.
    pub(crate) actor: Option<Path>,
    /// Those that anybody may call, then those that only schedules call.
    pub(crate) actions: Vec<Action>,
    pub(crate) hooks: Vec<Hook>,
}

impl Handlers {
    /// The actions that anybody may call.
    pub(crate) fn called(&self) -> impl Iterator<Item = &Action> {
        self.actions.iter().filter(|it| !it.scheduled_only)
    }
}

/// What actions and hooks have in common.
pub(crate) struct Method {
    pub(crate) ident: Ident,
    pub(crate) receiver: Receiver,
    /// Whether it may have to wait.
    pub(crate) awaits: bool,
    /// Type behind the `&` of the context parameter.
    pub(crate) ctx: Option<Type>,
    pub(crate) docs: Vec<Attribute>,
    pub(crate) output: Type,
    /// Whether nothing was wrong with it when read alone.
    pub(crate) sound: bool,
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Receiver {
    Exclusive,
    Shared,
    Free,
}

pub(crate) struct Action {
    pub(crate) method: Method,
    pub(crate) args: Vec<Arg>,
    pub(crate) name: Option<LitStr>,
    pub(crate) durability: Option<Durability>,
    pub(crate) timeout: Option<u64>,
    pub(crate) access: Access,
    /// Where it says that nothing of it counts when it fails.
    pub(crate) atomic: Option<Ident>,
    /// Whether its return type is called a `Result`.
    pub(crate) fallible: bool,
    /// Whether only schedules call it.
    pub(crate) scheduled_only: bool,
}

/// Who may call an action.
pub(crate) enum Access {
    Unsaid,
    Open,
    /// Whom this function lets.
    Guarded(Path),
}

pub(crate) struct Arg {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) default: Option<ArgDefault>,
    /// Whether its type is called `Option`.
    pub(crate) is_option: bool,
}

/// What stands in for an argument that a client leaves out.
pub(crate) enum ArgDefault {
    OfType,
    Expr(Box<Expr>),
}

pub(crate) struct Hook {
    pub(crate) kind: HookKind,
    pub(crate) method: Method,
    /// The type behind the `&` of the connection or the socket, if the hook takes it.
    pub(crate) lent: Option<Type>,
    /// Type of the value that is given away, if the hook takes it.
    pub(crate) value: Option<Type>,
    /// The attribute, for errors.
    pub(crate) attr: Attribute,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HookKind {
    Migrate,
    Create,
    Wake,
    Run,
    StateChange,
    Sleep,
    Destroy,
    BeforeConnect,
    Connect,
    Disconnect,
    CanSubscribe,
    CanPublish,
    Error,
    Request,
    WebSocket,
    Message,
    Close,
}

/// What a hook is lent beside the context.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lent {
    Conn,
    Socket,
    Transaction,
}

impl Lent {
    /// The name of the type.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Conn => "Conn",
            Self::Socket => "Socket",
            Self::Transaction => "Transaction",
        }
    }
}

/// A value that a hook is given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Given {
    IsNew,
    Input,
    Params,
    Name,
    Failure,
    Message,
    CloseFrame,
    Request,
}

impl HookKind {
    pub(crate) const ALL: [Self; 17] = [
        Self::Migrate,
        Self::Create,
        Self::Wake,
        Self::Run,
        Self::StateChange,
        Self::Sleep,
        Self::Destroy,
        Self::BeforeConnect,
        Self::Connect,
        Self::Disconnect,
        Self::CanSubscribe,
        Self::CanPublish,
        Self::Error,
        Self::Request,
        Self::WebSocket,
        Self::Message,
        Self::Close,
    ];

    /// The attribute.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Migrate => "on_migrate",
            Self::Create => "on_create",
            Self::Wake => "on_wake",
            Self::Run => "run",
            Self::StateChange => "on_state_change",
            Self::Sleep => "on_sleep",
            Self::Destroy => "on_destroy",
            Self::BeforeConnect => "on_before_connect",
            Self::Connect => "on_connect",
            Self::Disconnect => "on_disconnect",
            Self::CanSubscribe => "can_subscribe",
            Self::CanPublish => "can_publish",
            Self::Error => "on_error",
            Self::Request => "on_request",
            Self::WebSocket => "on_websocket",
            Self::Message => "on_message",
            Self::Close => "on_close",
        }
    }

    /// What it is lent.
    pub(crate) fn lent(self) -> Option<Lent> {
        match self {
            Self::Connect | Self::Disconnect => Some(Lent::Conn),
            Self::WebSocket | Self::Message | Self::Close => Some(Lent::Socket),
            Self::Migrate => Some(Lent::Transaction),
            Self::Create
            | Self::Wake
            | Self::Run
            | Self::StateChange
            | Self::Sleep
            | Self::Destroy
            | Self::BeforeConnect
            | Self::CanSubscribe
            | Self::CanPublish
            | Self::Error
            | Self::Request => None,
        }
    }

    /// Whether it comes before there is an actor to call.
    pub(crate) fn is_before_actor(self) -> bool {
        matches!(self, Self::Migrate | Self::Create)
    }

    /// What it is given.
    pub(crate) fn given(self) -> Option<Given> {
        match self {
            Self::Migrate => Some(Given::IsNew),
            Self::Create => Some(Given::Input),
            Self::BeforeConnect => Some(Given::Params),
            Self::CanSubscribe | Self::CanPublish => Some(Given::Name),
            Self::Error => Some(Given::Failure),
            Self::Message => Some(Given::Message),
            Self::Close => Some(Given::CloseFrame),
            Self::Request => Some(Given::Request),
            Self::Wake
            | Self::Run
            | Self::StateChange
            | Self::Sleep
            | Self::Destroy
            | Self::Connect
            | Self::Disconnect
            | Self::WebSocket => None,
        }
    }
}

/// An enum with `#[derive(Event)]`.
pub(crate) struct Events {
    pub(crate) ident: Ident,
    pub(crate) is_generic: bool,
    pub(crate) variants: Vec<Event>,
}

pub(crate) struct Event {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    /// How many are kept for clients who are away.
    pub(crate) replay: Option<LitInt>,
    pub(crate) shape: Shape,
}

/// What a variant holds.
pub(crate) enum Shape {
    Unit,
    Tuple(Vec<Type>),
    Named(Members),
}

/// Named values that travel as one object.
pub(crate) struct Members {
    pub(crate) fields: Vec<Member>,
    /// What stands in `#[serde(..)]` on the variant.
    pub(crate) serde: Vec<TokenStream>,
}

pub(crate) struct Member {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    /// `#[serde(..)]` and `#[cfg(..)]` of the field.
    pub(crate) attrs: Vec<Attribute>,
}

/// An enum with `#[derive(Queue)]`.
pub(crate) struct Queues {
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
    pub(crate) is_generic: bool,
    pub(crate) queues: Vec<Queue>,
}

pub(crate) struct Queue {
    pub(crate) ident: Ident,
    pub(crate) name: String,
    /// What a message is, `None` for nothing.
    pub(crate) content: Option<Type>,
    /// What whoever sent it may wait for.
    pub(crate) reply: Option<Type>,
    pub(crate) max_attempts: Option<LitInt>,
    /// The variant for messages that were tried too often.
    pub(crate) dead_letter: Option<Ident>,
    pub(crate) ttl: Option<u64>,
    pub(crate) docs: Vec<Attribute>,
}

/// An enum or struct with `#[derive(ActionError)]`.
pub(crate) struct ActionErrors {
    pub(crate) ident: Ident,
    pub(crate) is_generic: bool,
    pub(crate) cases: Vec<ActionError>,
}

/// A variant, or the whole struct.
pub(crate) struct ActionError {
    /// Pattern head: `Self::RoomIsFull` or `Self`.
    pub(crate) path: TokenStream,
    pub(crate) says: Says,
    pub(crate) status: Option<LitInt>,
}

/// What an error says to clients.
pub(crate) enum Says {
    /// What the only value in it says.
    Transparent(syn::Member),
    /// Nothing: the log gets it.
    Hidden,
    Public {
        group: String,
        code: String,
        metadata: Metadata,
    },
}

pub(crate) enum Metadata {
    Nothing,
    /// One value of a tuple.
    At(syn::Member),
    Object(Members),
}

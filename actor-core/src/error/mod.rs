//! What a caller is told when a call fails. Errors of single operations stand with the operation.

mod codes;

use std::{borrow::Cow, convert::Infallible, error::Error, fmt};

pub use self::codes::{MASKED_MESSAGE, is_public, status};
pub(crate) use self::codes::{Unavailable, unavailable};
use crate::value::Value;

/// A failure as clients see it: a group and a code to branch on, a message to read, and metadata.
///
/// Return one from a handler, or better, derive [`ActionError`](macro@crate::ActionError) on an enum
/// of your own and return that:
///
/// ```
/// use actor_core::ActorError;
///
/// let full = ActorError::user("the room is full").with_code("room_full");
/// assert_eq!((full.group(), full.code()), ("user", "room_full"));
/// ```
///
/// Clients read the message and metadata of public errors only; the rest reach them as
/// `rivetkit.internal_error` with a fixed text, while the log has the truth.
#[derive(Clone, Debug)]
pub struct ActorError(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    group: Cow<'static, str>,
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    metadata: Option<Value>,
    status: Option<u16>,
    public: bool,
}

impl ActorError {
    /// An error of the user's own making: group `user`, code `user_error`, readable by clients.
    pub fn user(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("user", "user_error", message)
    }

    /// An error that clients must not read: they see a fixed text, the log sees `message`.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("rivetkit", "internal_error", message)
    }

    /// A client may not do what it asked for: `auth.forbidden`, readable by clients, status 403.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::new("auth", "forbidden", "this is not allowed")
    }

    /// The error `group.code`. Whether clients may read it is decided by the table in
    /// [`is_public`]; see also [`public`](Self::public).
    pub fn new(
        group: impl Into<Cow<'static, str>>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (group, code) = (group.into(), code.into());
        let public = is_public(&group, &code);
        let message = message.into();
        Self(Box::new(Inner {
            group,
            code,
            message,
            metadata: None,
            status: None,
            public,
        }))
    }

    /// With this code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.0.code = code.into();
        self
    }

    /// With this group; the error stays as readable as it was.
    #[must_use]
    pub fn with_group(mut self, group: impl Into<Cow<'static, str>>) -> Self {
        self.0.group = group.into();
        self
    }

    /// With metadata for the client.
    #[must_use]
    pub fn with_metadata(mut self, metadata: impl Into<Value>) -> Self {
        self.0.metadata = Some(metadata.into());
        self
    }

    /// With this HTTP status instead of the one the table gives.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Readable by clients, whatever its group.
    #[must_use]
    pub fn public(mut self) -> Self {
        self.0.public = true;
        self
    }

    /// What kind of thing failed: `actor`, `user`, `message`, ..
    #[must_use]
    pub fn group(&self) -> &str {
        &self.0.group
    }

    /// What happened to it.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// For people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// For programs.
    #[must_use]
    pub fn metadata(&self) -> Option<&Value> {
        self.0.metadata.as_ref()
    }

    /// Whether clients may read message and metadata.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.0.public
    }

    /// The HTTP status it answers with.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0
            .status
            .unwrap_or_else(|| status(&self.0.group, &self.0.code))
    }

    /// Whether it is `group.code`.
    #[must_use]
    pub fn is(&self, group: &str, code: &str) -> bool {
        self.0.group == group && self.0.code == code
    }

    /// What a client is shown: this error when it is public, else a fixed one.
    #[must_use]
    pub fn masked(&self) -> Cow<'_, Self> {
        if self.0.public {
            return Cow::Borrowed(self);
        }
        // Lifecycle errors keep their code, on which clients decide to retry; only the text goes.
        let keep = matches!(&*self.0.group, "actor" | "guard");
        let mut shown = Self::internal(MASKED_MESSAGE).with_status(self.status());
        if keep {
            shown.0.group = self.0.group.clone();
            shown.0.code = self.0.code.clone();
        }
        Cow::Owned(shown)
    }
}

impl fmt::Display for ActorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}: {}", self.0.group, self.0.code, self.0.message)
    }
}

impl Error for ActorError {}

/// What a handler's error says to clients. Derive it:
///
/// ```
/// use actor_core::{ActionError, IntoActorError as _};
///
/// #[derive(Debug, thiserror::Error, ActionError)]
/// enum RoomError {
///     /// Public: code `room_is_full`, status 409, message from `Display`.
///     #[error("the room has {limit} members already")]
///     #[action_error(status = 409)]
///     RoomIsFull { limit: u32 },
///     /// Hidden from clients, written to the log.
///     #[error("the archive cannot be read")]
///     #[action_error(internal)]
///     Archive(#[from] std::io::Error),
/// }
///
/// let error = RoomError::RoomIsFull { limit: 8 }.to_actor_error();
/// assert_eq!((error.group(), error.code(), error.status()), ("user", "room_is_full", 409));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of an action or hook",
    note = "derive `actor_core::ActionError` for it, or use `actor_core::ActorError`"
)]
pub trait IntoActorError: Send + Sized + 'static {
    /// The error as a client or the log is told of it.
    fn to_actor_error(&self) -> ActorError;
}

impl IntoActorError for ActorError {
    fn to_actor_error(&self) -> ActorError {
        self.clone()
    }
}

#[diagnostic::do_not_recommend]
impl IntoActorError for Infallible {
    fn to_actor_error(&self) -> ActorError {
        match *self {}
    }
}

/// Why a call of an action from inside the process failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallError<E = Infallible> {
    /// The action ran and answered with its own error.
    Action(E),
    /// The action was not run, or did not come to an answer: no such actor, mailbox full, timed
    /// out, panicked, not saved. Or it had answered an earlier call with the same
    /// [idempotency key](crate::ActorHandle::idempotency_key) with this error.
    Actor(ActorError),
}

impl<E: IntoActorError> CallError<E> {
    /// The error as a client would be told of it.
    #[must_use]
    pub fn to_actor_error(&self) -> ActorError {
        match self {
            Self::Action(error) => error.to_actor_error(),
            Self::Actor(error) => error.clone(),
        }
    }
}

/// So that a handler may answer with the error of another actor that it called.
#[diagnostic::do_not_recommend]
impl<E: IntoActorError> IntoActorError for CallError<E> {
    fn to_actor_error(&self) -> ActorError {
        self.to_actor_error()
    }
}

impl<E: IntoActorError> From<CallError<E>> for ActorError {
    fn from(error: CallError<E>) -> Self {
        match error {
            CallError::Action(error) => error.to_actor_error(),
            CallError::Actor(error) => error,
        }
    }
}

impl<E> From<ActorError> for CallError<E> {
    fn from(error: ActorError) -> Self {
        Self::Actor(error)
    }
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action(error) => error.fmt(f),
            Self::Actor(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for CallError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // Display shows the inner error already, so the chain goes on below it.
        match self {
            Self::Action(error) => error.source(),
            Self::Actor(error) => error.source(),
        }
    }
}

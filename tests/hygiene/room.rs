// An actor that uses every macro, with every name written in full.

#[derive(::std::fmt::Debug, ::actor_core::ActionError)]
pub enum RoomError {
    Full { limit: ::std::primitive::u32 },
    #[action_error(internal)]
    Archive,
    #[action_error(transparent)]
    Other(::actor_core::ActorError),
    Word(#[action_error(metadata)] ::std::string::String),
}

impl ::std::fmt::Display for RoomError {
    fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
        f.write_str("wrong")
    }
}

impl ::std::error::Error for RoomError {}

#[derive(::actor_core::Event)]
pub enum RoomEvent {
    Line(::std::string::String),
    Joined { name: ::std::string::String },
    Closed,
}

#[derive(::actor_core::Queue)]
pub enum RoomJobs {
    #[queue(reply = ::std::primitive::u64, max_attempts = 2, dead_letter = Lost, ttl = "1m")]
    Print(::std::string::String),
    Lost(::std::string::String),
    Tidy,
}

fn upgrade(
    _: ::std::primitive::u32,
    old: ::actor_core::Value,
) -> ::std::result::Result<::actor_core::Value, ::std::string::String> {
    ::std::result::Result::Ok(old)
}

#[::actor_core::actor(event = RoomEvent, queue = RoomJobs, version = 2, migrate = upgrade, sleep_after = "never", mailbox = 8)]
#[derive(::std::default::Default)]
pub struct Room {
    lines: ::std::vec::Vec<::std::string::String>,
    #[actor(transient)]
    typing: ::std::primitive::u32,
}

#[::actor_core::actor]
impl Room {
    #[on_migrate]
    async fn migrate(
        _ctx: &::actor_core::Ctx<Self>,
        _tx: &::actor_core::sql::Transaction,
        _is_new: ::std::primitive::bool,
    ) {
    }

    #[on_create]
    async fn create(_ctx: &::actor_core::Ctx<Self>) -> Self {
        <Self as ::std::default::Default>::default()
    }

    #[on_wake]
    async fn wake(&mut self) {
        self.typing = 0;
    }

    #[on_before_connect]
    async fn admit(&self, _params: ::actor_core::Value) {}

    #[on_request]
    async fn fetch(
        &self,
        _request: ::actor_core::request::Request,
    ) -> impl ::actor_core::request::IntoResponse {
    }

    #[on_connect]
    async fn joined(_conn: &::actor_core::Conn<Self>) {}

    #[action]
    async fn send(
        &mut self,
        ctx: &::actor_core::Ctx<Self>,
        text: ::std::string::String,
        #[default = 1] times: ::std::primitive::i64,
        #[default] more: ::std::vec::Vec<::std::primitive::i64>,
    ) -> ::std::result::Result<::std::primitive::usize, RoomError> {
        let _ = (times, more);
        ctx.broadcast(RoomEvent::Line(::std::clone::Clone::clone(&text)));
        self.lines.push(text);
        ::std::result::Result::Ok(self.lines.len())
    }

    #[action(durability = "relaxed", timeout = "1s")]
    async fn count(&self) -> ::std::primitive::usize {
        self.lines.len()
    }

    #[action]
    async fn ask(ctx: &::actor_core::TaskCtx<Self>) -> ::std::primitive::usize {
        ctx.read(|it| it.lines.len()).await
    }
}

//! What the macros make of one use each; `UPDATE_EXPECT=1 cargo test -p actor-macros` rewrites.

use expect_test::{ExpectFile, expect_file};
use proc_macro2::TokenStream;
use quote::quote;

#[expect(clippy::needless_pass_by_value, reason = "reads as a table of cases")]
fn check(expansion: TokenStream, expected: ExpectFile) {
    let file = syn::parse2(expansion).expect("an expansion parses");
    expected.assert_eq(&prettyplease::unparse(&file));
}

#[test]
fn state() {
    let args = quote! {
        input = Topic, conn = Member, event = RoomEvent, name = "room", rename_all = "snake_case",
        version = 2, migrate = upgrade, durability = "relaxed", sleep_after = "30s", mailbox = 64
    };
    let item = quote! {
        /// One chat room.
        #[derive(Clone)]
        pub struct ChatRoom {
            topic: String,
            #[serde(default, rename = "l")]
            lines: Vec<Line>,
            #[actor(transient)]
            typing: HashSet<ConnId>,
        }
    };
    check(
        crate::actor_tokens(args, item),
        expect_file!["../snapshots/state.rs"],
    );
}

#[test]
fn smallest() {
    let item = quote! { struct Ping; };
    check(
        crate::actor_tokens(quote!(), item),
        expect_file!["../snapshots/smallest_state.rs"],
    );
    let item = quote! { impl Ping {} };
    check(
        crate::actor_tokens(quote!(), item),
        expect_file!["../snapshots/smallest_impl.rs"],
    );
}

#[test]
fn raw_sockets() {
    let args = quote! { hibernate_websockets = from_app, max_message = 1024, auto_reply = ("ping", "pong") };
    let item = quote! { pub struct Echo; };
    check(
        crate::actor_tokens(args, item),
        expect_file!["../snapshots/raw_sockets_state.rs"],
    );
    let item = quote! {
        impl Echo {
            #[on_websocket]
            async fn opened(&mut self, ctx: &Ctx<Self>, socket: &Socket<Self>) -> Result<(), E> {}
            #[on_message]
            async fn message(ctx: &TaskCtx<Self>, socket: &Socket<Self>, message: Message) {}
            #[on_close]
            async fn closed(&self, frame: CloseFrame) {}
        }
    };
    check(
        crate::actor_tokens(quote!(), item),
        expect_file!["../snapshots/raw_sockets_impl.rs"],
    );
}

#[test]
fn handlers() {
    let item = quote! {
        impl ChatRoom {
            #[on_migrate]
            async fn migrate(tx: &Transaction, is_new: bool) -> Result<(), RoomError> {}
            #[on_create]
            async fn create(ctx: &Ctx<Self>, topic: Topic) -> Result<Self, RoomError> {}
            #[on_wake]
            async fn wake(&mut self) {}
            #[on_before_connect]
            async fn admit(&self, ctx: &Ctx<Self>, join: Join) -> Result<Member, RoomError> {}
            #[on_connect]
            async fn joined(&mut self, conn: &Conn<Self>) -> Result<(), RoomError> {}

            /// Adds a line.
            #[action]
            async fn send_line(&mut self, ctx: &Ctx<Self>, text: String) -> Result<usize, RoomError> {}
            #[action(name = "history", durability = "relaxed", timeout = "50ms")]
            async fn all_lines(&self, #[default = 10] last: usize, #[default] mut of: Vec<Self>) -> Vec<Line> {}
            #[action]
            async fn ask(ctx: &TaskCtx<Self>, prompt: String) -> String {}

            fn ordinary(&self) {}
        }
    };
    check(
        crate::actor_tokens(quote!(), item),
        expect_file!["../snapshots/impl.rs"],
    );
}

#[test]
fn requests() {
    let item = quote! {
        impl Page {
            #[on_request]
            async fn fetch(&self, ctx: &Ctx<Self>, request: Request) -> impl IntoResponse {}
        }
    };
    check(
        crate::actor_tokens(quote!(), item),
        expect_file!["../snapshots/requests.rs"],
    );
}

#[test]
fn broken() {
    let item = quote! {
        impl ChatRoom {
            #[action]
            async fn fine(&mut self, text: String) -> Result<usize, RoomError> {}
            #[action]
            fn wrong(&mut self) {}
        }
    };
    check(
        crate::actor_tokens(quote!(), item),
        expect_file!["../snapshots/broken_impl.rs"],
    );
}

#[test]
fn events() {
    let item = quote! {
        enum RoomEvent {
            Line(String),
            Moved(i64, i64),
            #[serde(rename_all = "camelCase")]
            Joined { full_name: String },
            #[event(name = "closed")]
            TheRoomClosed,
        }
    };
    check(
        crate::event_tokens(item),
        expect_file!["../snapshots/event.rs"],
    );
}

#[test]
fn queues() {
    let item = quote! {
        pub(crate) enum Jobs {
            /// Letters to send.
            #[queue(max_attempts = 3, dead_letter = Lost)]
            Mail(Letter),
            Lost(Letter),
            #[queue(reply = Vec<u64>, ttl = "1m")]
            Resize(Image),
            #[queue(name = "tidy")]
            TidyUp,
        }
    };
    check(
        crate::queue_tokens(item),
        expect_file!["../snapshots/queue.rs"],
    );
}

#[test]
fn action_errors() {
    let item = quote! {
        enum RoomError {
            #[action_error(status = 409)]
            RoomIsFull { limit: u32, source: std::io::Error },
            #[action_error(code = "bad_word", group = "filter")]
            Refused(#[action_error(metadata)] String),
            #[action_error(internal)]
            Archive(std::io::Error),
            #[action_error(transparent)]
            Other(ActorError),
            Gone,
        }
    };
    check(
        crate::action_error_tokens(item),
        expect_file!["../snapshots/action_error.rs"],
    );
}

/// One chat room.
#[derive(Clone)]
pub struct ChatRoom {
    topic: String,
    lines: Vec<Line>,
    typing: HashSet<ConnId>,
}
/// Calls a [`ChatRoom`]: one method for each action, and those of the handle it wraps.
///
/// One chat room.
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
pub struct ChatRoomHandle(::actor_core::__private::ActorHandle<ChatRoom>);
#[allow(
    clippy::all,
    clippy::pedantic,
    dead_code,
    missing_debug_implementations,
    private_interfaces,
    unreachable_patterns,
    unreachable_pub,
    unused_mut,
    reason = "written by a macro"
)]
const _: () = {
    use ::actor_core::__private as __p;
    const _: () = {
        __p::kept::<String>();
    };
    #[derive(__p::Serialize, __p::Deserialize)]
    #[serde(
        crate = "::actor_core::__private::serde",
        remote = "ChatRoom",
        rename = "ChatRoom"
    )]
    struct __Stored {
        topic: String,
        #[serde(default, rename = "l")]
        lines: Vec<Line>,
        #[serde(skip, default = "__p::transient")]
        typing: HashSet<ConnId>,
    }
    #[derive(__p::Serialize)]
    #[serde(crate = "::actor_core::__private::serde", transparent)]
    struct __Write<'a>(#[serde(serialize_with = "__Stored::serialize")] &'a ChatRoom);
    #[derive(__p::Deserialize)]
    #[serde(crate = "::actor_core::__private::serde", transparent)]
    struct __Read(#[serde(deserialize_with = "__Stored::deserialize")] ChatRoom);
    #[automatically_derived]
    impl __p::ActorType for ChatRoom {
        type Input = Topic;
        type Params = __p::Value;
        type ConnState = Member;
        type Event = RoomEvent;
        type Queue = __p::NoQueue;
        const NAME: &'static __p::str = "room";
        const VERSION: __p::u32 = 2;
        const RENAME_ALL: __p::RenameAll = __p::RenameAll::SnakeCase;
        const SCHEMA: &'static [&'static __p::str] = &[
            "topic: String",
            "#[serde(default, rename = \"l\")] lines: Vec<Line>",
        ];
        fn options() -> __p::ActorOptions {
            let mut __options = <__p::ActorOptions as __p::Default>::default();
            __options.durability = __p::Durability::Relaxed;
            __options.sleep_after = __p::Option::Some(
                __p::Duration::from_millis(30000u64),
            );
            __options.mailbox = 64;
            __options
        }
        fn encode(
            &self,
            __out: &mut __p::Vec<__p::u8>,
        ) -> __p::Result<(), __p::StateError> {
            __p::encode_state(&__Write(self), __out)
        }
        fn decode(
            __found: __p::u32,
            __bytes: &[__p::u8],
        ) -> __p::Result<Self, __p::StateError> {
            let __known = <Self as __p::ActorType>::VERSION;
            let __read = __p::decode_state::<
                __Read,
            >(
                __found,
                __known,
                __bytes,
                __p::Option::Some(|__found, __old| {
                    upgrade(__found, __old)
                        .map_err(|__it| __p::ToString::to_string(&__it))
                }),
            );
            __read.map(|__it| __it.0)
        }
        fn replace(&mut self, __stored: __p::Value) -> __p::Result<(), __p::StateError> {
            let __read = __p::read_state::<__Read>(__stored)?.0;
            <Self as __p::ActorType>::take_on(self, __read);
            __p::Result::Ok(())
        }
        fn take_on(&mut self, mut __read: Self) {
            __p::swap(&mut self.topic, &mut __read.topic);
            __p::swap(&mut self.lines, &mut __read.lines);
        }
    }
    #[automatically_derived]
    impl __p::From<__p::ActorHandle<ChatRoom>> for ChatRoomHandle {
        fn from(__handle: __p::ActorHandle<ChatRoom>) -> Self {
            Self(__handle)
        }
    }
    #[automatically_derived]
    impl __p::Deref for ChatRoomHandle {
        type Target = __p::ActorHandle<ChatRoom>;
        fn deref(&self) -> &Self::Target {
            &self.0
        }
    }
};

pub struct Echo;
/// Calls a [`Echo`]: one method for each action, and those of the handle it wraps.
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
pub struct EchoHandle(::actor_core::__private::ActorHandle<Echo>);
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
    #[derive(__p::Serialize, __p::Deserialize)]
    #[serde(crate = "::actor_core::__private::serde", remote = "Echo", rename = "Echo")]
    struct __Stored {}
    #[derive(__p::Serialize)]
    #[serde(crate = "::actor_core::__private::serde", transparent)]
    struct __Write<'a>(#[serde(serialize_with = "__Stored::serialize")] &'a Echo);
    #[derive(__p::Deserialize)]
    #[serde(crate = "::actor_core::__private::serde", transparent)]
    struct __Read(#[serde(deserialize_with = "__Stored::deserialize")] Echo);
    #[automatically_derived]
    impl __p::ActorType for Echo {
        type Input = __p::Value;
        type Params = __p::Value;
        type ConnState = ();
        type Event = __p::NoEvent;
        type Queue = __p::NoQueue;
        const NAME: &'static __p::str = "echo";
        const VERSION: __p::u32 = 1;
        const SCHEMA: &'static [&'static __p::str] = &[];
        fn options() -> __p::ActorOptions {
            let mut __options = <__p::ActorOptions as __p::Default>::default();
            __options.max_message = 1024;
            __options.hibernate_websockets = __p::Hibernate::If(from_app);
            __options.auto_reply = __p::Option::Some(
                __p::AutoReply::new("ping", "pong"),
            );
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
            >(__found, __known, __bytes, __p::Option::None);
            __read.map(|__it| __it.0)
        }
        fn replace(&mut self, __stored: __p::Value) -> __p::Result<(), __p::StateError> {
            let __read = __p::read_state::<__Read>(__stored)?.0;
            <Self as __p::ActorType>::take_on(self, __read);
            __p::Result::Ok(())
        }
        fn take_on(&mut self, mut __read: Self) {}
    }
    #[automatically_derived]
    impl __p::From<__p::ActorHandle<Echo>> for EchoHandle {
        fn from(__handle: __p::ActorHandle<Echo>) -> Self {
            Self(__handle)
        }
    }
    #[automatically_derived]
    impl __p::Deref for EchoHandle {
        type Target = __p::ActorHandle<Echo>;
        fn deref(&self) -> &Self::Target {
            &self.0
        }
    }
};

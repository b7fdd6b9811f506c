impl ChatRoom {
    async fn fine(&mut self, text: String) -> Result<usize, RoomError> {}
    fn wrong(&mut self) {}
}
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
    pub enum __Call {}
    #[automatically_derived]
    impl __p::Actor for ChatRoom {
        type Call = __Call;
        const HANDLERS: &'static [__p::Handler] = &[];
        const ACTIONS: __p::usize = 0;
        fn handler(__call: &__Call) -> __p::usize {
            match *__call {}
        }
        fn decode_call(
            _: __p::usize,
            _: __p::Args,
            _: &mut __p::Option<__p::WireReply>,
        ) -> __p::Result<__Call, __p::ActorError> {
            __p::unreachable!()
        }
        fn hook(_: __p::Hook<Self>) -> __p::Option<__Call> {
            __p::unreachable!()
        }
        fn default_conn_state() -> <Self as __p::ActorType>::ConnState {
            __p::unreachable!()
        }
        fn reply(__call: &mut __Call) -> &mut dyn __p::ReplySlot {
            match *__call {}
        }
        async fn create(
            _: &__p::Ctx<Self>,
            _: <Self as __p::ActorType>::Input,
        ) -> __p::Result<Self, __p::ActorError> {
            __p::unreachable!()
        }
        async fn run_exclusive(&mut self, _: &__p::Ctx<Self>, _: &mut __Call) {}
        async fn run_shared(&self, _: &__p::Ctx<Self>, _: &mut __Call) {}
        async fn run_free(_: &__p::TaskCtx<Self>, _: &mut __Call) {}
    }
    #[automatically_derived]
    impl __p::Handled for ChatRoom {
        type Handle = ChatRoomHandle;
    }
    impl ChatRoomHandle {
        /// Calls the action `fine`.
        ///
        /// # Errors
        ///
        /// What the action answers with, or why it was not run or not saved.
        ///
        /// # Cancel safety
        ///
        /// If dropped before it completes, the action may or may not run.
        pub async fn fine(
            &self,
            text: String,
        ) -> __p::CallResult<Result<usize, RoomError>> {
            let _ = (text,);
            __p::unreachable!()
        }
    }
    pub struct __Schedule<'__a>(__p::Draft<'__a>);
    #[automatically_derived]
    impl<'__a> __p::From<__p::Draft<'__a>> for __Schedule<'__a> {
        fn from(__draft: __p::Draft<'__a>) -> Self {
            Self(__draft)
        }
    }
    #[automatically_derived]
    impl<'__a> __p::Planned<'__a> for __Schedule<'__a> {
        fn draft(&self) -> &__p::Draft<'__a> {
            &self.0
        }
        fn draft_mut(&mut self) -> &mut __p::Draft<'__a> {
            &mut self.0
        }
    }
    #[automatically_derived]
    impl __p::Scheduled for ChatRoom {
        type Planned<'__a> = __Schedule<'__a>;
    }
    impl __Schedule<'_> {
        pub fn fine(
            &self,
            text: String,
        ) -> __p::Result<__p::ScheduleId, __p::ScheduleError> {
            let _ = (text,);
            __p::unreachable!()
        }
    }
};
::core::compile_error! {
    "a handler has to be an `async fn`"
}

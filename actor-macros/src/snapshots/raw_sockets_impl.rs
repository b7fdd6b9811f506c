impl Echo {
    async fn opened(&mut self, ctx: &Ctx<Self>, socket: &Socket<Self>) -> Result<(), E> {}
    async fn message(ctx: &TaskCtx<Self>, socket: &Socket<Self>, message: Message) {}
    async fn closed(&self, frame: CloseFrame) {}
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
    pub enum __Call {
        Opened(__p::Socket<Echo>, __p::Reply<(), __p::ActorError>),
        Message(
            __p::Socket<Echo>,
            __p::Option<(__p::Message,)>,
            __p::Reply<(), __p::ActorError>,
        ),
        Closed(
            __p::Socket<Echo>,
            __p::Option<(__p::CloseFrame,)>,
            __p::Reply<(), __p::ActorError>,
        ),
    }
    #[automatically_derived]
    impl __p::Actor for Echo {
        type Call = __Call;
        const HANDLERS: &'static [__p::Handler] = &[
            __p::Handler::new("on_websocket", __p::Receiver::Exclusive).at_once(),
            __p::Handler::new("on_message", __p::Receiver::Free).at_once(),
            __p::Handler::new("on_close", __p::Receiver::Shared).at_once(),
        ];
        const ACTIONS: __p::usize = 0usize;
        fn handler(__call: &__Call) -> __p::usize {
            match *__call {
                __Call::Opened { .. } => 0usize,
                __Call::Message { .. } => 1usize,
                __Call::Closed { .. } => 2usize,
            }
        }
        fn decode_call(
            __action: __p::usize,
            mut __args: __p::Args,
            __reply: &mut __p::Option<__p::WireReply>,
        ) -> __p::Result<__Call, __p::ActorError> {
            match __action {
                _ => __p::Result::Err(__p::no_such_action()),
            }
        }
        fn hook(__hook: __p::Hook<Self>) -> __p::Option<__Call> {
            match __hook {
                __p::Hook::WebSocket(__lent, __reply) => {
                    __p::Option::Some(__Call::Opened(__lent, __reply))
                }
                __p::Hook::Message(__lent, __given, __reply) => {
                    __p::Option::Some(
                        __Call::Message(__lent, __p::Option::Some((__given,)), __reply),
                    )
                }
                __p::Hook::Close(__lent, __given, __reply) => {
                    __p::Option::Some(
                        __Call::Closed(__lent, __p::Option::Some((__given,)), __reply),
                    )
                }
                _ => __p::Option::None,
            }
        }
        fn default_conn_state() -> <Self as __p::ActorType>::ConnState {
            __p::DefaultConnState::default_conn_state()
        }
        fn reply(__call: &mut __Call) -> &mut dyn __p::ReplySlot {
            match *__call {
                __Call::Opened(.., ref mut __reply) => __reply,
                __Call::Message(.., ref mut __reply) => __reply,
                __Call::Closed(.., ref mut __reply) => __reply,
            }
        }
        async fn create(
            __ctx: &__p::Ctx<Self>,
            __input: <Self as __p::ActorType>::Input,
        ) -> __p::Result<Self, __p::ActorError> {
            __p::Result::Ok(__p::DefaultState::default_state())
        }
        async fn run_exclusive(&mut self, __ctx: &__p::Ctx<Self>, __call: &mut __Call) {
            match *__call {
                __Call::Opened(ref __lent, ref mut __reply) => {
                    __p::reply_hook::<
                        (),
                        Result<(), E>,
                    >(
                        __reply,
                        Self::opened(
                                self,
                                __p::lend::<Ctx<Self>, __p::Ctx<Self>>(__ctx),
                                __p::lend::<Socket<Self>, __p::Socket<Self>>(__lent),
                            )
                            .await,
                    )
                }
                _ => __p::wrong_receiver(),
            }
        }
        async fn run_shared(&self, __ctx: &__p::Ctx<Self>, __call: &mut __Call) {
            match *__call {
                __Call::Closed(_, ref mut __given, ref mut __reply) => {
                    __p::reply_hook::<
                        (),
                        (),
                    >(__reply, Self::closed(self, __p::args(__given).0).await)
                }
                _ => __p::wrong_receiver(),
            }
        }
        async fn run_free(__ctx: &__p::TaskCtx<Self>, __call: &mut __Call) {
            match *__call {
                __Call::Message(ref __lent, ref mut __given, ref mut __reply) => {
                    __p::reply_hook::<
                        (),
                        (),
                    >(
                        __reply,
                        Self::message(
                                __p::lend::<TaskCtx<Self>, __p::TaskCtx<Self>>(__ctx),
                                __p::lend::<Socket<Self>, __p::Socket<Self>>(__lent),
                                __p::args(__given).0,
                            )
                            .await,
                    )
                }
                _ => __p::wrong_receiver(),
            }
        }
    }
    #[automatically_derived]
    impl __p::Handled for Echo {
        type Handle = EchoHandle;
    }
    impl EchoHandle {}
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
    impl __p::Scheduled for Echo {
        type Planned<'__a> = __Schedule<'__a>;
    }
    impl __Schedule<'_> {}
};

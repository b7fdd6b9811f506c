impl Page {
    async fn fetch(&self, ctx: &Ctx<Self>, request: Request) -> impl IntoResponse {}
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
        Fetch(
            __p::Option<(__p::Box<__p::Request>,)>,
            __p::Reply<__p::Box<__p::Response>, __p::ActorError>,
        ),
    }
    #[automatically_derived]
    impl __p::Actor for Page {
        type Call = __Call;
        const HANDLERS: &'static [__p::Handler] = &[
            __p::Handler::new("on_request", __p::Receiver::Shared).at_once(),
        ];
        const ACTIONS: __p::usize = 0usize;
        fn handler(__call: &__Call) -> __p::usize {
            match *__call {
                __Call::Fetch { .. } => 0usize,
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
                __p::Hook::Request(__given, __reply) => {
                    __p::Option::Some(
                        __Call::Fetch(__p::Option::Some((__given,)), __reply),
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
                __Call::Fetch(.., ref mut __reply) => __reply,
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
                _ => __p::wrong_receiver(),
            }
        }
        async fn run_shared(&self, __ctx: &__p::Ctx<Self>, __call: &mut __Call) {
            match *__call {
                __Call::Fetch(ref mut __given, ref mut __reply) => {
                    use __p::OtherAnswer as _;
                    __p::reply_request(
                        __ctx,
                        0usize,
                        __reply,
                        __p::Answered(
                                Self::fetch(
                                        self,
                                        __p::lend::<Ctx<Self>, __p::Ctx<Self>>(__ctx),
                                        __p::request::<Request>(__given),
                                    )
                                    .await,
                            )
                            .answer(),
                    )
                }
                _ => __p::wrong_receiver(),
            }
        }
        async fn run_free(__ctx: &__p::TaskCtx<Self>, __call: &mut __Call) {
            match *__call {
                _ => __p::wrong_receiver(),
            }
        }
    }
    #[automatically_derived]
    impl __p::Handled for Page {
        type Handle = PageHandle;
    }
    impl PageHandle {}
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
    impl __p::Scheduled for Page {
        type Planned<'__a> = __Schedule<'__a>;
    }
    impl __Schedule<'_> {}
};

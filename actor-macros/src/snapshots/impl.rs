impl ChatRoom {
    async fn migrate(tx: &Transaction, is_new: bool) -> Result<(), RoomError> {}
    async fn create(ctx: &Ctx<Self>, topic: Topic) -> Result<Self, RoomError> {}
    async fn wake(&mut self) {}
    async fn admit(&self, ctx: &Ctx<Self>, join: Join) -> Result<Member, RoomError> {}
    async fn joined(&mut self, conn: &Conn<Self>) -> Result<(), RoomError> {}
    /// Adds a line.
    async fn send_line(
        &mut self,
        ctx: &Ctx<Self>,
        text: String,
    ) -> Result<usize, RoomError> {}
    async fn all_lines(&self, last: usize, mut of: Vec<Self>) -> Vec<Line> {}
    async fn ask(ctx: &TaskCtx<Self>, prompt: String) -> String {}
    fn ordinary(&self) {}
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
        SendLine(
            __p::Option<(String,)>,
            __p::Reply<
                <Result<usize, RoomError> as __p::Fallible>::Ok,
                <Result<usize, RoomError> as __p::Fallible>::Err,
            >,
        ),
        AllLines(
            __p::Option<(usize, Vec<ChatRoom>)>,
            __p::Reply<Vec<Line>, __p::Infallible>,
        ),
        Ask(__p::Option<(String,)>, __p::Reply<String, __p::Infallible>),
        Wake(__p::Reply<(), __p::ActorError>),
        Admit(
            __p::Option<(<ChatRoom as __p::ActorType>::Params,)>,
            __p::Reply<<ChatRoom as __p::ActorType>::ConnState, __p::ActorError>,
        ),
        Joined(__p::Conn<ChatRoom>, __p::Reply<(), __p::ActorError>),
    }
    #[automatically_derived]
    impl __p::Actor for ChatRoom {
        type Call = __Call;
        const HANDLERS: &'static [__p::Handler] = &[
            __p::Handler::new(
                    __p::pick(
                        <Self as __p::ActorType>::RENAME_ALL,
                        "sendLine",
                        "send_line",
                        "SendLine",
                        "send-line",
                    ),
                    __p::Receiver::Exclusive,
                )
                .at_once(),
            __p::Handler::new("history", __p::Receiver::Shared)
                .at_once()
                .with_durability(__p::Durability::Relaxed)
                .with_timeout(__p::Duration::from_millis(50u64)),
            __p::Handler::new(
                    __p::pick(
                        <Self as __p::ActorType>::RENAME_ALL,
                        "ask",
                        "ask",
                        "Ask",
                        "ask",
                    ),
                    __p::Receiver::Free,
                )
                .at_once(),
            __p::Handler::new("on_wake", __p::Receiver::Exclusive).at_once(),
            __p::Handler::new("on_before_connect", __p::Receiver::Shared).at_once(),
            __p::Handler::new("on_connect", __p::Receiver::Exclusive).at_once(),
        ];
        const ACTIONS: __p::usize = 3usize;
        fn handler(__call: &__Call) -> __p::usize {
            match *__call {
                __Call::SendLine { .. } => 0usize,
                __Call::AllLines { .. } => 1usize,
                __Call::Ask { .. } => 2usize,
                __Call::Wake { .. } => 3usize,
                __Call::Admit { .. } => 4usize,
                __Call::Joined { .. } => 5usize,
            }
        }
        fn decode_call(
            __action: __p::usize,
            mut __args: __p::Args,
            __reply: &mut __p::Option<__p::WireReply>,
        ) -> __p::Result<__Call, __p::ActorError> {
            match __action {
                0usize => {
                    let __0 = __p::take::<String>(&mut __args, "text")?;
                    __p::finish(&__args)?;
                    __p::Result::Ok(
                        __Call::SendLine(
                            __p::Option::Some((__0,)),
                            __p::wire_reply(__reply),
                        ),
                    )
                }
                1usize => {
                    let __0 = __p::take_or::<usize>(&mut __args, "last", || 10)?;
                    let __1 = __p::take_or::<
                        Vec<ChatRoom>,
                    >(&mut __args, "of", __p::Default::default)?;
                    __p::finish(&__args)?;
                    __p::Result::Ok(
                        __Call::AllLines(
                            __p::Option::Some((__0, __1)),
                            __p::wire_reply(__reply),
                        ),
                    )
                }
                2usize => {
                    let __0 = __p::take::<String>(&mut __args, "prompt")?;
                    __p::finish(&__args)?;
                    __p::Result::Ok(
                        __Call::Ask(__p::Option::Some((__0,)), __p::wire_reply(__reply)),
                    )
                }
                _ => __p::Result::Err(__p::no_such_action()),
            }
        }
        fn hook(__hook: __p::Hook<Self>) -> __p::Option<__Call> {
            match __hook {
                __p::Hook::Wake(__reply) => __p::Option::Some(__Call::Wake(__reply)),
                __p::Hook::BeforeConnect(__given, __reply) => {
                    __p::Option::Some(
                        __Call::Admit(__p::Option::Some((__given,)), __reply),
                    )
                }
                __p::Hook::Connect(__lent, __reply) => {
                    __p::Option::Some(__Call::Joined(__lent, __reply))
                }
                _ => __p::Option::None,
            }
        }
        fn default_conn_state() -> <Self as __p::ActorType>::ConnState {
            __p::has_before_connect()
        }
        fn reply(__call: &mut __Call) -> &mut dyn __p::ReplySlot {
            match *__call {
                __Call::SendLine(.., ref mut __reply) => __reply,
                __Call::AllLines(.., ref mut __reply) => __reply,
                __Call::Ask(.., ref mut __reply) => __reply,
                __Call::Wake(.., ref mut __reply) => __reply,
                __Call::Admit(.., ref mut __reply) => __reply,
                __Call::Joined(.., ref mut __reply) => __reply,
            }
        }
        fn arguments(__call: &__Call) -> __p::Result<__p::Value, __p::ActorError> {
            #[allow(unused_imports, reason = "for arguments that cannot travel")]
            use __p::CannotGive as _;
            match *__call {
                __Call::SendLine(ref __args, ..) => {
                    let (__0,) = __p::untaken(__args);
                    __p::arguments([__p::Giver(__0).give()])
                }
                __Call::AllLines(ref __args, ..) => {
                    let (__0, __1) = __p::untaken(__args);
                    __p::arguments([__p::Giver(__0).give(), __p::Giver(__1).give()])
                }
                __Call::Ask(ref __args, ..) => {
                    let (__0,) = __p::untaken(__args);
                    __p::arguments([__p::Giver(__0).give()])
                }
                _ => __p::Result::Err(__p::no_such_action()),
            }
        }
        fn replay(__call: &mut __Call, __answer: __p::Value) {
            #[allow(unused_imports, reason = "for answers that cannot travel")]
            use __p::CannotRefill as _;
            match *__call {
                __Call::SendLine(.., ref mut __reply) => {
                    __p::Refill(__reply).refill(__answer)
                }
                __Call::AllLines(.., ref mut __reply) => {
                    __p::Refill(__reply).refill(__answer)
                }
                __Call::Ask(.., ref mut __reply) => __p::Refill(__reply).refill(__answer),
                _ => __p::wrong_receiver(),
            }
        }
        const MIGRATES: __p::bool = true;
        async fn migrate(
            __ctx: &__p::Ctx<Self>,
            __tx: &__p::Transaction,
            __is_new: __p::bool,
        ) -> __p::Result<(), __p::ActorError> {
            __p::outcome::<
                (),
                Result<(), RoomError>,
            >(
                Self::migrate(__p::lend::<Transaction, __p::Transaction>(__tx), __is_new)
                    .await,
            )
        }
        async fn create(
            __ctx: &__p::Ctx<Self>,
            __input: <Self as __p::ActorType>::Input,
        ) -> __p::Result<Self, __p::ActorError> {
            __p::outcome::<
                Self,
                Result<Self, RoomError>,
            >(
                Self::create(
                        __p::lend::<Ctx<Self>, __p::Ctx<Self>>(__ctx),
                        __p::input::<Topic, <Self as __p::ActorType>::Input>(__input),
                    )
                    .await,
            )
        }
        async fn run_exclusive(&mut self, __ctx: &__p::Ctx<Self>, __call: &mut __Call) {
            match *__call {
                __Call::SendLine(ref mut __args, ref mut __reply) => {
                    let (__0,) = __p::args(__args);
                    __p::reply_result::<
                        _,
                        <Result<usize, RoomError> as __p::Fallible>::Ok,
                        <Result<usize, RoomError> as __p::Fallible>::Err,
                    >(
                        __ctx,
                        0usize,
                        __reply,
                        Self::send_line(
                                self,
                                __p::lend::<Ctx<Self>, __p::Ctx<Self>>(__ctx),
                                __0,
                            )
                            .await,
                    );
                }
                __Call::Wake(ref mut __reply) => {
                    __p::reply_hook::<(), ()>(__reply, Self::wake(self).await)
                }
                __Call::Joined(ref __lent, ref mut __reply) => {
                    __p::reply_hook::<
                        (),
                        Result<(), RoomError>,
                    >(
                        __reply,
                        Self::joined(
                                self,
                                __p::lend::<Conn<Self>, __p::Conn<Self>>(__lent),
                            )
                            .await,
                    )
                }
                _ => __p::wrong_receiver(),
            }
        }
        async fn run_shared(&self, __ctx: &__p::Ctx<Self>, __call: &mut __Call) {
            match *__call {
                __Call::AllLines(ref mut __args, ref mut __reply) => {
                    let (__0, __1) = __p::args(__args);
                    __p::reply::<
                        Vec<Line>,
                    >(__reply, Self::all_lines(self, __0, __1).await);
                }
                __Call::Admit(ref mut __given, ref mut __reply) => {
                    __p::reply_hook::<
                        <Self as __p::ActorType>::ConnState,
                        Result<Member, RoomError>,
                    >(
                        __reply,
                        Self::admit(
                                self,
                                __p::lend::<Ctx<Self>, __p::Ctx<Self>>(__ctx),
                                __p::params::<
                                    Join,
                                    <Self as __p::ActorType>::Params,
                                >(__given),
                            )
                            .await,
                    )
                }
                _ => __p::wrong_receiver(),
            }
        }
        async fn run_free(__ctx: &__p::TaskCtx<Self>, __call: &mut __Call) {
            match *__call {
                __Call::Ask(ref mut __args, ref mut __reply) => {
                    let (__0,) = __p::args(__args);
                    __p::reply::<
                        String,
                    >(
                        __reply,
                        Self::ask(
                                __p::lend::<TaskCtx<Self>, __p::TaskCtx<Self>>(__ctx),
                                __0,
                            )
                            .await,
                    );
                }
                _ => __p::wrong_receiver(),
            }
        }
    }
    const _: () = {
        use __p::Otherwise as _;
        __p::assert_plain(__p::Probe::<Vec<Line>>::IS_RESULT)
    };
    const _: () = {
        use __p::Otherwise as _;
        __p::assert_plain(__p::Probe::<String>::IS_RESULT)
    };
    #[automatically_derived]
    impl __p::Handled for ChatRoom {
        type Handle = ChatRoomHandle;
    }
    impl ChatRoomHandle {
        /// Adds a line.
        ///
        /// # Errors
        ///
        /// What the action answers with, or why it was not run or not saved.
        ///
        /// # Cancel safety
        ///
        /// If dropped before it completes, the action may or may not run.
        pub async fn send_line(
            &self,
            text: String,
        ) -> __p::CallResult<Result<usize, RoomError>> {
            __p::ActorHandle::call(
                    self,
                    |__reply| { __Call::SendLine(__p::Option::Some((text,)), __reply) },
                )
                .await
        }
        /// Calls the action `all_lines`.
        ///
        /// # Errors
        ///
        /// What the action answers with, or why it was not run or not saved.
        ///
        /// # Cancel safety
        ///
        /// If dropped before it completes, the action may or may not run.
        pub async fn all_lines(
            &self,
            last: usize,
            of: Vec<ChatRoom>,
        ) -> __p::Result<Vec<Line>, __p::CallError> {
            __p::ActorHandle::call(
                    self,
                    |__reply| {
                        __Call::AllLines(__p::Option::Some((last, of)), __reply)
                    },
                )
                .await
        }
        /// Calls the action `ask`.
        ///
        /// # Errors
        ///
        /// What the action answers with, or why it was not run or not saved.
        ///
        /// # Cancel safety
        ///
        /// If dropped before it completes, the action may or may not run.
        pub async fn ask(&self, prompt: String) -> __p::Result<String, __p::CallError> {
            __p::ActorHandle::call(
                    self,
                    |__reply| { __Call::Ask(__p::Option::Some((prompt,)), __reply) },
                )
                .await
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
        /// Adds a line.
        pub fn send_line(
            &self,
            text: String,
        ) -> __p::Result<__p::ScheduleId, __p::ScheduleError> {
            #[allow(unused_imports, reason = "for arguments that cannot travel")]
            use __p::CannotGive as _;
            let __name = <ChatRoom as __p::Actor>::HANDLERS[0usize].name;
            __p::submit(&self.0, __name, [__p::Giver(&text).give()])
        }
        pub fn all_lines(
            &self,
            last: usize,
            of: Vec<ChatRoom>,
        ) -> __p::Result<__p::ScheduleId, __p::ScheduleError> {
            #[allow(unused_imports, reason = "for arguments that cannot travel")]
            use __p::CannotGive as _;
            let __name = <ChatRoom as __p::Actor>::HANDLERS[1usize].name;
            __p::submit(
                &self.0,
                __name,
                [__p::Giver(&last).give(), __p::Giver(&of).give()],
            )
        }
        pub fn ask(
            &self,
            prompt: String,
        ) -> __p::Result<__p::ScheduleId, __p::ScheduleError> {
            #[allow(unused_imports, reason = "for arguments that cannot travel")]
            use __p::CannotGive as _;
            let __name = <ChatRoom as __p::Actor>::HANDLERS[2usize].name;
            __p::submit(&self.0, __name, [__p::Giver(&prompt).give()])
        }
    }
};

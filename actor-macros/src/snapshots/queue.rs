/// A message of [`Jobs`] that was received to be completed.
#[derive(::core::fmt::Debug)]
pub(crate) enum JobsMessage<'a> {
    /// Letters to send.
    Mail(::actor_core::__private::QueueMessage<'a, Letter, ()>),
    /// Of the queue `lost`.
    Lost(::actor_core::__private::QueueMessage<'a, Letter, ()>),
    /// Of the queue `resize`.
    Resize(::actor_core::__private::QueueMessage<'a, Image, Vec<u64>>),
    /// Of the queue `tidy`.
    TidyUp(::actor_core::__private::QueueMessage<'a, (), ()>),
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
    #[automatically_derived]
    impl __p::Queue for Jobs {
        type Message<'__a> = JobsMessage<'__a>;
        const QUEUES: &'static [__p::QueueSpec] = &[
            __p::QueueSpec::new("mail").with_max_attempts(3).with_dead_letter("lost"),
            __p::QueueSpec::new("lost"),
            __p::QueueSpec::new("resize").with_ttl(__p::Duration::from_millis(60000u64)),
            __p::QueueSpec::new("tidy"),
        ];
        fn name(&self) -> &__p::str {
            match *self {
                Self::Mail { .. } => "mail",
                Self::Lost { .. } => "lost",
                Self::Resize { .. } => "resize",
                Self::TidyUp { .. } => "tidy",
            }
        }
        fn body(&self) -> __p::Result<__p::Value, __p::ValueError> {
            match *self {
                Self::Mail(ref __it) => __p::queue_body::<Letter>(__it),
                Self::Lost(ref __it) => __p::queue_body::<Letter>(__it),
                Self::Resize(ref __it) => __p::queue_body::<Image>(__it),
                Self::TidyUp => __p::Result::Ok(__p::Value::Undefined),
            }
        }
        fn decode(
            __name: &__p::str,
            __body: __p::Value,
        ) -> __p::Result<Self, __p::ValueError> {
            __p::Result::Ok(
                match __name {
                    "mail" => Self::Mail(__p::queue_content::<Letter>(__body)?),
                    "lost" => Self::Lost(__p::queue_content::<Letter>(__body)?),
                    "resize" => Self::Resize(__p::queue_content::<Image>(__body)?),
                    "tidy" => {
                        __p::queue_content::<()>(__body)?;
                        Self::TidyUp
                    }
                    _ => return __p::Result::Err(__p::no_queue(__name)),
                },
            )
        }
        fn received(
            __message: __p::QueueMessage<'_, __p::Value, __p::Value>,
        ) -> __p::Result<JobsMessage<'_>, __p::ValueError> {
            __p::Result::Ok(
                match __message.queue() {
                    "mail" => {
                        JobsMessage::Mail(__p::queue_message::<Letter, _>(__message)?)
                    }
                    "lost" => {
                        JobsMessage::Lost(__p::queue_message::<Letter, _>(__message)?)
                    }
                    "resize" => {
                        JobsMessage::Resize(__p::queue_message::<Image, _>(__message)?)
                    }
                    "tidy" => {
                        JobsMessage::TidyUp(__p::queue_message::<(), _>(__message)?)
                    }
                    __name => return __p::Result::Err(__p::no_queue(__name)),
                },
            )
        }
    }
    impl Jobs {
        /// A message to the queue `resize` whose sender waits for the reply.
        pub(crate) fn resize(content: Image) -> __p::Ask<Self, Vec<u64>> {
            __p::Ask::new(Self::Resize(content))
        }
    }
    const _: fn(Letter) -> Letter = |__it| __it;
};

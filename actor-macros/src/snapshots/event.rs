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
    impl __p::Event for RoomEvent {
        fn name(&self) -> &'static __p::str {
            match *self {
                Self::Line { .. } => "line",
                Self::Moved { .. } => "moved",
                Self::Joined { .. } => "joined",
                Self::TheRoomClosed { .. } => "closed",
            }
        }
        fn args(&self) -> __p::Result<__p::Value, __p::ValueError> {
            match *self {
                Self::Line { 0: ref __0 } => {
                    __p::event_args([__p::event_arg::<String>(__0)?])
                }
                Self::Moved { 0: ref __0, 1: ref __1 } => {
                    __p::event_args([
                        __p::event_arg::<i64>(__0)?,
                        __p::event_arg::<i64>(__1)?,
                    ])
                }
                Self::Joined { ref full_name, .. } => {
                    #[derive(__p::Serialize)]
                    #[serde(crate = "::actor_core::__private::serde", rename = "Joined")]
                    #[serde(rename_all = "camelCase")]
                    struct __Object<'a> {
                        full_name: &'a String,
                    }
                    let __object = __Object { full_name };
                    __p::event_args([__p::event_arg(&__object)?])
                }
                Self::TheRoomClosed => __p::event_args([]),
            }
        }
    }
};

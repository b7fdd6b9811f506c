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
    impl __p::IntoActorError for RoomError {
        fn to_actor_error(&self) -> __p::ActorError {
            match *self {
                Self::RoomIsFull { ref limit, .. } => {
                    #[derive(__p::Serialize)]
                    #[serde(
                        crate = "::actor_core::__private::serde",
                        rename = "RoomError"
                    )]
                    struct __Object<'a> {
                        limit: &'a u32,
                    }
                    let __object = __Object { limit };
                    __p::with_metadata(
                        __p::public_error(self, "user", "room_is_full").with_status(409),
                        &__object,
                    )
                }
                Self::Refused { 0: ref __value, .. } => {
                    __p::with_metadata(
                        __p::public_error(self, "filter", "bad_word"),
                        __value,
                    )
                }
                Self::Archive { .. } => __p::hidden_error(self),
                Self::Other { 0: ref __inner } => {
                    __p::IntoActorError::to_actor_error(__inner)
                }
                Self::Gone { .. } => __p::public_error(self, "user", "gone"),
            }
        }
    }
};

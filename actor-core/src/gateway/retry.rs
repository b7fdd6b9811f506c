//! Which refusals the gateway does not pass on at once but tries again, and when (R2, R3). Told what an attempt
//! came to, it answers what to do; it waits for nothing itself.

use std::time::Duration;

use crate::error::ActorError;

/// The attempts of one request, or of one socket that opens.
#[derive(Debug)]
pub(super) struct Retry {
    codes: &'static [&'static str],
    /// So far.
    attempts: u32,
}

/// What follows an attempt that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Another, after this long, for which the actor is looked up anew.
    Again(Duration),
    /// Nothing: there were as many as there may be.
    Exceeded,
    /// Nothing: it would come to the same, or might be done twice.
    Final,
}

impl Retry {
    /// Of an HTTP request.
    pub(super) fn of_request() -> Self {
        Self::new(REQUESTS)
    }

    /// Of a socket that opens.
    pub(super) fn of_socket() -> Self {
        Self::new(SOCKETS)
    }

    fn new(codes: &'static [&'static str]) -> Self {
        Self { codes, attempts: 0 }
    }

    /// An attempt has failed with `error`. What the actor has begun with is never tried again, whatever it came to:
    /// its handler may have done something, and its body is read.
    pub(super) fn failed(&mut self, error: &ActorError, is_begun: bool) -> Next {
        self.attempts += 1;
        let is_listed = error.group() == GROUP && self.codes.contains(&error.code());
        if is_begun || !is_listed {
            return Next::Final;
        }
        if self.attempts < MOST {
            return Next::Again(FIRST * 2_u32.pow(self.attempts - 1));
        }
        Next::Exceeded
    }
}

/// Most attempts.
const MOST: u32 = 3;
/// How long to wait after the first; twice as long after each other.
const FIRST: Duration = Duration::from_millis(100);

/// Of the codes below.
const GROUP: &str = "guard";
/// After which requests are tried again. Those of a service and of a tunnel come up where the gateway is another
/// process than its actors: here nothing tells them.
const REQUESTS: &[&str] = &[
    "service_unavailable",
    "actor_ready_timeout",
    "actor_stopped_while_waiting",
    "tunnel_request_aborted",
    "tunnel_message_timeout",
    "tunnel_response_closed",
    "gateway_response_start_timeout",
];
/// After which sockets are.
const SOCKETS: &[&str] = &["websocket_service_unavailable"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn guard(code: &'static str) -> ActorError {
        ActorError::new("guard", code, "")
    }

    #[test]
    fn r2_three_attempts_each_after_twice_as_long() {
        for code in REQUESTS {
            let mut retry = Retry::of_request();
            let mut next = || retry.failed(&guard(code), false);
            assert_eq!(next(), Next::Again(Duration::from_millis(100)));
            assert_eq!(next(), Next::Again(Duration::from_millis(200)));
            assert_eq!(next(), Next::Exceeded);
        }
    }

    #[test]
    fn r3_sockets_are_tried_again_after_one_code_only() {
        for code in REQUESTS {
            assert_eq!(Retry::of_socket().failed(&guard(code), false), Next::Final);
        }
        let error = guard("websocket_service_unavailable");
        assert_eq!(Retry::of_request().failed(&error, false), Next::Final);
        let again = Next::Again(Duration::from_millis(100));
        assert_eq!(Retry::of_socket().failed(&error, false), again);
    }

    #[test]
    fn r2_what_is_not_listed_is_final() {
        for (group, code) in [
            ("guard", "actor_wake_retries_exceeded"),
            ("guard", "retry_attempts_exceeded"),
            ("guard", "rate_limit"),
            ("actor", "actor_ready_timeout"),
            ("actor", "stopping"),
            ("actor", "restarting"),
            ("actor", "overloaded"),
            ("user", "service_unavailable"),
        ] {
            let error = ActorError::new(group, code, "");
            assert_eq!(Retry::of_request().failed(&error, false), Next::Final);
        }
    }

    /// How an attempt fails: with a code that is listed or another, begun with or not.
    fn failure() -> impl Strategy<Value = (&'static str, bool)> {
        let listed = prop::sample::select(REQUESTS);
        let code = prop_oneof![8 => listed, 1 => Just("actor_wake_retries_exceeded")];
        (code, prop::bool::weighted(0.1))
    }

    proptest! {
        /// A request goes on only while nobody has begun with it and the code says so, ends, and never waits longer
        /// than both waits together.
        #[test]
        fn r2_a_request_ends(failures in prop::collection::vec(failure(), MOST as usize)) {
            let mut retry = Retry::of_request();
            let mut waited = Duration::ZERO;
            for (at, (code, is_begun)) in failures.into_iter().enumerate() {
                let may = !is_begun && REQUESTS.contains(&code);
                match retry.failed(&guard(code), is_begun) {
                    Next::Again(after) => {
                        prop_assert!(may && at + 1 < MOST as usize);
                        waited += after;
                    }
                    Next::Exceeded => {
                        prop_assert!(may && at + 1 == MOST as usize);
                        prop_assert_eq!(waited, FIRST * 3);
                        return Ok(());
                    }
                    Next::Final => {
                        prop_assert!(!may);
                        return Ok(());
                    }
                }
            }
            prop_assert!(false, "it goes on");
        }
    }
}

//! Who is let in: those who show a token, as often as they may. Both off unless the app wants them.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use actor_core::{
    ActorError, ActorId,
    gateway::{Admission, Limiter, Pace},
    protocol::{
        headers::{self, Subprotocols},
        target::{Route, Target},
    },
};
use axum::extract::ConnectInfo;
use http::{HeaderMap, header::AUTHORIZATION, request::Parts};

use crate::ws;

/// Whether a token is one that lets in.
pub(crate) type TokenCheck = Arc<dyn Fn(&str) -> bool + Send + Sync>;
/// Where a request comes from.
pub(crate) type AddressOf = Arc<dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync>;

/// Asks whoever comes for a token, and counts them.
#[derive(Clone, Default)]
pub(crate) struct Keeper {
    pub(crate) token: Option<TokenCheck>,
    pub(crate) limiter: Option<Limiter>,
    pub(crate) address: Option<AddressOf>,
    /// How fast the client of one socket may speak.
    pub(crate) pace: Option<Pace>,
}

/// A request that was let in, or a socket: it counts for as long as this is there.
#[derive(Default)]
pub(crate) struct Admitted(Option<Box<Counted>>);

struct Counted {
    limiter: Limiter,
    address: IpAddr,
    _at_all: Admission,
    at_actor: Option<Admission>,
}

impl Keeper {
    /// Lets in who shows the token, if there is one to show.
    ///
    /// # Errors
    ///
    /// `api.unauthorized`, which clients do not try again.
    pub(crate) fn check(&self, token: Option<&str>) -> Result<(), ActorError> {
        let Some(is_right) = &self.token else {
            return Ok(());
        };
        if token.is_some_and(|it| is_right(it)) {
            return Ok(());
        }
        let error = ActorError::new("api", "unauthorized", "the token is wrong or missing");
        Err(error.with_status(401).public())
    }

    /// As [`check`](Self::check), for a request to an actor.
    pub(crate) fn check_target(&self, route: &Route, parts: &Parts) -> Result<(), ActorError> {
        if self.token.is_none() {
            return Ok(());
        }
        let in_target = match &route.target {
            Target::Direct { token, .. } => token.clone(),
            Target::Query(query) => query.token.clone(),
        };
        let token = in_target.or_else(|| {
            let in_subprotocols = || Subprotocols::parse(ws::offered(&parts.headers)).ok()?.token;
            text(&parts.headers, headers::TOKEN).or_else(in_subprotocols)
        });
        self.check(token.as_deref())
    }

    /// As [`check`](Self::check), for a request to the manager's API.
    pub(crate) fn check_manager(&self, request: &HeaderMap) -> Result<(), ActorError> {
        let bearer = || {
            let value = request.get(AUTHORIZATION)?.to_str().ok()?;
            value.strip_prefix("Bearer ").map(str::to_owned)
        };
        let token = text(request, headers::TOKEN).or_else(bearer);
        self.check(token.as_deref())
    }

    /// Counts a request, whatever it is for.
    ///
    /// # Errors
    ///
    /// `guard.rate_limit`, `guard.in_flight_limit`.
    pub(crate) fn admit(&self, parts: &Parts) -> Result<Admitted, ActorError> {
        let Some(limiter) = &self.limiter else {
            return Ok(Admitted::default());
        };
        let address = match &self.address {
            Some(address_of) => address_of(parts),
            None => connected_from(parts),
        };
        // Better all of them counted together than nobody.
        let address = address.unwrap_or_else(|| {
            tracing::warn!("limits are on, and a request does not say where it comes from");
            Ipv6Addr::UNSPECIFIED.into()
        });
        let counted = Counted {
            _at_all: limiter.admit(address, None)?,
            at_actor: None,
            limiter: limiter.clone(),
            address,
        };
        Ok(Admitted(Some(Box::new(counted))))
    }
}

impl Admitted {
    /// Counts it at the actor it is for.
    ///
    /// # Errors
    ///
    /// As [`Keeper::admit`].
    pub(crate) fn at(&mut self, actor: ActorId) -> Result<(), ActorError> {
        if let Some(counted) = &mut self.0 {
            let at_actor = counted.limiter.admit(counted.address, Some(actor))?;
            counted.at_actor = Some(at_actor);
        }
        Ok(())
    }

    /// Whether anything is counted.
    pub(crate) fn counts(&self) -> bool {
        self.0.is_some()
    }
}

/// The peer of the connection, as [`serve`](crate::serve()) and axum's `ConnectInfo` have it.
fn connected_from(parts: &Parts) -> Option<IpAddr> {
    let from = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(from.0.ip())
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper")
            .field("token", &self.token.is_some())
            .field("limiter", &self.limiter)
            .finish_non_exhaustive()
    }
}

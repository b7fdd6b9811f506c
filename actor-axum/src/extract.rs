//! Typed handles of actors as arguments of the app's own handlers.

use std::fmt;

use actor_core::{ActorKey, Registry, gateway::Handled};
use axum::extract::{FromRef, FromRequestParts, RawPathParams};
use http::request::Parts;

use crate::rejection::KeyRejection;

/// A handle to the actor that the path names, created when it is first called and not there.
///
/// The key is the path's parameter `{key}`, or all its parameters in their order if none is called
/// that: `/rooms/{name}` gives the key `["lobby"]`, `/orgs/{org}/rooms/{name}` gives
/// `["acme", "lobby"]`. The registry comes from the router's state, by
/// [`FromRef`].
///
/// ```
/// use actor_axum::Actor;
/// use actor_core::prelude::*;
/// use axum::{Router, routing::post};
///
/// #[actor]
/// #[derive(Default)]
/// pub struct Counter { count: i64 }
///
/// #[actor]
/// impl Counter {
///     #[action]
///     async fn increment(&mut self, by: i64) -> i64 {
///         self.count += by;
///         self.count
///     }
/// }
///
/// async fn visit(Actor(page): Actor<Counter>) -> Result<String, actor_axum::Error> {
///     Ok(page.increment(1).await?.to_string())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::builder().actor::<Counter>().build().await?;
/// let app: Router = Router::new()
///     .route("/pages/{page}/visits", post(visit))
///     .with_state(registry);
/// # Ok(())
/// # }
/// ```
///
/// An app with a state of its own says where its registry is:
///
/// ```
/// # use actor_core::Registry;
/// # use axum::extract::FromRef;
/// #[derive(Clone)]
/// struct AppState {
///     registry: Registry,
///     // ..
/// }
///
/// impl FromRef<AppState> for Registry {
///     fn from_ref(state: &AppState) -> Self {
///         state.registry.clone()
///     }
/// }
/// ```
///
/// # Rejections
///
/// See [`KeyRejection`]. A key over its limits is found out by the first call.
pub struct Actor<A: Handled>(pub A::Handle);

/// As [`Actor`], but calls fail with `actor.not_found` (404) while there is no such actor.
///
/// ```
/// # use actor_core::prelude::*;
/// # #[actor]
/// # #[derive(Default)]
/// # pub struct Counter { count: i64 }
/// # #[actor]
/// # impl Counter {
/// #     #[action]
/// #     async fn count(&self) -> i64 { self.count }
/// # }
/// use actor_axum::ExistingActor;
///
/// async fn show(ExistingActor(page): ExistingActor<Counter>) -> Result<String, actor_axum::Error> {
///     Ok(page.count().await?.to_string())
/// }
/// ```
pub struct ExistingActor<A: Handled>(pub A::Handle);

impl<A, S> FromRequestParts<S> for Actor<A>
where
    A: Handled,
    S: Send + Sync,
    Registry: FromRef<S>,
{
    type Rejection = KeyRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, KeyRejection> {
        let key = key(parts, state).await?;
        Ok(Self(Registry::from_ref(state).get_or_create::<A>(key)))
    }
}

impl<A, S> FromRequestParts<S> for ExistingActor<A>
where
    A: Handled,
    S: Send + Sync,
    Registry: FromRef<S>,
{
    type Rejection = KeyRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, KeyRejection> {
        let key = key(parts, state).await?;
        Ok(Self(Registry::from_ref(state).get::<A>(key)))
    }
}

async fn key<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<ActorKey, KeyRejection> {
    let params = match RawPathParams::from_request_parts(parts, state).await {
        Ok(params) => params,
        Err(rejection) => return Err(KeyRejection::Path(rejection)),
    };
    if let Some((_, key)) = params.iter().find(|(name, _)| *name == "key") {
        return Ok(ActorKey::from(key));
    }
    let key: ActorKey = params.iter().map(|(_, value)| value).collect();
    if key.parts().is_empty() {
        return Err(KeyRejection::NoParams);
    }
    Ok(key)
}

impl<A: Handled> Clone for Actor<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<A: Handled> fmt::Debug for Actor<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Actor").field(&self.0).finish()
    }
}

impl<A: Handled> Clone for ExistingActor<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<A: Handled> fmt::Debug for ExistingActor<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ExistingActor").field(&self.0).finish()
    }
}

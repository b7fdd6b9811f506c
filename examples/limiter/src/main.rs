//! A rate limiter: a bucket of tokens for each client, asked by a middleware of the app's own.
//!
//! ```sh
//! cargo run -p limiter
//! for i in 1 2 3 4 5 6; do curl -i localhost:8080/quote -H 'x-client: ann'; done   # the sixth: 429
//! ```
//!
//! Nothing is stored: the durability is `none`, so a bucket is in memory while it is used, and full when
//! it was not used for a while. `PORT` says where it listens (8080).

#[cfg(test)]
mod tests;

use std::{env, error::Error, time::Duration};

use actor_core::{clock::Timestamp, prelude::*, registry::RegistryBuilder};
use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header::RETRY_AFTER},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::get,
};
use tokio::net::TcpListener;

/// Most requests at once.
const BURST: f64 = 5.0;
/// Requests a second in the long run.
const RATE: f64 = 1.0;

/// One client's tokens. By the time it sleeps, it would be full again.
#[actor(durability = "none", sleep_after = "10s")]
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Timestamp,
}

#[actor]
impl Bucket {
    #[on_create]
    async fn create(ctx: &Ctx<Self>) -> Self {
        Self {
            tokens: BURST,
            filled: ctx.now(),
        }
    }

    /// Takes a token; how long to wait if there is none. `&mut self` handlers run one at a time, so two
    /// requests never take the same one.
    #[action]
    async fn take(&mut self, ctx: &Ctx<Self>) -> Option<Duration> {
        let passed = ctx.now().since(self.filled).as_secs_f64();
        self.filled = ctx.now();
        self.tokens = (self.tokens + passed * RATE).min(BURST);
        if self.tokens < 1.0 {
            return Some(Duration::from_secs_f64((1.0 - self.tokens) / RATE));
        }
        self.tokens -= 1.0;
        None
    }
}

/// Lets requests pass for which their client has a token.
async fn limit(State(registry): State<Registry>, request: Request, next: Next) -> Response {
    let client = request.headers().get("x-client");
    let client = client.and_then(|it| it.to_str().ok()).unwrap_or("nobody");
    let bucket = registry.get_or_create::<Bucket>(client);
    match bucket.take().await {
        Ok(None) => next.run(request).await,
        Ok(Some(wait)) => {
            let seconds = wait.as_secs_f64().ceil().to_string();
            let refused = (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, seconds)]);
            refused.into_response()
        }
        Err(error) => actor_axum::Error::from(ActorError::from(error)).into_response(),
    }
}

fn declare(builder: RegistryBuilder) -> RegistryBuilder {
    builder.actor::<Bucket>()
}

/// An app whose routes are limited. Clients cannot reach the buckets themselves.
fn app(registry: &Registry) -> Router {
    Router::new()
        .route("/quote", get(async || "Less is more.\n"))
        .layer(from_fn_with_state(registry.clone(), limit))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let port = env::var("PORT").map_or(Ok(8080), |it| it.parse())?;

    let registry = declare(Registry::builder()).build().await?;
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    tracing::info!(port, "listening");
    actor_axum::serve(listener, app(&registry), registry)
        .with_graceful_shutdown(async {
            // Without a signal to wait for, the program runs until it is killed.
            if interrupted().await.is_err() {
                std::future::pending().await
            }
        })
        .await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "signals are the program's")]
async fn interrupted() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

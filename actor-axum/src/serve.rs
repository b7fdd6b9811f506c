//! Listening, and stopping in the right order.

use std::{
    fmt,
    future::{IntoFuture, Pending, pending},
    io,
    net::SocketAddr,
    time::Duration,
};

use actor_core::Registry;
use axum::{Router, serve::ListenerExt as _};
use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use crate::handover::UntilBegun;

/// Serves `app`, and stops the actors of `registry` with it.
///
/// It is [`axum::serve()`] with three things done that actors want:
///
/// - `TCP_NODELAY`, without which a small message may wait for 40 ms;
/// - handlers and hooks find the client's address as [`ConnectInfo<SocketAddr>`];
/// - the order of stopping, see [`Serve::with_graceful_shutdown`].
///
/// Who serves by other means sets the first with [`tap_io`] and stops with [`Registry::shutdown`].
///
/// ```no_run
/// # use actor_core::Registry;
/// # use axum::Router;
/// # async fn example(registry: Registry, stop: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("0.0.0.0:6420").await?;
/// let app = Router::new().merge(actor_axum::router(registry.clone()));
/// actor_axum::serve(listener, app, registry)
///     .with_graceful_shutdown(stop)
///     .await
/// # }
/// ```
///
/// [`ConnectInfo<SocketAddr>`]: axum::extract::ConnectInfo
/// [`tap_io`]: axum::serve::ListenerExt::tap_io
pub fn serve(listener: TcpListener, app: Router, registry: Registry) -> Serve {
    Serve {
        listener,
        app,
        registry,
        signal: pending(),
        deadline: DEADLINE,
        hands_over: false,
    }
}

/// A server about to run. Made by [`serve()`]; `await` runs it.
#[must_use = "a server runs when it is awaited"]
pub struct Serve<F = Pending<()>> {
    listener: TcpListener,
    app: Router,
    registry: Registry,
    signal: F,
    deadline: Duration,
    hands_over: bool,
}

impl<F> Serve<F> {
    /// Stops once `signal` completes:
    ///
    /// 1. the actors stop, while new requests are still taken and answered with `actor.stopping`:
    ///    clients that lose their connection come again and are told to wait, where a refused TCP
    ///    connection would have them give up;
    /// 2. clients' sockets are closed, with code 1012 and the reason `actor.stopping`;
    /// 3. the listener closes, and the requests under way are waited for.
    ///
    /// A library owns no signals, so `signal` is the program's: `tokio::signal`, or anything else.
    pub fn with_graceful_shutdown<G>(self, signal: G) -> Serve<G>
    where
        G: Future<Output = ()> + Send + 'static,
    {
        Serve {
            listener: self.listener,
            app: self.app,
            registry: self.registry,
            signal,
            deadline: self.deadline,
            hands_over: self.hands_over,
        }
    }

    /// For a listener that outlives this process: one that a service manager opened and hands to
    /// each process in turn (socket activation), or that the next process inherits.
    ///
    /// From the signal on no connection is taken any more: those that come wait in the kernel's
    /// queue and are taken by the next process. So no client is refused while the program is
    /// replaced; its socket is closed with `actor.stopping`, it comes again, and waits for as long as
    /// the restart takes. Requests on connections that were taken before are still answered.
    ///
    /// Of a listener that nobody else holds, the kernel refuses what comes from then on, and
    /// RivetKit's TypeScript client does not try again after that: leave this out. The whole story is
    /// in [`restart`](crate::restart).
    pub fn with_handover(mut self) -> Self {
        self.hands_over = true;
        self
    }

    /// How long stopping may take in all, after which the server returns whatever still runs.
    /// Default: 30 s, twice the time that actors have to go to sleep. More than a year counts as a year.
    pub fn shutdown_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline.min(LONGEST);
        self
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// When the operating system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl<F> IntoFuture for Serve<F>
where
    F: Future<Output = ()> + Send + 'static,
{
    type Output = io::Result<()>;
    type IntoFuture = BoxFuture<'static, io::Result<()>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<F> Serve<F>
where
    F: Future<Output = ()> + Send + 'static,
{
    async fn run(self) -> io::Result<()> {
        let Self {
            listener,
            app,
            registry,
            signal,
            deadline,
            hands_over,
        } = self;
        let begun = signal.boxed().shared();
        let listener = UntilBegun::new(listener, hands_over.then(|| begun.clone()));
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY could not be set");
            }
        });
        let signalled = begun.clone();
        let stop = async move {
            signalled.await;
            let until = Instant::now() + deadline;
            if timeout_at(until, registry.shutdown()).await.is_err() {
                tracing::warn!(?deadline, "actors did not stop in time");
            } else if hands_over {
                sleep(LATE_REQUESTS).await;
            }
        };
        let overdue = async move {
            begun.await;
            sleep_until(Instant::now() + deadline).await;
        };
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(listener, app).with_graceful_shutdown(stop);
        tokio::select! {
            served = serving.into_future() => served,
            () = overdue => Ok(()),
        }
    }
}

impl<F> fmt::Debug for Serve<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("listener", &self.listener)
            .field("registry", &self.registry)
            .field("deadline", &self.deadline)
            .field("hands_over", &self.hands_over)
            .finish_non_exhaustive()
    }
}

const DEADLINE: Duration = Duration::from_secs(30);
/// So that it can be added to any time.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// How long a connection that was taken just before the stop has to say what it wants: it is then told
/// to come again, where a connection closed without a word would be given up by some clients.
const LATE_REQUESTS: Duration = Duration::from_millis(100);

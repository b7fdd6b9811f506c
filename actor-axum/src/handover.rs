//! A listener that stops taking connections before it closes, so that whoever holds the same socket
//! can take them instead.

use std::{future::pending, io, net::SocketAddr};

use axum::serve::Listener;
use futures_util::future::{BoxFuture, Shared};
use tokio::net::{TcpListener, TcpStream};

/// Completes once stopping has begun.
pub(crate) type Begun = Shared<BoxFuture<'static, ()>>;

/// A TCP listener that takes connections until told otherwise.
pub(crate) struct UntilBegun {
    listener: TcpListener,
    /// `None` takes connections for as long as it is asked to.
    begun: Option<Begun>,
}

impl UntilBegun {
    pub(crate) fn new(listener: TcpListener, begun: Option<Begun>) -> Self {
        Self { listener, begun }
    }
}

impl Listener for UntilBegun {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let Some(begun) = self.begun.clone() else {
            return Listener::accept(&mut self.listener).await;
        };
        tokio::select! {
            biased;
            // What waits in the kernel's queue stays there, for the next process.
            () = begun => pending().await,
            accepted = Listener::accept(&mut self.listener) => accepted,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

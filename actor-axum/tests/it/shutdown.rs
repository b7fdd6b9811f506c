//! The order of stopping.

use std::{net::SocketAddr, time::Duration};

use actor_axum::serve;
use actor_core::{Registry, prelude::*};
use axum::{Router, extract::ConnectInfo, routing::get};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
};

use crate::support::{Client, Counter, counter, soon};

/// Sleeps only once it is let.
#[actor(sleep_grace = "10s")]
#[derive(Default)]
pub(crate) struct Slow {}

#[actor]
impl Slow {
    #[action]
    async fn ping(&mut self) {}

    #[on_sleep]
    async fn sleep(&mut self) {
        // Another actor's refusal of new work shows that the shutdown has begun, not that it is
        // over; this one keeps it from being over.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    registry: Registry,
    tasks: JoinSet<()>,
}

async fn run(deadline: Duration) -> Running {
    let registry = Registry::builder()
        .actor::<Counter>()
        .actor::<Slow>()
        .build()
        .await
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new()
        .route(
            "/me",
            get(async |ConnectInfo(it): ConnectInfo<SocketAddr>| it.ip().to_string()),
        )
        .route("/hang", get(std::future::pending::<()>))
        .merge(actor_axum::router(registry.clone()));
    let (stop, stopped) = oneshot::channel();
    let server = serve(listener, app, registry.clone())
        .with_graceful_shutdown(async { drop(stopped.await) })
        .shutdown_deadline(deadline);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { server.await.unwrap() });
    Running {
        address,
        stop,
        registry,
        tasks,
    }
}

#[tokio::test]
async fn sockets_are_closed_once_the_actors_have_stopped() {
    let mut running = run(Duration::from_secs(20)).await;
    let mut client = Client::connect(running.address, &counter("k", "/connect"), "rivet").await;
    client.opened().await;
    // Asleep with its socket open.
    let mut asleep = Client::connect(running.address, &counter("s", "/connect"), "rivet").await;
    let (id, _) = asleep.opened().await;
    let actor = running
        .registry
        .gateway()
        .find_by_id(&id)
        .await
        .unwrap()
        .unwrap();
    actor.sleep();
    drop(actor);
    running
        .registry
        .get_or_create::<Slow>("one")
        .ping()
        .await
        .unwrap();

    running.stop.send(()).unwrap();
    while !running.registry.is_shutting_down() {
        tokio::task::yield_now().await;
    }
    // While actors stop, whoever comes is told to wait.
    let mut late = Client::connect(running.address, &counter("new", "/connect"), "rivet").await;
    late.next().await;
    let (code, reason) = late.closed().await;
    assert_eq!(code, 1011);
    assert!(reason.starts_with("actor.stopping"), "{reason}");

    for client in [&mut client, &mut asleep] {
        assert_eq!(client.closed().await, (1012, "actor.stopping".into()));
    }
    drop((client, asleep, late));
    soon(running.tasks.join_next()).await.unwrap().unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
    assert_eq!(running.registry.actors_in_memory(), 0);
}

#[tokio::test]
async fn the_deadline_bounds_requests_that_hang() {
    let mut running = run(Duration::from_millis(200)).await;
    let mut hanging = TcpStream::connect(running.address).await.unwrap();
    let request = b"GET /hang HTTP/1.1\r\nhost: localhost\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut hanging, request)
        .await
        .unwrap();
    running.stop.send(()).unwrap();
    soon(running.tasks.join_next()).await.unwrap().unwrap();
}

#[tokio::test]
async fn handlers_know_the_clients_address() {
    let running = run(Duration::from_secs(1)).await;
    let call = crate::support::Call::new(running.address, "GET", "/me");
    assert_eq!(call.send().await.body(), "127.0.0.1");
}

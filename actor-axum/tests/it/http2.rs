//! The same over HTTP/2, where a WebSocket is one stream of many.

use actor_core::protocol::Encoding;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::{client::conn::http2, ext::Protocol};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, task::JoinSet};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use crate::support::{Server, action_body, counter, soon};

#[tokio::test]
async fn actions_and_sockets_share_a_connection() {
    let (server, _registry) = Server::plain().await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(connection.await) });

    let uri = format!(
        "http://{}{}",
        server.address,
        counter("k", "/action/increment")
    );
    let body = Full::new(action_body(Encoding::Json, (2,)));
    let call = Request::post(uri).body(body).unwrap();
    let answer = soon(sender.send_request(call)).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(&body[..], br#"{"output":2}"#);

    let uri = format!("http://{}{}", server.address, counter("k", "/connect"));
    let upgrade = Request::connect(uri)
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "rivet")
        .body(Full::new(Bytes::new()))
        .unwrap();
    let answer = soon(sender.send_request(upgrade)).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["sec-websocket-protocol"], "rivet");
    let upgraded = soon(hyper::upgrade::on(answer)).await.unwrap();
    let mut socket =
        WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await;
    let init = soon(socket.next()).await.unwrap().unwrap();
    assert!(init.to_text().unwrap().contains("connectionId"), "{init}");
    soon(socket.close(None)).await.unwrap();
    assert_eq!(
        soon(socket.next()).await.unwrap().unwrap(),
        Message::Close(None)
    );
    assert!(soon(socket.next()).await.is_none());
}

//! A server on a port of its own, a client that says exactly what it is told, and the actors that
//! the tests talk to.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use actor_core::{
    prelude::*,
    protocol::{Encoding, ToClient, ToServer, client},
};
use axum::Router;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Either, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, net::TcpStream, task::JoinSet, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest as _, protocol::CloseFrame},
};

pub(crate) const ENCODINGS: [Encoding; 3] = [Encoding::Json, Encoding::Cbor, Encoding::Bare];

/// Counts, for whoever asks.
#[actor(event = Counted, params = Option<Guest>)]
#[derive(Default)]
pub(crate) struct Counter {
    count: i64,
    left: u32,
}

#[derive(Event)]
pub(crate) enum Counted {
    NewCount(i64),
    Noise(String),
}

#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Guest {
    pub(crate) name: String,
}

#[derive(Debug, thiserror::Error, ActionError)]
pub(crate) enum CounterError {
    #[error("{0} is not welcome")]
    #[action_error(status = 403)]
    Unwelcome(String),
    #[error("the vault is at /secret")]
    #[action_error(internal)]
    Vault,
}

#[actor]
impl Counter {
    #[on_before_connect]
    async fn admit(&self, ctx: &Ctx<Self>, params: Option<Guest>) -> Result<(), CounterError> {
        let session = ctx.request().and_then(|it| it.extensions.get::<Session>());
        let session = session.map(|it| Guest { name: it.0.clone() });
        match [params, session]
            .into_iter()
            .flatten()
            .find(|it| it.name == "mallory")
        {
            Some(guest) => Err(CounterError::Unwelcome(guest.name)),
            None => Ok(()),
        }
    }

    /// What the upgrade request looked like, as this connection remembers it.
    #[action]
    async fn upgrade(&self, ctx: &Ctx<Self>) -> Option<(String, String)> {
        let conn = ctx.conn()?;
        let request = conn.request()?;
        let agent = request.headers.get("user-agent")?;
        Some((request.uri.to_string(), agent.to_str().ok()?.to_owned()))
    }

    #[on_disconnect]
    async fn leave(&mut self) {
        self.left += 1;
    }

    #[action]
    async fn increment(&mut self, ctx: &Ctx<Self>, by: i64) -> i64 {
        self.count += by;
        ctx.broadcast(Counted::NewCount(self.count));
        self.count
    }

    #[action]
    async fn count(&self) -> i64 {
        self.count
    }

    #[action]
    async fn left(&self) -> u32 {
        self.left
    }

    #[action]
    async fn parts(&self, ctx: &Ctx<Self>) -> Vec<String> {
        ctx.key().parts().iter().map(|it| it.to_string()).collect()
    }

    #[action]
    async fn length(&self, text: String) -> usize {
        text.len()
    }

    #[action]
    async fn open_vault(&self) -> Result<(), CounterError> {
        Err(CounterError::Vault)
    }

    #[action]
    async fn shout(&self, ctx: &Ctx<Self>, times: u32, bytes: usize) {
        for _ in 0..times {
            ctx.broadcast(Counted::Noise("x".repeat(bytes)));
        }
    }

    /// What a layer of the app's put into the request.
    #[action]
    async fn session(&self, ctx: &Ctx<Self>) -> Option<String> {
        let request = ctx.request()?;
        request.extensions.get::<Session>().map(|it| it.0.clone())
    }

    #[action]
    async fn disconnect(&self, ctx: &Ctx<Self>, reason: String) {
        if let Some(conn) = ctx.conn() {
            conn.disconnect(reason);
        }
    }
}

#[derive(Clone)]
pub(crate) struct Session(pub(crate) String);

pub(crate) async fn registry() -> Registry {
    Registry::builder()
        .actor::<Counter>()
        .build()
        .await
        .unwrap()
}

/// A server that stops with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(crate) async fn of(app: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            address,
            _tasks: tasks,
        }
    }

    /// With nothing but actors.
    pub(crate) async fn plain() -> (Self, Registry) {
        let registry = registry().await;
        let app = Router::new().merge(actor_axum::router(registry.clone()));
        (Self::of(app).await, registry)
    }

    pub(crate) fn request(&self, method: &str, target: &str) -> Call {
        Call::new(self.address, method, target)
    }

    pub(crate) async fn get(&self, target: &str) -> Response<Bytes> {
        self.request("GET", target).send().await
    }

    /// Calls an action of the counter `key`, and decodes its output.
    pub(crate) async fn action<T: serde::de::DeserializeOwned>(
        &self,
        key: &str,
        action: &str,
        args: impl serde::Serialize,
    ) -> T {
        let target = counter(key, &format!("/action/{action}"));
        let body = action_body(Encoding::Json, args);
        let answer = self.request("POST", &target).body(body).send().await;
        assert_eq!(answer.status(), 200, "{:?}", answer.body());
        output(Encoding::Json, answer.body())
    }

    pub(crate) async fn connect(&self, target: &str, protocols: &str) -> Client {
        Client::connect(self.address, target, protocols).await
    }
}

/// The gateway path of the counter `key`, made if it is not there.
pub(crate) fn counter(key: &str, path: &str) -> String {
    format!(
        "/gateway/counter{path}?rvt-namespace=default&rvt-method=getOrCreate&rvt-runner=default\
         &rvt-key={key}&rvt-crash-policy=sleep"
    )
}

pub(crate) fn action_body(encoding: Encoding, args: impl serde::Serialize) -> Bytes {
    client::encode_action(encoding, &Value::from_serialize(&args).unwrap())
}

pub(crate) fn output<T: serde::de::DeserializeOwned>(encoding: Encoding, body: &[u8]) -> T {
    let output = client::decode_action_output(encoding, body).unwrap();
    output.deserialize_into().unwrap()
}

/// An error's JSON body as `group.code`.
pub(crate) fn code(answer: &Response<Bytes>) -> String {
    let body = json(answer);
    format!(
        "{}.{}",
        body["group"].as_str().unwrap(),
        body["code"].as_str().unwrap()
    )
}

pub(crate) fn json(answer: &Response<Bytes>) -> serde_json::Value {
    serde_json::from_slice(answer.body()).unwrap()
}

pub(crate) fn header<'a>(answer: &'a Response<Bytes>, name: &str) -> Option<&'a str> {
    let value = answer.headers().get(name)?;
    Some(std::str::from_utf8(value.as_bytes()).unwrap())
}

/// Fails instead of hanging.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), what)
        .await
        .expect("this takes no time")
}

/// Waits until `is` holds, asking again and again.
pub(crate) async fn until<Fut: Future<Output = bool>>(is: impl Fn() -> Fut) {
    soon(async {
        while !is().await {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// One HTTP request on a connection of its own.
pub(crate) struct Call {
    address: SocketAddr,
    request: Request<()>,
    pieces: Vec<Bytes>,
    chunked: bool,
}

impl Call {
    pub(crate) fn new(address: SocketAddr, method: &str, target: &str) -> Self {
        let request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(target)
            .header("host", "localhost")
            .body(())
            .unwrap();
        Self {
            address,
            request,
            pieces: Vec::new(),
            chunked: false,
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.request.headers_mut().insert(
            HeaderName::from_static(name),
            HeaderValue::from_bytes(value.as_ref()).unwrap(),
        );
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.pieces = vec![body.into()];
        self
    }

    /// Without `content-length`, a piece at a time.
    pub(crate) fn chunked(mut self, pieces: impl IntoIterator<Item = Bytes>) -> Self {
        self.pieces = pieces.into_iter().collect();
        self.chunked = true;
        self
    }

    pub(crate) async fn send(self) -> Response<Bytes> {
        soon(async {
            let stream = TcpStream::connect(self.address).await.unwrap();
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream))
                    .await
                    .unwrap();
            let mut tasks = JoinSet::new();
            tasks.spawn(async move { drop(connection.await) });
            let body = if self.chunked {
                let frames = self.pieces.into_iter().map(|it| Ok(Frame::data(it)));
                Either::Left(StreamBody::new(futures_util::stream::iter(
                    frames.collect::<Vec<Result<_, Infallible>>>(),
                )))
            } else {
                Either::Right(Full::new(
                    self.pieces.into_iter().next().unwrap_or_default(),
                ))
            };
            let request = self.request.map(|()| body);
            let (head, body) = sender.send_request(request).await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Response::from_parts(head, body)
        })
        .await
    }
}

/// A client's WebSocket.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The subprotocol that was chosen.
    pub(crate) protocol: Option<String>,
    encoding: Encoding,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, target: &str, protocols: &str) -> Self {
        Self::connect_as(address, target, protocols, "nobody").await
    }

    /// With an `x-user` header, and the same as `user-agent`.
    pub(crate) async fn connect_as(
        address: SocketAddr,
        target: &str,
        protocols: &str,
        user: &'static str,
    ) -> Self {
        let mut request = format!("ws://{address}{target}")
            .into_client_request()
            .unwrap();
        for name in ["x-user", "user-agent"] {
            let user = HeaderValue::from_static(user);
            request.headers_mut().insert(name, user);
        }
        request.headers_mut().insert(
            "sec-websocket-protocol",
            HeaderValue::from_str(protocols).unwrap(),
        );
        let connecting = tokio_tungstenite::connect_async(request);
        let (socket, answer) = soon(connecting).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
        let protocol = answer.headers().get("sec-websocket-protocol");
        let name = protocols
            .split(',')
            .find_map(|it| it.trim().strip_prefix("rivet_encoding."));
        Self {
            socket,
            protocol: protocol.map(|it| it.to_str().unwrap().to_owned()),
            encoding: name.and_then(Encoding::from_name).unwrap_or_default(),
        }
    }

    pub(crate) async fn send(&mut self, message: ToServer) {
        let bytes = client::encode(self.encoding, &message);
        let message = if self.encoding == Encoding::Json {
            Message::text(String::from_utf8(bytes.to_vec()).unwrap())
        } else {
            Message::Binary(bytes)
        };
        soon(self.socket.send(message)).await.unwrap();
    }

    pub(crate) async fn call(&mut self, id: u64, name: &str, args: impl serde::Serialize) {
        let args = actor_core::protocol::Args::from_value(Value::from_serialize(&args).unwrap());
        let name = name.to_owned();
        self.send(ToServer::Action { id, name, args }).await;
    }

    pub(crate) async fn subscribe(&mut self, event: &str) {
        let event = event.to_owned();
        let subscribe = true;
        self.send(ToServer::Subscribe { event, subscribe }).await;
    }

    /// The next message, which has to be one.
    pub(crate) async fn next(&mut self) -> ToClient {
        let message = soon(self.socket.next()).await.unwrap().unwrap();
        assert_eq!(message.is_text(), self.encoding == Encoding::Json);
        client::decode(self.encoding, &message.into_data()).unwrap()
    }

    /// The first message, which says that the connection is open.
    pub(crate) async fn opened(&mut self) -> (String, String) {
        match self.next().await {
            ToClient::Init {
                actor_id,
                connection_id,
            } => (actor_id, connection_id),
            other => panic!("{other:?} is no greeting"),
        }
    }

    /// The close frame, which has to come next.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        match soon(self.socket.next()).await {
            Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                (code.into(), reason.to_string())
            }
            other => panic!("{other:?} is no close frame"),
        }
    }

    /// The output of call `id`, events before it left out.
    pub(crate) async fn output<T: serde::de::DeserializeOwned>(&mut self, id: u64) -> T {
        loop {
            match self.next().await {
                ToClient::Response {
                    id: answered,
                    output,
                } => {
                    assert_eq!(answered, id);
                    return output.deserialize_into().unwrap();
                }
                ToClient::Event { .. } => {}
                other => panic!("{other:?} is no output"),
            }
        }
    }
}

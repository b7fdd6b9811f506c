//! `/inspector/connect`: the inspector over a WebSocket. Each question has its answer; nobody is told of
//! what others change.

use std::{
    pin::pin,
    task::{Context, Poll},
};

use actor_core::{
    ActorError, Value,
    connection::{CloseFrame, Frame},
    gateway::{ActionRequest, ActorRef, Gateway, Watch, close_with},
    inspector::{Inspector, Snapshot},
    protocol::{
        Encoding,
        headers::Subprotocols,
        inspector::{self as wire, Init, QueueStatus, ToClient, ToServer},
    },
};
use futures_util::future::{Either, poll_fn, select};
use http::{Uri, request::Parts};
use hyper::upgrade::Upgraded;

use super::{
    offered,
    stream::{Gone, Incoming, Stream},
};
use crate::{
    admission::Admitted,
    http::find,
    inspection::{self, MAX_ROWS, MAX_STATE},
    router::{Door, Entering},
};

/// Serves the inspector of the actor that `entering` is for until its client leaves.
pub(super) async fn serve(
    door: &Door,
    io: Upgraded,
    parts: Parts,
    entering: Result<Entering, ActorError>,
) {
    let mut stream = Stream::new(io, MAX_STATE);
    let session = match Session::open(door, parts, entering).await {
        Ok(session) => session,
        Err(frame) => return stream.close(frame).await,
    };
    let end = {
        let carried = pin!(session.carry(&mut stream));
        let closing = pin!(door.gateway.closing());
        match select(carried, closing).await {
            Either::Left((end, _)) => end,
            Either::Right(((), _)) => End::Closed(CloseFrame::new(1012, "actor.stopping")),
        }
    };
    match end {
        End::Client => stream.close_answered().await,
        End::Closed(frame) => stream.close(frame).await,
        End::Broken(frame) => stream.close_unread(frame).await,
        End::Gone => {}
    }
}

/// How a session ends.
enum End {
    /// The client closed, and is to be answered.
    Client,
    Closed(CloseFrame),
    /// The client sent what cannot be read.
    Broken(CloseFrame),
    Gone,
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// One client of the inspector, and the actor it looks at.
struct Session<'a> {
    gateway: &'a Gateway,
    inspector: Inspector,
    actor: ActorRef,
    _admitted: Admitted,
}

impl<'a> Session<'a> {
    async fn open(
        door: &'a Door,
        parts: Parts,
        entering: Result<Entering, ActorError>,
    ) -> Result<Self, CloseFrame> {
        let offered = Subprotocols::parse(offered(&parts.headers)).unwrap_or_default();
        let token = offered.inspector_token.unwrap_or_default();
        let inspector = door.gateway.registry().inspector(&token).map_err(|error| {
            let reason = format!("{}.{}", error.group(), error.code());
            CloseFrame::new(1008, reason)
        })?;
        let closed = |error: ActorError| close_with(&error);
        let found = find(&door.gateway, entering).await;
        let (route, actor, admitted) = found.map_err(closed)?;
        check_version(&route.url(&parts)).map_err(closed)?;
        Ok(Self {
            gateway: &door.gateway,
            inspector,
            actor,
            _admitted: admitted,
        })
    }

    /// Greets, then answers one question after another.
    async fn carry(&self, stream: &mut Stream) -> End {
        let greeting = match self.init().await {
            Ok(init) => ToClient::Init(init),
            Err(error) => return End::Closed(close_with(&error)),
        };
        let watch = self.gateway.watch();
        if send(stream, &watch, &greeting).await.is_err() {
            return End::Gone;
        }
        loop {
            let incoming = match poll_fn(|cx| poll_incoming(stream, &watch, cx)).await {
                Ok(incoming) => incoming,
                Err(end) => return end,
            };
            let asked = match incoming {
                Incoming::Message(frame) => wire::decode(&frame.bytes),
                Incoming::Close(_) => return End::Client,
                Incoming::Broken(frame) => return End::Broken(frame),
                Incoming::Gone => return End::Gone,
            };
            let asked = match asked {
                Ok(asked) => asked,
                Err(error) => return End::Closed(close_with(&error.into())),
            };
            let answer = watch.deaf_during(self.answer(asked)).await;
            let answer = answer.unwrap_or_else(|error| ToClient::Error {
                message: error.masked().to_string(),
            });
            if let Err(gone) = send(stream, &watch, &answer).await {
                return gone.into();
            }
        }
    }

    async fn init(&self) -> Result<Init, ActorError> {
        let id = self.actor.id();
        let Snapshot {
            state, connections, ..
        } = self.inspector.snapshot(id).await?;
        let schedules = self.inspector.schedules(id).await?;
        Ok(Init {
            connections: connections.iter().map(inspection::connection).collect(),
            state,
            actions: self.actions().await?,
            has_database: self.inspector.has_database(id).await?,
            queue_size: self.inspector.queue(id, 0).await?.size as u64,
            schedules: schedules.iter().map(inspection::planned).collect(),
        })
    }

    async fn answer(&self, asked: ToServer) -> Result<ToClient, ActorError> {
        let (inspector, actor) = (&self.inspector, self.actor.id());
        Ok(match asked {
            ToServer::PatchState { state } => {
                inspector.replace_state(actor, state).await?;
                let state = inspector.snapshot(actor).await?.state;
                ToClient::StateUpdated { state }
            }
            ToServer::State { id } => {
                let state = inspector.snapshot(actor).await?.state;
                ToClient::State { id, state }
            }
            ToServer::Connections { id } => {
                let seen = inspector.snapshot(actor).await?.connections;
                let connections = seen.iter().map(inspection::connection).collect();
                ToClient::Connections { id, connections }
            }
            ToServer::Action { id, name, args } => {
                let output = self.call(name, args).await?;
                ToClient::Action { id, output }
            }
            ToServer::Actions { id } => {
                let names = self.actions().await?;
                ToClient::Actions { id, names }
            }
            ToServer::Traces { id } => ToClient::Traces { id },
            ToServer::WorkflowHistory { id } => ToClient::WorkflowHistory { id },
            ToServer::WorkflowReplay { id } => ToClient::WorkflowReplay { id },
            ToServer::Queue { .. } | ToServer::Schema { .. } | ToServer::Rows { .. } => {
                self.stored(asked).await?
            }
            other => self.scheduled(other).await?,
        })
    }

    /// What waits in queues or lies in the database.
    async fn stored(&self, asked: ToServer) -> Result<ToClient, ActorError> {
        let (inspector, actor) = (&self.inspector, self.actor.id());
        Ok(match asked {
            ToServer::Queue { id, limit } => {
                let most = usize::try_from(limit).unwrap_or(usize::MAX);
                let queue = inspector.queue(actor, most).await?;
                let sent = queue.messages.iter();
                let sent = sent.map(|it| (it.id, it.queue.to_string(), it.sent.as_millis()));
                let status = QueueStatus {
                    size: queue.size as u64,
                    max_size: queue.max_size as u64,
                    messages: sent.collect(),
                    truncated: queue.messages.len() < queue.size,
                };
                ToClient::Queue { id, status }
            }
            ToServer::Schema { id } => {
                let tables = inspector.tables(actor).await?;
                let schema = inspection::schema(tables);
                ToClient::Schema { id, schema }
            }
            ToServer::Rows {
                id,
                table,
                limit,
                offset,
            } => {
                let limit = u32::try_from(limit).unwrap_or(u32::MAX).min(MAX_ROWS);
                let rows = inspector.rows(actor, &table, limit, offset).await?;
                let result = Value::Array(rows);
                ToClient::Rows { id, result }
            }
            _ => return Err(unknown()),
        })
    }

    /// What is scheduled, and what ran.
    async fn scheduled(&self, asked: ToServer) -> Result<ToClient, ActorError> {
        let (inspector, actor) = (&self.inspector, self.actor.id());
        Ok(match asked {
            ToServer::Schedules { id } => {
                let schedules = inspector.schedules(actor).await?;
                let schedules = schedules.iter().map(inspection::planned).collect();
                ToClient::Schedules { id, schedules }
            }
            ToServer::ScheduleHistory {
                id,
                schedule,
                limit,
            } => {
                let of = schedule.parse().map_err(|_| no_schedule())?;
                let runs = inspector.runs(actor, of).await?;
                let most = usize::try_from(limit).unwrap_or(usize::MAX);
                let runs = runs.iter().take(most).map(inspection::fired).collect();
                ToClient::ScheduleHistory { id, schedule, runs }
            }
            ToServer::ScheduleDelete { id, schedule } => {
                let of = schedule.parse().map_err(|_| no_schedule())?;
                let deleted = inspector.unschedule(actor, of).await?;
                ToClient::ScheduleDeleted {
                    id,
                    schedule,
                    deleted,
                }
            }
            _ => return Err(unknown()),
        })
    }

    async fn actions(&self) -> Result<Vec<String>, ActorError> {
        let names = self.inspector.actions(self.actor.id()).await?;
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    /// Calls an action as any client does.
    async fn call(&self, name: String, args: Value) -> Result<Value, ActorError> {
        let request = ActionRequest {
            name,
            encoding: Encoding::Cbor,
            body: Encoding::Cbor.encode_value(&Value::object([("args", args)])),
            params: Value::Undefined,
            request: None,
            idempotency_key: None,
        };
        let response = self.gateway.action(&mut self.actor.clone(), request).await;
        let answer = Encoding::Cbor.decode_value(&response.body)?;
        let text = |name| answer.member(name).and_then(Value::as_str).unwrap_or("");
        if response.status == 200 {
            return Ok(answer.member("output").cloned().unwrap_or_default());
        }
        let text = format!("{}.{}: {}", text("group"), text("code"), text("message"));
        Err(ActorError::new("inspector", "action_failed", text))
    }
}

/// Waits for a message of the client, and asks it now and then whether it is still there (H16).
fn poll_incoming(
    stream: &mut Stream,
    watch: &Watch,
    cx: &mut Context<'_>,
) -> Poll<Result<Incoming, End>> {
    while let Poll::Ready(asks) = watch.poll(cx) {
        match asks {
            Ok(()) => stream.ping(cx)?,
            Err(frame) => return Poll::Ready(Err(End::Closed(frame))),
        }
    }
    let incoming = stream.poll_next(cx);
    if stream.is_dirty()
        && let Poll::Ready(flushed) = stream.poll_flush(cx)
    {
        flushed?;
    }
    if stream.take_heard() {
        watch.hear();
    }
    incoming.map(Ok)
}

async fn send(stream: &mut Stream, watch: &Watch, message: &ToClient) -> Result<(), Gone> {
    let mut frame = Some(Frame {
        bytes: wire::encode(message),
        text: false,
    });
    poll_fn(|cx: &mut Context<'_>| {
        if let Some(frame) = frame.take() {
            stream.send(cx, frame)?;
        }
        while let Poll::Ready(asks) = watch.poll(cx) {
            asks.map_err(|_| Gone)?;
            stream.ping(cx)?;
        }
        let flushed = stream.poll_flush(cx);
        if stream.take_heard() {
            watch.hear();
        }
        flushed
    })
    .await
}

/// A client says in its URL which version it speaks.
fn check_version(url: &Uri) -> Result<(), ActorError> {
    if inspection::asked(url, "protocol_version").as_deref() == Some(wire::VERSION) {
        return Ok(());
    }
    let text = format!("`protocol_version` has to be {}", wire::VERSION);
    Err(ActorError::new("inspector", "unsupported_version", text))
}

fn unknown() -> ActorError {
    ActorError::new("actor", "invalid_request", "an unknown kind of message").public()
}

fn no_schedule() -> ActorError {
    ActorError::new("actor", "invalid_request", "that is no id of a schedule").public()
}

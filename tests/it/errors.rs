//! Errors of an action's own: the same variant to whoever asks, in the process as the value that it is, over HTTP
//! and over a socket as its group, code, message and metadata.

use actor_core::{
    CallError, IntoActorError as _,
    connection::{Delivery, Frame},
    gateway::{ActionRequest, ActorRef, ConnectRequest},
    prelude::*,
    protocol::{Args, Encoding, ToClient, ToServer, client},
};
use futures_util::future::poll_fn;

use crate::registry;

/// One of each kind.
#[derive(Debug, thiserror::Error, ActionError)]
#[action_error(status = 409)]
pub(crate) enum DoorError {
    #[error("the door is locked")]
    Locked,
    #[error("{by} holds it, for {minutes} minutes more")]
    #[action_error(status = 423, group = "door", code = "in_hand")]
    Held { by: String, minutes: u64 },
    #[error("the hinge broke at {0}")]
    #[action_error(internal)]
    Hinge(String),
    #[error(transparent)]
    #[action_error(transparent)]
    Other(#[from] ActorError),
}

#[actor]
#[derive(Default)]
pub(crate) struct Door {}

#[actor]
impl Door {
    #[action]
    async fn open(&mut self, number: usize) -> Result<(), DoorError> {
        Err(errors().swap_remove(number))
    }

    #[action]
    async fn look(&self, number: usize) -> Result<(), DoorError> {
        Err(errors().swap_remove(number))
    }

    #[action]
    async fn open_freely(_ctx: &TaskCtx<Self>, number: usize) -> Result<(), DoorError> {
        Err(errors().swap_remove(number))
    }

    #[action(atomic)]
    async fn open_wholly(&mut self, number: usize) -> Result<(), DoorError> {
        Err(errors().swap_remove(number))
    }
}

fn errors() -> Vec<DoorError> {
    let by = "ann".to_owned();
    vec![
        DoorError::Locked,
        DoorError::Held { by, minutes: 5 },
        DoorError::Hinge("the top".into()),
        DoorError::Other(ActorError::forbidden()),
    ]
}

/// What clients are told of each of them.
const TOLD: [&str; 4] = [
    "409 user.locked: the door is locked; null",
    r#"423 door.in_hand: ann holds it, for 5 minutes more; {"by":"ann","minutes":5}"#,
    "409 rivetkit.internal_error: An internal error occurred; null",
    "403 auth.forbidden: this is not allowed; null",
];

const ACTIONS: [&str; 4] = ["open", "look", "openFreely", "openWholly"];

fn told(error: &ActorError) -> String {
    let (group, code, message) = (error.group(), error.code(), error.message());
    let metadata = serde_json::to_string(&error.metadata()).unwrap();
    format!("{group}.{code}: {message}; {metadata}")
}

fn args_of(at: usize) -> Args {
    Args::from_value(Value::from_serialize(&[at]).unwrap())
}

async fn over_http(
    actor: &ActorRef,
    registry: &Registry,
    encoding: Encoding,
    at: usize,
    name: &str,
) -> String {
    let args = args_of(at).into_value();
    let request = ActionRequest {
        name: name.into(),
        encoding,
        body: client::encode_action(encoding, &args),
        params: Value::Undefined,
        request: None,
        idempotency_key: None,
    };
    let answer = registry.gateway().action(&mut actor.clone(), request).await;
    let (error, _) = client::decode_error(encoding, &answer.body).unwrap();
    format!("{} {}", answer.status, told(&error))
}

async fn over_a_socket(
    actor: &ActorRef,
    registry: &Registry,
    encoding: Encoding,
    at: usize,
    name: &str,
) -> String {
    let request = ConnectRequest {
        encoding,
        params: Value::Undefined,
        request: None,
    };
    let socket = registry.gateway().connect(actor, request).await.unwrap();
    let call = ToServer::Action {
        id: 1,
        name: name.into(),
        args: args_of(at),
    };
    let bytes = client::encode(encoding, &call);
    let text = encoding == Encoding::Json;
    socket.receive(Frame { bytes, text }).await.unwrap();
    loop {
        let delivery = poll_fn(|cx| socket.poll_next(cx)).await;
        let Some(Delivery::Frame(frame)) = delivery else {
            panic!("{delivery:?}")
        };
        match client::decode(encoding, &frame.bytes).unwrap() {
            ToClient::Init { .. } => {}
            ToClient::Error { error, .. } => return told(&error),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_is_the_same_variant_to_whoever_asks() {
    let registry = registry(|it| it.actor::<Door>()).await;
    let door = registry.get_or_create::<Door>("front");
    let actor = door.actor().await.unwrap();
    let conn = door.connect(Value::Undefined).await.unwrap();
    for (at, expected) in errors().into_iter().enumerate() {
        let answers = [
            door.open(at).await,
            door.look(at).await,
            door.open_freely(at).await,
            door.open_wholly(at).await,
            conn.open(at).await,
            conn.look(at).await,
            conn.open_freely(at).await,
            conn.open_wholly(at).await,
        ];
        for answer in answers {
            match answer {
                Err(CallError::Action(error)) => {
                    assert_eq!(format!("{error:?}"), format!("{expected:?}"));
                }
                other => panic!("{other:?} is not {expected:?}"),
            }
        }
        let status = expected.to_actor_error().status();
        assert_eq!(TOLD[at].split(' ').next(), Some(&*status.to_string()));
        for encoding in [Encoding::Json, Encoding::Cbor, Encoding::Bare] {
            for name in ACTIONS {
                let said = over_http(&actor, &registry, encoding, at, name).await;
                assert_eq!(said, TOLD[at], "{name}, {encoding:?}");
                let said = over_a_socket(&actor, &registry, encoding, at, name).await;
                assert_eq!(Some(&*said), TOLD[at].get(4..), "{name}, {encoding:?}");
            }
        }
    }
}

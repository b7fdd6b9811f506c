//! An actor without macros: what `#[actor]`, `#[derive(Event)]` and `#[derive(ActionError)]` write for
//! the counter at the end, written by hand. The docs show this file.

#![allow(unreachable_pub, reason = "written as in a library")]

use actor_core::{CallError, prelude::*};

/// The counter by hand.
mod by_hand {
    use actor_core::{
        ActorError, ActorHandle, CallError, Ctx, IntoActorError, TaskCtx, Value,
        actor::{
            Actor, ActorType, Event, Handler, Hook, Receiver, Reply, ReplySlot, StateError,
            WireReply, decode_state, encode_state,
        },
        gateway::Handled,
        protocol::Args,
        value::ValueError,
    };

    #[derive(Default, serde::Deserialize, serde::Serialize)]
    pub struct Counter {
        pub count: i64,
    }

    // What is written for the counter's methods is here a plain impl block.
    impl Counter {
        async fn increment(&mut self, ctx: &Ctx<Self>, by: i64) -> Result<i64, CounterError> {
            let count = self
                .count
                .checked_add(by)
                .ok_or(CounterError::Overflow { by })?;
            self.count = count;
            ctx.broadcast(CounterEvent::NewCount(count));
            Ok(count)
        }

        async fn get(&self) -> i64 {
            self.count
        }

        async fn double(ctx: &TaskCtx<Self>) -> i64 {
            ctx.read(|it| it.count * 2).await
        }
    }

    // `#[actor]` on the struct.
    impl ActorType for Counter {
        type Input = Value;
        type Params = Value;
        type ConnState = ();
        type Event = CounterEvent;

        const NAME: &'static str = "counter";
        const VERSION: u32 = 1;

        fn encode(&self, out: &mut Vec<u8>) -> Result<(), StateError> {
            encode_state(self, out)
        }

        fn decode(version: u32, bytes: &[u8]) -> Result<Self, StateError> {
            decode_state(version, Self::VERSION, bytes, None)
        }
    }

    /// One call of the counter: arguments on their way in, a place for the answer on its way out.
    pub enum Call {
        Increment(Option<i64>, Reply<i64, CounterError>),
        Get(Reply<i64, std::convert::Infallible>),
        Double(Reply<i64, std::convert::Infallible>),
    }

    // `#[actor]` on the impl block.
    impl Actor for Counter {
        type Call = Call;

        const HANDLERS: &'static [Handler] = &[
            Handler::new("increment", Receiver::Exclusive),
            Handler::new("get", Receiver::Shared),
            Handler::new("double", Receiver::Free),
        ];
        const ACTIONS: usize = 3;

        fn handler(call: &Call) -> usize {
            match call {
                Call::Increment(..) => 0,
                Call::Get(_) => 1,
                Call::Double(_) => 2,
            }
        }

        fn decode_call(
            action: usize,
            mut args: Args,
            reply: &mut Option<WireReply>,
        ) -> Result<Call, ActorError> {
            let call = match action {
                0 => {
                    let by = args.take("by")?;
                    args.finish()?;
                    Call::Increment(Some(by), Reply::client(reply))
                }
                1 => {
                    args.finish()?;
                    Call::Get(Reply::client(reply))
                }
                _ => {
                    args.finish()?;
                    Call::Double(Reply::client(reply))
                }
            };
            Ok(call)
        }

        fn hook(_hook: Hook<Self>) -> Option<Call> {
            None
        }

        // Hooks are calls too; this actor has none, so its connections get their state from here.
        fn default_conn_state() {}

        fn reply(call: &mut Call) -> &mut dyn ReplySlot {
            match call {
                Call::Increment(_, reply) => reply,
                Call::Get(reply) | Call::Double(reply) => reply,
            }
        }

        async fn create(_ctx: &Ctx<Self>, _input: Value) -> Result<Self, ActorError> {
            Ok(Self::default())
        }

        async fn run_exclusive(&mut self, ctx: &Ctx<Self>, call: &mut Call) {
            if let Call::Increment(by, reply) = call {
                let by = by.take().expect("a call runs once");
                reply.fill(self.increment(ctx, by).await);
            }
        }

        async fn run_shared(&self, _ctx: &Ctx<Self>, call: &mut Call) {
            if let Call::Get(reply) = call {
                reply.fill(Ok(self.get().await));
            }
        }

        async fn run_free(ctx: &TaskCtx<Self>, call: &mut Call) {
            if let Call::Double(reply) = call {
                reply.fill(Ok(Self::double(ctx).await));
            }
        }
    }

    /// The typed handle.
    #[derive(Clone, Debug)]
    pub struct CounterHandle(ActorHandle<Counter>);

    impl CounterHandle {
        pub async fn increment(&self, by: i64) -> Result<i64, CallError<CounterError>> {
            self.0.call(|reply| Call::Increment(Some(by), reply)).await
        }

        pub async fn get(&self) -> Result<i64, CallError> {
            self.0.call(Call::Get).await
        }

        pub async fn double(&self) -> Result<i64, CallError> {
            self.0.call(Call::Double).await
        }
    }

    impl From<ActorHandle<Counter>> for CounterHandle {
        fn from(handle: ActorHandle<Counter>) -> Self {
            Self(handle)
        }
    }

    impl std::ops::Deref for CounterHandle {
        type Target = ActorHandle<Counter>;

        fn deref(&self) -> &ActorHandle<Counter> {
            &self.0
        }
    }

    impl Handled for Counter {
        type Handle = CounterHandle;
    }

    #[derive(Clone, Debug)]
    pub enum CounterEvent {
        NewCount(i64),
    }

    // `#[derive(Event)]`.
    impl Event for CounterEvent {
        fn name(&self) -> &'static str {
            match self {
                Self::NewCount(_) => "newCount",
            }
        }

        fn args(&self) -> Result<Value, ValueError> {
            match self {
                Self::NewCount(count) => Value::from_serialize(&(count,)),
            }
        }
    }

    #[derive(Debug, thiserror::Error)]
    pub enum CounterError {
        #[error("the count is too large to add {by}")]
        Overflow { by: i64 },
    }

    // `#[derive(ActionError)]`.
    impl IntoActorError for CounterError {
        fn to_actor_error(&self) -> ActorError {
            match self {
                Self::Overflow { by } => ActorError::user(self.to_string())
                    .with_code("overflow")
                    .with_status(409)
                    .with_metadata(Value::object([("by", *by)])),
            }
        }
    }
}

/// The same counter by macro.
mod by_macro {
    use super::*;

    #[actor(event = CounterEvent)]
    #[derive(Default)]
    pub struct Counter {
        pub count: i64,
    }

    #[actor]
    impl Counter {
        #[action]
        async fn increment(&mut self, ctx: &Ctx<Self>, by: i64) -> Result<i64, CounterError> {
            let count = self
                .count
                .checked_add(by)
                .ok_or(CounterError::Overflow { by })?;
            self.count = count;
            ctx.broadcast(CounterEvent::NewCount(count));
            Ok(count)
        }

        #[action]
        async fn get(&self) -> i64 {
            self.count
        }

        #[action]
        async fn double(ctx: &TaskCtx<Self>) -> i64 {
            ctx.read(|it| it.count * 2).await
        }
    }

    #[derive(Clone, Debug, Event)]
    pub enum CounterEvent {
        NewCount(i64),
    }

    #[derive(Debug, thiserror::Error, ActionError)]
    pub enum CounterError {
        #[error("the count is too large to add {by}")]
        #[action_error(status = 409)]
        Overflow { by: i64 },
    }
}

/// What both have to do alike.
macro_rules! behaves {
    ($module:ident) => {{
        use $module::{Counter, CounterError, CounterEvent};

        let registry = Registry::builder()
            .actor::<Counter>()
            .build()
            .await
            .unwrap();
        let counter = registry.get_or_create::<Counter>("one");
        let mut events = counter.connect(Value::Null).await.unwrap();

        assert_eq!(counter.increment(5).await.unwrap(), 5);
        assert_eq!(counter.get().await.unwrap(), 5);
        assert_eq!(counter.double().await.unwrap(), 10);
        let event = events.next().await.unwrap();
        assert!(matches!(*event, CounterEvent::NewCount(5)), "{event:?}");

        let error = counter.increment(i64::MAX).await.unwrap_err();
        let CallError::Action(CounterError::Overflow { by }) = &error else {
            panic!("{error}")
        };
        assert_eq!(*by, i64::MAX);
        let error = error.to_actor_error();
        assert_eq!(
            (error.group(), error.code(), error.status()),
            ("user", "overflow", 409)
        );
        assert_eq!(error.metadata(), Some(&Value::object([("by", i64::MAX)])));

        let event = CounterEvent::NewCount(5);
        assert_eq!(
            (event.name(), event.args().unwrap()),
            ("newCount", Value::Array(vec![5.into()]))
        );

        let mut stored = Vec::new();
        Counter { count: 5 }.encode(&mut stored).unwrap();
        assert_eq!(Counter::decode(1, &stored).unwrap().count, 5);
        let names = Counter::HANDLERS
            .iter()
            .map(|it| (it.name, it.receiver))
            .collect::<Vec<_>>();
        (Counter::NAME, names, stored)
    }};
}

#[tokio::test(start_paused = true)]
async fn both_behave_alike() {
    use actor_core::actor::{Actor as _, ActorType as _};

    assert_eq!(behaves!(by_hand), behaves!(by_macro));
}

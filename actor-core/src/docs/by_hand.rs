//! A counter without macros. It is shown in the guide, and compiled by the project's tests.

use std::time::Duration;

use actor_core::{
    ActorError, ActorHandle, CallError, Ctx, IntoActorError, ScheduleId, TaskCtx, Value,
    actor::{
        Actor, ActorType, Event, Handler, Hook, Receiver, Reply, ReplySlot, Scheduled, StateError,
        WireReply, decode_state, encode_state,
    },
    gateway::Handled,
    protocol::Args,
    queue::NoQueue,
    schedule::{Draft, Planned, ScheduleError},
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

    async fn later(&self, ctx: &Ctx<Self>) -> Result<ScheduleId, ScheduleError> {
        ctx.after(Duration::from_secs(60)).increment(1)
    }
}

// `#[actor]` on the struct.
impl ActorType for Counter {
    type Input = Value;
    type Params = Value;
    type ConnState = ();
    type Event = CounterEvent;
    type Queue = NoQueue;

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
    Later(Reply<ScheduleId, ScheduleError>),
}

// `#[actor]` on the impl block.
impl Actor for Counter {
    type Call = Call;

    const HANDLERS: &'static [Handler] = &[
        // It awaits nothing, so it is over at its first poll.
        Handler::new("increment", Receiver::Exclusive).at_once(),
        Handler::new("get", Receiver::Shared),
        Handler::new("double", Receiver::Free),
        Handler::new("later", Receiver::Shared),
    ];
    const ACTIONS: usize = 4;

    fn handler(call: &Call) -> usize {
        match call {
            Call::Increment(..) => 0,
            Call::Get(_) => 1,
            Call::Double(_) => 2,
            Call::Later(_) => 3,
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
            2 => {
                args.finish()?;
                Call::Double(Reply::client(reply))
            }
            _ => {
                args.finish()?;
                Call::Later(Reply::client(reply))
            }
        };
        Ok(call)
    }

    // What calls with an idempotency key are told apart by, and how one is answered as an earlier one was.
    // Without these two such calls are refused.
    fn arguments(call: &Call) -> Result<Value, ActorError> {
        Ok(Value::Array(match call {
            Call::Increment(by, _) => vec![(*by).into()],
            Call::Get(_) | Call::Double(_) | Call::Later(_) => Vec::new(),
        }))
    }

    fn replay(call: &mut Call, answer: Value) {
        match call {
            Call::Increment(_, reply) => reply.refill(answer),
            Call::Get(reply) | Call::Double(reply) => reply.refill(answer),
            Call::Later(reply) => reply.refill(answer),
        }
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
            Call::Later(reply) => reply,
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

    async fn run_shared(&self, ctx: &Ctx<Self>, call: &mut Call) {
        match call {
            Call::Get(reply) => reply.fill(Ok(self.get().await)),
            Call::Later(reply) => reply.fill(self.later(ctx).await),
            Call::Increment(..) | Call::Double(_) => {}
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

    pub async fn later(&self) -> Result<ScheduleId, CallError<ScheduleError>> {
        self.0.call(Call::Later).await
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

// What `ctx.after(..)` and its like give: a method for each action, so that to schedule one that is not
// there does not compile.
pub struct CounterSchedule<'a>(Draft<'a>);

impl<'a> From<Draft<'a>> for CounterSchedule<'a> {
    fn from(draft: Draft<'a>) -> Self {
        Self(draft)
    }
}

impl<'a> Planned<'a> for CounterSchedule<'a> {
    fn draft(&self) -> &Draft<'a> {
        &self.0
    }

    fn draft_mut(&mut self) -> &mut Draft<'a> {
        &mut self.0
    }
}

impl Scheduled for Counter {
    type Planned<'a> = CounterSchedule<'a>;
}

impl CounterSchedule<'_> {
    pub fn increment(&self, by: i64) -> Result<ScheduleId, ScheduleError> {
        let args = Args::from_value(Value::Array(vec![by.into()]));
        self.0.submit("increment", args)
    }

    // The other actions have such methods too.
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

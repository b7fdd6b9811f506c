//! Groups of connections, and who is here.

use std::time::Duration;

use actor_core::{
    CloseFrame, Connection, Presence,
    actor::Arrival,
    connection::{Delivery, Frame},
    gateway::{ConnectRequest, Socket},
    prelude::*,
    protocol::{Encoding, ToClient, ToServer, client},
    schedule::ScheduleError,
    testing::TestRegistry,
};
use futures_util::future::poll_fn;
use tokio::time::sleep;

use crate::registry;

#[derive(Debug, Event)]
pub(crate) enum Heard {
    Heard(String),
}

/// Its connections are in the groups that their params name.
#[actor(params = Vec<String>, event = Heard, sleep_after = "1s")]
#[derive(Default)]
pub(crate) struct Hall {
    turns: u32,
}

#[actor]
impl Hall {
    #[on_connect]
    async fn joined(&self, conn: &Conn<Self>) -> Result<(), ActorError> {
        for tag in conn.params() {
            conn.tag(tag)?;
        }
        Ok(())
    }

    /// To those in any of `tags`, or to everyone, but not back to the caller.
    #[action]
    async fn say(&mut self, ctx: &Ctx<Self>, tags: Vec<String>, text: String) {
        let audience = tags.iter().fold(ctx.everyone(), |it, tag| it.to(tag));
        let audience = match ctx.conn() {
            Some(own) => audience.except(&own),
            None => audience,
        };
        audience.broadcast(Heard::Heard(text));
    }

    #[action]
    async fn retag(
        &mut self,
        ctx: &Ctx<Self>,
        from: String,
        to: String,
        fail: bool,
    ) -> Result<Vec<String>, ActorError> {
        self.turns += 1;
        let own = ctx.require_conn()?;
        own.untag(&from);
        own.tag(&to)?;
        assert!(!fail, "as it was told");
        Ok(own.tags())
    }

    #[action]
    async fn group(&self, ctx: &Ctx<Self>, tag: String) -> usize {
        ctx.to(&tag).conns().len()
    }

    #[action]
    async fn nap(&self, ctx: &Ctx<Self>) {
        ctx.sleep();
    }
}

fn tags(names: &[&str]) -> Vec<String> {
    names.iter().map(|it| (*it).to_owned()).collect()
}

fn heard(conn: &mut Connection<Hall>) -> Vec<String> {
    let events = std::iter::from_fn(|| conn.try_next());
    events
        .map(|it| match &*it {
            Heard::Heard(text) => text.clone(),
        })
        .collect()
}

async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

async fn hall() -> (Registry, HallHandle) {
    let registry = registry(|it| it.actor::<Hall>()).await;
    let hall = registry.get_or_create::<Hall>("h");
    (registry, hall)
}

#[tokio::test(start_paused = true)]
async fn an_event_reaches_its_group_and_not_its_sender() {
    let (_registry, hall) = hall().await;
    let mut ann = hall.connect(tags(&["a"])).await.unwrap();
    let mut bob = hall.connect(tags(&["a", "b"])).await.unwrap();
    let mut cid = hall.connect(tags(&[])).await.unwrap();
    ann.say(tags(&["a"]), "to a".into()).await.unwrap();
    ann.say(tags(&["a", "b"]), "to both".into()).await.unwrap();
    ann.say(tags(&[]), "to all".into()).await.unwrap();
    hall.say(tags(&["a"]), "from outside".into()).await.unwrap();
    hall.say(tags(&["nobody"]), "lost".into()).await.unwrap();
    settle().await;
    assert_eq!(heard(&mut ann), ["from outside"]);
    // In both groups, and told once.
    assert_eq!(
        heard(&mut bob),
        ["to a", "to both", "to all", "from outside"]
    );
    assert_eq!(heard(&mut cid), ["to all"]);
}

/// P4: groups outlive sleeps, as all of a connection does.
#[tokio::test(start_paused = true)]
async fn p4_groups_outlive_sleeps() {
    let (_registry, hall) = hall().await;
    let mut ann = hall.connect(tags(&["a"])).await.unwrap();
    let retagged = ann.retag("a".into(), "b".into(), false).await.unwrap();
    assert_eq!(retagged, ["b"]);
    for _ in 0..2 {
        hall.nap().await.unwrap();
        settle().await;
        assert!(!hall.actor().await.unwrap().is_awake());
        assert_eq!(hall.group("a".into()).await.unwrap(), 0);
        assert_eq!(hall.group("b".into()).await.unwrap(), 1);
    }
    hall.say(tags(&["b"]), "still".into()).await.unwrap();
    settle().await;
    assert_eq!(heard(&mut ann), ["still"]);
    drop(ann);
    settle().await;
    assert_eq!(hall.group("b".into()).await.unwrap(), 0);
}

/// P7: what a turn did that panicked is undone, groups too.
#[tokio::test(start_paused = true)]
async fn p7_a_turn_that_failed_has_tagged_nobody() {
    let (_registry, hall) = hall().await;
    let ann = hall.connect(tags(&["a"])).await.unwrap();
    let failed = ann.retag("a".into(), "b".into(), true).await;
    failed.unwrap_err();
    assert_eq!(hall.group("a".into()).await.unwrap(), 1);
    assert_eq!(hall.group("b".into()).await.unwrap(), 0);
}

/// P6: groups are bounded.
#[tokio::test(start_paused = true)]
async fn p6_a_connection_is_in_so_many_groups() {
    let (_registry, hall) = hall().await;
    let many: Vec<_> = (0..101).map(|it| it.to_string()).collect();
    let error = hall.connect(many.clone()).await.unwrap_err();
    assert!(error.is("actor", "too_many_tags"), "{error}");
    let error = hall.connect(vec!["x".repeat(129)]).await.unwrap_err();
    assert!(error.is("actor", "tag_too_long"), "{error}");
    let ann = hall.connect(many[..100].to_vec()).await.unwrap();
    assert_eq!(hall.group("99".into()).await.unwrap(), 1);
    drop(ann);
}

async fn next(socket: &Socket) -> ToClient {
    let delivery = poll_fn(|cx| socket.poll_next(cx)).await;
    let Some(Delivery::Frame(frame)) = delivery else {
        panic!("{delivery:?}")
    };
    client::decode(Encoding::Json, &frame.bytes).unwrap()
}

/// C6: over the wire, who is in the group and did not subscribe hears nothing.
#[tokio::test(start_paused = true)]
async fn c6_a_socket_hears_what_it_subscribed_to() {
    let (registry, hall) = hall().await;
    let actor = hall.actor().await.unwrap();
    let gateway = registry.gateway();
    let mut sockets = Vec::new();
    for _ in 0..2 {
        let request = ConnectRequest {
            encoding: Encoding::Json,
            params: Value::Array(vec!["a".into()]),
            request: None,
        };
        sockets.push(gateway.connect(&actor, request).await.unwrap());
    }
    let subscribe = ToServer::Subscribe {
        event: "heard".into(),
        subscribe: true,
    };
    let subscribe = Frame {
        bytes: client::encode(Encoding::Json, &subscribe),
        text: true,
    };
    sockets[0].receive(subscribe).await.unwrap();
    settle().await;
    hall.say(tags(&["a"]), "hello".into()).await.unwrap();
    settle().await;
    let ToClient::Event { name, args } = next(&sockets[0]).await else {
        panic!()
    };
    assert_eq!(
        (&*name, args),
        ("heard", Value::Array(vec!["hello".into()]))
    );
    let other = futures_util::poll!(poll_fn(|cx| sockets[1].poll_next(cx)));
    assert!(other.is_pending());
}

#[tokio::test(start_paused = true)]
async fn p6_a_client_hears_a_thousand_events_and_no_more() {
    let (registry, hall) = hall().await;
    let actor = hall.actor().await.unwrap();
    let request = ConnectRequest {
        encoding: Encoding::Json,
        params: Value::Array(vec!["a".into()]),
        request: None,
    };
    let socket = registry.gateway().connect(&actor, request).await.unwrap();
    for number in 0..=1000 {
        let subscribe = ToServer::Subscribe {
            event: format!("event {number}"),
            subscribe: true,
        };
        let bytes = client::encode(Encoding::Json, &subscribe);
        socket.receive(Frame { bytes, text: true }).await.unwrap();
        settle().await;
        let closed = futures_util::poll!(poll_fn(|cx| socket.poll_closing(cx)));
        assert_eq!(closed.is_ready(), number == 1000);
    }
    let too_many = CloseFrame::new(1011, "actor.too_many_subscriptions");
    let closed = poll_fn(|cx| socket.poll_next(cx)).await;
    assert_eq!(closed, Some(Delivery::Close(too_many)));
}

/// What a client hears is stored with it, and so bounded.
#[tokio::test(start_paused = true)]
async fn p6_an_events_name_has_a_longest() {
    let (registry, hall) = hall().await;
    let actor = hall.actor().await.unwrap();
    let request = ConnectRequest {
        encoding: Encoding::Json,
        params: Value::Array(Vec::new()),
        request: None,
    };
    let socket = registry.gateway().connect(&actor, request).await.unwrap();
    // No longer asking for one is fine.
    for (bytes, subscribe, fits) in [(1024, true, true), (1025, false, true), (1025, true, false)] {
        let event = "x".repeat(bytes);
        let bytes = client::encode(Encoding::Json, &ToServer::Subscribe { event, subscribe });
        socket.receive(Frame { bytes, text: true }).await.unwrap();
        settle().await;
        let closed = futures_util::poll!(poll_fn(|cx| socket.poll_closing(cx)));
        assert_eq!(closed.is_pending(), fits);
    }
    let too_long = CloseFrame::new(1011, "actor.event_name_too_long");
    let closed = poll_fn(|cx| socket.poll_next(cx)).await;
    assert_eq!(closed, Some(Delivery::Close(too_long)));
}

#[actor(params = String, sleep_after = "1s")]
#[derive(Default)]
pub(crate) struct Page {
    here: Presence,
    log: Vec<String>,
}

#[actor]
impl Page {
    #[on_connect]
    async fn came(&mut self, conn: &Conn<Self>) {
        let user = conn.params().clone();
        match self.here.join(conn.id(), user.clone()) {
            Arrival::New => self.log.push(format!("+{user}")),
            Arrival::Back => self.log.push(format!("({user})")),
            _ => {}
        }
    }

    #[on_disconnect]
    async fn closed(&mut self, ctx: &Ctx<Self>, conn: &Conn<Self>) -> Result<(), ScheduleError> {
        if let Some(user) = self.here.leave(conn.id()) {
            let grace = ctx.after(Duration::from_secs(5));
            grace.named(format!("left {user}")).left(user)?;
        }
        Ok(())
    }

    #[scheduled]
    async fn left(&mut self, user: String) {
        if self.here.gone(&user) {
            self.log.push(format!("-{user}"));
        }
    }

    #[action]
    async fn here(&self) -> (Vec<String>, Vec<String>) {
        (self.here.users().cloned().collect(), self.log.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_here_outlives_tabs_reloads_sleeps_and_restarts() {
    let mut test = TestRegistry::start(|it| it.actor::<Page>()).await;
    let page = test.get_or_create::<Page>("p");
    let here = async |page: &PageHandle| page.here().await.unwrap();
    let first = page.connect("ann".into()).await.unwrap();
    let second = page.connect("ann".into()).await.unwrap();
    let bob = page.connect("bob".into()).await.unwrap();
    drop(first);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(here(&page).await.0, ["ann", "bob"]);
    // A reload: away for less than the grace, though the actor slept meanwhile.
    drop(second);
    sleep(Duration::from_secs(3)).await;
    assert!(!page.actor().await.unwrap().is_awake());
    let third = page.connect("ann".into()).await.unwrap();
    sleep(Duration::from_secs(20)).await;
    assert_eq!(here(&page).await.1, ["+ann", "+bob", "(ann)"]);
    // Gone for good: the schedule wakes the actor.
    drop(bob);
    sleep(Duration::from_secs(20)).await;
    let (users, log) = here(&page).await;
    assert_eq!(users, ["ann"]);
    assert_eq!(log.last().unwrap(), "-bob");
    // A crash takes the connections with it, and whoever had them has left in the end.
    drop((page, third));
    test.crash().await;
    let page = test.get_or_create::<Page>("p");
    page.here().await.unwrap();
    sleep(Duration::from_secs(20)).await;
    assert!(here(&page).await.0.is_empty());
}

//! Tokens arrive while the answer is being made, and others are served meanwhile.

use actor_core::testing::TestRegistry;
use axum::{body::Body, http::Request};
use tower::ServiceExt as _;

use super::*;

#[tokio::test(start_paused = true)]
async fn tokens_are_heard_before_the_answer_is_whole() {
    let registry = TestRegistry::start(declare).await;
    let agent = registry.get_or_create::<Agent>("a");
    let mut hears = agent.connect(Value::Undefined).await.unwrap();
    let asking = agent.clone();
    let answer = async move { asking.ask("who are you".into()).await.unwrap() };
    let listening = async {
        let Some(Spoken::Turn(asked)) = hears.next().await.as_deref().map(clone) else {
            panic!()
        };
        assert_eq!(asked.text, "who are you");
        let mut heard = String::new();
        let last = loop {
            match hears.next().await.as_deref() {
                Some(Spoken::Token(token)) => heard.push_str(token),
                Some(Spoken::Turn(turn)) => break turn.text.clone(),
                None => panic!(),
            }
            if heard.len() < 20 {
                // In the middle of the answer.
                assert_eq!(agent.said().await.unwrap().len(), 1);
                let busy = agent.ask("and now".into()).await.unwrap_err();
                assert!(busy.to_actor_error().is("user", "busy"));
            }
        };
        assert_eq!(heard, last);
        last
    };
    let (answer, heard) = tokio::join!(answer, listening);
    assert_eq!(answer, heard);
    assert_eq!(agent.said().await.unwrap().len(), 2);
}

fn clone(event: &Spoken) -> Spoken {
    match event {
        Spoken::Token(token) => Spoken::Token(token.clone()),
        Spoken::Turn(turn) => Spoken::Turn(turn.clone()),
    }
}

#[tokio::test(start_paused = true)]
async fn has_a_page() {
    let registry = TestRegistry::start(declare).await;
    let page = Request::get("/").body(Body::empty()).unwrap();
    let page = app(&registry).oneshot(page).await.unwrap();
    assert_eq!(page.status(), 200);
}

//! The manager's API.

use actor_core::Registry;
use serde_json::json;

use crate::support::{Counter, Server, code, header, json as body};

const ROOM: &str =
    r#"{"name":"counter","key":"a/b","runner_name_selector":"default","crash_policy":"sleep"}"#;

#[tokio::test]
async fn an_actor_is_made_once_and_found_again() {
    let (server, _registry) = Server::plain().await;
    let put = |room: &str| {
        server
            .request("PUT", "/actors?namespace=default")
            .body(room.to_owned())
            .send()
    };
    let made = body(&put(ROOM).await);
    assert_eq!(made["created"], true);
    let actor = &made["actor"];
    let id = actor["actor_id"].as_str().unwrap();
    let expected = json!({
        "actor_id": id, "name": "counter", "key": "a/b", "namespace_id": "default",
        "datacenter": "default", "runner_name_selector": "default", "crash_policy": "sleep",
        "create_ts": null, "start_ts": null, "pending_allocation_ts": null, "connectable_ts": null,
        "sleep_ts": null, "reschedule_ts": null, "destroy_ts": null,
    });
    assert_eq!(*actor, expected);

    let again = body(&put(&ROOM.replace("runner_name_selector", "pool")).await);
    assert_eq!(again["created"], false);
    assert_eq!(again["actor"]["actor_id"], id);

    let list = json!({ "actors": [actor], "pagination": { "cursor": null } });
    for query in [
        "name=counter&key=a%2Fb&namespace=default".to_owned(),
        format!("actor_ids={id}&namespace=default"),
        format!("namespace=default&name=counter&actor_ids=unknown,{id}"),
    ] {
        assert_eq!(
            body(&server.get(&format!("/actors?{query}")).await),
            list,
            "{query}"
        );
    }
    let one = body(&server.get(&format!("/actors/{id}")).await);
    assert_eq!(one["actor"], *actor);
}

#[tokio::test]
async fn creating_twice_is_refused() {
    let (server, _registry) = Server::plain().await;
    let post = || {
        server
            .request("POST", "/actors?namespace=default")
            .body(ROOM)
            .send()
    };
    let made = body(&post().await);
    let answer = post().await;
    assert_eq!(
        (answer.status().as_u16(), &*code(&answer)),
        (400, "actor.duplicate_key")
    );
    assert_eq!(header(&answer, "content-type"), Some("application/json"));
    let metadata = json!({ "existing_actor_id": made["actor"]["actor_id"], "key": "a/b" });
    assert_eq!(body(&answer)["metadata"], metadata);
}

#[tokio::test]
async fn nobody_is_found_as_an_empty_list() {
    let (server, _registry) = Server::plain().await;
    for query in [
        "name=counter&key=k",
        "actor_ids=0",
        "actor_ids=0195-x&name=counter",
    ] {
        let answer = server.get(&format!("/actors?{query}")).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(body(&answer)["actors"], json!([]));
    }
}

#[tokio::test]
async fn namespaces_are_apart() {
    let (server, _registry) = Server::plain().await;
    let put = |namespace: &str| {
        server
            .request("PUT", &format!("/actors?namespace={namespace}"))
            .body(ROOM)
            .send()
    };
    let one = body(&put("one").await);
    let two = body(&put("two").await);
    assert_ne!(one["actor"]["actor_id"], two["actor"]["actor_id"]);
    // The Rust client says it in a header.
    let call = server
        .request("PUT", "/actors")
        .header("x-rivet-namespace", "one");
    let again = body(&call.body(ROOM).send().await);
    assert_eq!(again["actor"], one["actor"]);
}

#[tokio::test]
async fn what_cannot_be_created_is_refused() {
    let (server, _registry) = Server::plain().await;
    let put = |body: String| server.request("PUT", "/actors").body(body).send();
    let with = |member: &str| ROOM.replace('}', &format!(",{member}}}"));
    let long = ROOM.replace("a/b", &"x".repeat(129));
    for (body, expected) in [
        (ROOM.replace("counter", "nobody"), "actor.not_registered"),
        (long, "actor.key_too_large"),
        (with(r#""datacenter":"moon""#), "datacenter.not_found"),
        (with(r#""input":"*""#), "api.invalid_request"),
        ("{".into(), "api.invalid_request"),
    ] {
        let answer = put(body.clone()).await;
        let found = (answer.status().as_u16(), code(&answer));
        assert_eq!(found, (400, expected.into()), "{body}");
    }
    let here = put(with(r#""datacenter":"default""#)).await;
    assert_eq!(here.status(), 200);
}

#[tokio::test]
async fn lookups_that_are_none_are_refused() {
    let (server, _registry) = Server::plain().await;
    for (method, target, status, expected) in [
        ("GET", "/actors", 400, "api.invalid_request"),
        ("PATCH", "/actors", 405, "api.not_found"),
        ("GET", "/actors/0", 404, "actor.not_found"),
        ("POST", "/actors/0/sleep", 404, "actor.not_found"),
        ("GET", "/actors/0/sleep", 405, "api.not_found"),
    ] {
        let answer = server.request(method, target).send().await;
        let found = (answer.status().as_u16(), code(&answer));
        assert_eq!(found, (status, expected.into()), "{method} {target}");
    }
}

#[tokio::test]
async fn who_knows_the_token_destroys_actors() {
    let builder = Registry::builder().actor::<Counter>();
    let registry = builder.destroy_token("secret").build().await.unwrap();
    let server = Server::of(actor_axum::router(registry)).await;
    let made = body(&server.request("PUT", "/actors").body(ROOM).send().await);
    let path = format!("/actors/{}", made["actor"]["actor_id"].as_str().unwrap());
    let delete = |token: &'static str| {
        let call = server.request("DELETE", &path);
        call.header("authorization", token).send()
    };
    for token in ["", "Bearer", "Bearer secre", "Bearer secret2", "secret"] {
        let answer = delete(token).await;
        let found = (answer.status().as_u16(), code(&answer));
        assert_eq!(found, (403, "auth.forbidden".into()), "{token}");
    }
    assert_eq!(server.get(&path).await.status(), 200);
    let answer = delete("Bearer secret").await;
    assert_eq!((answer.status().as_u16(), body(&answer)), (200, json!({})));
    let answer = delete("Bearer secret").await;
    assert_eq!(
        (answer.status().as_u16(), &*code(&answer)),
        (404, "actor.not_found")
    );
    let again = body(&server.request("PUT", "/actors").body(ROOM).send().await);
    assert_eq!(again["created"], json!(true));
    assert_ne!(again["actor"]["actor_id"], made["actor"]["actor_id"]);
}

#[tokio::test]
async fn without_a_token_nobody_destroys() {
    let (server, _registry) = Server::plain().await;
    let made = body(&server.request("PUT", "/actors").body(ROOM).send().await);
    let path = format!("/actors/{}", made["actor"]["actor_id"].as_str().unwrap());
    for token in ["", "Bearer ", "Bearer dev"] {
        let call = server.request("DELETE", &path);
        let answer = call.header("authorization", token).send().await;
        assert_eq!(answer.status(), 403, "{token}");
    }
    assert_eq!(server.get(&path).await.status(), 200);
}

#[tokio::test]
async fn metadata_and_health() {
    let (server, _registry) = Server::plain().await;
    let metadata = body(&server.get("/metadata?namespace=default").await);
    assert_eq!(metadata["runtime"], "actor-axum");
    assert_eq!(server.get("/health").await.status(), 200);
}

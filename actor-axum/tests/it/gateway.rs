//! Actions over HTTP, and everything else under `/gateway`.

use actor_core::protocol::{Encoding, client};

use crate::support::{ENCODINGS, Server, action_body, code, counter, header, json, output};

#[tokio::test]
async fn an_action_in_every_encoding() {
    let (server, _registry) = Server::plain().await;
    for (n, encoding) in (1..).zip(ENCODINGS) {
        let target = counter("k", "/action/increment");
        // A chunked body, as the TypeScript client sends it.
        let body = action_body(encoding, (1,));
        let call = server
            .request("POST", &target)
            .header("x-rivet-encoding", encoding.name())
            .chunked([body.slice(..1), body.slice(1..)]);
        let answer = call.send().await;
        assert_eq!(answer.status(), 200);
        assert_eq!(output::<i64>(encoding, answer.body()), n);
        assert_eq!(
            header(&answer, "content-type"),
            Some(encoding.content_type())
        );
        assert_eq!(header(&answer, "x-rivet-actor-key"), Some("k"));
        assert_eq!(header(&answer, "x-rivet-actor").unwrap().len(), 36);
        assert_eq!(header(&answer, "x-rivet-ray-id").unwrap().len(), 16);
        assert!(header(&answer, "x-rivet-actor-generation").is_some());
        assert_eq!(header(&answer, "x-rivet-error"), None);
    }
}

#[tokio::test]
async fn the_recorded_first_call_of_a_published_client() {
    let (server, _registry) = Server::plain().await;
    let call = server
        .request("POST", &counter("k", "/action/increment"))
        .header("x-rivet-encoding", "bare")
        .header("content-type", "application/octet-stream")
        .chunked([bytes::Bytes::from_static(&[4, 0, 2, 0x81, 1])]);
    assert_eq!(&call.send().await.body()[..], [4, 0, 1, 1]);
}

#[tokio::test]
async fn direct_targets_with_and_without_a_token() {
    let (server, _registry) = Server::plain().await;
    let first = server
        .request("POST", &counter("k", "/action/increment"))
        .body(r#"{"args":[5]}"#);
    let first = first.send().await;
    let id = header(&first, "x-rivet-actor").unwrap();
    for target in [
        format!("/gateway/{id}/action/count"),
        format!("/gateway/{id}@secret/action/count?a=b"),
    ] {
        let answer = server.request("POST", &target).body("{}").send().await;
        assert_eq!(&answer.body()[..], br#"{"output":5}"#, "{target}");
    }
}

#[tokio::test]
async fn the_clients_ray_is_kept() {
    let (server, _registry) = Server::plain().await;
    let call = server.request("GET", "/gateway/none/health");
    let answer = call.header("x-rivet-ray-id", "abc").send().await;
    assert_eq!(header(&answer, "x-rivet-ray-id"), Some("abc"));
}

#[tokio::test]
async fn actors_errors_are_in_the_clients_encoding_and_masked() {
    let (server, _registry) = Server::plain().await;
    for encoding in ENCODINGS {
        let call = |action: &str| {
            server
                .request("POST", &counter("k", &format!("/action/{action}")))
                .header("x-rivet-encoding", encoding.name())
                .body(action_body(encoding, ()))
                .send()
        };
        let answer = call("openVault").await;
        let (error, _) = client::decode_error(encoding, answer.body()).unwrap();
        assert_eq!(answer.status(), 500);
        assert!(error.is("rivetkit", "internal_error"), "{error}");
        assert_eq!(error.message(), "An internal error occurred");

        let answer = call("nothing").await;
        let (error, actor) = client::decode_error(encoding, answer.body()).unwrap();
        assert_eq!(answer.status(), 404);
        assert!(error.is("actor", "action_not_found"), "{error}");
        assert_eq!(
            Some(&*actor.unwrap().actor_id),
            header(&answer, "x-rivet-actor")
        );
        // Only errors from before the actor carry it.
        assert_eq!(header(&answer, "x-rivet-error"), None);
    }
}

#[tokio::test]
async fn the_gateways_errors_are_json_whatever_the_encoding() {
    let (server, _registry) = Server::plain().await;
    let query = "rvt-namespace=default&rvt-method=get&rvt-key=k";
    let cases = [
        (
            format!("/gateway/counter/action/count?{query}"),
            404,
            "actor.not_found",
        ),
        ("/gateway/0/action/count".into(), 404, "actor.not_found"),
        (
            format!("/gateway/nobody/action/count?{query}"),
            400,
            "actor.not_registered",
        ),
        (
            format!("/gateway/counter?{query}&rvt-x=1"),
            400,
            "guard.query_invalid_params",
        ),
        (
            format!("/gateway/counter?{query}&rvt-key=k"),
            400,
            "guard.query_duplicate_param",
        ),
        (
            format!("/gateway/counter@t?{query}"),
            400,
            "guard.query_path_token_syntax",
        ),
        (
            "/gateway/counter?rvt-method=get".into(),
            400,
            "guard.query_invalid_params",
        ),
        (
            "/gateway/counter?rvt-namespace=n&rvt-method=getOrCreate".into(),
            400,
            "guard.query_missing_pool",
        ),
        (
            counter("k", "/action/count") + "&rvt-region=moon",
            400,
            "datacenter.not_found",
        ),
    ];
    for (target, status, expected) in cases {
        let call = server.request("POST", &target);
        let answer = call.header("x-rivet-encoding", "bare").send().await;
        assert_eq!(
            (answer.status().as_u16(), &*code(&answer)),
            (status, expected),
            "{target}"
        );
        assert_eq!(header(&answer, "content-type"), Some("application/json"));
        assert_eq!(header(&answer, "x-rivet-error"), Some(expected));
    }
}

#[tokio::test]
async fn every_endpoint_of_an_actor() {
    let (server, _registry) = Server::plain().await;
    let cases = [
        ("GET", "", 200, ""),
        ("GET", "/", 200, ""),
        ("GET", "/health", 200, ""),
        ("GET", "/metadata", 200, ""),
        ("GET", "/metrics", 200, ""),
        ("GET", "/action/count", 405, "actor.method_not_allowed"),
        ("POST", "/action/count", 200, ""),
        ("POST", "/action/count/more", 404, "actor.not_found"),
        ("POST", "/health", 404, "actor.not_found"),
        ("GET", "/elsewhere", 404, "actor.not_found"),
        ("GET", "/queue/jobs", 405, "actor.method_not_allowed"),
        // Dropped, as clients expect of a queue that no actor has.
        ("POST", "/queue/jobs", 200, ""),
        ("POST", "/queue/jobs/more", 404, "actor.not_found"),
        ("GET", "/connect", 404, "actor.not_found"),
    ];
    for (method, path, status, expected) in cases {
        let target = counter("k", path);
        let answer = server.request(method, &target).body("{}").send().await;
        assert_eq!(answer.status(), status, "{method} {path}");
        assert!(header(&answer, "x-rivet-actor").is_some());
        if !expected.is_empty() {
            assert_eq!(code(&answer), expected, "{method} {path}");
        }
    }
    let answer = server.get(&counter("k", "/elsewhere")).await;
    let metadata = serde_json::json!({ "id": "/elsewhere", "resource": "route" });
    assert_eq!(json(&answer)["metadata"], metadata);

    let raw = server.get(&counter("k", "/request/page")).await;
    assert_eq!((raw.status().as_u16(), raw.body().len()), (404, 0));
}

#[tokio::test]
async fn names_and_keys_are_decoded_after_the_path_is_split() {
    let (server, _registry) = Server::plain().await;
    let target = counter("a%2Fb,c+d%25", "/action/parts");
    let target = target.replacen("counter", "%63ounter", 1);
    let target = target.replacen("/action/parts", "/action/%70arts", 1);
    let answer = server.request("POST", &target).body("{}").send().await;
    assert_eq!(&answer.body()[..], br#"{"output":["a/b","c d%"]}"#);
    assert_eq!(header(&answer, "x-rivet-actor-key"), Some(r"a\/b/c d%"));

    let target = target.replacen("%63ounter", "coun%2Fter", 1);
    let answer = server.request("POST", &target).body("{}").send().await;
    assert_eq!(code(&answer), "actor.not_registered");
}

#[tokio::test]
async fn connection_params_admit_and_refuse_calls() {
    let (server, _registry) = Server::plain().await;
    let call = |params: &'static [u8]| {
        server
            .request("POST", &counter("k", "/action/count"))
            .header("x-rivet-conn-params", params)
            .body("{}")
            .send()
    };
    assert_eq!(call(br#"{"name":"ann"}"#).await.status(), 200);
    // As browsers send it: Latin-1.
    assert_eq!(call(b"{\"name\":\"\xfc\"}").await.status(), 200);
    let refused = call(br#"{"name":"mallory"}"#).await;
    assert_eq!(
        (refused.status().as_u16(), &*code(&refused)),
        (403, "user.unwelcome")
    );
    let broken = call(b"{").await;
    assert_eq!(
        (broken.status().as_u16(), &*code(&broken)),
        (400, "actor.invalid_request")
    );
}

#[tokio::test]
async fn bodies_that_are_no_call_are_refused() {
    let (server, _registry) = Server::plain().await;
    for (encoding, body) in [
        (Encoding::Json, &b"{"[..]),
        (Encoding::Cbor, b"\xff"),
        // Version 5 is not spoken.
        (Encoding::Bare, b"\x05\x00\x01\x80"),
    ] {
        let call = server
            .request("POST", &counter("k", "/action/count"))
            .header("x-rivet-encoding", encoding.name())
            .body(body);
        let answer = call.send().await;
        let (error, _) = client::decode_error(encoding, answer.body()).unwrap();
        assert_eq!(answer.status(), 400);
        assert!(error.is("actor", "invalid_request"), "{error}");
    }
}

/// Asking to skip a wait that there is not changes nothing, and is read strictly.
#[tokio::test]
async fn skip_ready_wait_is_a_strict_flag() {
    let (server, _registry) = Server::plain().await;
    for name in ["x-rivet-skip-ready-wait", "x-rivet-bypass-connectable"] {
        for (value, status) in [("1", 200), ("true", 200), ("false", 200), ("yes", 400)] {
            let call = server.request("POST", &counter("k", "/action/count"));
            let answer = call.header(name, value).body("{}").send().await;
            assert_eq!(answer.status(), status, "{name}: {value}");
            if status == 400 {
                assert_eq!(code(&answer), "guard.invalid_header");
                assert_eq!(
                    header(&answer, "x-rivet-error"),
                    Some("guard.invalid_header")
                );
            }
        }
    }
    for (name, value, status) in [
        ("skip-ready-wait", "0", 200),
        ("bypass-connectable", "true", 200),
        ("bypass-connectable", "maybe", 400),
    ] {
        let target = format!("{}&rvt-{name}={value}", counter("k", "/action/count"));
        let answer = server.request("POST", &target).body("{}").send().await;
        assert_eq!(answer.status(), status, "{name}: {value}");
    }
}

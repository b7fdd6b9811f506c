//! The app over HTTP: one session for its own pages and for the actors.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::*;

async fn in_memory() -> Router {
    let registry = Registry::builder().actor::<Board>().build().await.unwrap();
    app(App {
        title: "Boards".into(),
        registry,
    })
}

/// Sends a request; status, `Set-Cookie` or `Location`, and body.
async fn send(app: &Router, request: Request<Body>) -> (StatusCode, String, String) {
    let response = app.clone().oneshot(request).await.unwrap();
    let headers = response.headers();
    let header = headers
        .get(header::SET_COOKIE)
        .or(headers.get(header::LOCATION));
    let header = header.map_or("", |it| it.to_str().unwrap()).to_owned();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, header, String::from_utf8_lossy(&body).into_owned())
}

fn get(path: &str, cookie: &str) -> Request<Body> {
    let request = Request::get(path).header(header::COOKIE, cookie);
    request.body(Body::empty()).unwrap()
}

fn action(name: &str, cookie: &str, args: &str) -> Request<Body> {
    let target = "rvt-namespace=default&rvt-method=getOrCreate&rvt-pool=default&rvt-key=team";
    let request = Request::post(format!("/api/gateway/board/action/{name}?{target}"));
    let body = Body::from(format!(r#"{{"args":{args}}}"#));
    request.header(header::COOKIE, cookie).body(body).unwrap()
}

async fn sign_in_as(app: &Router, name: &str) -> String {
    let request = Request::post("/sign-in")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(format!("name={name}")))
        .unwrap();
    let (status, cookie, _) = send(app, request).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_board_knows_who_is_signed_in() {
    let app = in_memory().await;
    let cookie = sign_in_as(&app, "Ann").await;
    let (status, _, body) = send(&app, action("add", &cookie, r#"["Buy </script> milk"]"#)).await;
    assert_eq!(
        (status, &*body),
        (StatusCode::OK, r#"{"output":["$Undefined",0]}"#)
    );
    let (status, _, page) = send(&app, get("/boards/team", &cookie)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains("Buy \\u003c/script> milk") && page.contains(r#""by":"Ann""#),
        "{page}"
    );
    let (_, _, other) = send(&app, get("/boards/other", &cookie)).await;
    assert!(other.contains(r#""items":[]"#), "{other}");
}

#[tokio::test]
async fn strangers_are_refused_by_the_page_and_by_the_board() {
    let app = in_memory().await;
    let (status, location, _) = send(&app, get("/boards/team", "")).await;
    assert_eq!((status, &*location), (StatusCode::SEE_OTHER, "/"));
    let (status, _, body) = send(&app, action("add", "", r#"["x"]"#)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(body.contains("sign in first"), "{body}");
    let (status, _, welcome) = send(&app, get("/", "")).await;
    assert!(
        status.is_success() && welcome.contains("<h1>Boards</h1>"),
        "{welcome}"
    );
}

#[tokio::test]
async fn mistakes_are_told() {
    let app = in_memory().await;
    let cookie = sign_in_as(&app, "Ann").await;
    let (status, _, body) = send(&app, action("setDone", &cookie, "[7,true]")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body.contains("there is no item 7"), "{body}");
    let (status, ..) = send(&app, action("add", &cookie, r#"[""]"#)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

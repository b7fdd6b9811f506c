//! The page, compiled into the binary.

use axum::{
    Router,
    http::header::CONTENT_TYPE,
    routing::{MethodRouter, get},
};

pub(crate) fn router() -> Router {
    let (html, css, js) = ("text/html; charset=utf-8", "text/css", "text/javascript");
    Router::new()
        .route("/", file(html, include_str!("../page/index.html")))
        .route("/style.css", file(css, include_str!("../page/style.css")))
        .route("/app.js", file(js, include_str!("../page/app.js")))
        .route("/room.js", file(js, include_str!("../page/room.js")))
        .route("/wire.js", file(js, include_str!("../page/wire.js")))
}

fn file(content_type: &'static str, content: &'static str) -> MethodRouter {
    get(move || async move { ([(CONTENT_TYPE, content_type)], content) })
}

//! Which pages of other origins may use the routes, and the headers that tell browsers so.

use std::sync::Arc;

use axum::{body::Body, extract::Request, response::Response};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS as ALLOW_CREDENTIALS,
        ACCESS_CONTROL_ALLOW_HEADERS as ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS as ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN as ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS as EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE as MAX_AGE,
        ACCESS_CONTROL_REQUEST_HEADERS as REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD as REQUEST_METHOD, ORIGIN, VARY,
    },
};

/// Which pages of other origins may use the routes.
///
/// A browser asks before a page of one origin calls another. It does not ask for WebSockets: refuse
/// those in `#[on_before_connect]`, which sees the request and its `Origin`.
///
/// ```
/// use actor_axum::Cors;
///
/// let own_pages = Cors::origins(["https://app.example", "https://admin.example"]);
/// let left_to_a_layer_of_the_apps = Cors::off();
/// ```
#[derive(Clone, Debug)]
pub struct Cors(Rule);

#[derive(Clone, Debug)]
enum Rule {
    Off,
    Any,
    Origins(Arc<[HeaderValue]>),
}

impl Default for Cors {
    fn default() -> Self {
        Self::any()
    }
}

impl Cors {
    /// Any page may. This is the default, and what published clients are used to.
    ///
    /// Actors are called without the visitor's cookies: browsers do not hand a page the answer of a
    /// call that carried them. An app whose actors trust cookies of pages elsewhere names those with
    /// [`origins`](Self::origins).
    #[must_use]
    pub fn any() -> Self {
        Self(Rule::Any)
    }

    /// Pages of these origins may, also with the visitor's cookies. An origin is written as browsers
    /// send it: `https://app.example`, without a path.
    ///
    /// # Panics
    ///
    /// When an origin has characters that no header may have.
    #[must_use]
    #[track_caller]
    pub fn origins<'a>(origins: impl IntoIterator<Item = &'a str>) -> Self {
        let origins = origins.into_iter().map(|it| {
            HeaderValue::from_str(it).unwrap_or_else(|_| panic!("`{it}` is not an origin"))
        });
        Self(Rule::Origins(origins.collect()))
    }

    /// No headers are added and no preflight is answered: only pages of the app's own origin may, or
    /// those that a layer of the app's allows.
    #[must_use]
    pub fn off() -> Self {
        Self(Rule::Off)
    }

    /// The origin to mark the response with.
    pub(crate) fn origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = match &self.0 {
            Rule::Off => None,
            Rule::Any => headers.get(ORIGIN),
            Rule::Origins(allowed) => headers.get(ORIGIN).filter(|it| allowed.contains(it)),
        };
        origin.cloned()
    }

    /// The answer to a preflight, if the request is one.
    pub(crate) fn preflight(&self, request: &Request, style: Preflight) -> Option<Response> {
        let asked = request.headers();
        let is_preflight =
            request.method() == Method::OPTIONS && asked.contains_key(REQUEST_METHOD);
        if !is_preflight || matches!(self.0, Rule::Off) {
            return None;
        }
        let origin = self.origin(asked);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        match style {
            Preflight::Mirror => self.mark_manager(origin, &mut response),
            Preflight::Gateway => self.mark_gateway(origin, &mut response),
        }
        let headers = response.headers_mut();
        let methods = match style {
            Preflight::Mirror => asked.get(REQUEST_METHOD).cloned(),
            Preflight::Gateway => Some(HeaderValue::from_static(GATEWAY_METHODS)),
        };
        if let Some(methods) = methods {
            headers.insert(ALLOW_METHODS, methods);
        }
        if let Some(names) = asked.get(REQUEST_HEADERS) {
            headers.insert(ALLOW_HEADERS, names.clone());
        }
        headers.insert(MAX_AGE, HeaderValue::from_static("86400"));
        Some(response)
    }

    /// Marks an answer of the manager's API, which clients call with credentials.
    pub(crate) fn mark_manager(&self, origin: Option<HeaderValue>, response: &mut Response) {
        if matches!(self.0, Rule::Off) {
            return;
        }
        let headers = response.headers_mut();
        if let Some(origin) = origin {
            headers.insert(ALLOW_ORIGIN, origin);
            headers.insert(ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }

    /// Marks an answer of the gateway.
    pub(crate) fn mark_gateway(&self, origin: Option<HeaderValue>, response: &mut Response) {
        // Who sends no origin is no page, and most callers of actions are none.
        let Some(origin) = origin else { return };
        let headers = response.headers_mut();
        headers.insert(ALLOW_ORIGIN, origin);
        if matches!(self.0, Rule::Origins(_)) {
            headers.insert(ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        headers.insert(EXPOSE_HEADERS, HeaderValue::from_static("*"));
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
}

/// How a preflight is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Preflight {
    /// With what was asked for.
    Mirror,
    /// With all that actors may understand.
    Gateway,
}

const GATEWAY_METHODS: &str = "GET, POST, PUT, DELETE, OPTIONS, PATCH";

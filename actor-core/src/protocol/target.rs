//! Which actor a request is for: gateway paths, their `rvt-` parameters, target headers. What is
//! done about it is the gateway's.

use std::borrow::Cow;

use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use percent_encoding::percent_decode_str;

use super::{
    encoding::decode_input,
    headers::{self, Subprotocols, TARGET_ACTOR, parse_flag},
};
use crate::{error::ActorError, key::ActorKey, value::Value};

/// A request to an actor: whom it is for, and what is left for the actor.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The actor.
    pub target: Target,
    /// The path inside the actor, at least `/`, as it was sent.
    pub path: String,
    /// The query that is not ours, as it was sent.
    pub query: Option<String>,
}

/// How an actor is addressed.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// By its id.
    Direct {
        /// The id, not checked.
        actor_id: String,
        /// A token for it.
        token: Option<String>,
    },
    /// By name and key.
    Query(ActorQuery),
}

/// Names an actor that may have to be found or created.
#[derive(Clone, Debug, PartialEq)]
pub struct ActorQuery {
    /// Keeps tenants apart.
    pub namespace: String,
    /// The actor type's wire name.
    pub name: String,
    /// Whether to create it.
    pub method: Method,
    /// Its key.
    pub key: ActorKey,
    /// What it is created with, as CBOR that was checked; read by [`decode_input`].
    pub input: Option<Bytes>,
    /// Where it is created.
    pub region: Option<String>,
    /// Who runs it.
    pub pool: Option<String>,
    /// What becomes of it after a crash: `restart`, `sleep` or `destroy`.
    pub crash_policy: Option<String>,
    /// A token for it.
    pub token: Option<String>,
    /// Asks to deliver to an actor that is not ready yet.
    pub skip_ready_wait: bool,
}

/// What to do with a key nobody has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// Refuse.
    Get,
    /// Create the actor.
    GetOrCreate,
}

impl Route {
    /// Reads a gateway path and its query, both as they were sent, percent-encoded. `None` when the
    /// path is not one.
    ///
    /// # Errors
    ///
    /// A `guard.query_*` error, for clients to read, when it is one but wrong.
    pub fn parse(path: &str, query: Option<&str>) -> Result<Option<Self>, ActorError> {
        match path.strip_prefix("/gateway/") {
            Some(rest) => Self::below_gateway(rest, query).map(Some),
            None => Ok(None),
        }
    }

    /// Reads what follows `/gateway/` in a path, and the query, both as they were sent.
    ///
    /// # Errors
    ///
    /// A `guard.query_*` error, for clients to read, when it is wrong.
    pub fn below_gateway(rest: &str, query: Option<&str>) -> Result<Self, ActorError> {
        let (segment, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if rest.is_empty() { "/" } else { rest }.to_owned();
        let (params, others) = Params::split(query)?;
        if !params.any {
            let (id, token) = match segment.split_once('@') {
                Some((id, token)) => (id, Some(decode(token)?.into_owned())),
                None => (segment, None),
            };
            let target = Target::Direct {
                actor_id: decode(id)?.into_owned(),
                token,
            };
            return Ok(Self {
                target,
                path,
                query: query.map(str::to_owned),
            });
        }
        if segment.contains('@') {
            return Err(refusal(
                "query_path_token_syntax",
                "a path with `rvt-` parameters has its token in `rvt-token`, not after `@`",
            ));
        }
        let name = decode(segment)?.into_owned();
        if name.is_empty() {
            return Err(refusal(
                "query_empty_actor_name",
                "the actor's name is empty",
            ));
        }
        let target = Target::Query(params.into_query(name)?);
        Ok(Self {
            target,
            path,
            query: others,
        })
    }

    /// Reads the target of a request that has it in [headers]; path and query are the request's
    /// own. `None` when there is no target.
    ///
    /// # Errors
    ///
    /// `guard.no_route` for paths that may not be sent so, `guard.missing_header` without an actor.
    pub fn from_headers(
        header: impl Fn(&str) -> Option<String>,
        path: &str,
        query: Option<&str>,
    ) -> Result<Option<Self>, ActorError> {
        let Some(target) = header(headers::TARGET) else {
            return Ok(None);
        };
        let raw = path == "/request" || path.starts_with("/request/");
        if target != TARGET_ACTOR || !raw {
            return Err(
                ActorError::new("guard", "no_route", format!("nothing is at {path}"))
                    .with_status(404)
                    .public(),
            );
        }
        let actor_id = header(headers::ACTOR).ok_or_else(|| missing(headers::ACTOR))?;
        let target = Target::Direct {
            actor_id,
            token: header(headers::TOKEN),
        };
        Ok(Some(Self {
            target,
            path: path.to_owned(),
            query: query.map(str::to_owned),
        }))
    }

    /// Reads the target of a socket that has it in its subprotocols. `None` when there is none.
    ///
    /// # Errors
    ///
    /// `guard.missing_header` without an actor.
    pub fn from_subprotocols(
        offered: &Subprotocols,
        path: &str,
        query: Option<&str>,
    ) -> Result<Option<Self>, ActorError> {
        if offered.target.as_deref() != Some(TARGET_ACTOR) {
            return Ok(None);
        }
        let actor_id = offered
            .actor
            .clone()
            .ok_or_else(|| missing("rivet_actor"))?;
        let target = Target::Direct {
            actor_id,
            token: offered.token.clone(),
        };
        Ok(Some(Self {
            target,
            path: path.to_owned(),
            query: query.map(str::to_owned),
        }))
    }
}

/// Our parameters by name, decoded.
#[derive(Default)]
struct Params<'a> {
    any: bool,
    namespace: Option<Cow<'a, str>>,
    method: Option<Cow<'a, str>>,
    runner: Option<Cow<'a, str>>,
    pool: Option<Cow<'a, str>>,
    key: Option<Cow<'a, str>>,
    input: Option<Cow<'a, str>>,
    region: Option<Cow<'a, str>>,
    crash_policy: Option<Cow<'a, str>>,
    token: Option<Cow<'a, str>>,
    skip_ready_wait: Option<Cow<'a, str>>,
}

impl<'a> Params<'a> {
    /// Takes our parameters out of a query, of which the rest stays as it was.
    fn split(query: Option<&'a str>) -> Result<(Self, Option<String>), ActorError> {
        let mut params = Self::default();
        let mut others: Option<String> = None;
        for part in query.into_iter().flat_map(|it| it.split('&')) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if let Some(name) = name.strip_prefix(PREFIX) {
                params.put(name, decode_form(value)?)?;
            } else if let Some(others) = &mut others {
                others.push('&');
                others.push_str(part);
            } else {
                others = Some(part.to_owned());
            }
        }
        Ok((params, others))
    }

    fn put(&mut self, name: &str, value: Cow<'a, str>) -> Result<(), ActorError> {
        let place = match name {
            "namespace" => &mut self.namespace,
            "method" => &mut self.method,
            "runner" => &mut self.runner,
            "pool" => &mut self.pool,
            "key" => &mut self.key,
            "input" => &mut self.input,
            "region" => &mut self.region,
            "crash-policy" => &mut self.crash_policy,
            "token" => &mut self.token,
            // The latter is what older clients call it.
            "skip-ready-wait" | "bypass-connectable" => &mut self.skip_ready_wait,
            _ => return Err(invalid(format!("no parameter is called `{PREFIX}{name}`"))),
        };
        if place.replace(value).is_some() {
            let name = format!("{PREFIX}{name}");
            let message = format!("the parameter `{name}` is given twice");
            let metadata = Value::object([("name", name)]);
            return Err(refusal("query_duplicate_param", message).with_metadata(metadata));
        }
        self.any = true;
        Ok(())
    }

    fn into_query(self, name: String) -> Result<ActorQuery, ActorError> {
        let method = match self.method.as_deref() {
            Some("get") => Method::Get,
            Some("getOrCreate") => Method::GetOrCreate,
            Some(other) => {
                return Err(invalid(format!(
                    "`rvt-method` is `{other}`, neither `get` nor `getOrCreate`"
                )));
            }
            None => return Err(invalid("`rvt-method` is missing")),
        };
        let namespace = self
            .namespace
            .ok_or_else(|| invalid("`rvt-namespace` is missing"))?;
        let skip_ready_wait = match self.skip_ready_wait.as_deref() {
            None => false,
            Some(value) => parse_flag(value)
                .ok_or_else(|| invalid("`rvt-skip-ready-wait` is neither `true` nor `false`"))?,
        };
        if let Some(policy) = self.crash_policy.as_deref()
            && !matches!(policy, "restart" | "sleep" | "destroy")
        {
            return Err(invalid(format!("`rvt-crash-policy` cannot be `{policy}`")));
        }
        let pool = self.pool.or(self.runner);
        let creates = [&self.input, &self.region, &self.crash_policy, &pool];
        match method {
            Method::Get if creates.iter().any(|it| it.is_some()) => {
                return Err(refusal(
                    "query_get_disallowed_params",
                    "`rvt-method=get` creates nothing, so it takes no `rvt-input`, `rvt-region`, \
                     `rvt-crash-policy`, `rvt-runner` or `rvt-pool`",
                ));
            }
            Method::GetOrCreate if pool.is_none() => {
                return Err(refusal(
                    "query_missing_pool",
                    "`rvt-method=getOrCreate` needs `rvt-pool` or `rvt-runner`",
                ));
            }
            Method::Get | Method::GetOrCreate => {}
        }
        Ok(ActorQuery {
            namespace: namespace.into_owned(),
            name,
            method,
            key: parse_key(&self.key.unwrap_or_default()),
            input: self.input.as_deref().map(input).transpose()?,
            region: self.region.map(Cow::into_owned),
            pool: pool.map(Cow::into_owned),
            crash_policy: self.crash_policy.map(Cow::into_owned),
            token: self.token.map(Cow::into_owned),
            skip_ready_wait,
        })
    }
}

/// Reads `rvt-key`: parts between commas. Clients before version 3 escape nothing, later ones
/// escape `,` and `\` and write an empty part as `\0`.
fn parse_key(text: &str) -> ActorKey {
    if text.is_empty() {
        return ActorKey::default();
    }
    if !text.contains('\\') {
        return text.split(',').collect();
    }
    let mut parts = Vec::new();
    let mut start = 0;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        if byte == b',' && !escaped {
            parts.push(unescape(&text[start..at]));
            start = at + 1;
        }
        escaped = byte == b'\\' && !escaped;
    }
    parts.push(unescape(&text[start..]));
    ActorKey::from(parts)
}

fn unescape(part: &str) -> String {
    if part == r"\0" {
        return String::new();
    }
    let mut text = String::with_capacity(part.len());
    let mut chars = part.chars().peekable();
    while let Some(c) = chars.next() {
        let escaped = chars.next_if(|it| c == '\\' && matches!(it, '\\' | ','));
        text.push(escaped.unwrap_or(c));
    }
    text
}

fn input(text: &str) -> Result<Bytes, ActorError> {
    let cbor = BASE64
        .decode(text)
        .ok()
        .filter(|it| !it.is_empty())
        .ok_or_else(|| {
            refusal(
                "query_invalid_base64_input",
                "`rvt-input` is not base64 of the kind for URLs",
            )
        })?;
    match decode_input(&cbor) {
        Ok(_) => Ok(cbor.into()),
        Err(error) => Err(refusal(
            "query_invalid_cbor_input",
            format!("`rvt-input` is not CBOR: {error}"),
        )),
    }
}

/// Decodes the value of a form's field, in which `+` is a space.
fn decode_form(text: &str) -> Result<Cow<'_, str>, ActorError> {
    if text.contains('+') {
        return Ok(Cow::Owned(decode(&text.replace('+', " "))?.into_owned()));
    }
    decode(text)
}

/// Percent-decodes strictly.
fn decode(text: &str) -> Result<Cow<'_, str>, ActorError> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let invalid = || {
        refusal(
            "query_invalid_percent_encoding",
            format!("`{text}` is not percent-encoded text"),
        )
    };
    let is_hex = |it: &str| it.len() >= 2 && it.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit);
    if !text.split('%').skip(1).all(is_hex) {
        return Err(invalid());
    }
    percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| invalid())
}

fn invalid(detail: impl Into<String>) -> ActorError {
    let detail = detail.into();
    let metadata = Value::object([("detail", detail.as_str())]);
    refusal("query_invalid_params", detail).with_metadata(metadata)
}

fn missing(header: &str) -> ActorError {
    let metadata = Value::object([("header", header)]);
    refusal(
        "missing_header",
        format!("the target is an actor, but `{header}` is missing"),
    )
    .with_metadata(metadata)
}

fn refusal(code: &'static str, message: impl Into<String>) -> ActorError {
    ActorError::new("guard", code, message.into())
        .with_status(400)
        .public()
}

/// With which our parameters begin.
const PREFIX: &str = "rvt-";

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    fn route(target: &str) -> Result<Option<Route>, ActorError> {
        match target.split_once('?') {
            Some((path, query)) => Route::parse(path, Some(query)),
            None => Route::parse(target, None),
        }
    }

    fn query(target: &str) -> (ActorQuery, String, Option<String>) {
        let Some(Route {
            target,
            path,
            query,
        }) = route(target).unwrap()
        else {
            panic!("no route")
        };
        let Target::Query(found) = target else {
            panic!("a direct route")
        };
        (found, path, query)
    }

    #[test]
    fn an_ordinary_call() {
        let (found, path, rest) = query(
            "/gateway/counter/action/increment?rvt-namespace=default&rvt-method=getOrCreate\
             &rvt-runner=default&rvt-key=k&rvt-crash-policy=sleep",
        );
        let expected = ActorQuery {
            namespace: "default".into(),
            name: "counter".into(),
            method: Method::GetOrCreate,
            key: ActorKey::from("k"),
            input: None,
            region: None,
            pool: Some("default".into()),
            crash_policy: Some("sleep".into()),
            token: None,
            skip_ready_wait: false,
        };
        assert_eq!(
            (found, path.as_str(), rest),
            (expected, "/action/increment", None)
        );
    }

    #[test]
    fn names_are_decoded_after_the_path_is_split_and_other_parameters_are_kept_as_they_are() {
        let (found, path, rest) = query(
            "/gateway/w%C3%ABird%20name%2Fx/request/a%2Fb?x=1&rvt-namespace=n&y=a%20b+c\
             &rvt-method=get&&rvt-key=%C3%BC+%E2%9C%93%26%3D%2B%25%23%3F%40,b&rvt-token=t%2B&z",
        );
        assert_eq!(found.name, "wëird name/x");
        assert_eq!(path, "/request/a%2Fb");
        assert_eq!(rest.as_deref(), Some("x=1&y=a%20b+c&&z"));
        assert_eq!(found.key, ActorKey::from(["ü ✓&=+%#?@", "b"]));
        assert_eq!(
            (found.method, found.token.as_deref()),
            (Method::Get, Some("t+"))
        );
    }

    #[test]
    fn keys_of_old_and_new_clients() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("a", &["a"]),
            ("a,b", &["a", "b"]),
            ("a,", &["a", ""]),
            (r"a\,b", &["a,b"]),
            (r"a\\,b", &[r"a\", "b"]),
            (r"\0", &[""]),
            (r"a,\0", &["a", ""]),
            (r"\0,\0", &["", ""]),
            (r"a\b", &[r"a\b"]),
            (r"\0a", &[r"\0a"]),
            (r"\\0", &[r"\0"]),
            (r"a\", &[r"a\"]),
            ("a/b", &["a/b"]),
        ];
        for (text, parts) in cases {
            assert_eq!(parse_key(text), ActorKey::from(*parts), "{text}");
        }
    }

    #[test]
    fn input_is_checked_and_kept_as_cbor() {
        let base = "/gateway/c/x?rvt-namespace=n&rvt-method=getOrCreate&rvt-pool=p&rvt-input=";
        for text in ["uQABZXN0YXJ0Aw", "gQE%3D"] {
            let (found, ..) = query(&format!("{base}{text}"));
            decode_input(&found.input.unwrap()).unwrap();
        }
        for (text, code) in [
            ("%3D%3D", "query_invalid_base64_input"),
            ("a+b", "query_invalid_base64_input"),
            ("gQ", "query_invalid_cbor_input"),
        ] {
            assert_eq!(
                route(&format!("{base}{text}")).unwrap_err().code(),
                code,
                "{text}"
            );
        }
    }

    #[test]
    fn direct_paths() {
        let cases = [
            ("/gateway/a-1", "a-1", None, "/", None),
            ("/gateway/a-1/", "a-1", None, "/", None),
            (
                "/gateway/a%2D1@t%40k/action/x?y=rvt-a&z",
                "a-1",
                Some("t@k"),
                "/action/x",
                Some("y=rvt-a&z"),
            ),
            ("/gateway/a/request//b?", "a", None, "/request//b", Some("")),
        ];
        for (text, id, token, path, query) in cases {
            let found = route(text).unwrap().unwrap();
            let target = Target::Direct {
                actor_id: id.into(),
                token: token.map(str::to_owned),
            };
            let query = query.map(str::to_owned);
            assert_eq!(
                found,
                Route {
                    target,
                    path: path.into(),
                    query
                },
                "{text}"
            );
        }
        for text in ["/gateway", "/gatewayx/a", "/actors?rvt-method=get", "/"] {
            assert_eq!(route(text).unwrap(), None, "{text}");
        }
    }

    #[test]
    fn wrong_queries_say_what_is_wrong() {
        let cases = [
            ("c/x?rvt-namespace=n&rvt-method=foo", "query_invalid_params"),
            (
                "c/x?rvt-namespace=n&rvt-method=get&rvt-zzz=1",
                "query_invalid_params",
            ),
            ("c/x?rvt-method=get", "query_invalid_params"),
            ("c/x?rvt-namespace=n", "query_invalid_params"),
            (
                "c/x?rvt-namespace=n&rvt-method=get&rvt-skip-ready-wait=x",
                "query_invalid_params",
            ),
            (
                "c/x?rvt-namespace=n&rvt-method=getOrCreate&rvt-pool=p&rvt-crash-policy=x",
                "query_invalid_params",
            ),
            (
                "c/x?rvt-namespace=n&rvt-method=get&rvt-runner=d",
                "query_get_disallowed_params",
            ),
            (
                "c/x?rvt-namespace=n&rvt-method=get&rvt-input=gA",
                "query_get_disallowed_params",
            ),
            (
                "c/x?rvt-namespace=n&rvt-method=getOrCreate",
                "query_missing_pool",
            ),
            (
                "c/x?rvt-namespace=n&rvt-namespace=n&rvt-method=get",
                "query_duplicate_param",
            ),
            (
                "c@t/x?rvt-namespace=n&rvt-method=get",
                "query_path_token_syntax",
            ),
            (
                "c/x?rvt-namespace=%ZZ&rvt-method=get",
                "query_invalid_percent_encoding",
            ),
            (
                "%/x?rvt-namespace=n&rvt-method=get",
                "query_invalid_percent_encoding",
            ),
            (
                "c%FF/x?rvt-namespace=n&rvt-method=get",
                "query_invalid_percent_encoding",
            ),
            (
                "/x?rvt-namespace=n&rvt-method=get",
                "query_empty_actor_name",
            ),
        ];
        for (text, code) in cases {
            let error = route(&format!("/gateway/{text}")).unwrap_err();
            assert!(error.is("guard", code), "{text}: {error}");
            assert!(error.status() == 400 && error.is_public(), "{text}");
        }
    }

    #[test]
    fn header_targets_reach_raw_paths_only() {
        let header = |name: &str| match name {
            headers::TARGET => Some("actor".to_owned()),
            headers::ACTOR => Some("a-1".to_owned()),
            _ => None,
        };
        let target = Target::Direct {
            actor_id: "a-1".into(),
            token: None,
        };
        for path in ["/request", "/request/a"] {
            let found = Route::from_headers(header, path, Some("q"))
                .unwrap()
                .unwrap();
            assert_eq!(
                found,
                Route {
                    target: target.clone(),
                    path: path.into(),
                    query: Some("q".into())
                }
            );
        }
        let error = Route::from_headers(header, "/action/x", None).unwrap_err();
        assert!(error.is("guard", "no_route") && error.status() == 404);
        assert_eq!(
            Route::from_headers(|_| None, "/request", None).unwrap(),
            None
        );
        let only_target = |name: &str| (name == headers::TARGET).then(|| "actor".to_owned());
        let error = Route::from_headers(only_target, "/request", None).unwrap_err();
        assert!(error.is("guard", "missing_header") && error.status() == 400);
    }

    #[test]
    fn subprotocol_targets_reach_any_path() {
        let offered = Subprotocols::parse(["rivet,rivet_target.actor,rivet_actor.a-1"]).unwrap();
        let found = Route::from_subprotocols(&offered, "/connect", None)
            .unwrap()
            .unwrap();
        assert_eq!(
            found.target,
            Target::Direct {
                actor_id: "a-1".into(),
                token: None
            }
        );
        let none = Subprotocols::parse(["rivet"]).unwrap();
        assert_eq!(
            Route::from_subprotocols(&none, "/connect", None).unwrap(),
            None
        );
        let wrong = Subprotocols::parse(["rivet,rivet_target.actor"]).unwrap();
        assert!(Route::from_subprotocols(&wrong, "/connect", None).is_err());
    }
}
